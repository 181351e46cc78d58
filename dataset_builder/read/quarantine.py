"""Lines that cannot be read: set apart, counted in the ledger, and too many of them an error."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataset_builder.errors import TooManyBadLines
from dataset_builder.read.ndjson import Tally
from dataset_builder.schema import InputDigest
from dataset_builder.sections import Build
from dataset_builder.work.whole_files import write_text


def set_apart(digest: InputDigest, tally: Tally, folder: Path) -> Path:
    """Write where the file's bad lines stand and what is wrong with them, never their text."""
    lines = [
        {"file": digest.name, "line": bad.line, "bytes": bad.bytes, "sha256": bad.sha256}
        | {"error": bad.error}
        for bad in tally.bad
    ]
    target = folder / f"{digest.role}-{digest.sha256[:8]}-{digest.name}.jsonl"
    write_text(target, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return target


def malformed(digest: InputDigest, tally: Tally, kind: str) -> Iterator[dict[str, Any]]:
    """Ledger rows of the file's bad lines."""
    for bad in tally.bad:
        yield {
            "stage": "read",
            "kind": kind,
            "id": f"{digest.name}:{bad.line}",
            "source": "youtube" if digest.role == "youtube" else "reddit",
            "kept": False,
            "reason": "malformed",
            "value": bad.error[:200],
        }


def check_share(path: Path, tally: Tally, target: Path, build: Build, alone: bool) -> None:
    """Raises TooManyBadLines over the allowed share, and where no line at all is good.

    Not `alone`: of a thousand files of one record one may be bad, as one line of a thousand may.
    """
    bad = len(tally.bad)
    good = tally.rows + tally.documents
    lost = not good and (alone or bad > 1) and build.max_bad_lines < 1
    if lost or bad > max(build.bad_lines_floor, build.max_bad_lines * (good + bad)):
        share = f"{bad:,} of {good + bad:,} lines are" if good else f"all {bad:,} lines are"
        first = tally.bad[0]
        raise TooManyBadLines(
            f"{path}: {share} malformed (first: line {first.line}, {first.error}); "
            f"build.max_bad_lines allows {build.max_bad_lines:.2%}. See {target}; give the right "
            "file, mend it or raise the limit"
        )


def check_files(path: Path, good: int, bad: int, folder: Path, build: Build) -> None:
    """The same over many small files together, the first bad of which is `path`."""
    if bad > max(build.bad_lines_floor, build.max_bad_lines * (good + bad)) or (
        bad and not good and build.max_bad_lines < 1
    ):
        raise TooManyBadLines(
            f"{path} and files beside it: {bad:,} of {good + bad:,} records cannot be read; "
            f"build.max_bad_lines allows {build.max_bad_lines:.2%}. See {folder}; give the right "
            "files or raise the limit"
        )
