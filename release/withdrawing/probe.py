"""Ask every old address whether it still answers; 404 is what is wanted."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from release.hub.repository import Hub
from release.withdrawing.places import Places, affected

GONE = (404, 410)
SHUT = (401, 403)  # private or gated: nobody without rights sees it, and it is still there


@dataclass(frozen=True)
class Serving:
    """One address that still answers."""

    place: str
    path: str
    answer: str


def probe(hub: Hub, places: Places, patient: Callable[..., Any]) -> list[Serving]:
    """Each old hash, tag and ref times each affected path; and each large object.

    A name that was deleted and made again on the new content is fine.
    """
    found: list[Serving] = []
    pairs = [*affected(places), *_named(hub, places, patient)]
    for revision, path in tqdm(pairs, desc="probing", file=sys.stderr, disable=None):
        status = patient(lambda r=revision, p=path: hub.status(p, r), f"probing {path}")  # type: ignore[attr-defined]
        if status not in GONE:
            still = "is there, shut to strangers" if status in SHUT else "serves it"
            found.append(Serving(revision, path, f"{still} ({status})"))
    held = patient(lambda: stored_objects(hub), "listing large objects")
    found += [Serving("large objects", o, "is stored") for o in places.objects if o in held]
    return found


def _named(hub: Hub, places: Places, patient: Callable[..., Any]) -> list[tuple[str, str]]:
    """(name, path) of tags and refs that are still, or again, there."""
    refs = patient(hub.refs, "reading refs")
    there = {**refs.branches, **refs.tags, **refs.pull_requests, **refs.conversions}
    paths = sorted({path for old in places.revisions.values() for path in old})
    found = []
    for name in places.names:
        if name in there and there[name] != places.new:
            tree = patient(lambda name=name: hub.tree(there[name]), "reading a tree")
            found += [(name, path) for path in paths if path in tree]
    return found


def stored_objects(hub: Hub) -> set[str]:
    """Hashes of the large objects that the repository still lists."""
    listed = hub.api.list_lfs_files(hub.repository, repo_type=hub.kind)  # type: ignore[attr-defined]
    return {str(file.file_oid) for file in listed}
