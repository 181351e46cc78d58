"""Rows that were processed alone, joined to one batch: what collators of third parties need."""

from collections.abc import Mapping
from typing import Any

import torch

from .batch_llava_vid import media_layout, pad_columns
from .slots_llava_vid import batch_slots

FILLERS = {"labels": -100}  # other columns of the text are filled with 0
# Media columns, with the dimensions that they have where nobody squeezed a lone row
MEDIA = {
    **{"pixel_values": (4,), "pixel_values_videos": (2, 4), "video_features": (3,)},
    **{"video_num_frames": (1,), "image_slots": (2,), "video_slots": (2,), "media_layout": (1,)},
    **{"qformer_input_ids": (2,), "qformer_attention_mask": (2,)},
}


def joined(given: Any, tokenizer: Any, options: dict[str, Any]) -> dict[str, Any]:
    """One batch of processed rows; see `LlavaVidProcessor.pad`.

    Raises ValueError for no rows, and for a column that some rows have and others lack.
    """
    if isinstance(given, Mapping):
        given = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]
    if not given:
        raise ValueError("0 rows to pad: expected at least one")
    parts = [_restored(row) for row in given]
    data = {**_texts(parts, tokenizer, options), **_media(parts)}
    for name in dict.fromkeys(key for part in parts for key in part):
        if name in data or name in MEDIA:
            continue
        values = [part.get(name) for part in parts]
        if any(value is None for value in values):
            raise ValueError(f"column {name!r} is missing in {values.count(None)} of the rows")
        tensors = all(isinstance(value, torch.Tensor) for value in values)
        data[name] = torch.cat(values) if tensors else values
    if options.get("return_tensors", "pt") is None:
        return {k: v.tolist() if isinstance(v, torch.Tensor) else v for k, v in data.items()}
    return data


def _restored(row: Mapping[str, Any]) -> dict[str, Any]:
    """A processed row with tensors for lists, and the dimensions that a squeeze took."""
    part = {"attention_mask": torch.ones_like(torch.as_tensor(row["input_ids"])), **row}
    shape = torch.as_tensor(row["input_ids"]).shape
    for name, value in part.items():
        if name in MEDIA:
            value = torch.as_tensor(value)
            if value.ndim > max(MEDIA[name]):
                value = value.flatten(0, 1)
            part[name] = value if value.ndim in MEDIA[name] else value[None]
            continue
        if isinstance(value, list) and len(value) == len(row["input_ids"]):
            value = part[name] = torch.as_tensor(value)
        if isinstance(value, torch.Tensor) and value.shape == shape and len(shape) == 1:
            part[name] = value[None]
    return part


def _texts(
    parts: list[dict[str, Any]], tokenizer: Any, options: dict[str, Any]
) -> dict[str, torch.Tensor]:
    columns = {}
    for name in parts[0]:
        values: list[Any] = [part.get(name) for part in parts]
        like_ids = [
            isinstance(value, torch.Tensor) and value.shape == part["input_ids"].shape
            for value, part in zip(values, parts, strict=True)
        ]
        if all(like_ids) and name not in MEDIA:
            filler = (tokenizer.pad_token_id or 0) if name == "input_ids" else FILLERS.get(name, 0)
            columns[name] = ([line for value in values for line in value.tolist()], filler)
    tensors = options.get("return_tensors", "pt") is not None
    padded = pad_columns(columns, tokenizer.padding_side, options, tensors)
    return {name: torch.tensor(column) if tensors else column for name, column in padded.items()}


def _media(parts: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    layout = torch.stack([media_layout(len(part["input_ids"]), part) for part in parts])
    data: dict[str, torch.Tensor] = {}
    for name in MEDIA:
        values = [part[name] for part in parts if name in part]
        if not values:
            continue
        if name.startswith("qformer"):  # on the right, whatever the language model's side is
            width = max(value.shape[1] for value in values)
            pad = torch.nn.functional.pad
            values = [pad(value, (0, width - value.shape[1])) for value in values]
        data[name] = torch.cat(values)
    for kind in ("image", "video"):
        if f"{kind}_slots" in data:
            data[f"{kind}_slots"] = batch_slots(data[f"{kind}_slots"], layout, kind)
    if data:
        data["media_layout"] = layout.sum(dim=0)
    return data


__all__ = ["joined"]
