"""HTTP for addresses that strangers wrote: only public hosts, bounded bytes, time and redirects.

The name is resolved once, every answer must be public, and the connection goes to that very answer,
so a second, different answer (rebinding) is never asked for. Each redirect is a new such check.
No cookies, no credentials, no proxies, no compressed bodies.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
REDIRECTS = frozenset({301, 302, 303, 307, 308})
BLOCK = 1 << 16
# IPv6 ranges that carry an IPv4 address, and how far its last bit is from the right
EMBEDDING = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
    (ipaddress.IPv6Network("::/96"), 0),
)


class FetchError(Exception):
    """A request that was refused or failed: a ledger reason and what caused it."""

    def __init__(self, reason: str, value: str, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {value}")
        self.reason = reason
        self.value = value[:200]
        self.retry_after = retry_after


@dataclass(frozen=True)
class HttpLimits:
    """`allowed` networks are reachable although they are not public (one's own mirror)."""

    max_bytes: int
    seconds: float
    read_seconds: float
    redirects: int
    agent: str
    allowed: tuple[Network, ...]


class Response:
    """An answered GET; read the body with `blocks`, once."""

    def __init__(
        self, url: str, answer: http.client.HTTPResponse, limits: HttpLimits, timer: _Deadline
    ) -> None:
        self.url = url
        self.status = answer.status
        self.headers = answer.headers
        self._answer, self._limits, self._timer = answer, limits, timer

    def blocks(self) -> Iterator[bytes]:
        """The body. Raises FetchError: too_large, too_slow, cut_off."""
        expected = self._answer.length
        if expected is not None and expected > self._limits.max_bytes:
            value = f"{expected} bytes announced, limit {self._limits.max_bytes}"
            raise FetchError("too_large", value)
        size = 0
        try:
            while block := self._answer.read1(BLOCK):
                size += len(block)
                if size > self._limits.max_bytes:
                    raise FetchError("too_large", f"more than {self._limits.max_bytes} bytes")
                yield block
        except (OSError, http.client.HTTPException) as error:
            raise self._timer.explain(error) from error
        if self._timer.expired or (expected is not None and size != expected):
            raise self._timer.explain(OSError(f"{size} of {expected} bytes came"))


class _Deadline:
    """Ends a connection after so many seconds, whatever it is waiting for."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.expired = seconds, False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connection: socket.socket) -> None:
        self._socket = connection

    def cancel(self) -> None:
        self._timer.cancel()

    def explain(self, error: Exception) -> FetchError:
        if self.expired:
            return FetchError("too_slow", f"not done after {self.seconds:g} s")
        if isinstance(error, TimeoutError):
            return FetchError("too_slow", "the server went silent")
        return FetchError("cut_off", f"{type(error).__name__}: {error}")

    def _end(self) -> None:
        self.expired = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


@dataclass
class Exchange:
    """One GET from the first request to the last redirect; use as a context manager.

    `permit` is asked before each request and raises FetchError where it may not be made.
    """

    url: str
    headers: Mapping[str, str]
    limits: HttpLimits
    permit: Callable[[str], None]

    def __enter__(self) -> Response:
        self._timer = _Deadline(self.limits.seconds)
        self._connection: http.client.HTTPConnection | None = None
        url = self.url
        try:
            for _ in range(self.limits.redirects + 1):
                self.permit(url)
                answer = self._get(url)
                location = answer.headers.get("Location")
                if answer.status not in REDIRECTS or not location:
                    _refuse_encoding(answer)
                    return Response(url, answer, self.limits, self._timer)
                url = urljoin(url, location)
                self._close()
            raise FetchError("too_many_redirects", f"more than {self.limits.redirects}")
        except FetchError:
            self.__exit__()
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.__exit__()
            raise self._timer.explain(error) from error

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _get(self, url: str) -> http.client.HTTPResponse:
        scheme, host, port, target = split_url(url)
        connection = self._connect(host, port, scheme)
        self._connection = connection
        connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        default = {"https": 443, "http": 80}[scheme]
        name = f"[{host}]" if ":" in host else host
        connection.putheader("Host", name if port == default else f"{name}:{port}")
        connection.putheader("User-Agent", self.limits.agent)
        connection.putheader("Accept-Encoding", "identity")
        connection.putheader("Connection", "close")
        for key, value in self.headers.items():
            connection.putheader(key, value)
        connection.endheaders()
        return connection.getresponse()

    def _connect(self, host: str, port: int, scheme: str) -> http.client.HTTPConnection:
        last: OSError | None = None
        for family, address in resolve(host, port, self.limits.allowed):
            plain = socket.socket(family, socket.SOCK_STREAM)
            plain.settimeout(self.limits.read_seconds)
            self._timer.watch(plain)
            try:
                plain.connect((str(address), port))
                check_address(ipaddress.ip_address(plain.getpeername()[0]), self.limits.allowed)
                wrapped = plain
                if scheme == "https":
                    context = ssl.create_default_context()
                    wrapped = context.wrap_socket(plain, server_hostname=host)
                    self._timer.watch(wrapped)
            except OSError as error:
                plain.close()
                last = error
                continue
            connection = http.client.HTTPConnection(host, port)
            connection.sock = wrapped
            return connection
        raise last or OSError(f"no address of {host} answers")


def anywhere(url: str) -> None:
    """Permits every address; what is not public is refused all the same."""


def split_url(url: str) -> tuple[str, str, int, str]:
    """(scheme, host, port, request target). Raises FetchError `forbidden_url`."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
        host = parts.hostname or ""
    except ValueError as error:
        raise FetchError("forbidden_url", f"{url[:80]!r}: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise FetchError("forbidden_url", f"scheme {parts.scheme!r}; only http and https")
    if not host or "@" in parts.netloc:
        raise FetchError("forbidden_url", "no host, or credentials in the address")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or any(ord(c) <= 32 for c in target):
        raise FetchError("forbidden_url", f"characters in the path: {target[:80]!r}")
    return parts.scheme, host, port, target


def resolve(host: str, port: int, allowed: tuple[Network, ...]) -> list[tuple[int, Address]]:
    """The host's addresses, all of them public. Raises FetchError `forbidden_address`."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError("unavailable", f"no address for {host[:80]!r} ({error})") from error
    found = []
    for family, _, _, _, address in answers:
        parsed = ipaddress.ip_address(str(address[0]).partition("%")[0])
        check_address(parsed, allowed)
        found.append((int(family), parsed))
    return found


def check_address(address: Address, allowed: tuple[Network, ...]) -> None:
    """Raises FetchError unless `address` is public (or explicitly allowed)."""
    for candidate in (address, *_embedded(address)):
        if any(candidate in network for network in allowed if network.version == candidate.version):
            continue
        if not candidate.is_global or candidate.is_multicast or candidate.is_reserved:
            raise FetchError("forbidden_address", f"{candidate} is not a public address")


def _embedded(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """IPv4 addresses that an IPv6 one stands for."""
    if not isinstance(address, ipaddress.IPv6Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    for network, shift in EMBEDDING:
        if address in network and int(address) > 0xFFFF:
            yield ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)


def _refuse_encoding(answer: http.client.HTTPResponse) -> None:
    """We asked for plain bytes; a packed body may be a bomb."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise FetchError("encoded_body", f"Content-Encoding {encoding!r} was not asked for")
