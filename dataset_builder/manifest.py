"""manifest.json: every file of a release with its digest, its inputs, and one Merkle root."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dataset_builder.atomic import write_atomic
from dataset_builder.errors import BuildError
from dataset_builder.shards import ReleaseFile

NAME = "manifest.json"
CARD = "README.md"
PACKAGE = Path(__file__).parent
SOURCES = ("*.py", "*.yaml", "*.md", "*.txt")


def merkle_root(files: Iterable[ReleaseFile]) -> str:
    """Root (hex) over the data and metadata files, sorted by path.

    A leaf is SHA-256(0x00, path, bytes, sha256, samples), a node SHA-256(0x01, left, right); an odd
    node moves up as it is. The card is outside, as it prints the root; its own digest is listed.
    """
    level = [
        hashlib.sha256(b"\0" + f"{f.path}\n{f.bytes}\n{f.sha256}\n{f.samples}".encode()).digest()
        for f in sorted(files, key=lambda f: f.path)
        if f.path != CARD
    ]
    while len(level) > 1:
        pairs = [
            hashlib.sha256(b"\1" + level[at] + level[at + 1]).digest()
            for at in range(0, len(level) - 1, 2)
        ]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    return (level[0] if level else hashlib.sha256(b"").digest()).hex()


def make_manifest(
    files: Sequence[ReleaseFile],
    inputs: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The manifest's content; `facts` are what the card tells of the release."""
    return {
        "root": merkle_root(files),
        "files": [file.__dict__ for file in sorted(files, key=lambda f: f.path)],
        "inputs": sorted((dict(i) for i in inputs), key=lambda i: (i["role"], i["name"])),
        "settings": dict(settings),
        "code": code_identity(),
        "release": dict(facts),
    }


def write_manifest(manifest: Mapping[str, Any], release: Path) -> None:
    """Write the manifest: the last file of a release, so its presence means a whole release."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    write_atomic(release / NAME, (text + "\n").encode())


def read_manifest(release: Path) -> dict[str, Any]:
    """The manifest of `release`. Raises BuildError where there is none or it is not readable."""
    path = release / NAME
    try:
        manifest = json.loads(path.read_bytes())
        manifest["files"] = [ReleaseFile(**file) for file in manifest["files"]]
    except FileNotFoundError:
        raise BuildError(f"{path}: no such file; give the release folder of a build") from None
    except (ValueError, TypeError, KeyError) as error:
        raise BuildError(f"{path} is damaged ({error}); build or download it again") from error
    return manifest


def code_identity() -> dict[str, str]:
    """Version of the package and a digest of its source files."""
    found = hashlib.sha256()
    for path in sorted(p for pattern in SOURCES for p in PACKAGE.rglob(pattern)):
        found.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        found.update(hashlib.sha256(path.read_bytes()).digest())
    try:
        number = version("blift")
    except PackageNotFoundError:
        number = "uninstalled"
    return {"package": "blift", "version": number, "sha256": found.hexdigest()}
