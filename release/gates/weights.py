"""Weights: safetensors that open, are whole, agree with their index, and hold numbers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from release.gates.gate import Refusal, Subject

METADATA = {"format", "total_size", "producer", "library"}  # keys a header may hold
LARGEST_HEADER = 100 << 20
# numpy's name of each type with a sign and an exponent; bfloat16 and float8 are looked at as bits
EXPONENT = {
    "F64": ("<u8", 0x7FF0000000000000),
    "F32": ("<u4", 0x7F800000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
PIECE = 1 << 22  # bytes looked at together


def weights_are_sound(subject: Subject) -> Iterator[Refusal]:
    """Every weight file opens and is finite; an index names exactly what the shards hold."""
    paths = subject.having(".safetensors")
    if not paths:
        yield Refusal(".", "no .safetensors file", "save the model first (trainer/sft.py does)")
    tensors: dict[str, list[str]] = {}
    for path in paths:
        problem, names = _open(subject.folder / path)
        tensors[path] = names
        if problem is None:
            problem = non_finite(subject.folder / path)
        if problem:
            yield Refusal(path, problem, "save the model again with save_pretrained")
    yield from _index(subject, tensors)


def _open(path: Path) -> tuple[str | None, list[str]]:
    """What a strict reader says: cut, garbage, overlapping, holes, a tail, an absurd header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as opened:
            names, metadata = list(opened.keys()), opened.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        return f"does not open as safetensors ({str(error).splitlines()[0]})", []
    strange = sorted(set(metadata) - METADATA)
    if strange:
        return f"its header holds metadata {strange}, which nobody reviews", names
    return None, names


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Header of a safetensors file and where its data begin."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > LARGEST_HEADER:
            raise ValueError(f"{path}: a header of {size:,} bytes")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return header, 8 + size


def non_finite(path: Path) -> str | None:
    """The first tensor with NaN or Inf, by its bits: no tensor is held in memory whole."""
    header, start = read_header(path)
    with path.open("rb") as file:
        for name, entry in header.items():
            if entry["dtype"] not in EXPONENT:
                continue
            kind, mask = EXPONENT[entry["dtype"]]
            first, last = entry["data_offsets"]
            file.seek(start + first)
            for at in range(first, last, PIECE):
                bits = np.frombuffer(file.read(min(PIECE, last - at)), kind)
                if ((bits & mask) == mask).any():
                    return f"tensor {name} holds NaN or Inf"
    return None


def _index(subject: Subject, tensors: dict[str, list[str]]) -> Iterator[Refusal]:
    indexes = subject.having(".safetensors.index.json")
    loose = [path for path in tensors if "-of-" in path]
    if loose and not indexes:
        yield Refusal(loose[0], "a part of weights without an index", "save the model again")
    for path in indexes:
        folder = path.rpartition("/")[0]
        wanted = json.loads(subject.text(path)).get("weight_map", {})
        for name, part in sorted(wanted.items()):
            inside = f"{folder}/{part}" if folder else part
            if name not in tensors.get(inside, []):
                cause = f"says {name} is in {part}, which does not hold it"
                yield Refusal(path, cause, "save the model again")
        held = {name for part, names in tensors.items() if part in loose for name in names}
        for name in sorted(held - set(wanted)):
            yield Refusal(path, f"does not name {name}, which a part holds", "save it again")
