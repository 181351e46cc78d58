"""`blift fetch`: download the media of posts, politely and safely, into a store that resumes.

Pictures and files come by our own guarded HTTP client; YouTube by yt-dlp (an optional extra) in a
process of its own. What cannot be had is written down with its reason: the build counts it.
"""

from __future__ import annotations

import ipaddress
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from dataset_builder.decode.content_type import HEAD_BYTES, sniff_file, why_not
from dataset_builder.fetch.placeholders import named_placeholder
from dataset_builder.fetch.robots import RobotsRules, check_headers
from dataset_builder.fetch.safe_http import Exchange, FetchError, HttpLimits, Response, anywhere
from dataset_builder.fetch.store import Fetched, FetchStore, Wanted
from dataset_builder.fetch.youtube_download import download_youtube
from dataset_builder.ledger.addresses import YOUTUBE_HOSTS
from dataset_builder.settings import Settings
from dataset_builder.work.whole_files import file_sha256

SOFT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
LONGEST_WAIT = 300.0


@dataclass
class Politeness:
    """At most one request at a time per host, and a pause between two."""

    pause: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _hosts: dict[str, threading.Lock] = field(default_factory=dict)
    _next: dict[str, float] = field(default_factory=dict)

    def turn(self, url: str) -> threading.Lock:
        """The host's lock; hold it during the request."""
        host = urlsplit(url).hostname or ""
        with self._lock:
            return self._hosts.setdefault(host, threading.Lock())

    def wait(self, url: str) -> None:
        """Sleep until the host may be asked again; call while holding its lock."""
        host = urlsplit(url).hostname or ""
        time.sleep(max(0.0, self._next.get(host, 0.0) - time.monotonic()))
        self._next[host] = time.monotonic() + self.pause


class Fetcher:
    """Fetches items into a store under the settings `fetch.*`."""

    def __init__(self, store: FetchStore, settings: Settings) -> None:
        fetch = settings.fetch
        self.store = store
        self.retries, self.back_off = int(fetch.retries), float(fetch.back_off_seconds)
        self.limits = HttpLimits(
            max_bytes=int(settings.media.max_megabytes * 2**20),
            seconds=float(fetch.seconds),
            read_seconds=float(fetch.read_seconds),
            redirects=int(fetch.redirects),
            agent=str(fetch.agent),
            allowed=tuple(ipaddress.ip_network(n) for n in fetch.allowed_networks),
        )
        self.youtube_seconds = float(fetch.youtube_seconds)
        self._permit = RobotsRules(self.limits).check if fetch.robots else anywhere
        self._politeness = Politeness(float(fetch.pause_seconds))

    def fetch(self, wanted: Wanted) -> Fetched:
        """Try one item as often as the settings allow; the outcome is in the store's index."""
        outcome = Fetched.failed(wanted.id, wanted.url, "unavailable", "not tried")
        for attempt in range(self.retries + 1):
            try:
                outcome = self._once(wanted)
                break
            except FetchError as error:
                outcome = Fetched.failed(wanted.id, wanted.url, error.reason, error.value)
                if outcome.final or attempt == self.retries:
                    break
                time.sleep(self._pause(attempt, error.retry_after))
        if outcome.reason and outcome.final:
            self.store.drop_partial(wanted.id)
        self.store.add(outcome)
        return outcome

    def _pause(self, attempt: int, asked: float | None) -> float:
        """Seconds before the next try: what the server asked for, else doubling with jitter."""
        if asked is not None:
            return min(asked, LONGEST_WAIT)
        return min(self.back_off * 2**attempt * (0.5 + random.random()), LONGEST_WAIT)

    def _once(self, wanted: Wanted) -> Fetched:
        partial = self.store.partial(wanted.id)
        host = (urlsplit(wanted.url).hostname or "").removeprefix("www.").removeprefix("m.")
        if host in YOUTUBE_HOSTS:
            download_youtube(wanted, partial, self.limits.max_bytes, self.youtube_seconds)
        else:
            with self._politeness.turn(wanted.url):
                self._politeness.wait(wanted.url)
                self._download(wanted.url, partial)
        if sniff_file(partial) is None:
            with partial.open("rb") as file:
                head = file.read(HEAD_BYTES)
            partial.unlink()
            raise FetchError(*why_not(head))
        sha256, size = file_sha256(partial), partial.stat().st_size
        path = self.store.keep(partial, sha256)
        return Fetched(wanted.id, wanted.url, path, sha256, size, None, None)

    def _download(self, url: str, partial: Path) -> None:
        """GET into `partial`, going on where an earlier try of the same version stopped."""
        tag = partial.with_suffix(".etag")
        headers = {}
        if partial.is_file() and tag.is_file() and partial.stat().st_size:
            headers = {"Range": f"bytes={partial.stat().st_size}-", "If-Range": tag.read_text()}
        with Exchange(url, headers, self.limits, self._permit) as response:
            tags = response.headers.get_all("X-Robots-Tag") or []
            check_headers(tags, response.headers.get("tdm-reservation"), self.limits.agent)
            _check_status(response)
            etag = response.headers.get("ETag", "")
            if gone := named_placeholder(url, response.url, etag):
                raise FetchError("unavailable", gone)
            if etag and not etag.startswith("W/"):
                tag.write_text(etag)
            size = partial.stat().st_size if headers and response.status == 206 else 0
            if response.status == 206 and not _goes_on(response, size):
                partial.unlink(missing_ok=True)  # the next try asks for the whole
                raise FetchError("server_error", "HTTP 206 with another part than was asked for")
            with partial.open("ab" if response.status == 206 else "wb") as file:
                for block in response.blocks():
                    size += len(block)
                    if size > self.limits.max_bytes:
                        raise FetchError("too_large", f"more than {self.limits.max_bytes} bytes")
                    file.write(block)
        tag.unlink(missing_ok=True)


def fetch_all(
    items: Sequence[Wanted], store: FetchStore, settings: Settings, workers: int
) -> dict[str, int]:
    """Fetch what the store does not have or know to be unavailable; counts by outcome."""
    done = {i for i, entry in store.entries().items() if entry.final}
    left = [item for item in items if item.id not in done]
    fetcher = Fetcher(store, settings)
    counts: Counter[str] = Counter(already=len(items) - len(left))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        outcomes: Iterator[Fetched] = pool.map(fetcher.fetch, left)
        for outcome in tqdm(outcomes, "fetch", len(left), unit="file", disable=None):
            counts[outcome.reason or "fetched"] += 1
    return dict(counts)


def _goes_on(response: Response, size: int) -> bool:
    """Whether a partial answer is all that is missing behind `size` bytes."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
    if found is None:
        return False
    return int(found[1]) == size and int(found[2]) + 1 == int(found[3])


def _check_status(response: Response) -> None:
    if response.status in SOFT_STATUS:
        asked = response.headers.get("Retry-After", "")
        wait = float(asked) if asked.isdigit() else None
        raise FetchError("server_error", f"HTTP {response.status}", wait)
    if response.status not in (200, 206):
        raise FetchError("unavailable", f"HTTP {response.status}")
