"""Where a LLaMA-VID checkpoint's tensors are: shards, stage-1 adapter and base, tower file."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .config import read_json
from .files import Source, list_tensors, open_shard, shard_files
from .names import VISION

ADAPTER = "mm_projector.bin"


@dataclass(frozen=True)
class Request:
    """What to convert, from where. Paths left None are searched beside the source folder.

    max_file_bytes: size of an output file, and of what is held in memory where types change.
    """

    source: Path
    out: Path
    base: Path | None = None
    vision_tower: Path | None = None
    bert: str | None = None
    vision_heads: int | None = None
    qformer_heads: int | None = None
    dtype: torch.dtype | None = None
    max_file_bytes: int = 10**9


def find_beside(source: Path, names: Iterable[str]) -> Path | None:
    """The first of the relative paths that exists under the working directory, the source folder,
    its parent, or the parent's `pretrained`: configs of released folders hold relative paths."""
    for name in names:
        for root in (Path(), source, source.parent, source.parent / "pretrained"):
            if name and (root / name).exists():
                return root / name
    return None


def source_tensors(request: Request, config: dict[str, Any]) -> list[Source]:
    """All tensors of the checkpoint: stage 2/3 shards, or stage-1 adapter + base + tower file."""
    adapter = request.source / ADAPTER
    if adapter.is_file():
        if request.base is None:
            raise ValueError(f"{request.source} is a stage-1 adapter: give --base, its Vicuna")
        files = [adapter, *shard_files(request.base)]
    else:
        files = shard_files(request.source)
    tensors = list_tensors(files)
    if any(tensor.name.startswith(VISION) for tensor in tensors):
        return tensors
    wanted = str(config.get("mm_vision_tower") or "")
    tower = request.vision_tower or find_beside(request.source, (wanted, Path(wanted).name))
    if tower is None:
        raise ValueError(
            f"{request.source} holds no vision tower and {wanted!r} is not found: give "
            "--vision-tower eva_vit_g.pth"
        )
    extra = list_tensors([tower], rename=lambda name: VISION + name)
    positions = image_positions(request.source, config)
    return tensors + [
        replace(tensor, shape=(1, positions, tensor.shape[2]))
        if positions and tensor.name == VISION + "pos_embed"
        else tensor
        for tensor in extra
    ]


def image_positions(source: Path, config: dict[str, Any]) -> int | None:
    """Positions (patches of 14 pixels + CLS) of the image size that config.json's processor names:
    a tower file holds 224 pixels' worth and is resized for 336-pixel models."""
    named = str(config.get("image_processor") or "")
    size = re.search(r"(\d+)$", named)
    folder = find_beside(source, (named,)) if named else None
    if folder is not None and (folder / "preprocessor_config.json").is_file():
        crop = read_json(folder / "preprocessor_config.json")["crop_size"]
        return (int(crop["height"] if isinstance(crop, dict) else crop) // 14) ** 2 + 1
    return (int(size[1]) // 14) ** 2 + 1 if size else None


def resized_positions(tensor: torch.Tensor, positions: int) -> torch.Tensor:
    """Position table [1, 1+n, C] resized to `positions` (bicubic in float32, CLS row untouched)."""
    old, new = math.isqrt(tensor.shape[1] - 1), math.isqrt(positions - 1)
    grid = tensor[:, 1:].float().unflatten(1, (old, old)).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(
        grid, size=(new, new), mode="bicubic", align_corners=False
    )
    grid = grid.permute(0, 2, 3, 1).flatten(1, 2)
    return torch.cat([tensor[:, :1].float(), grid], dim=1).to(tensor.dtype)


def read_source(source: Source, shard: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A source's tensor from its open file; a tower file holds bare names."""
    name = source.name if source.name in shard else source.name.removeprefix(VISION)
    tensor = shard[name]
    # Only the position table of a tower file is ever resized.
    return (
        tensor
        if tuple(tensor.shape) == source.shape
        else resized_positions(tensor, source.shape[1])
    )


def source_reader(request: Request, config: dict[str, Any]) -> Callable[[str], torch.Tensor]:
    """Source tensors by their own names, in float32."""
    sources = {source.name: source for source in source_tensors(request, config)}
    shards = {source.file: open_shard(source.file) for source in sources.values()}

    def get(name: str) -> torch.Tensor:
        return read_source(sources[name], shards[sources[name].file]).float()

    return get


__all__ = ["Request", "find_beside", "read_source", "source_reader", "source_tensors"]
