"""Reading sharded PyTorch checkpoints, mapped into memory where the format allows."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open


@dataclass(frozen=True)
class Source:
    """One tensor of a checkpoint file."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: torch.dtype


def open_shard(path: Path) -> Mapping[str, torch.Tensor]:
    """Tensors of one file, mapped into memory rather than read where the format allows.

    `.bin` and `.pth` are loaded with weights_only=True: a checkpoint is data, never code.
    """
    if path.suffix == ".safetensors":
        handle = safe_open(str(path), framework="pt")
        return _LazyTensors(handle)
    loaded = _load_tensors(path)
    if isinstance(loaded, dict) and isinstance(loaded.get("model"), dict):
        loaded = loaded["model"]
    if not isinstance(loaded, dict) or not all(
        isinstance(v, torch.Tensor) for v in loaded.values()
    ):
        raise ValueError(f"{path} is not a dict of tensors: expected a PyTorch state dict")
    return loaded


def _load_tensors(path: Path) -> Any:
    try:
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except (RuntimeError, OSError):  # the old, non-zip format cannot be mapped
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a dozen kinds for damaged files; what is damaged stays unread
        raise ValueError(
            f"{path} is not a plain PyTorch state dict (unsupported or damaged: "
            f"{first_line(error)[:120]}): expected tensors only; code in a checkpoint is "
            "never run"
        ) from error


def first_line(error: BaseException) -> str:
    """What an error says, in one line, after its kind."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}".rstrip(": ")


class _LazyTensors(Mapping[str, torch.Tensor]):
    """A safetensors file as a mapping; tensors are read when they are asked for."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._names = list(handle.keys())

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._handle.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def shard_files(folder: Path) -> list[Path]:
    """Weight files of a model folder, in order. Raises ValueError where the index names one that
    is not there, or where there is none."""
    for pattern, single in (
        ("pytorch_model.bin.index.json", "pytorch_model.bin"),
        ("model.safetensors.index.json", "model.safetensors"),
    ):
        index = folder / pattern
        if index.is_file():
            names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            outside = sorted({str(name) for name in names if Path(name).name != name})
            if outside:
                raise ValueError(f"{index.name} names {outside}: expected files of {folder} itself")
            files = [folder / name for name in sorted(set(names))]
            missing = [file.name for file in files if not file.is_file()]
            if missing:
                raise ValueError(f"{index.name} names {missing} but {folder} does not hold them")
            return files
        if (folder / single).is_file():
            return [folder / single]
    raise ValueError(
        f"{folder} holds no weights: expected pytorch_model*.bin or model*.safetensors"
    )


def list_tensors(files: Sequence[Path], rename: Callable[[str], str] = str) -> list[Source]:
    """Names, shapes and types of all tensors; `rename` turns a file's names into checkpoint names.

    Raises ValueError for a name that occurs twice.
    """
    found: dict[str, Source] = {}
    for file in files:
        shard = open_shard(file)
        for key in shard:
            name, tensor = rename(key), shard[key]
            if name in found:
                raise ValueError(
                    f"tensor {name!r} is in {found[name].file.name} and {file.name}: expected once"
                )
            found[name] = Source(name, file, tuple(tensor.shape), tensor.dtype)
    return list(found.values())


__all__ = ["Source", "first_line", "list_tensors", "open_shard", "shard_files"]
