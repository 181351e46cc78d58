"""Checked decompression: bytes of .zst, .gz, .bz2, .xz and plain files: no end is taken on trust.

A cut file never looks like a shorter one: every frame, member and stream must end where it says.
Output is budgeted, because a frame of a few bytes may state gigabytes (reliability C4).
"""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from dataset_builder.errors import DamagedInput
from dataset_builder.settings import Settings

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
BZ2_MAGIC = b"BZh"
XZ_MAGIC = b"\xfd7zXZ\0"
PACKED = {".zst", ".gz", ".bz2", ".xz"}
LZMA2 = 0x21  # the filter that has a dictionary
HEAD = 64  # bytes in which a file says how much memory it takes
MAX_WINDOW = 2**31  # dumps are written with `zstd --long=31`
# Small feeds bound what one call can return: 4 bytes may stand for 128 KiB.
FEED = 8192
PLAIN_FEED = 1 << 20
FREE_BYTES = 64 << 20  # ratios mean nothing for small files
Decoder = bz2.BZ2Decompressor | lzma.LZMADecompressor


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
    """Memory one decoder of this file takes: the window of its first frame or block, else 0."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        while len(head) >= 8 and _is_skippable(head[:4]):
            file.seek(file.tell() - len(head) + 8 + struct.unpack("<I", head[4:8])[0])
            head = file.read(HEAD)
    if head.startswith(XZ_MAGIC):
        return _xz_dictionary(head)
    if head[:4] != ZSTD_MAGIC:
        return 0
    try:
        return int(zstandard.get_frame_parameters(head).window_size)
    except zstandard.ZstdError:
        return 0


def _xz_dictionary(head: bytes) -> int:
    """Bytes of the LZMA2 dictionary of an xz file's first block, 0 where it has none."""
    block = head[12:]
    if len(block) < 2 or not block[0]:
        return 0
    at = 2
    for present in (block[1] & 0x40, block[1] & 0x80):  # sizes of any number of bytes
        if present:
            at += next((n for n, byte in enumerate(block[at:], 1) if byte < 0x80), HEAD)
    for _ in range(1 + (block[1] & 3)):
        if at + 2 >= len(block):
            break
        if block[at] == LZMA2:
            bits = block[at + 2] & 0x3F
            return min(2**32 - 1, (2 | bits & 1) << (bits // 2 + 11))
        at += 2 + block[at + 1]
    return 0


def decompressed(path: Path, budget: Budget, used: list[int] | None = None) -> Iterator[bytes]:
    """Decompressed chunks of the file, chosen by its first bytes, not its name.

    `used`, where given, always holds one number: the bytes of the file read so far.
    Raises DamagedInput, with file and offset, for a cut, corrupt or exploding file.
    """
    meter = _Meter(path, budget, used)
    try:
        with path.open("rb") as file:
            head = file.read(len(XZ_MAGIC))
            file.seek(0)
            if head[:4] == ZSTD_MAGIC or (len(head) >= 4 and _is_skippable(head[:4])):
                yield from _zstd(file, meter)
            elif head[:2] == GZIP_MAGIC:
                yield from _gzip(file, meter)
            elif head[:3] == BZ2_MAGIC:
                yield from _streams(file, meter, "bz2", BZ2_MAGIC, bz2.BZ2Decompressor)
            elif head == XZ_MAGIC:
                yield from _streams(file, meter, "xz", XZ_MAGIC, _xz_decoder)
            elif path.suffix in PACKED:  # an empty one is cut too: its frame is missing
                raise meter.cut(f"not a {path.suffix[1:]} file: it starts with {head[:4]!r}")
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


def _xz_decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW + FREE_BYTES)


def _streams(
    file: BinaryIO, meter: _Meter, name: str, magic: bytes, decoder: Callable[[], Decoder]
) -> Iterator[bytes]:
    """bz2 or xz: streams one behind the other, each to its checked end."""
    pending = b""
    while pending or (pending := _feed(file, meter)):
        if name == "xz":
            pending = pending.lstrip(b"\0")  # padding between and behind streams is legal
        while pending and len(pending) < len(magic) and (more := _feed(file, meter)):
            pending += more
        if not pending:
            continue
        if not pending.startswith(magic):
            raise meter.cut(f"bytes that start no {name} stream")
        stream = decoder()
        while True:
            try:
                data = stream.decompress(pending, PLAIN_FEED)
            except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
                raise meter.cut(f"damaged {name} stream ({error})") from error
            if data:
                yield meter.out(data)
            if stream.eof:
                pending = stream.unused_data
                break
            pending = _feed(file, meter) if stream.needs_input else b""
            if stream.needs_input and not pending:
                raise meter.cut(f"the file ends inside a {name} stream")
