"""Every address under which a repository may still serve an old byte, noted before it is closed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from release.errors import ReleaseError
from release.files import write_json
from release.hub.repository import Hub, Tree

KEPT = ".gitattributes"


@dataclass
class Places:
    """Revisions with the paths that must no longer answer there; large objects by hash."""

    repository: str
    kind: str
    began: str
    revisions: dict[str, list[str]] = field(default_factory=dict)  # hash -> paths
    names: dict[str, str] = field(default_factory=dict)  # tag, branch or ref -> its kind
    objects: list[str] = field(default_factory=list)
    new: str | None = None
    tag: str | None = None

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))


def load_places(path: Path) -> Places:
    """What an earlier withdrawal noted. Raises ReleaseError where there is none."""
    if not path.is_file():
        raise ReleaseError(f"{path}: no such record; run the withdrawal first, without --probe")
    return Places(**json.loads(path.read_text("utf-8")))


def record_of(list_path: Path, repository: str) -> Path:
    """Where the record of a withdrawal lies: beside the list."""
    return list_path.with_name(f"{list_path.name}.{repository.replace('/', '--')}.places.json")


def names_of(tree: Tree) -> dict[str, str]:
    """Path -> the name of its content."""
    return {path: file.sha256 or file.blob for path, file in tree.items()}


def collect(
    hub: Hub, kind: str, repository: str, new: set[str], began: str, read: Callable[..., Any]
) -> Places:
    """Walk all refs and their histories; `new` are names of contents that stay.

    `read` runs a reading with patience. A path counts where its content does not stay.
    """
    places = Places(repository, kind, began)
    refs = read(hub.refs, "reading refs")
    for group, named in (
        ("branch", refs.branches),
        ("tag", refs.tags),
        ("pull request", refs.pull_requests),
        ("conversion", refs.conversions),
    ):
        for name, head in named.items():
            if name != "main":
                places.names[name] = group
            for commit in read(lambda head=head: hub.commits(head), "reading commits"):
                if commit.sha not in places.revisions:
                    tree = read(lambda sha=commit.sha: hub.tree(sha), "reading a tree")
                    names = names_of(tree)
                    old = sorted(p for p, n in names.items() if n not in new and p != KEPT)
                    places.revisions[commit.sha] = old
                    large = {f.sha256 for f in tree.values() if f.sha256} - new
                    places.objects = sorted({*places.objects, *(str(o) for o in large)})
    return places


def merge(old: Places, found: Places) -> Places:
    """A killed run's record with what is found now: what was noted once stays noted."""
    return Places(
        found.repository, found.kind, old.began,
        {**found.revisions, **old.revisions}, {**found.names, **old.names},
        sorted({*old.objects, *found.objects}), old.new, old.tag,
    )  # fmt: skip


def affected(places: Places) -> Sequence[tuple[str, str]]:
    """(revision, path) pairs that must answer 404."""
    return [(sha, path) for sha, paths in sorted(places.revisions.items()) for path in paths]
