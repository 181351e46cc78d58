"""A repository on a Hub against the manifest inside it: tree, manifest, bytes."""

import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from release.errors import CouldNotLook, ReleaseError
from release.hub.repository import Hub, RemoteFile, Tree
from release.manifest import NAME, Entry, Manifest, parse_manifest
from release.publishing.commit import patiently
from release.publishing.plan import say
from release.verifying.files import file_problems
from release.verifying.folder import check_against, check_licence
from release.verifying.report import IN_REPOSITORY, ON_THE_WAY, Finding, Report

RELEASE_AGAIN = "publish the release again"
KEPT = ".gitattributes"


def verify_repository(hub: Hub, revision: str, quick: bool, against: Path | None) -> Report:
    """Compare tree and manifest without a download, then, unless `quick`, every byte.

    Everything is pinned to the commit that `revision` names now. Raises: CouldNotLook.
    """
    try:
        sha = patiently(lambda: hub.resolve(revision), "finding the revision", say)
        tree = patiently(lambda: hub.tree(sha), "reading the tree", say)
        report = Report(hub.address, sha)
        if NAME not in tree:
            raise CouldNotLook(
                f"{hub.address} at {sha} holds no {NAME}: it was not published by this kit"
            )
        data = patiently(lambda: hub.read(NAME, sha), "reading the manifest", say)
    except LookupError as error:
        raise CouldNotLook(str(error)) from error
    except ReleaseError as error:
        raise CouldNotLook(str(error)) from error
    if revision != sha:
        report.notes.append(f"{revision} is {sha} now; a name can move, so note the hash")
    try:
        manifest = parse_manifest(data, NAME)
    except ReleaseError as error:
        report.add(Finding(NAME, str(error), RELEASE_AGAIN))
        return report
    report.root = manifest.root
    check_tree(manifest, tree, report)
    check_licence(manifest, report)
    check_against(manifest, against, report)
    check_message(hub, sha, manifest, data, report)
    if not quick:
        check_bytes(hub, sha, manifest, tree, report)
    return report


def check_tree(manifest: Manifest, tree: Tree, report: Report) -> None:
    """Half releases, stale shards, foreign files: all visible without a download."""
    listed = {entry.path: entry for entry in manifest.files}
    blobs = manifest.facts.get("git_blobs") or {}
    for path in sorted(set(tree) - set(listed) - {NAME, KEPT}):
        report.add(
            Finding(path, f"not in {NAME}, so loaders may read what was withdrawn", "delete it")
        )
    for path, entry in listed.items():
        report.files += 1
        if path not in tree:
            report.add(Finding(path, "missing", RELEASE_AGAIN))
            continue
        file = tree[path]
        found = file.sha256 or file.blob
        expected = entry.sha256 if file.sha256 else blobs.get(path, found)
        if file.size != entry.bytes or found != expected:
            problem = f"{IN_REPOSITORY}: other content"
            report.add(Finding(path, problem, RELEASE_AGAIN, expected, found))


def check_message(hub: Hub, sha: str, manifest: Manifest, data: bytes, report: Report) -> None:
    """The commit names the root it was made for."""
    history = patiently(lambda: hub.commits(sha), "reading commits", say)
    message = history[0].message if history else ""
    if manifest.root not in message:
        report.notes.append(
            "the commit's description does not name this Merkle root (squashed or merged)"
        )


def check_bytes(hub: Hub, sha: str, manifest: Manifest, tree: Tree, report: Report) -> None:
    """Download each file once and hash it; on a difference, once more by another way."""
    wrong = {finding.path for finding in report.findings}
    entries = [e for e in manifest.files if e.path in tree and e.path not in wrong]
    total = sum(entry.bytes for entry in entries)
    with tqdm(total=total, unit="B", unit_scale=True, desc="reading", file=sys.stderr,
              disable=None) as bar:  # fmt: skip
        for entry in entries:
            found = check_one(hub, sha, entry, tree[entry.path])
            if found:
                report.add(found)
            elif entry.path.startswith("data/"):
                report.samples += entry.samples
            report.bytes += entry.bytes
            bar.update(entry.bytes)


def check_one(hub: Hub, sha: str, entry: Entry, file: RemoteFile) -> Finding | None:
    """None when the bytes are right, by the first way or the second."""
    first = _problem(hub, sha, entry, 0)
    if first is None:
        return None
    second = _problem(hub, sha, entry, 1)
    if second is None:
        return Finding(entry.path, f"{ON_THE_WAY}: {first[0]}; fetched another way it is right",
                       "download it again and verify the copy", first[1], first[2])  # fmt: skip
    if first[2] == second[2] or file.sha256 not in (None, entry.sha256):
        return Finding(entry.path, f"{IN_REPOSITORY}: {first[0]}, twice the same", RELEASE_AGAIN,
                       first[1], first[2])  # fmt: skip
    return Finding(entry.path, f"{ON_THE_WAY}: {first[0]}, and otherwise by another way",
                   "check the network and the disk", second[1], second[2])  # fmt: skip


def _problem(
    hub: Hub, sha: str, entry: Entry, route: int
) -> tuple[str, str | None, str | None] | None:
    """The first problem of a file fetched by a route."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        try:
            path = patiently(
                lambda: hub.fetch(entry.path, sha, Path(folder), route),
                f"reading {entry.path}",
                say,
            )
        except ReleaseError as error:
            return f"cannot be downloaded ({error})", None, None
        return next(iter(file_problems(path, entry)), None)
