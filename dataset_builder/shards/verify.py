"""Does a release folder hold exactly what its manifest says? Every byte is read again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dataset_builder.shards.manifest import (
    MADE_LAST,
    NAME,
    ReleaseFile,
    inspect_manifest,
    merkle_root,
)
from dataset_builder.work.ustar import read_members


@dataclass(frozen=True)
class Finding:
    """One file that is not as the manifest says."""

    path: str
    problem: str


@dataclass(frozen=True)
class Verification:
    """What was read and what was wrong; `samples` counts those readable in the tar files."""

    root: str
    files: int
    samples: int
    expected_samples: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}


def verify(release: Path) -> Verification:
    """Read the whole release. Raises BuildError where the manifest cannot be understood at all."""
    manifest, problem = inspect_manifest(release)
    files: list[ReleaseFile] = manifest["files"]
    findings = [Finding(NAME, problem)] if problem else []
    samples = 0
    for file in files:
        problems, found = check_file(release, file)
        findings += [Finding(file.path, problem) for problem in problems]
        samples += found if file.path.endswith(".tar") else 0
    listed = {file.path for file in files} | {NAME}
    for path in sorted(p for p in release.rglob("*") if p.is_symlink() or not p.is_dir()):
        name = path.relative_to(release).as_posix()
        if name not in listed and not name.startswith("."):
            # a name need not be text, but the report is
            shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            findings.append(Finding(shown, "not in the manifest"))
    root = merkle_root(files)
    if root != manifest["root"]:
        problem = f"root {manifest['root']} does not follow from its own file list ({root})"
        findings.append(Finding(NAME, problem))
    expected = sum(file.samples for file in files if file.path.endswith(".tar"))
    return Verification(root, len(files), samples, expected, tuple(findings))


def check_file(release: Path, file: ReleaseFile) -> tuple[list[str], int]:
    """Problems of one file, and how many samples a reader would find in it; never an exception."""
    path = release / file.path
    if not path.is_file() or path.is_symlink():
        return ["missing"], 0
    try:
        return _check_whole(path, file)
    except OSError as error:
        return [f"cannot be read: {error.strerror or error}"], 0


def _check_whole(path: Path, file: ReleaseFile) -> tuple[list[str], int]:
    problems = []
    size = path.stat().st_size
    if size != file.bytes:
        problems.append(f"{size} bytes, expected {file.bytes}")
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != file.sha256:
        problems.append(f"sha256 {digest}, expected {file.sha256}")
    if file.path in MADE_LAST:
        return problems, 0
    count, problem = count_samples(path)
    if problem:
        problems.append(problem)
    if count != file.samples:
        problems.append(f"{count} samples readable, expected {file.samples}")
    return problems, count


def count_samples(path: Path) -> tuple[int, str | None]:
    """Samples readable in a tar or Parquet file, and what stopped the reading, if anything."""
    if path.suffix == ".parquet":
        try:
            return pq.read_metadata(path).num_rows, None
        except Exception as error:  # a damaged footer ends in nearly every type there is
            text = str(error).splitlines() or [type(error).__name__]
            return 0, f"not readable as Parquet: {text[0]}"
    keys: set[str] = set()
    seen: set[str] = set()
    try:
        with path.open("rb") as file:
            for member in read_members(file):
                if member.name in seen:
                    return len(keys), f"two members are named {member.name!r}"
                seen.add(member.name)
                keys.add(member.name.split(".")[0])
    except ValueError as error:
        return len(keys), str(error)
    return len(keys), None
