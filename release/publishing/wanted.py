"""The tree that a release wants, and how a tree on a Hub differs from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.errors import ReleaseError
from release.files import hashes_of, relative_files
from release.hub.repository import Tree

# the Hub writes it itself: it says which files are stored as large ones
KEPT = ".gitattributes"


@dataclass(frozen=True)
class WantedFile:
    """A file as it must be on the Hub: both names a Hub may know it by, and when it was hashed."""

    size: int
    sha256: str
    blob: str
    seen: int  # st_mtime_ns


def wanted_tree(folder: Path) -> dict[str, WantedFile]:
    """Hash every file of a folder once."""
    found = {}
    for path in relative_files(folder):
        seen = (folder / path).stat().st_mtime_ns
        found[path] = WantedFile(*hashes_of(folder / path), seen)
    return found


def check_unchanged(folder: Path, wanted: Mapping[str, WantedFile]) -> None:
    """Raises ReleaseError when a file was touched since it was hashed."""
    for path, file in wanted.items():
        try:
            facts = (folder / path).stat()
        except FileNotFoundError:
            facts = None
        if facts is None or (facts.st_size, facts.st_mtime_ns) != (file.size, file.seen):
            raise ReleaseError(f"{folder / path} changed while it was being sent; stage again")


@dataclass(frozen=True)
class Difference:
    """How a tree differs from the wanted one."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed)

    def __str__(self) -> str:
        named = (("missing", self.missing), ("extra", self.extra), ("other content", self.changed))
        parts = [
            f"{len(paths)} {what} ({', '.join(paths[:3])}{', …' if len(paths) > 3 else ''})"
            for what, paths in named
            if paths
        ]
        return "; ".join(parts) or "no difference"


def compare(wanted: Mapping[str, WantedFile], tree: Tree) -> Difference:
    """What is missing, too much, or other than wanted in a tree; no byte is downloaded."""
    there = {path: file for path, file in tree.items() if path != KEPT or KEPT in wanted}
    changed = [
        path
        for path, file in wanted.items()
        if path in there
        and not _equal(file, there[path].size, there[path].blob, there[path].sha256)
    ]
    return Difference(
        tuple(sorted(set(wanted) - set(there))),
        tuple(sorted(set(there) - set(wanted))),
        tuple(sorted(changed)),
    )


def _equal(file: WantedFile, size: int, blob: str, sha256: str | None) -> bool:
    return file.size == size and (file.sha256 == sha256 if sha256 else file.blob == blob)
