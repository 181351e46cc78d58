"""Which visual tokens stand at which placeholder: slots of (row, media, prompt)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch


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


def expand_slots(slots: Sequence[Slot], expand_size: int) -> torch.Tensor:
    """Slots [slots * expand_size, 3] of a batch whose rows are repeated in place."""
    expanded = [
        (slot.row * expand_size + copy, slot.media, slot.prompt)
        for slot in slots
        for copy in range(expand_size)
    ]
    # Visual tokens fill placeholders in reading order: all slots of a row stay together. The sort
    # is stable, so a row's own slots keep their order.
    return torch.tensor(sorted(expanded, key=lambda slot: slot[0]))


def in_reading_order(
    tokens: Sequence[torch.Tensor], slots: torch.Tensor | None, mask: torch.Tensor, kind: str
) -> list[torch.Tensor]:
    """Visual tokens per slot in the order of their batch rows; mask [B, T] marks placeholders.

    Raises ValueError where a row has other numbers of placeholders and tokens.
    """
    if slots is None:
        return list(tokens)
    rows = slots[:, 0].tolist()
    order = sorted(range(len(rows)), key=rows.__getitem__)  # stable: a row's slots keep theirs
    given = [0] * len(mask)
    for row, found in zip(rows, tokens, strict=True):
        if not 0 <= row < len(mask):
            raise ValueError(f"{kind}_slots names row {row} but the batch has {len(mask)} rows")
        given[row] += len(found)
    for row, expected in enumerate(mask.sum(dim=1).tolist()):
        if expected != given[row]:
            raise ValueError(
                f"row {row} has {expected} {kind} placeholder tokens but its {kind}_slots give "
                f"{given[row]} visual tokens: let the processor make both"
            )
    return [tokens[at] for at in order]


def media_lengths(
    videos: torch.Tensor | None, num_frames: torch.Tensor | None, are_features: bool = False
) -> tuple[torch.Tensor, list[int]]:
    """Frames (or features) of all videos along dimension 0, and how many belong to each video.

    are_features settles what [3, 3, …] is: three channels of a frame, or three frames.
    """
    if videos is None:
        raise ValueError("no video given: expected pixel_values_videos or video_features")
    if videos.ndim == 5 or (videos.ndim == 4 and (are_features or videos.shape[1] != 3)):
        # [videos, frames, 3, H, W] or features [videos, frames, N, C]
        lengths = [videos.shape[1]] * videos.shape[0]
        return videos.flatten(0, 1), lengths
    lengths = [len(videos)] if num_frames is None else num_frames.tolist()
    if sum(lengths) != len(videos) or min(lengths, default=0) < 1:
        raise ValueError(
            f"video_num_frames is {lengths} (sum {sum(lengths)}) but there are {len(videos)} "
            "frames: expected positive numbers with that sum"
        )
    return videos, lengths


__all__ = ["Slot", "expand_slots", "in_reading_order", "media_lengths", "resolve_slots"]
