"""Files of a folder: which there are, what they hash to, and writing one whole."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

BLOCK = 1 << 20
MODE = 0o644
CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def relative_files(folder: Path) -> list[str]:
    """Every entry below a folder that is no directory, as sorted POSIX paths; links included."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def without_caches(paths: list[str]) -> list[str]:
    """The paths without tools' caches, which a source folder grows by being worked on."""
    return [path for path in paths if not CACHES & set(path.split("/"))]


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes_of(path: Path) -> tuple[int, str, str]:
    """(bytes, SHA-256, git blob id) of a file in one reading: the names a Hub knows it by."""
    size = path.stat().st_size
    content, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size)
    read = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            content.update(block)
            blob.update(block)
            read += len(block)
    return read, content.hexdigest(), blob.hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step: a reader, or the next run after a kill, sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(MODE)
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Any) -> None:
    """Write JSON with a fixed form, so that the same value gives the same bytes."""
    write_whole(
        path, (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    )


def copy_in(source: Path, target: Path) -> None:
    """Copy one file's bytes; mode 0644, whatever the source's was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(MODE)
