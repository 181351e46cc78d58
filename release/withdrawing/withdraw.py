"""Withdraw: publish without the items, then close every place that still reaches the old bytes."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from release.errors import ReleaseError
from release.hub.remote import RemoteHub
from release.manifest import read_manifest
from release.publishing.commit import patiently
from release.publishing.plan import PublishOptions, say
from release.publishing.publish import publish
from release.publishing.wanted import wanted_tree
from release.verifying.folder import verify_folder
from release.withdrawing.edit import NothingToDrop, edit_release
from release.withdrawing.items import read_list
from release.withdrawing.pins import pinning
from release.withdrawing.places import Places, collect, load_places, merge, record_of
from release.withdrawing.probe import Serving, probe


@dataclass
class Withdrawn:
    """What was done and what still answers; counts only, no item is named."""

    repository: str
    items: int
    commit: str | None = None
    tag: str | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    serving: list[Serving] = field(default_factory=list)
    pinned_by: list[str] = field(default_factory=list)


def read(act: Callable[[], Any], what: str) -> Any:
    """A reading with patience."""
    return patiently(act, what, say)


def withdraw(
    hub: RemoteHub, list_path: Path, folder: Path | None, verify: Callable[[str], None]
) -> Withdrawn:
    """Take the items of a list out of a repository.

    Args: folder: a staged folder without the items (after `blift forget`); None edits what is
    published. A killed run is completed by running it again with the same list.
    Raises: ReleaseError; nothing is closed before the new revision is published and verified.
    """
    wanted = read_list(list_path)
    hub.check()
    head = read(hub.head, "reading the head")
    if head is None:
        raise ReleaseError(f"{hub.address}: no such repository, or this token may not see it")
    record = record_of(list_path, hub.repository)
    result = Withdrawn(hub.repository, wanted.lines)
    with tempfile.TemporaryDirectory(prefix="release-") as home:
        began = load_places(record) if record.is_file() else None
        if folder is None and not (began and began.new):
            old = _download(hub, head, Path(home) / "old")
            folder = Path(home) / "new"
            try:
                _, dropped = edit_release(old, folder, wanted, hub.repository)
                result.dropped = dict(dropped.kinds)
            except NothingToDrop:
                if began is None:
                    raise
                folder = None  # a killed run had published it, and not yet written so down
                began.new, began.tag = head, f"v{read_manifest(old).version}"
        places = _note(hub, folder, record, began)
        if folder is not None and not places.new:
            _publish(hub, folder, places, record, verify)
    _close(hub, places, record, result)
    result.commit, result.tag = places.new, places.tag
    result.serving = probe(hub, places, read)
    result.pinned_by = read(lambda: pinning(hub, set(places.revisions)), "looking for pins")
    return result


def _download(hub: RemoteHub, head: str, to: Path) -> Path:
    """The published folder as plain files, each compared with its manifest.

    Raises: ReleaseError where a file is not as listed: it must not be published a second time.
    """
    found = read(
        lambda: hub.api.snapshot_download(
            hub.repository, repo_type=hub.kind, revision=head, local_dir=to
        ),
        "downloading the release",
    )
    report = verify_folder(Path(found), None)
    if not report.ok:
        raise ReleaseError(f"{hub.address} arrived damaged: {report.findings[0]}; run it again")
    return Path(found)


def _note(hub: RemoteHub, folder: Path | None, record: Path, began: Places | None) -> Places:
    """Write down every old address before anything is closed."""
    if began and began.new:
        return began
    tree = wanted_tree(folder) if folder else {}
    stay = {name for file in tree.values() for name in (file.sha256, file.blob)}
    found = collect(hub, hub.kind, hub.repository, stay, datetime.now(UTC).isoformat(), read)
    places = merge(began, found) if began else found
    places.save(record)
    return places


def _publish(
    hub: RemoteHub, folder: Path, places: Places, record: Path, verify: Callable[[str], None]
) -> None:
    """The new revision; who may read stays as it is, and the tag waits for the squash."""
    private = not read(hub.is_open, "reading settings") and _is_private(hub)
    manifest = read_manifest(folder)
    published = publish(hub, folder, hub.kind, PublishOptions(private=private, tag=False), verify)
    places.new, places.tag = published.commit, f"v{manifest.version}"
    places.save(record)


def _is_private(hub: RemoteHub) -> bool:
    info = hub.api.repo_info(hub.repository, repo_type=hub.kind)
    return bool(info.private)


def _close(hub: RemoteHub, places: Places, record: Path, result: Withdrawn) -> None:
    """Tags and branches, then history, then large objects; what has no call is left for people."""
    refs = read(hub.refs, "reading refs")
    for name in refs.tags:
        if name != places.tag:
            _once(partial(hub.delete_ref, "tag", name), f"deleting tag {name}")
            result.closed.append(f"tag {name}")
    for name in refs.branches:
        if name != "main":
            _once(partial(hub.delete_ref, "branch", name), f"deleting branch {name}")
            result.closed.append(f"branch {name}")
    for ref in (*refs.pull_requests, *refs.conversions):
        say(f"{ref} has no call that deletes it: delete it on the site ({hub.address}/settings)")
    if len(read(lambda: hub.commits("main"), "reading commits")) > 1:
        read(
            lambda: hub.squash("main", f"Release {str(places.tag).removeprefix('v')}"), "squashing"
        )
        result.closed.append("history of main")
    places.new = read(hub.head, "reading the head")
    if places.tag and places.tag not in read(hub.refs, "reading refs").tags:
        read(lambda: hub.tag(str(places.tag), str(places.new), "after a withdrawal"), "tagging")
    places.save(record)
    keep = {
        f.sha256 for f in read(lambda: hub.tree("main"), "reading the tree").values() if f.sha256
    }
    gone = read(lambda: hub.permanently_delete({str(k) for k in keep}), "deleting large objects")
    places.objects = sorted({*places.objects, *gone})
    places.save(record)
    result.closed += [f"{len(gone)} large objects"] if gone else []


def _once(act: Callable[[], None], what: str) -> None:
    """Delete something that an earlier, interrupted call may have deleted already."""

    def tolerant() -> None:
        try:
            act()
        except Exception as error:
            if getattr(getattr(error, "response", None), "status_code", None) != 404:
                raise

    read(tolerant, what)


def probe_again(hub: RemoteHub, list_path: Path) -> Withdrawn:
    """Look again at every address that an earlier withdrawal noted."""
    places = load_places(record_of(list_path, hub.repository))
    result = Withdrawn(hub.repository, 0, places.new, places.tag)
    result.serving = probe(hub, places, read)
    return result
