"""WebDataset tars read strictly: a damaged or foreign member is an error, never fewer rows."""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

BLOCK = 512
END = bytes(2 * BLOCK)
LARGEST_NAME = 100


class DamagedShard(ValueError):
    """A tar that a strict reader stops at; the message names the member or the offset."""


@dataclass(frozen=True)
class Member:
    """One regular member: where its 512-byte header lies, and its size; content follows it."""

    name: str
    offset: int
    size: int

    @property
    def key(self) -> str:
        return self.name.split(".", 1)[0]

    @property
    def field(self) -> str:
        return self.name.partition(".")[2]

    @property
    def end(self) -> int:
        return self.offset + BLOCK + self.size + (-self.size % BLOCK)


def read_members(file: BinaryIO) -> Iterator[Member]:
    """The members of a plain ustar file in order.

    Raises: DamagedShard at a bad header, a link or device, an extended header, a path, a name used
        twice, content that is cut, or bytes after the end mark.
    """
    size = file.seek(0, io.SEEK_END)
    at, seen = 0, set[str]()
    while True:
        file.seek(at)
        block = file.read(BLOCK)
        if block == bytes(BLOCK):
            break
        member = _member(block, at)
        if member.name in seen:
            raise DamagedShard(f"two members are named {member.name!r}")
        if member.end > size:
            raise DamagedShard(f"member {member.name!r} is cut at byte {size}")
        seen.add(member.name)
        yield member
        at = member.end
    file.seek(at)
    while rest := file.read(1 << 20):
        if rest.strip(b"\0"):
            raise DamagedShard(f"bytes follow the end mark at byte {at}")


def _member(block: bytes, at: int) -> Member:
    if len(block) < BLOCK:
        raise DamagedShard(f"no end mark: the file stops at byte {at + len(block)}")
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise DamagedShard(f"no member header at byte {at} ({error})") from error
    if block[156:157] not in (b"0", b"\0"):
        raise DamagedShard(f"member {info.name!r} is no regular file (type {block[156:157]!r})")
    parts = info.name.split("/")
    if len(parts) > 1 or parts[0] in ("", ".", "..") or "\\" in info.name or "." not in info.name:
        raise DamagedShard(f"member {info.name!r}: expected KEY.FIELD without a folder")
    return Member(info.name, at, info.size)


def read_content(file: BinaryIO, member: Member) -> bytes:
    """The bytes of one member."""
    file.seek(member.offset + BLOCK)
    return file.read(member.size)


def read_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, json member) of every sample of a shard."""
    with path.open("rb") as file:
        for member in read_members(file):
            if member.field == "json":
                yield member.key, json.loads(read_content(file, member))


def count_samples(path: Path) -> int:
    """How many samples a shard holds."""
    with path.open("rb") as file:
        return len({member.key for member in read_members(file)})


def header(name: str, size: int) -> bytes:
    """A ustar header with fixed owner, mode and time: the same content gives the same bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.USTAR_FORMAT)
