"""Checked decompression: bytes of .zst, .gz and plain files, with every frame's end verified.

A cut file never looks like a shorter one: zstd and gzip streams must end where a frame ends.
Output is budgeted, because a frame of a few bytes may state gigabytes (reliability C4).
"""

import os
import queue
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
import zstandard

from dataset_builder.errors import DamagedInput
from dataset_builder.settings import Settings

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
NEWLINE = 10
BOM = b"\xef\xbb\xbf"
MAX_WINDOW = 2**31  # dumps are written with `zstd --long=31`
# Small feeds bound what one call can return: 4 bytes may stand for 128 KiB.
FEED = 8192
PLAIN_FEED = 1 << 20
FREE_BYTES = 64 << 20  # ratios mean nothing for small files


@dataclass(frozen=True)
class Budget:
    """How much a file may expand: decompressed/compressed ratio and absolute bytes."""

    ratio: float
    total: float
    line: int

    @classmethod
    def of(cls, settings: Settings) -> "Budget":
        """The limits of `settings.build`; null means no limit."""
        build = settings.build
        return cls(
            ratio=float(build.max_ratio or "inf"),
            total=float(build.max_input_gb or "inf") * 2**30,
            line=int(float(build.max_line_mb or 1024) * 2**20),
        )


class _Meter:
    """Counts bytes in and out of one file and stops a decompression bomb."""

    def __init__(self, path: Path, budget: Budget, used: list[int] | None) -> None:
        self.path, self.budget, self.used = path, budget, used
        self.read = 0
        self.written = 0

    def out(self, data: bytes) -> bytes:
        self.written += len(data)
        if self.used is not None:
            self.used[:] = [self.read]
        limit = min(self.budget.total, max(FREE_BYTES, self.budget.ratio * self.read))
        if self.written > limit:
            raise DamagedInput(
                f"{self.path}: expands to more than {int(limit):,} bytes at offset {self.read:,} "
                "of the file; if it is meant to, raise build.max_ratio or build.max_input_gb"
            )
        return data

    def cut(self, what: str) -> DamagedInput:
        return DamagedInput(
            f"{self.path}: {what} at offset {self.read:,} of the file "
            f"(after {self.written:,} decompressed bytes); the file is cut or damaged: "
            "fetch it again or compare its checksum"
        )


def window_bytes(path: Path) -> int:
    """Memory one decoder of this file takes: the window of its first zstd frame, else 0."""
    with path.open("rb") as file:
        head = file.read(18)
        while len(head) >= 8 and _is_skippable(head[:4]):
            file.seek(file.tell() - len(head) + 8 + struct.unpack("<I", head[4:8])[0])
            head = file.read(18)
    if head[:4] != ZSTD_MAGIC:
        return 0
    try:
        return int(zstandard.get_frame_parameters(head).window_size)
    except zstandard.ZstdError:
        return 0


def decompressed(path: Path, budget: Budget, used: list[int] | None = None) -> Iterator[bytes]:
    """Decompressed chunks of the file, chosen by its first bytes, not its name.

    `used`, where given, always holds one number: the bytes of the file read so far.
    Raises DamagedInput, with file and offset, for a cut, corrupt or exploding file.
    """
    meter = _Meter(path, budget, used)
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(0)
            if head == ZSTD_MAGIC or (len(head) == 4 and _is_skippable(head)):
                yield from _zstd(file, meter)
            elif head[:2] == GZIP_MAGIC:
                yield from _gzip(file, meter)
            elif path.suffix in {".zst", ".gz"}:  # an empty one is cut too: its frame is missing
                raise meter.cut(f"not a {path.suffix[1:]} file: it starts with {head!r}")
            else:
                while data := file.read(PLAIN_FEED):
                    meter.read += len(data)
                    yield meter.out(data)
    except OSError as error:
        raise DamagedInput(f"{path}: cannot be read ({error.strerror or error})") from error


def _is_skippable(magic: bytes) -> bool:
    return 0x184D2A50 <= struct.unpack("<I", magic)[0] <= 0x184D2A5F


def _zstd(file: BinaryIO, meter: _Meter) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    pending = b""
    while pending or (pending := _feed(file, meter)):
        while len(pending) < 8 and (more := _feed(file, meter)):
            pending += more
        if len(pending) >= 8 and _is_skippable(pending[:4]):
            pending = _skip(file, meter, pending)
            continue
        if pending[:4] != ZSTD_MAGIC:
            raise meter.cut("bytes that start no zstd frame")
        frame = decoder.decompressobj()
        while True:
            try:
                data = frame.decompress(pending)
            except zstandard.ZstdError as error:
                raise meter.cut(f"damaged zstd frame ({error})") from error
            if data:
                yield meter.out(data)
            if frame.eof:
                pending = frame.unused_data
                break
            if not (pending := _feed(file, meter)):
                raise meter.cut("the file ends inside a zstd frame")


