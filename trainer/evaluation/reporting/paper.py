"""The paper's tables and an audit of its improvement rows: recomputed from its own cells."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

VALUES = Path(__file__).with_name("paper_values.json")
LOWER_IS_BETTER = {"like_ratio", "view_count", "comments_ppl"}
# (table, improvement row, base row, new row): what the printed percentages divide by
IMPROVEMENTS = (
    ("1_lvu", "claimed_improvement_pct", "llama_vid+gpt35story", "behavior_llava+gpt35story"),
    ("2_hvu", "0shot/claimed_improvement_pct", "0shot/llama_vid", "0shot/behavior_llava"),
    ("2_hvu", "story/claimed_improvement_pct", "story/llama_vid", "story/behavior_llava"),
    ("3_videoqa", "claimed_improvement_pct", "llama_vid_13b", "behavior_llava_13b"),
    (
        "4_ads",
        "0shot/claimed_improvement_pct",
        "0shot/llama_vid_story",
        "0shot/behavior_llava_story",
    ),
    ("4_ads", "ft/claimed_improvement_pct", "ft/llama_vid_story", "ft/behavior_llava_story"),
    ("5_video_emotion", "0shot/claimed_improvement_pct", "0shot/llama_vid", "0shot/behavior_llava"),
    ("5_video_emotion", "ft/claimed_improvement_pct", "ft/llama_vid", "ft/behavior_llava"),
    ("6_image_emotion", "0shot/claimed_improvement_pct", "0shot/llama_vid", "0shot/behavior_llava"),
    ("6_image_emotion", "ft/claimed_improvement_pct", "ft/llama_vid", "ft/behavior_llava"),
    ("7_captioning", "claimed_improvement_pct", "llama_vid_13b", "behavior_llava_13b"),
    # "over LLaMA-Vid" in the caption, but these two rows divide by Henry
    ("8_memorability", "claimed_improvement_25", "henry_25", "behavior_llava_25"),
    ("8_memorability", "claimed_improvement_50", "henry_50", "behavior_llava_50"),
    ("8_memorability", "0shot/claimed_improvement_pct", "0shot/llama_vid", "0shot/behavior_llava"),
)
# a printed percentage within this many units of its last digit is a slip of rounding
LAST_DIGIT_UNITS = 2


@dataclass(frozen=True)
class Improvement:
    """One printed percentage. verdict: rounded, truncated, last digit, or wrong."""

    table: str
    row: str
    column: str
    printed: float
    recomputed: float
    verdict: str


@lru_cache(maxsize=1)
def paper_tables() -> dict[str, Any]:
    """Table key -> {columns, rows: {row: {column: value}}}."""
    tables: dict[str, Any] = json.loads(VALUES.read_text("utf-8"))["tables"]
    return tables


def improvement(base: float, new: float, column: str) -> float:
    """Percent gained over the base; for errors the part of the base that is gone."""
    change = (base - new) if column in LOWER_IS_BETTER else (new - base)
    return 100 * change / base


def audit() -> list[Improvement]:
    """Every printed improvement beside the one its own table gives."""
    found = []
    for table, row, base, new in IMPROVEMENTS:
        rows = paper_tables()[table]["rows"]
        for column, printed in rows[row].items():
            if printed is None:
                continue
            value = improvement(rows[base][column], rows[new][column], column)
            found.append(Improvement(table, row, column, printed, value, verdict(printed, value)))
    return found


def verdict(printed: float, recomputed: float) -> str:
    """How a printed percentage relates to the recomputed one."""
    digits = len(str(printed).partition(".")[2]) if isinstance(printed, float) else 0
    unit = 10.0**-digits
    if abs(recomputed - printed) <= unit / 2 + 1e-9:
        return "rounded"
    # toward zero, without the last bit of a division
    cut = int(recomputed / unit + (1e-9 if recomputed > 0 else -1e-9)) * unit
    if abs(cut - printed) < unit / 2:
        return "truncated"
    if digits >= 2 and abs(recomputed - printed) <= (LAST_DIGIT_UNITS + 0.5) * unit:
        return "last digit"
    return "wrong"
