"""Rows of token ids to padded tensors, and the Q-Former's side of the batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

QFORMER_MAX_LENGTH = 256


@dataclass
class Row:
    """One sample before padding. answer: 1 per assistant token; visual: number of placeholder
    tokens; slots: (kind, media index in the pool, index into prompts)."""

    ids: list[int] = field(default_factory=list)
    answer: list[int] = field(default_factory=list)
    visual: int = 0
    slots: list[tuple[str, int, int]] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)


def check_budget(rows: Sequence[Row], budget: int | None) -> None:
    """Raises ValueError for a row with more tokens than `budget`: nothing is cut in silence."""
    for number, row in enumerate(rows):
        if budget is not None and len(row.ids) > budget:
            raise ValueError(
                f"row {number} has {len(row.ids)} tokens ({row.visual} visual, "
                f"{len(row.ids) - row.visual} text) but the budget is {budget}: shorten the text, "
                "lower max_frames or video_fps, or raise max_length"
            )


def padded(
    rows: Sequence[Row], pad_id: int, side: str, multiple: int, least: int, with_answers: bool
) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask (and assistant_masks) [B, T], padded on `side`.

    T is the longest row, at least `least`, rounded up to a multiple of `multiple`.
    """
    if side not in ("left", "right"):
        raise ValueError(f"padding_side is {side!r}: expected 'left' or 'right'")
    longest = max(least, *(len(row.ids) for row in rows))
    longest = -(-longest // multiple) * multiple
    columns: dict[str, tuple[list[list[int]], int]] = {
        "input_ids": ([row.ids for row in rows], pad_id),
        "attention_mask": ([[1] * len(row.ids) for row in rows], 0),
    }
    if with_answers:
        columns["assistant_masks"] = ([row.answer for row in rows], 0)
    data = {}
    for name, (values, filler) in columns.items():
        gaps = [[filler] * (longest - len(value)) for value in values]
        pairs = zip(values, gaps, strict=True)
        data[name] = torch.tensor([g + v if side == "left" else v + g for v, g in pairs])
    return data


def prompt_tensors(rows: Sequence[Row], tokenizer: Any) -> dict[str, torch.Tensor]:
    """Q-Former ids and mask (one line per different prompt) and the slots of both kinds.

    image_slots, video_slots: [slots, 3] = (batch row, media, prompt), in reading order.
    """
    lines: dict[str, int] = {}
    slots: dict[str, list[tuple[int, int, int]]] = {"image": [], "video": []}
    for number, row in enumerate(rows):
        for kind, media, prompt in row.slots:
            line = lines.setdefault(row.prompts[prompt], len(lines))
            slots[kind].append((number, media, line))
    if not lines:
        return {}
    # The tokenizer cuts on the left: the tail of a long question is what asks.
    encoded = tokenizer(
        list(lines),
        padding=True,
        padding_side="right",
        truncation=True,
        max_length=QFORMER_MAX_LENGTH,
        split_special_tokens=True,
        return_tensors="pt",
    )
    data = {f"{kind}_slots": torch.tensor(found) for kind, found in slots.items() if found}
    data["qformer_input_ids"] = encoded["input_ids"]
    data["qformer_attention_mask"] = encoded["attention_mask"]
    return data


__all__ = ["Row", "check_budget", "padded", "prompt_tensors"]
