"""Which Hub a command talks to: the endpoint of the environment, or a folder."""

import os
from pathlib import Path

from release.errors import ReleaseError
from release.hub.repository import Hub

HF = "https://huggingface.co"


def endpoint() -> str:
    """HF_ENDPOINT, else the Hugging Face Hub."""
    return os.environ.get("HF_ENDPOINT") or HF


def folder_of(address: str) -> Path | None:
    """The folder that an endpoint names (`file:///…` or a path), if it is one."""
    if address.startswith("file://"):
        return Path(address.removeprefix("file://"))
    return Path(address) if address.startswith(("/", "./", "../")) else None


def open_hub(repository: str, kind: str) -> Hub:
    """The repository on the Hub that HF_ENDPOINT names.

    Raises: ReleaseError for an id that is none, or when HF_HUB_OFFLINE forbids the network.
    """
    from release.cards.front_matter import HUB_ID

    if not HUB_ID.match(repository):
        raise ReleaseError(f"{repository!r} is no repository id; expected ORGANISATION/NAME")
    folder = folder_of(endpoint())
    if folder is not None:
        from release.hub.folder_hub import FolderHub

        return FolderHub(repository, kind, folder)
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise ReleaseError(
            "HF_HUB_OFFLINE is set, so no Hub may be reached: unset it, or set HF_ENDPOINT to a "
            "folder "
            "(file:///…) to publish there; nothing was changed"
        )
    from release.hub.remote import RemoteHub

    return RemoteHub(repository, kind, endpoint(), None)
