"""Models and Spaces that name an old revision: their owners must move."""

from collections.abc import Iterator
from typing import Any

from release.hub.remote import RemoteHub

# where a revision is written down: cards, training records, apps
LOOKED_AT = ("README.md", "training_manifest.json", "app.py", "config.json", "requirements.txt")


def pinning(hub: RemoteHub, revisions: set[str]) -> list[str]:
    """Repositories of the same owner, and those that name this one, whose files hold an old hash.

    Only what this token may read is found; strangers' private copies are not.
    """
    return sorted(
        {name for name, files in _candidates(hub) for text in files if _names(text, revisions)}
    )


def _names(text: str, revisions: set[str]) -> bool:
    return any(sha in text for sha in revisions)


def _candidates(hub: RemoteHub) -> Iterator[tuple[str, list[str]]]:
    owner = hub.repository.partition("/")[0]
    listings: list[tuple[str, Any]] = [
        ("space", hub.api.list_spaces(author=owner)),
        ("model", hub.api.list_models(author=owner)),
        ("dataset", hub.api.list_datasets(author=owner)),
    ]
    if hub.kind == "dataset":
        listings.append(
            ("model", hub.api.list_models(filter=f"dataset:{hub.repository}", limit=200))
        )
    for kind, found in listings:
        for info in found:
            if (kind, info.id) != (hub.kind, hub.repository):
                yield f"{kind} {info.id}", list(_texts(hub, kind, info.id))


def _texts(hub: RemoteHub, kind: str, repository: str) -> Iterator[str]:
    other = RemoteHub(repository, kind, hub.endpoint, hub.api.token)
    head = other.head()
    if head is None:
        return
    for path in LOOKED_AT:
        try:
            yield other.read(path, head).decode("utf-8", "replace")
        except LookupError:
            continue
