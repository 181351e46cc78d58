"""Which visual tokens stand at which placeholder: slots of (row, media, prompt)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

# What a processor call made, in this order: its `media_layout`, [6]
LAYOUT = ("rows", "images", "videos", "prompts", "image_slots", "video_slots")
JOIN = (
    "join rows that were processed alone with processor.pad(rows), or process them with "
    "joinable=True, which every collator can concatenate"
)


class Slot(NamedTuple):
    """One placeholder: the batch row it stands in, its media item, its row of Q-Former text."""

    row: int
    media: int
    prompt: int


def resolve_slots(slots: torch.Tensor | None, media: int, prompts: int, kind: str) -> list[Slot]:
    """Slots as tuples, checked against the number of media items and prompts.

    Without slots: item k with prompt k; one item with all prompts; one prompt with all items.
    """
    if slots is None:
        if media != prompts and 1 not in (media, prompts):
            raise ValueError(
                f"{media} {kind}s and {prompts} prompts came without {kind}_slots: equal numbers "
                f"pair up, one goes with many; otherwise give {kind}_slots (row, {kind}, prompt)"
            )
        count = max(media, prompts)
        return [Slot(k, min(k, media - 1), min(k, prompts - 1)) for k in range(count)]
    found = [Slot(*slot) for slot in slots.tolist()]
    for slot in found:
        if not (0 <= slot.media < media and 0 <= slot.prompt < prompts):
            raise ValueError(
                f"{kind}_slots names {kind} {slot.media} and prompt {slot.prompt} but the batch "
                f"holds {media} {kind}s and {prompts} prompts"
            )
    return found


def batch_slots(slots: torch.Tensor, layout: torch.Tensor | None, kind: str) -> torch.Tensor:
    """Slots [slots, 3] of the whole batch, also where rows were processed alone and then joined.

    layout: per processor call the six counts of LAYOUT; several calls' worth means that a collator
    joined their results, whose slots start from 0 each.
    """
    slots = slots.reshape(-1, 3)
    if layout is None or layout.numel() <= len(LAYOUT):
        return slots
    calls = layout.reshape(-1, len(LAYOUT))
    counts = calls[:, LAYOUT.index(f"{kind}_slots")]
    wanted = [LAYOUT.index(name) for name in ("rows", f"{kind}s", "prompts")]
    before = calls.cumsum(0)[:, wanted] - calls[:, wanted]
    return slots + before.repeat_interleave(counts, dim=0).to(slots)


def joined_prompts(
    ids: torch.Tensor, mask: torch.Tensor | None, layout: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Q-Former text and mask [prompts, L], padded on the right whoever joined the rows.

    Raises ValueError where a collator lost some of them.
    """
    if isinstance(ids, (list, tuple)):  # one line per item, as engines hold them
        ids = torch.nn.utils.rnn.pad_sequence([line.flatten() for line in ids], batch_first=True)
        if mask is not None:
            lines = [line.flatten() for line in mask]
            mask = torch.nn.utils.rnn.pad_sequence(lines, batch_first=True)
    ids = ids.flatten(0, -2)
    mask = torch.ones_like(ids) if mask is None else mask.flatten(0, -2)
    if layout is None or layout.numel() <= len(LAYOUT):
        return ids, mask
    expected = int(layout.reshape(-1, len(LAYOUT))[:, LAYOUT.index("prompts")].sum())
    if expected != len(ids):
        raise ValueError(f"the rows have {expected} Q-Former texts but {len(ids)} arrived: {JOIN}")
    # A collator pads on the language model's side; the Q-Former counts positions from the left.
    order = mask.argsort(dim=1, descending=True, stable=True)
    return ids.gather(1, order), mask.gather(1, order)


def rows_of(
    tokens: Sequence[torch.Tensor], mask: torch.Tensor, rows: Sequence[int] | None = None
) -> list[int]:
    """The batch row of each slot; where it is not known, by filling the placeholders in order."""
    if rows is not None:
        return list(rows)
    ends = mask.sum(dim=1).cumsum(0).tolist()
    starts = [sum(map(len, tokens[:k])) for k in range(len(tokens))]
    return [sum(start >= end for end in ends) for start in starts]


def row_totals(
    tokens: Sequence[torch.Tensor], rows: Sequence[int], mask: torch.Tensor, kind: str
) -> list[int]:
    """Visual tokens per batch row. Raises ValueError for a row that the batch does not have."""
    totals = [0] * len(mask)
    for row, found in zip(rows, tokens, strict=True):
        if not 0 <= row < len(mask):
            raise ValueError(f"{kind}_slots names row {row} but the batch has {len(mask)} rows")
        totals[row] += len(found)
    return totals


def mismatch(kind: str, mask: torch.Tensor, slots: int, count: int, totals: Any = None) -> str:
    """What to say where placeholders (True in `mask`) and visual tokens do not match."""
    expected = mask.sum(dim=1).tolist()
    for row, (wanted, given) in enumerate(zip(expected, totals or [], strict=False)):
        if wanted != given and sum(expected) == count:
            return (
                f"row {row} has {wanted} {kind} placeholder tokens but its {kind}_slots give "
                f"{given} visual tokens: let the processor make both"
            )
    return (
        f"the text has {sum(expected)} {kind} placeholder tokens but {slots} {kind} slots give "
        f"{count} visual tokens: let the processor expand placeholders and give every placeholder "
        "its media"
    )


def last_tokens(
    tokens: Sequence[torch.Tensor], rows: Sequence[int], mask: torch.Tensor
) -> tuple[list[torch.Tensor], list[int]]:
    """Per batch row the visual tokens of its last placeholders (True in `mask`), and those rows:
    what a text needs whose beginning is in a cache already."""
    found = []
    for row, wanted in enumerate(mask.sum(dim=1).tolist()):
        mine = [part for part, at in zip(tokens, rows, strict=True) if at == row]
        if wanted:
            found.append((torch.cat(mine)[-wanted:] if mine else tokens[0][:0], row))
    return [part for part, _ in found], [row for _, row in found]


def media_lengths(
    videos: torch.Tensor | None, num_frames: torch.Tensor | None, are_features: bool = False
) -> tuple[torch.Tensor, list[int]]:
    """Frames (or features) of all videos along dimension 0, and how many belong to each video.

    are_features settles what [3, 3, …] is: three channels of a frame, or three frames.
    """
    if videos is None:
        raise ValueError("no video given: expected pixel_values_videos or video_features")
    lengths = [len(videos)]
    if videos.ndim == 5 or (videos.ndim == 4 and (are_features or videos.shape[1] != 3)):
        # [videos, frames, 3, H, W] or features [videos, frames, N, C]
        lengths = [videos.shape[1]] * videos.shape[0]
        videos = videos.flatten(0, 1)
    # A lone video's frames are all there are: compiled code need not wait to read their number.
    lone = num_frames is None or (num_frames.numel() == 1 and torch.compiler.is_compiling())
    if not lone:
        lengths = torch.as_tensor(num_frames).flatten().tolist()
    if sum(lengths) != len(videos) or min(lengths, default=0) < 1:
        raise ValueError(
            f"video_num_frames is {lengths} (sum {sum(lengths)}) but there are {len(videos)} "
            f"frames: expected positive numbers with that sum; {JOIN}"
        )
    return videos, lengths


__all__ = [
    "LAYOUT",
    "Slot",
    "batch_slots",
    "joined_prompts",
    "last_tokens",
    "media_lengths",
    "mismatch",
    "resolve_slots",
    "row_totals",
    "rows_of",
]
