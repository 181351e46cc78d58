"""Samples of a local shard: a strict reader that is faster than the tolerant ones."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from dataset_builder.work.ustar import BLOCK, checked_size


def read_samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, extension -> bytes) of every sample, in order.

    Raises ValueError, naming the byte, where a header is damaged or the file stops early: readers
    that go by `tarfile` end there silently, with fewer samples.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        key: str | None = None
        members: dict[str, bytes] = {}
        at, end = 0, len(data)
        while True:
            block = data[at : at + BLOCK]
            if len(block) < BLOCK:
                raise ValueError(f"{path}: no end mark, the file stops at byte {end}")
            if not block[0]:
                break
            size = checked_size(block, at)
            if at + BLOCK + size > end:
                raise ValueError(f"{path}: the member at byte {at} is cut off")
            stem, _, extension = block[: block.index(0)].decode("ascii").partition(".")
            if stem != key:
                if key is not None:
                    yield key, members
                key, members = stem, {}
            members[extension] = data[at + BLOCK : at + BLOCK + size]
            at += BLOCK + size + -size % BLOCK
        if key is not None:
            yield key, members
