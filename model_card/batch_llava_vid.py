"""Rows of token ids to padded tensors, and the Q-Former's side of the batch."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from .media_pool_llava_vid import MediaPool
from .slots_llava_vid import LAYOUT
from .text_llava_vid import Piece, encode_piece

QFORMER_MAX_LENGTH = 256
OPTIONS = (
    *("padding", "padding_side", "pad_to_multiple_of", "max_length", "truncation"),
    *("video_fps", "max_frames", "allow_urls", "images", "videos", "joinable"),
    *("add_special_tokens", "return_mm_token_type_ids", "return_text_replacement_offsets"),
)
NESTED_OPTIONS = ("common_kwargs", "text_kwargs", "images_kwargs", "videos_kwargs")


def split_options(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of this processor (also inside the library's nested dicts), and everything else."""
    flat = dict(given)
    for name in NESTED_OPTIONS:
        flat.update(flat.pop(name, None) or {})
    if "fps" in flat:  # the library's name
        flat.setdefault("video_fps", flat.pop("fps"))
    options = {k: v for k, v in flat.items() if k in OPTIONS and v is not None}
    return options, {k: v for k, v in flat.items() if k not in OPTIONS}


def check_variables(variables: Iterable[str], template: str) -> None:
    """Raises ValueError for a misspelt option: one that the template does not use either."""
    for name in variables:
        meant = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.8)
        if meant and not re.search(rf"\b{re.escape(name)}\b", template):
            raise ValueError(f"option {name!r} is unknown: did you mean {meant[0]!r}?")


@dataclass
class Row:
    """One sample before padding. answer: 1 per assistant token; visual: number of placeholder
    tokens; slots: (kind, media index in the pool, index into prompts)."""

    ids: list[int] = field(default_factory=list)
    answer: list[int] = field(default_factory=list)
    visual: int = 0
    slots: list[tuple[str, int, int]] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RowCoder:
    """Pieces to token ids. `limit` cuts a row before placeholders are expanded, as the reference
    does; None never cuts."""

    tokenizer: Any
    tokens_per_frame: int
    limit: int | None = None

    def row(
        self,
        number: int,
        pieces: Sequence[Piece],
        sources: list[tuple[str, Any]],
        prompts: list[str],
        pool: MediaPool,
    ) -> Row:
        """One row; placeholder k takes source k, loaded through the pool, and prompt k."""
        media = [piece for piece in pieces if piece.kind in ("image", "video")]
        kinds = [piece.kind for piece in media if not piece.frame]
        if kinds != [kind for kind, _ in sources]:
            raise ValueError(
                f"row {number}: the chat template wrote placeholders {kinds} for media "
                f"{[kind for kind, _ in sources]}: it must write one for each, in order"
            )
        items = pool.place(number, sources)
        row, length = Row(prompts=prompts), 0
        for piece in pieces:
            ids, mask = self._piece_ids(piece)
            if self.limit is not None:
                ids, mask = ids[: self.limit - length], mask[: self.limit - length]
            length += len(ids)
            if ids and piece.kind in ("image", "video"):
                if not piece.frame:
                    row.slots.append((*items[len(row.slots)], len(row.slots)))
                frames = pool.frames(*row.slots[-1][:2]) if piece.frame is None else 1
                repeat = frames * self.tokens_per_frame
                row.visual += repeat
                ids, mask = ids * repeat, mask * repeat
            row.ids += ids
            row.answer += mask
        if len(row.slots) != len(items):
            raise ValueError(
                f"row {number}: truncation to {self.limit} tokens leaves {len(row.slots)} of "
                f"{len(items)} media placeholders: shorten the text or raise max_length"
            )
        return row

    def _piece_ids(self, piece: Piece) -> tuple[list[int], list[int]]:
        if piece.kind == "text":
            return encode_piece(piece, self.tokenizer)
        return [self.tokenizer.convert_tokens_to_ids(piece.text)], [int(bool(piece.answer))]


def check_budget(rows: Sequence[Row], budget: int | None) -> None:
    """Raises ValueError for a row with more tokens than `budget`: nothing is cut in silence."""
    for number, row in enumerate(rows):
        if budget is not None and len(row.ids) > budget:
            raise ValueError(
                f"row {number} has {len(row.ids)} tokens ({row.visual} visual, "
                f"{len(row.ids) - row.visual} text) but the budget is {budget}: shorten the text, "
                "lower max_frames or video_fps, or raise max_length"
            )


def text_columns(
    rows: Sequence[Row], tokenizer: Any, options: dict[str, Any], tensors: bool, with_answers: bool
) -> dict[str, Any]:
    """input_ids, attention_mask (and assistant_masks) [B, T], padded as the options say.

    T is the longest row, at least max_length with padding="max_length", rounded up to a multiple
    of pad_to_multiple_of. With padding=False rows stay as long as they are.
    """
    columns: dict[str, tuple[list[list[int]], int]] = {
        "input_ids": ([row.ids for row in rows], tokenizer.pad_token_id or 0),
        "attention_mask": ([[1] * len(row.ids) for row in rows], 0),
    }
    if with_answers:
        columns["assistant_masks"] = ([row.answer for row in rows], 0)
    return pad_columns(columns, tokenizer.padding_side, options, tensors)


def pad_columns(
    columns: dict[str, tuple[list[list[int]], int]],
    side: str,
    options: dict[str, Any],
    tensors: bool,
) -> dict[str, list[list[int]]]:
    """Columns of (rows, filler) with rows of one length, as `text_columns` says."""
    side = options.get("padding_side") or side
    if side not in ("left", "right"):
        raise ValueError(f"padding_side is {side!r}: expected 'left' or 'right'")
    padding, multiple = options.get("padding", True), options.get("pad_to_multiple_of") or 1
    lengths = [len(row) for row in columns["input_ids"][0]]
    least = (options.get("max_length") or 1) if padding == "max_length" else 1
    longest = -(-max(least, *lengths) // multiple) * multiple
    if padding is False:
        if tensors and len(set(lengths)) > 1:
            raise ValueError(
                f"padding is False but the rows have {lengths} tokens: a tensor needs equal rows; "
                "pass padding=True, or return_tensors=None for lists"
            )
        return {name: values for name, (values, _) in columns.items()}
    data = {}
    for name, (values, filler) in columns.items():
        gaps = [[filler] * (longest - len(value)) for value in values]
        pairs = zip(values, gaps, strict=True)
        data[name] = [g + v if side == "left" else v + g for v, g in pairs]
    return data


def prompt_tensors(
    rows: Sequence[Row], tokenizer: Any, full_length: bool = False
) -> dict[str, torch.Tensor]:
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
        padding="max_length" if full_length else True,
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


def media_layout(rows: int, data: dict[str, Any]) -> torch.Tensor:
    """[6], the counts that LAYOUT names: with it the model can tell joined rows apart."""
    counts = {
        "rows": rows,
        "images": len(data.get("pixel_values", ())),
        "videos": len(data.get("video_num_frames", ())),
        "prompts": len(data.get("qformer_input_ids", ())),
        **{f"{kind}_slots": len(data.get(f"{kind}_slots", ())) for kind in ("image", "video")},
    }
    return torch.tensor([counts[name] for name in LAYOUT])


__all__ = [
    "OPTIONS",
    "Row",
    "RowCoder",
    "check_budget",
    "check_variables",
    "media_layout",
    "pad_columns",
    "prompt_tensors",
    "split_options",
    "text_columns",
]
