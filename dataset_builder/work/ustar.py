"""Plain ustar members with fixed owner, mode and time: the same content gives the same bytes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Self

from dataset_builder.work.whole_files import whole_file

BLOCK = 512
END = bytes(2 * BLOCK)
MODE, OWNER, TIME = 0o644, 0, 0
NAME_BYTES = 100
LARGEST = 8**11 - 1
WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin, do not wait
STRETCH = 32 << 20
BATCH_BYTES, BATCH_BLOCKS = 1 << 21, 512  # below the kernel's limit of 1024 blocks


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
    size = 0
    with Hasher() as hasher, whole_file(path) as file:
        writeback = Writeback(file.fileno())
        for batch in _batches(_tar_blocks(members)):
            hasher.update(batch)
            size += _write_all(file.fileno(), batch)
            writeback.grown_to(size)
    return size, hasher.hexdigest()


class Hasher:
    """SHA-256 in a thread of its own, so that hashing and writing take turns on nothing."""

    def __enter__(self) -> Self:
        self._digest = hashlib.sha256()
        self._blocks: queue.Queue[list[bytes] | None] = queue.Queue(maxsize=8)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._blocks.put(None)
        self._thread.join()

    def update(self, blocks: list[bytes]) -> None:
        self._blocks.put(blocks)

    def hexdigest(self) -> str:
        """The digest; call after the `with` block."""
        return self._digest.hexdigest()

    def _run(self) -> None:
        while (blocks := self._blocks.get()) is not None:
            # one call: each costs a turn of the interpreter lock, dear where cores are busy
            self._digest.update(b"".join(blocks))


def _batches(blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The same bytes in lists that are worth a system call and a hasher's turn."""
    batch: list[bytes] = []
    size = 0
    for block in blocks:
        batch.append(block)
        size += len(block)
        if size >= BATCH_BYTES or len(batch) == BATCH_BLOCKS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _write_all(descriptor: int, blocks: list[bytes]) -> int:
    """Write the blocks without joining them first; returns how many bytes that were."""
    total = sum(len(block) for block in blocks)
    written = os.writev(descriptor, blocks)
    if written < total:  # a signal, or a disk that is nearly full: the rest says which
        rest = memoryview(b"".join(blocks))[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return total


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


@lru_cache(maxsize=1)
def _system_call() -> Any:
    """libc's sync_file_range, or None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return call


class Writeback:
    """Follows the growth of an open file; only ever a hint, so failures mean nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = 0

    def grown_to(self, size: int) -> None:
        """Begin writing what has been added, a stretch at a time."""
        call = _system_call()
        if call is not None and size - self._begun >= STRETCH:
            call(self._descriptor, self._begun, size - self._begun, WRITE)
            self._begun = size
