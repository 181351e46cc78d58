"""manifest.json: every file of a release with its digest, its inputs, and one Merkle root.

The root covers the data; `digest` covers every byte of the manifest itself, its own value left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any

from dataset_builder.errors import BuildError
from dataset_builder.work.whole_files import write_bytes

NAME = "manifest.json"
CARD = "README.md"
FUNNEL = "funnel.png"
MADE_LAST = frozenset({CARD, FUNNEL})  # they tell of the data and are no part of it
PACKAGE = Path(__file__).parents[1]
CODE_FILES = ("*.py", "*.yaml", "*.md", "*.txt")


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release as the manifest lists it."""

    path: str
    bytes: int
    sha256: str
    samples: int


def merkle_root(files: Iterable[ReleaseFile]) -> str:
    """Root (hex) over the data and metadata files, sorted by path.

    A leaf is SHA-256(0x00, path, bytes, sha256, samples), a node SHA-256(0x01, left, right); an odd
    node moves up as it is. Card and funnel are outside, as the card prints the root and a picture
    depends on fonts; their own digests are listed.
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
    blank = _text({**manifest, "digest": ""})
    digest = hashlib.sha256(blank).hexdigest()
    write_bytes(release / NAME, _text({**manifest, "digest": digest}))


def _text(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def read_manifest(release: Path) -> dict[str, Any]:
    """The manifest of `release`. Raises BuildError where there is none or it is not whole."""
    manifest, problem = inspect_manifest(release)
    if problem:
        raise BuildError(f"{release / NAME} is damaged: {problem}; build or download it again")
    return manifest


def inspect_manifest(release: Path) -> tuple[dict[str, Any], str | None]:
    """The manifest, `files` as ReleaseFile, and how it differs from what was written, if it does.

    Raises BuildError where there is none, or it cannot be understood at all.
    """
    path = release / NAME
    try:
        data = path.read_bytes()
        manifest = json.loads(data)
        manifest["files"] = [ReleaseFile(**file) for file in manifest["files"]]
        _check_shape(manifest)
    except FileNotFoundError:
        raise BuildError(f"{path}: no such file; give the release folder of a build") from None
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise BuildError(f"{path} is damaged ({why}); build or download it again") from error
    stated = manifest.pop("digest", None)
    blank = data.replace(f'"digest": "{stated}"'.encode(), b'"digest": ""', 1)
    found = hashlib.sha256(blank).hexdigest()
    return manifest, None if found == stated else f"its digest is {found}, it states {stated}"


def _check_shape(manifest: Mapping[str, Any]) -> None:
    """Raises ValueError, TypeError or KeyError where a value is not of its kind."""
    kinds: dict[str, type] = {
        "root": str,
        "inputs": list,
        "settings": dict,
        "code": dict,
        "release": dict,
    }
    for name, kind in kinds.items():
        if not isinstance(manifest[name], kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    for file in manifest["files"]:
        kinds = {"path": str, "bytes": int, "sha256": str, "samples": int}
        for name, kind in kinds.items():
            if not isinstance(getattr(file, name), kind):
                raise TypeError(f"{name} of file {file.path!r} is no {kind.__name__}")
        f"{file.path}{file.sha256}".encode()  # a lone surrogate is no text
        inside = PurePosixPath(file.path)
        if inside.is_absolute() or ".." in inside.parts or "\0" in file.path:
            raise ValueError(f"file {file.path!r} lies outside the release")


def code_identity() -> dict[str, str]:
    """Version of the package and a digest of its source files."""
    found = hashlib.sha256()
    for path in sorted(p for pattern in CODE_FILES for p in PACKAGE.rglob(pattern)):
        found.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        found.update(hashlib.sha256(path.read_bytes()).digest())
    try:
        number = version("blift")
    except PackageNotFoundError:
        number = "uninstalled"
    return {"package": "blift", "version": number, "sha256": found.hexdigest()}
