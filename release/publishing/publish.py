"""Publish a staged folder: preflight, gates, upload, one commit, tag, verification, visibility.

After any end, kill -9 included, `main` is entirely the old release or entirely the new one, and the
same command goes on where it stopped.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from release.errors import OthersOnTop, ReleaseError
from release.hub.repository import Addition, Hub
from release.manifest import NAME, Manifest, parse_manifest
from release.publishing.commit import Landed, Order, commit_once, find_ours, patiently
from release.publishing.notes import changelog_entry, difference
from release.publishing.plan import (
    Plan,
    PublishOptions,
    additions_of,
    deletions_of,
    prepare,
    say,
)
from release.publishing.pull_request import commit_in_pull_request
from release.publishing.wanted import check_unchanged, compare

PIECE_FILES, PIECE_BYTES = 64, 512 << 20


@dataclass(frozen=True)
class Published:
    """What was done, for people and for --json."""

    address: str
    commit: str | None
    tag: str
    release: str
    added: int
    deleted: int
    bytes_added: int
    notes: tuple[str, ...]
    done: bool


def publish(
    hub: Hub, folder: Path, kind: str, options: PublishOptions, verify: Callable[[str], None]
) -> Published:
    """Publish `folder` on `hub`; `verify` is told the commit and raises when it is not sound.

    Raises: ReleaseError (exit 1), OthersOnTop (exit 3); what was reached stays and is gone on from.
    """
    plan = prepare(hub, folder, kind, options)
    if options.dry_run:
        return _result(plan, plan.head, done=False)
    first = plan.head is None
    if first:
        patiently(lambda: hub.create(private=True), "creating the repository", say)
        plan.head = patiently(hub.head, "reading the head", say)
        plan.tree = patiently(lambda: hub.tree(str(plan.head)), "reading the tree", say)
        plan.journal.note(hub.address, plan.release, created=True)
    try:
        commit = bring_up(plan, options)
    except OthersOnTop as error:
        ours = str(error)
        if options.tag:
            tag(plan, ours)
        head = patiently(hub.head, "reading the head", say)
        raise OthersOnTop(
            f"ours landed as {ours} (tag {plan.tag}), and others committed on top: the head is "
            f"{head}; look at both"
        ) from error
    if options.tag:
        tag(plan, commit)
    verify(commit)
    _open_up(plan, options)
    plan.journal.note(hub.address, plan.release, commit=commit, tag=plan.tag, done=True)
    return _result(plan, commit, done=True)


def bring_up(plan: Plan, options: PublishOptions) -> str:
    """Upload and commit unless the release is there already; returns its commit."""
    hub, head = plan.hub, str(plan.head)
    if found := _already_there(plan):
        plan.notes.append("the repository held this release already; nothing was sent")
        return found
    _find_under_others(plan)
    additions, deletions = additions_of(plan), deletions_of(plan)
    order = Order(plan.release, plan.wanted, head, additions, deletions,
                  f"Release {plan.manifest.version}", _message(plan))  # fmt: skip
    plan.journal.note(hub.address, plan.release, parent=head, version=plan.manifest.version,
                      root=plan.manifest.root)  # fmt: skip
    if options.staged:
        landed = commit_in_pull_request(hub, order, say)
    else:
        send(plan, additions)
        landed = commit_once(hub, order, say)
    return _checked(plan, landed)


def _already_there(plan: Plan) -> str | None:
    """The commit of this release, if `main` is it, or was built on it by nobody else."""
    if compare(plan.wanted, plan.tree):
        return None
    history = patiently(lambda: plan.hub.commits(str(plan.head)), "reading commits", say)
    if history and plan.release in history[0].message:
        return history[0].sha
    plan.notes.append("the head holds the same files under another commit message")
    return str(plan.head)


def _find_under_others(plan: Plan) -> None:
    """A killed run's commit may have landed under others': theirs is not ours to undo."""
    begun = plan.journal.entry(plan.hub.address, plan.release)
    if not begun.get("parent") or begun.get("done"):
        return
    order = Order(plan.release, plan.wanted, begun["parent"], (), (), "", "")
    history = patiently(lambda: plan.hub.commits(str(plan.head)), "reading commits", say)
    ours = patiently(lambda: find_ours(plan.hub, order, history), "comparing trees", say)
    if ours:
        raise OthersOnTop(ours.sha)


def send(plan: Plan, additions: Sequence[Addition]) -> None:
    """Store contents in pieces; a piece that is stored is not sent again by a later run."""
    total = sum(plan.wanted[file.path].size for file in additions)
    with tqdm(total=total, unit="B", unit_scale=True, desc="sending", file=sys.stderr,
              disable=None) as bar:  # fmt: skip
        for piece in pieces(plan, additions):
            patiently(lambda piece=piece: plan.hub.send(piece, "main"), "upload", say)  # type: ignore[misc]
            bar.update(sum(plan.wanted[file.path].size for file in piece))
    check_unchanged(plan.folder, plan.wanted)


def pieces(plan: Plan, additions: Sequence[Addition]) -> list[list[Addition]]:
    """Additions in groups that are sent together."""
    found: list[list[Addition]] = []
    filled = 0
    for file in additions:
        size = plan.wanted[file.path].size
        if not found or len(found[-1]) == PIECE_FILES or filled + size > PIECE_BYTES:
            found.append([])
            filled = 0
        found[-1].append(file)
        filled += size
    return found


def _message(plan: Plan) -> str:
    """The description: what the next run, and anyone, recognises the release by; then its notes."""
    old = _old_manifest(plan)
    changelog = plan.folder / "CHANGELOG.md"
    entry = (
        changelog_entry(changelog.read_text("utf-8"), plan.manifest.version)
        if changelog.is_file()
        else ""
    )
    lines = [f"release-id: {plan.release}", f"merkle-root: {plan.manifest.root}",
             f"previous: {old.version + ' ' if old else ''}{plan.head}", "", entry, "",
             difference(old, plan.manifest)]  # fmt: skip
    return "\n".join(lines).strip()


def _old_manifest(plan: Plan) -> Manifest | None:
    """The manifest of the release that the head holds, if it holds one that reads."""
    if NAME not in plan.tree:
        return None
    try:
        data = patiently(
            lambda: plan.hub.read(NAME, str(plan.head)), "reading the old manifest", say
        )
        return parse_manifest(data, NAME)
    except (ReleaseError, LookupError):
        plan.notes.append("the old manifest could not be read; the notes do not compare with it")
        return None


def _checked(plan: Plan, landed: Landed) -> str:
    """The tree at the new commit is the wanted one."""
    plan.notes.extend(landed.notes)
    tree = patiently(lambda: plan.hub.tree(landed.sha), "reading the new tree", say)
    different = compare(plan.wanted, tree)
    if different:
        raise ReleaseError(
            f"the commit {landed.sha} does not hold what was sent ({different}); it was neither "
            "tagged nor made "
            "public. Look at the repository, then run again"
        )
    return landed.sha


def tag(plan: Plan, commit: str) -> None:
    """Tag the commit; a lost answer is found out by reading."""

    def once() -> None:
        there = plan.hub.refs().tags.get(plan.tag)
        if there is None:
            plan.hub.tag(plan.tag, commit, f"Merkle root {plan.manifest.root}")
        elif there != commit and compare(plan.wanted, plan.hub.tree(there)):
            raise ReleaseError(f"{plan.tag} exists on {there}, ours is {commit}; a tag never moves")

    patiently(once, "tagging", say)


def _open_up(plan: Plan, options: PublishOptions) -> None:
    """Gate as the tier demands, and only then let people in."""
    gated = (plan.manifest.facts.get("release") or {}).get("tier") == "full"
    if gated and plan.kind == "dataset":
        patiently(lambda: plan.hub.settle(private=None, gated=True), "gating", say)
    created = plan.journal.entry(plan.hub.address, plan.release).get("created")
    if created and not options.private:
        patiently(lambda: plan.hub.settle(private=False, gated=None), "making it public", say)
    elif not created:
        plan.notes.append("the repository was there before: who may read it was left as it is")


def _result(plan: Plan, commit: str | None, done: bool) -> Published:
    additions = additions_of(plan)
    return Published(
        plan.hub.address, commit, plan.tag, plan.release, len(additions), len(deletions_of(plan)),
        sum(plan.wanted[file.path].size for file in additions), tuple(plan.notes), done,
    )  # fmt: skip
