"""An end to every wait: the Hub's client and its parts have none by themselves."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.utils._http import default_client_factory

from release.errors import ReleaseError
from release.hub.failures import one_line

CONNECT_SECONDS = 3.0
# the real Hub ends a request after 60 s; what takes longer on our side hangs
READ_SECONDS = float(os.environ.get("BLIFT_HUB_TIMEOUT", "90"))


def client_that_ends() -> httpx2.Client:
    """The client's own session with an end to every wait: it has none by itself."""
    client = default_client_factory()
    client.timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    return client


def in_time(act: Callable[[], str], what: str) -> Path:
    """A download that has no end of its own, given one. Raises TimeoutError."""
    result: list[Path | BaseException] = []

    def attempt() -> None:
        try:
            result.append(Path(act()))
        except BaseException as error:  # handed to the caller below
            result.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(2 * READ_SECONDS)
    if not result:
        raise TimeoutError(f"{what} did not end within {2 * READ_SECONDS:g} s")
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def reach(endpoint: str) -> None:
    """Connect to the endpoint, name look-up included, within seconds.

    Raises: ReleaseError: the client itself would take half a minute to give up.
    """
    parts = urlsplit(endpoint)
    if not parts.hostname:
        raise ReleaseError(f"HF_ENDPOINT is {endpoint!r}: expected https://HOST or a folder")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return  # the proxy connects for us
    result: list[BaseException | None] = []

    def attempt() -> None:
        try:
            socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
            result.append(None)
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=attempt, daemon=True)  # a look-up cannot be told to stop
    thread.start()
    thread.join(CONNECT_SECONDS + 0.5)
    if not result or result[0] is not None:
        why = one_line(result[0]) if result and result[0] else "no answer"
        raise ReleaseError(
            f"no Hub at {endpoint} ({why}): check the network and HF_ENDPOINT; nothing was changed"
        )
