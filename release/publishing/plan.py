"""Before anything is sent: what the release is, what the repository holds, what would change."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from release.errors import ReleaseError
from release.gates.check import check_folder
from release.gates.names import OPERATIONS
from release.hub.repository import Addition, Hub, Tree
from release.manifest import NAME, Manifest, read_manifest, release_id
from release.publishing.commit import patiently
from release.publishing.journal import Journal
from release.publishing.wanted import KEPT, WantedFile, compare, wanted_tree

ADVISED = 100  # operations of one commit, as the Hub advises


@dataclass(frozen=True)
class PublishOptions:
    """What the command line says."""

    private: bool = False
    dry_run: bool = False
    staged: bool = False  # many files: through a pull request
    tag: bool = True
    canaries: Sequence[str] = ()


@dataclass
class Plan:
    """A release and the repository as it was found."""

    hub: Hub
    folder: Path
    kind: str
    manifest: Manifest
    release: str
    wanted: dict[str, WantedFile]
    head: str | None
    tree: Tree
    journal: Journal
    notes: list[str]

    @property
    def tag(self) -> str:
        return f"v{self.manifest.version}"


def say(text: str) -> None:
    """A line of progress on stderr, beside a progress bar."""
    tqdm.write(text, file=sys.stderr)


def prepare(hub: Hub, folder: Path, kind: str, options: PublishOptions) -> Plan:
    """Preflight (nothing is changed), gates on the exact bytes, every file hashed once."""
    manifest = read_manifest(folder)
    if manifest.facts.get("kind") != kind:
        raise ReleaseError(
            f"{folder} was staged as {manifest.facts.get('kind')!r}, not as {kind}; stage it first "
            f"(python -m release {kind} stage)"
        )
    if not manifest.version:
        raise ReleaseError(f"{folder / NAME} names no version; stage again with --version")
    patiently(hub.check, "asking who we are", say)
    head = patiently(hub.head, "reading the repository", say)
    tree = patiently(lambda: hub.tree(head), "reading the tree", say) if head else {}
    check_folder(folder, kind, options.canaries)
    plan = Plan(hub, folder, kind, manifest, release_id(folder), wanted_tree(folder), head, tree,
                Journal(folder), [])  # fmt: skip
    _check_tag(plan)
    count = len(additions_of(plan)) + len(deletions_of(plan))
    if count > OPERATIONS and not options.staged:
        raise ReleaseError(
            f"{count} operations in one commit; the Hub gives up on far fewer. Make larger shards "
            "(shards.max_mb), "
            "or publish with --staged, which goes through a pull request"
        )
    if count > ADVISED:
        plan.notes.append(f"{count} operations in one change; the Hub advises at most {ADVISED}")
    return plan


def _check_tag(plan: Plan) -> None:
    """A tag never moves: another release under this version is an error before anything is sent."""
    if plan.head is None:
        return
    there = patiently(plan.hub.refs, "reading tags", say).tags.get(plan.tag)
    if there is None:
        return
    different = compare(plan.wanted, patiently(lambda: plan.hub.tree(there), "reading a tag", say))
    if different:
        raise ReleaseError(
            f"{plan.tag} exists on {there} and holds another release ({different}); stage with a "
            "new --version"
        )


def additions_of(plan: Plan) -> list[Addition]:
    """Files that the head lacks or holds otherwise."""
    found = compare(plan.wanted, plan.tree)
    return [Addition(p, plan.folder / p) for p in sorted((*found.missing, *found.changed))]


def deletions_of(plan: Plan) -> list[str]:
    """Paths of the head that the release does not have: a stale shard would bring its rows back."""
    return [path for path in compare(plan.wanted, plan.tree).extra if path != KEPT]