def _feed(file: BinaryIO, meter: _Meter) -> bytes:
    data = file.read(FEED)
    meter.read += len(data)
    return data


def _skip(file: BinaryIO, meter: _Meter, pending: bytes) -> bytes:
    """Jump over a skippable frame; returns the bytes already read behind it."""
    size = 8 + int(struct.unpack("<I", pending[4:8])[0])
    if size <= len(pending):
        return pending[size:]
    missing = size - len(pending)
    here = file.tell()
    if here + missing > file.seek(0, 2):
        raise meter.cut("the file ends inside a skippable frame")
    file.seek(here + missing)
    meter.read += missing
    return b""


def _gzip(file: BinaryIO, meter: _Meter) -> Iterator[bytes]:
    pending = b""
    while pending or (pending := _feed(file, meter)):
        member = zlib.decompressobj(wbits=31)
        while True:
            try:
                data = member.decompress(pending)
            except zlib.error as error:
                raise meter.cut(f"damaged gzip member ({error})") from error
            if data:
                yield meter.out(data)
            if member.eof:
                # tape-style zero padding after the last member is legal
                pending = member.unused_data.lstrip(b"\0")
                break
            if not (pending := _feed(file, meter)):
                raise meter.cut("the file ends inside a gzip member")


@dataclass(frozen=True)
class Block:
    """Whole lines, ending with a newline, in a file that is memory where the system can do that.

    `first` is the 1-based number of the first line. `too_long` holds the length of a line that
    was skipped because it is over the limit; such a block has no lines.
    """

    file: IO[bytes]
    size: int
    first: int
    too_long: int = 0
    idle: "Idle | None" = None

    @property
    def path(self) -> str:
        """Where the lines can be read by name until the block is closed."""
        name = self.file.name
        return name if isinstance(name, str) else f"/proc/self/fd/{name}"

    @property
    def data(self) -> bytes:
        """The lines."""
        self.file.seek(0)
        return self.file.read()

    def close(self) -> None:
        """Give the memory to a later block."""
        if self.idle is None:
            self.file.close()
        else:
            self.idle.put(self.file)


BLOCK_BYTES = 8 << 20
Idle = queue.SimpleQueue[IO[bytes]]


def _scratch(idle: Idle) -> IO[bytes]:
    # chunks go straight into such a file: joining them in Python would touch fresh memory twice
    try:
        file = idle.get_nowait()
    except queue.Empty:
        if hasattr(os, "memfd_create"):
            return os.fdopen(os.memfd_create("block"), "w+b", buffering=0)
        return tempfile.NamedTemporaryFile(buffering=0)
    file.seek(0)
    return file


def _block(file: IO[bytes], size: int, first: int, idle: Idle, too_long: int = 0) -> Block:
    file.truncate(size)  # it may have been a longer block's
    return Block(file, size, first, too_long, idle)


def line_blocks(chunks: Iterator[bytes], max_line: int) -> Iterator[Block]:
    """Cut a byte stream into blocks of whole lines of about BLOCK_BYTES; the reader closes them.

    A line longer than `max_line` becomes a Block with `too_long` set; its bytes are dropped as
    they come, so memory stays bounded.
    """
    idle: Idle = queue.SimpleQueue()
    file, size, first, line, skipped = _scratch(idle), 0, 1, 1, 0
    rest = 0  # bytes behind the last newline
    for chunk in chunks:
        if skipped:
            end = chunk.find(b"\n")
            if end < 0:
                skipped += len(chunk)
                continue
            yield _block(_scratch(idle), 0, line, idle, skipped + end)
            first, skipped, chunk = line + 1, 0, chunk[end + 1 :]
            line = first
        cut = chunk.rfind(b"\n") + 1
        line += _newlines(chunk)  # none stand behind the cut
        if cut and size + cut >= BLOCK_BYTES:
            file.write(chunk[:cut])
            yield _block(file, size + cut, first, idle)
            file, size, first, rest, chunk, cut = _scratch(idle), 0, line, 0, chunk[cut:], 0
        file.write(chunk)
        size += len(chunk)
        rest = len(chunk) - cut if cut else rest + len(chunk)
        if rest > max_line:
            if size > rest:
                yield _block(file, size - rest, first, idle)
            file, size, skipped, rest = _scratch(idle), 0, rest, 0
    if skipped:
        yield _block(_scratch(idle), 0, line, idle, skipped)
    elif size:
        if rest:
            size += file.write(b"\n")
        yield _block(file, size, first, idle)


def _newlines(data: bytes) -> int:
    # three times as fast as bytes.count where lines are long
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == NEWLINE))


def without_bom(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The stream without a byte order mark at its start."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(BOM):
            break
    yield head.removeprefix(BOM)
    yield from chunks
