"""Opt-outs: robots.txt of the host, `X-Robots-Tag` and `tdm-reservation` of the answer."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from dataset_builder.fetch.safe_http import Exchange, FetchError, HttpLimits

ROBOTS_BYTES = 512 * 1024  # what RFC 9309 asks a crawler to read at least
OPT_OUTS = frozenset({"noai", "noimageai", "noindex", "none", "noml"})


class RobotsRules:
    """robots.txt of every host, fetched once and through the same guarded client."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._rules: dict[str, RobotFileParser] = {}

    def check(self, url: str) -> None:
        """Raises FetchError `robots` where the host does not want `url` fetched."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            rules = self._rules.get(origin)
        if rules is None:
            rules = self._read(origin)
            with self._lock:
                self._rules[origin] = rules
        if not rules.can_fetch(self._limits.agent, url):
            raise FetchError("robots", f"{origin}/robots.txt disallows it")

    def _read(self, origin: str) -> RobotFileParser:
        """RFC 9309: no file (4xx) allows everything, a failing server (5xx) allows nothing."""
        rules = RobotFileParser()
        with Exchange(f"{origin}/robots.txt", {}, self._limits) as response:
            if 400 <= response.status < 500:
                rules.parse([])
            elif response.status >= 500:
                rules.parse(["User-agent: *", "Disallow: /"])
            else:
                rules.parse(_text(response.blocks()).splitlines())
        return rules


def check_headers(values: Iterable[str], reservation: str | None, agent: str) -> None:
    """Raises FetchError `opted_out`; `values` are all X-Robots-Tag headers of the answer,
    `reservation` its tdm-reservation header.

    A tag may start with a crawler's name (`otherbot: noai`); those for others do not concern us.
    """
    for value in values:
        for part in value.split(","):
            name, colon, rest = part.strip().partition(":")
            if colon and name.strip().lower() not in ("*", agent.split("/")[0].lower()):
                continue
            tag = (rest if colon else name).strip().lower()
            if tag in OPT_OUTS:
                raise FetchError("opted_out", f"X-Robots-Tag: {tag}")
    if (reservation or "").strip() == "1":
        raise FetchError("opted_out", "tdm-reservation: 1")


def _text(blocks: Iterable[bytes]) -> str:
    data = b""
    for block in blocks:
        data += block
        if len(data) > ROBOTS_BYTES:
            break
    return data[:ROBOTS_BYTES].decode("utf-8", "replace")
