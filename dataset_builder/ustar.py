"""Plain ustar members with fixed owner, mode and time: the same content gives the same bytes."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from dataset_builder.atomic import atomic_file

BLOCK = 512
END = bytes(2 * BLOCK)
MODE, OWNER, TIME = 0o644, 0, 0
NAME_BYTES = 100
LARGEST = 8**11 - 1
SMALL = 1 << 15


@dataclass(frozen=True)
class Member:
    """A member of a tar file: its name and where its content lies."""

    name: str
    offset: int
    size: int


def header(name: str, size: int) -> bytes:
    """The 512-byte header of a regular file. Raises ValueError for what ustar cannot hold."""
    encoded = name.encode("ascii", "strict")
    if not 0 < len(encoded) <= NAME_BYTES or size > LARGEST:
        raise ValueError(
            f"member {name!r} of {size} bytes: expected a name of 1 to {NAME_BYTES} ASCII "
            f"characters and at most {LARGEST} bytes"
        )
    fields = (
        encoded.ljust(100, b"\0"),
        b"%07o\0" % MODE,
        b"%07o\0" % OWNER,
        b"%07o\0" % OWNER,
        b"%011o\0" % size,
        b"%011o\0" % TIME,
        b" " * 8,  # the checksum is taken over spaces
        b"0",
        bytes(100),
        b"ustar\x0000",
        bytes(247),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> bytes:
    """Zeros up to the next block."""
    return bytes(-size % BLOCK)


def write_tar(members: Iterable[tuple[str, int, Iterator[bytes]]], path: Path) -> tuple[int, str]:
    """Write (name, size, blocks) members as a tar; returns its bytes and sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with Hasher() as hasher, atomic_file(path) as file:
        for block in _worthwhile(_tar_blocks(members)):
            hasher.update(block)
            file.write(block)
            size += len(block)
    return size, hasher.hexdigest()


class Hasher:
    """SHA-256 in a thread of its own, so that hashing and writing take turns on nothing."""

    def __enter__(self) -> Self:
        self._digest = hashlib.sha256()
        self._blocks: queue.Queue[bytes | None] = queue.Queue(maxsize=8)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._blocks.put(None)
        self._thread.join()

    def update(self, block: bytes) -> None:
        self._blocks.put(block)

    def hexdigest(self) -> str:
        """The digest; call after the `with` block."""
        return self._digest.hexdigest()

    def _run(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._digest.update(block)


def _worthwhile(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, small pieces gathered: each is worth a system call and a hasher's turn."""
    small: list[bytes] = []
    for block in blocks:
        if len(block) < SMALL and len(small) < SMALL:
            small.append(block)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield block
    yield b"".join(small)


def read_members(file: BinaryIO) -> Iterator[Member]:
    """Members of a tar of regular ustar files. Raises ValueError at anything else, by offset.

    Strict on purpose: common readers stop silently at a damaged header and return fewer samples.
    """
    file.seek(0, 2)
    end = file.tell()
    at = 0
    while True:
        file.seek(at)
        block = file.read(BLOCK)
        if block == bytes(BLOCK):
            rest = file.read()
            if len(rest) < BLOCK or rest.strip(b"\0"):
                raise ValueError(f"data after the end mark at byte {at}")
            return
        if len(block) < BLOCK:
            raise ValueError(f"no end mark: the file stops at byte {end}")
        size = checked_size(block, at)
        name = block[:100].rstrip(b"\0").decode("ascii")
        if at + BLOCK + size > end:
            raise ValueError(f"member {name!r} at byte {at} is cut off")
        yield Member(name, at + BLOCK, size)
        at += BLOCK + size + -size % BLOCK


def _tar_blocks(members: Iterable[tuple[str, int, Iterator[bytes]]]) -> Iterator[bytes]:
    for name, size, blocks in members:
        yield header(name, size)
        yield from blocks
        yield padding(size)
    yield END


def checked_size(block: bytes, at: int) -> int:
    """The size in a header block read at byte `at`; ValueError unless the header is whole."""
    fields = [block[148:156].strip(b"\0 "), block[124:136].strip(b"\0 ")]
    if not all(field.isdigit() for field in fields):  # a sign or a binary size
        raise ValueError(f"no tar header at byte {at}")
    try:
        stated, size = (int(field, 8) for field in fields)
    except ValueError as error:
        raise ValueError(f"no tar header at byte {at}") from error
    if stated != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        raise ValueError(f"damaged tar header at byte {at} (checksum)")
    if block[156:157] not in (b"0", b"\0"):
        raise ValueError(f"member of type {block[156:157]!r} at byte {at}; expected regular files")
    return size
