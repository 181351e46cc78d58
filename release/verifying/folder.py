"""A folder, or a snapshot in a Hub cache, against the manifest inside it."""

import os
from pathlib import Path

from release.errors import CouldNotLook, ReleaseError
from release.files import relative_files, sha256_of
from release.manifest import NAME, Entry, Manifest, read_manifest
from release.verifying.files import file_problems
from release.verifying.report import HERE, IN_REPOSITORY, ON_THE_WAY, Finding, Report

DOWNLOAD = "download it again (`hf download --force-download`), then verify again"
# what the client of a Hub puts beside a download
CLIENTS_OWN = (".cache/", ".gitattributes", "hub.json", ".lock")


def verify_folder(folder: Path, against: Path | None) -> Report:
    """Read every byte again.

    Raises: CouldNotLook where there is no manifest that can be understood at all.
    """
    try:
        manifest = read_manifest(folder)
    except ReleaseError as error:
        raise CouldNotLook(str(error)) from error
    report = Report(str(folder), None, root=manifest.root)
    present = {p for p in relative_files(folder) if not p.startswith(CLIENTS_OWN)} - {NAME}
    listed = {entry.path: entry for entry in manifest.files}
    for path in sorted(present - set(listed)):
        report.add(Finding(path, f"not in {NAME}", "delete it, or stage again"))
    for entry in manifest.files:
        check_file(folder, entry, report)
    check_licence(manifest, report)
    check_against(manifest, against, report)
    return report


def check_file(folder: Path, entry: Entry, report: Report) -> None:
    """One file; where the folder is a cache snapshot, also where the damage was done."""
    path = folder / entry.path
    report.files += 1
    blob = cache_blob(folder, path)
    if path.is_symlink() and blob is None:
        report.add(Finding(entry.path, "a link that leads out of the folder", "download it again"))
        return
    if not path.is_file():
        report.add(
            Finding(entry.path, "missing", DOWNLOAD if blob else "stage or download it again")
        )
        return
    report.bytes += path.stat().st_size
    problems = list(file_problems(path, entry))
    if not problems:
        report.samples += entry.samples if entry.path.startswith("data/") else 0
    for problem, expected, found in problems:
        place = HERE if blob is None else place_of(blob, found)
        remedy = DOWNLOAD if place != IN_REPOSITORY else "tell the owner of the repository"
        report.add(Finding(entry.path, f"{place}: {problem}", remedy, expected, found))


def cache_blob(folder: Path, path: Path) -> Path | None:
    """The blob that a file of a cache snapshot links to; None for a plain file or a stray link.

    A snapshot is CACHE/KIND--ORG--NAME/snapshots/COMMIT. Its links lead to CACHE/KIND…/blobs/NAME,
    where NAME is the Hub's name of the content; that may itself be a link into CACHE/blobs, which
    repositories share. Nothing may lead anywhere else.
    """
    home = folder.resolve()
    if not path.is_symlink() or home.parent.name != "snapshots":
        return None
    repository = home.parent.parent
    blob = Path(os.path.normpath(path.parent.resolve() / path.readlink()))
    inside = (repository / "blobs", repository.parent / "blobs")
    if blob.parent != inside[0] or not any(path.resolve().is_relative_to(i) for i in inside):
        return None
    return blob


def place_of(blob: Path, found: str | None) -> str:
    """Where the damage was done: a blob bears the name the Hub gave its content."""
    if len(blob.name) != 64 or found is None:
        return ON_THE_WAY if blob.is_file() and len(blob.name) == 64 else HERE
    return IN_REPOSITORY if sha256_of(blob) == blob.name else ON_THE_WAY


def check_licence(manifest: Manifest, report: Report) -> None:
    """A licence is among the files."""
    if "LICENSE" not in {entry.path for entry in manifest.files}:
        report.add(Finding("LICENSE", "the release holds no licence", "stage it again"))


def check_against(manifest: Manifest, against: Path | None, report: Report) -> None:
    """A manifest cannot vouch for itself: compare with one that came another way."""
    if against is None:
        return
    other = read_manifest(against)
    if other.sha256 != manifest.sha256:
        report.add(
            Finding(
                NAME,
                f"is not the manifest of {against}",
                "stage and publish again, or see who changed it",
                other.root,
                manifest.root,
            )
        )
