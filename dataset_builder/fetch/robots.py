"""Opt-outs: robots.txt of the host, `X-Robots-Tag` and `tdm-reservation` of the answer."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from protego import Protego

from dataset_builder.fetch.safe_http import Exchange, FetchError, HttpLimits, anywhere

ROBOTS_BYTES = 500 * 1024  # RFC 9309 sec. 2.5; lines behind it, and one that it cuts, do not count
OPT_OUTS = frozenset({"noai", "noimageai", "noindex", "none", "noml"})
# directives of X-Robots-Tag whose own colon names no crawler
VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_LINE = re.compile(r"(?i)\s*(user[- ]?agent|allow|dis{1,2}al{1,2}ow)\s*[:\s]\s*([^#]*)")
_TOKEN = re.compile(r"\*(?=\s|$)|[A-Za-z_-]+")
OTHER = "another-crawler"


class RobotsRules:
    """robots.txt of every host, fetched once and through the same guarded client."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._rules: dict[str, Protego] = {}

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
        if not rules.can_fetch(url, product(self._limits.agent)):
            raise FetchError("robots", f"{origin}/robots.txt disallows it")

    def _read(self, origin: str) -> Protego:
        """RFC 9309: no file (4xx) allows everything, a failing server (5xx, 429) allows nothing."""
        with Exchange(f"{origin}/robots.txt", {}, self._limits, anywhere) as response:
            if response.status >= 500 or response.status == 429:
                return Protego.parse("User-agent: *\nDisallow: /")
            text = _text(response.blocks()) if response.status // 100 == 2 else ""
        return parse_robots(text, product(self._limits.agent))


def product(agent: str) -> str:
    """The product token of a User-Agent header, lower case: what robots.txt names us by."""
    return re.split(r"[/\s]", agent, maxsplit=1)[0].lower()


def parse_robots(text: str, token: str) -> Protego:
    """The rules of a robots.txt for the crawler `token` (RFC 9309).

    Protego finds the longest rule, but lets every kind of line end a group, and a group's name
    match as a part of ours. So it is given the three kinds of lines that are rules, and no name
    but ours and `*`.
    """
    return Protego.parse("\n".join(_rules(text, token)))


def _rules(text: str, token: str) -> Iterator[str]:
    for line in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")):
        found = _LINE.match(line)
        if found is None:
            continue
        key, value = found[1].lower(), found[2].strip()
        if key.startswith("user"):
            name = _TOKEN.match(value)
            known = name is not None and name[0].lower() in ("*", token)
            yield f"User-agent: {name[0].lower() if name and known else OTHER}"
        else:
            yield f"{'Allow' if key == 'allow' else 'Disallow'}: {value}"


def check_headers(values: Iterable[str], reservation: str | None, agent: str) -> None:
    """Raises FetchError `opted_out`; `values` are all X-Robots-Tag headers of the answer,
    `reservation` its tdm-reservation header.

    A header may name a crawler (`otherbot: noai, noindex`); all that follows is for that one, and
    what is for another does not concern us.
    """
    for value in values:
        ours = True
        for part in value.split(","):
            name, colon, rest = part.strip().partition(":")
            named = bool(colon) and name.strip().lower() not in VALUED
            if named:
                ours = product(name.strip()) in ("*", product(agent))
            tag = (rest if named else name).strip().lower()
            if ours and tag in OPT_OUTS:
                raise FetchError("opted_out", f"X-Robots-Tag: {tag}")
    if (reservation or "").strip() == "1":
        raise FetchError("opted_out", "tdm-reservation: 1")


def _text(blocks: Iterable[bytes]) -> str:
    data = b""
    for block in blocks:
        data += block
        if len(data) > ROBOTS_BYTES:
            data = data[:ROBOTS_BYTES]
            data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1]
            break
    return data.decode("utf-8", "replace")
