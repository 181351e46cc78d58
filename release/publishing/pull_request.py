"""A change too large for one commit: batches in a pull request, then one merge.

`main` changes once, when the pull request is merged. Whether the real Hub's merge keeps that for
many batches, and whether it refuses when `main` moved, only it can tell: so the head is read again
right before, the tree compared after, and a difference is reported, never repaired.
"""

from collections.abc import Sequence

from release.errors import ReleaseError
from release.hub.repository import Addition, Hub
from release.publishing.commit import Landed, Order, Say, commit_once, patiently
from release.publishing.wanted import WantedFile, compare

BATCH = 100


def commit_in_pull_request(hub: Hub, order: Order, say: Say) -> Landed:
    """Send the order in batches to a new pull request and merge it.

    Raises: ReleaseError when `main` moved meanwhile or the merged tree is another one.
    """
    if not hasattr(hub, "open_pull_request"):
        send_whole(hub, order, say)
        return commit_once(hub, order, say)
    say(f"{len(order.additions) + len(order.deletions)} operations: going through a pull request")
    ref = patiently(lambda: hub.open_pull_request(order.title, order.message), "pull request", say)
    parent = patiently(lambda: hub.commits(ref)[0].sha, "reading the pull request", say)
    for number, batch in enumerate(_batches(order)):
        patiently(lambda batch=batch: hub.send(batch.additions, ref), "upload", say)  # type: ignore[misc]
        parent = _batch(hub, batch, ref, parent, number, say)
    tree = patiently(lambda: hub.tree(ref), "reading the pull request", say)
    if different := compare(order.wanted, tree):
        raise ReleaseError(f"{ref} does not hold the release ({different}); close it and run again")
    head = patiently(hub.head, "reading the head", say)
    if head != order.parent:
        raise ReleaseError(
            f"somebody else published: we built on {order.parent}, the head is {head}; {ref} was "
            "not merged, "
            "close it and run again"
        )
    return _merge(hub, order, ref, say)


def send_whole(hub: Hub, order: Order, say: Say) -> None:
    """Store everything; for a Hub without pull requests."""
    patiently(lambda: hub.send(order.additions, order.branch), "upload", say)


def _batches(order: Order) -> list[Order]:
    """Orders of at most BATCH operations each, deletions last."""
    found: list[tuple[Sequence[Addition], Sequence[str]]] = []
    for at in range(0, len(order.additions), BATCH):
        found.append((order.additions[at : at + BATCH], []))
    for at in range(0, len(order.deletions), BATCH):
        found.append(([], order.deletions[at : at + BATCH]))
    return [
        Order(order.release, order.wanted, order.parent, adds, deletes, order.title, order.message)
        for adds, deletes in found
    ]


def _batch(hub: Hub, batch: Order, ref: str, parent: str, number: int, say: Say) -> str:
    """Commit one batch to the pull request; a lost answer is found out by its message."""
    message = f"{batch.message}\nbatch: {number}"
    mine: dict[str, WantedFile] = {a.path: batch.wanted[a.path] for a in batch.additions}

    def once() -> str:
        history = hub.commits(ref)
        if history[0].sha != parent and f"batch: {number}" in history[0].message:
            return history[0].sha
        return hub.commit(
            batch.additions,
            batch.deletions,
            parent,
            f"{batch.title}, part {number + 1}",
            message,
            ref,
        )

    sha = patiently(once, f"part {number + 1}", say)
    there = patiently(lambda: hub.tree(sha), "reading the pull request", say)
    missing = compare(mine, {path: file for path, file in there.items() if path in mine})
    if missing:
        raise ReleaseError(f"part {number + 1} of {ref} is not what was sent ({missing})")
    return sha


def _merge(hub: Hub, order: Order, ref: str, say: Say) -> Landed:
    def once() -> str:
        head = str(hub.head())
        if head == order.parent:
            hub.merge_pull_request(ref, order.message)  # type: ignore[attr-defined]
            head = str(hub.head())
        return head

    sha = patiently(once, "merging", say)
    different = compare(order.wanted, patiently(lambda: hub.tree(sha), "reading the tree", say))
    if different:
        raise ReleaseError(
            f"after merging {ref}, {sha} is not the release ({different}); look at it"
        )
    note = f"went through {ref}, which keeps serving these bytes until it is deleted on the site"
    return Landed(sha, (note,))
