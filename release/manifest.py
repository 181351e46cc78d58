"""manifest.json of a staged folder: every file with its digest, and one Merkle root.

The same form as the manifest of a build, so that the same tools read it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from release.errors import ReleaseError
from release.files import hashes_of, relative_files, sha256_of, write_whole

NAME = "manifest.json"
CARD = "README.md"
MADE_LAST = frozenset({CARD, "funnel.png"})  # they tell of the data; as in a build's manifest
LARGE = 10 << 20  # bytes from which a Hub stores every file as a large one
FIELDS = {"path": str, "bytes": int, "sha256": str, "samples": int}


@dataclass(frozen=True)
class Entry:
    """One file as the manifest lists it; `samples` is 0 for what holds none."""

    path: str
    bytes: int
    sha256: str
    samples: int


@dataclass(frozen=True)
class Manifest:
    """A manifest as read: its entries, everything else in it, and the digest of its bytes."""

    files: tuple[Entry, ...]
    facts: Mapping[str, Any]
    sha256: str

    @property
    def root(self) -> str:
        return str(self.facts["root"])

    @property
    def version(self) -> str:
        return str(self.facts.get("version", ""))


def merkle_root(files: Iterable[Entry]) -> str:
    """Root (hex) over all files but card and funnel picture, sorted by path.

    A leaf is SHA-256(0x00, path, bytes, sha256, samples), a node SHA-256(0x01, left, right); an odd
    node moves up as it is. The card prints the root, so it is outside; its own digest is listed.
    """
    level = [
        hashlib.sha256(b"\0" + f"{f.path}\n{f.bytes}\n{f.sha256}\n{f.samples}".encode()).digest()
        for f in sorted(files, key=lambda f: f.path)
        if f.path not in MADE_LAST
    ]
    while len(level) > 1:
        pairs = [
            hashlib.sha256(b"\1" + level[at] + level[at + 1]).digest()
            for at in range(0, len(level) - 1, 2)
        ]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    return (level[0] if level else hashlib.sha256(b"").digest()).hex()


def list_folder(folder: Path, samples: Mapping[str, int]) -> list[Entry]:
    """An entry for every file of a folder but its manifest."""
    paths = [path for path in relative_files(folder) if path != NAME]
    return [
        Entry(p, (folder / p).stat().st_size, sha256_of(folder / p), samples.get(p, 0))
        for p in paths
    ]


def write_manifest(folder: Path, files: Iterable[Entry], facts: Mapping[str, Any]) -> None:
    """Write the manifest with its root and its own digest; it is the last file of a folder."""
    listed = sorted(files, key=lambda f: f.path)
    # the name by which a Hub knows a file that it does not store as a large one
    blobs = {f.path: hashes_of(folder / f.path)[2] for f in listed if f.bytes < LARGE}
    whole = {
        **facts,
        "git_blobs": blobs,
        "files": [asdict(f) for f in listed],
        "root": merkle_root(listed),
    }
    digest = hashlib.sha256(_text({**whole, "digest": ""})).hexdigest()
    write_whole(folder / NAME, _text({**whole, "digest": digest}))


def _text(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder. Raises ReleaseError where there is none or it is not whole."""
    path = folder / NAME
    if not path.is_file():
        raise ReleaseError(
            f"{folder} has no {NAME}: expected a staged folder or the release folder of a build"
        )
    return parse_manifest(path.read_bytes(), str(path))


def parse_manifest(data: bytes, name: str) -> Manifest:
    """Read manifest bytes; `name` is what an error calls them.

    Raises: ReleaseError when its own digest or root does not follow from it, or its shape is wrong.
    """
    try:
        facts = json.loads(data)
        files = tuple(Entry(**entry) for entry in facts.pop("files"))
        _check_entries(files)
        stated, root = facts.pop("digest"), facts["root"]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ReleaseError(
            f"{name} is damaged ({type(error).__name__}: {error}); stage or download it again"
        ) from error
    blank = data.replace(f'"digest": "{stated}"'.encode(), b'"digest": ""', 1)
    found = hashlib.sha256(blank).hexdigest()
    if found != stated:
        raise ReleaseError(f"{name} is damaged: its digest is {found}, it states {stated}")
    if merkle_root(files) != root:
        raise ReleaseError(f"{name} is damaged: its root {root} does not follow from its files")
    return Manifest(files, facts, hashlib.sha256(data).hexdigest())


def _check_entries(files: tuple[Entry, ...]) -> None:
    for entry in files:
        for name, kind in FIELDS.items():
            if type(getattr(entry, name)) is not kind:
                raise TypeError(f"{name} of {entry.path!r} is no {kind.__name__}")
        inside = PurePosixPath(entry.path)
        if inside.is_absolute() or ".." in inside.parts or "\0" in entry.path:
            raise ValueError(f"file {entry.path!r} lies outside the folder")
    if len({entry.path for entry in files}) != len(files):
        raise ValueError("a file is listed twice")


def release_id(folder: Path) -> str:
    """What names a release: SHA-256 over its manifest and its card."""
    data = (folder / NAME).read_bytes() + (folder / CARD).read_bytes()
    return hashlib.sha256(data).hexdigest()
