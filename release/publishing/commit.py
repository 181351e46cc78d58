"""Step 6 of the protocol: one commit on one parent, whatever the network answers.

The server compares the parent, so of all the requests we send with the same parent at most one can
land. That is why a request whose answer was lost is sent again unchanged, never with a fresh head.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from release.errors import OthersOnTop, ReleaseError
from release.hub.failures import Judgement, Meaning, judge
from release.hub.repository import Addition, Commit, Hub, Tree
from release.publishing.wanted import WantedFile, compare

TRIES = 6
LAG_SECONDS = 60.0  # how long a Hub may show an old head after it took a commit
FIRST_WAIT = 0.5


@dataclass(frozen=True)
class Order:
    """The commit that is wanted: id and content of the release, and the head it replaces."""

    release: str
    wanted: Mapping[str, WantedFile]
    parent: str
    additions: Sequence[Addition]
    deletions: Sequence[str]
    title: str
    message: str
    branch: str = "main"


@dataclass(frozen=True)
class Landed:
    """Our commit is there; `notes` say what was unusual on the way."""

    sha: str
    notes: tuple[str, ...] = ()


Say = Callable[[str], None]
T = TypeVar("T")


def patiently(act: Callable[[], T], what: str, say: Say) -> T:
    """Do something harmless to repeat (a read, an upload) until it works or no retry helps.

    Raises: ReleaseError with the last cause.
    """
    for attempt in range(TRIES):
        try:
            return act()
        except ReleaseError:
            raise
        except Exception as error:  # every kind a client, TLS or Xet may raise; judged by content
            found = judge(error)
            if found.meaning is not Meaning.UNKNOWN or attempt + 1 == TRIES:
                raise ReleaseError(f"{what} failed: {found.line}; nothing was changed") from error
            pause(attempt, found, f"{what}: {found.line}", say)
    raise AssertionError


def pause(attempt: int, found: Judgement | None, why: str, say: Say) -> None:
    """Wait as the server asks, else exponentially with jitter."""
    asked = found.wait if found else None
    seconds = asked if asked is not None else FIRST_WAIT * 2**attempt * random.uniform(0.5, 1.5)
    say(f"{why}; again in {seconds:.1f} s")
    time.sleep(seconds)


def commit_once(hub: Hub, order: Order, say: Say) -> Landed:
    """Make the commit, or find out that it was made.

    Raises: OthersOnTop when ours landed and others built on it, ReleaseError when the race was
        lost, the Hub refuses, or nobody can tell after all tries.
    """
    last = ""
    for attempt in range(TRIES):
        try:
            answer = hub.commit(order.additions, order.deletions, order.parent, order.title,
                                order.message, order.branch)  # fmt: skip
        except ReleaseError:
            raise
        except Exception as error:  # judged by content
            found = judge(error)
            last = found.line
            if found.meaning is Meaning.PERMANENT:
                raise ReleaseError(f"commit refused: {found.line}; nothing was changed") from error
            if found.meaning is Meaning.STALE:
                return after_stale(hub, order, say)
            if found.meaning is Meaning.UNSTORED:
                _send_again(hub, order, say)
            elif landed := _landed(hub, order):
                return Landed(
                    landed, (f"the Hub answered with an error ({last}) to a commit it made",)
                )
            pause(attempt, found, f"commit: {found.line}", say)
            continue
        if _is_ours(hub, order, answer, say):
            return Landed(answer)
        return after_stale(hub, order, say)
    raise ReleaseError(
        f"the commit on {order.parent} got no clear answer in {TRIES} tries ({last}); run the "
        "same command "
        "again: it finds out whether it landed"
    )


def _send_again(hub: Hub, order: Order, say: Say) -> None:
    say("the Hub lacks a large file; sending what it does not hold")
    forget = getattr(hub, "forget_sent", None)
    if forget:
        forget()
    patiently(lambda: hub.send(order.additions, order.branch), "upload", say)


def _is_ours(hub: Hub, order: Order, answer: str, say: Say) -> bool:
    """A returned hash proves nothing: a commit without changes returns whatever the head is."""
    tree = patiently(lambda: _tree_soon(hub, answer), "reading the new tree", say)
    if compare(order.wanted, tree):
        return False
    history = patiently(lambda: hub.commits(answer), "reading commits", say)
    return answer == order.parent or (len(history) > 1 and history[1].sha == order.parent)


def _tree_soon(hub: Hub, revision: str) -> Tree:
    """The tree of a commit that a lagging replica may not know yet."""
    deadline = time.monotonic() + LAG_SECONDS
    while True:
        try:
            return hub.tree(revision)
        except Exception as error:
            unknown = getattr(getattr(error, "response", None), "status_code", None) == 404
            if not unknown or time.monotonic() > deadline:
                raise
            time.sleep(1)


def _landed(hub: Hub, order: Order) -> str | None:
    """The head, if it is our commit; None when it is not, or cannot be read now."""
    try:
        history = hub.commits(order.branch)
        ours = find_ours(hub, order, history)
    except Exception:  # it will be asked again
        return None
    return ours.sha if ours and ours.sha == history[0].sha else None


def find_ours(hub: Hub, order: Order, history: Sequence[Commit]) -> Commit | None:
    """Our commit between the head and its parent: the release id in its message, and our tree."""
    for commit in since(history, order.parent):
        if order.release in commit.message and not compare(order.wanted, hub.tree(commit.sha)):
            return commit
    return None


def since(history: Sequence[Commit], parent: str) -> list[Commit]:
    """Commits newer than `parent`, newest first; all of them when it is not among them."""
    names = [commit.sha for commit in history]
    return list(history[: names.index(parent)] if parent in names else history)


def after_stale(hub: Hub, order: Order, say: Say) -> Landed:
    """The head is not our parent: did an earlier request of ours land, or was the race lost?"""
    deadline = time.monotonic() + LAG_SECONDS
    wait = 0.2
    while True:
        history = patiently(lambda: hub.commits(order.branch), "reading commits", say)
        if history and history[0].sha != order.parent:
            break
        if time.monotonic() > deadline:
            raise ReleaseError(
                f"the Hub says the head is not {order.parent} and goes on showing it; run the "
                "command again"
            )
        time.sleep(wait)  # the answer came from another node than this reading
        wait = min(wait * 2, 5)
    ours = patiently(lambda: find_ours(hub, order, history), "comparing trees", say)
    if ours is None:
        head = history[0]
        raise ReleaseError(
            f"somebody else published first: we built on {order.parent}, the head is {head.sha} "
            f"({head.title!r} by {head.author}); nothing of ours was committed. Look at it, then "
            "run again"
        )
    if ours.sha == history[0].sha:
        return Landed(ours.sha, ("an earlier request had landed although its answer was lost",))
    raise OthersOnTop(ours.sha)
