"""A staged folder appears whole or not at all, and only after its gates let it through."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from release.errors import ReleaseError
from release.files import CACHES, relative_files, without_caches
from release.gates.check import check_folder
from release.gates.gate import Refused, Subject
from release.gates.names import links_and_names

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.0"


@dataclass(frozen=True)
class Staged:
    """What was staged: the folder, how many files, and what stayed behind on purpose."""

    folder: Path
    files: int
    left_behind: tuple[str, ...]


def stage_folder(
    kind: str, out: Path, fill: Callable[[Path], Sequence[str]], canaries: Sequence[str] = ()
) -> Staged:
    """Let `fill` write a new folder beside `out`, run the gates on it, then give it its name.

    `fill` returns what it left behind. Raises: ReleaseError when `out` holds something, Refused
    when a gate refuses; nothing is left at `out` then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ReleaseError(
            f"{out} is not empty; name a new folder, so that nothing stale is staged"
        )
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        left = fill(part)
        files = check_folder(part, kind, canaries)
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Staged(out, files, tuple(left))


def source_files(kind: str, source: Path, left: Sequence[str] = ()) -> list[str]:
    """Files of an artefact; links, hidden files and odd names are refused before any copy.

    Folders named in `left`, and tools' caches, stay behind. Raises: ReleaseError without a
    folder, Refused for what copying would hide: a copy of a link is a file like any other.
    """
    if not source.is_dir():
        raise ReleaseError(f"{source} is no folder; give the artefact's folder with --from")
    paths = [p for p in without_caches(relative_files(source)) if not p.startswith(tuple(left))]
    subject = Subject(source, kind, tuple(paths))
    refusals = [r for r in links_and_names(subject) if not _harmless(r.cause, r.path)]
    if refusals:
        raise Refused(kind, refusals)
    return paths


def _harmless(cause: str, path: str) -> bool:
    """Causes that staging itself removes: modes of files, caches, empty folders."""
    return bool(CACHES & set(path.split("/"))) or cause.startswith(
        ("executable", "an empty folder")
    )


def licence_text(given: Path | None, default: Path) -> str:
    """The licence's text. Raises ReleaseError where there is none."""
    path = given or default
    if not path.is_file():
        raise ReleaseError(f"{path}: no such licence; give one with --license FILE")
    return path.read_text("utf-8")
