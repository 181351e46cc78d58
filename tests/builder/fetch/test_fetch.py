"""Fetching is safe against hostile addresses and servers, obeys opt-outs, resumes, and counts."""

import http.server
import ipaddress
import socket
import threading
import time
from pathlib import Path

import pytest

from builder.help.media_samples import FAST, jpeg, ledger, post, write_text
from dataset_builder.fetch.fetcher import fetch_all
from dataset_builder.fetch.robots import check_headers
from dataset_builder.fetch.safe_http import FetchError, check_address, resolve, split_url
from dataset_builder.fetch.store import FetchStore, Wanted
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings

PICTURE = jpeg(1)
QUICK = [
    "fetch.pause_seconds=0",
    "fetch.back_off_seconds=0.01",
    "fetch.retries=1",
    "fetch.seconds=2",
    "fetch.read_seconds=1",
]
LOOPBACK = [*QUICK, "fetch.allowed_networks=['127.0.0.0/8']"]


class Site(http.server.BaseHTTPRequestHandler):
    """A server with one trick per path; class attributes record what was asked."""

    hits: list[str]
    requests: list[dict[str, str]]
    robots: str
    failures: int

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        cls = type(self)
        cls.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
        if self.path == "/robots.txt":
            return self.answer(cls.robots.encode())
        cls.hits.append(self.path)
        name = self.path.strip("/").split("/")[0].split("?")[0].replace(".", "_").replace("-", "_")
        return getattr(self, name, self.picture)()

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def picture(self) -> None:
        self.answer(PICTURE)

    def html(self) -> None:
        self.answer(b"<html>not here</html>", Content_Type="image/jpeg")

    def gone(self) -> None:
        self.answer(b"", 404)

    def noai(self) -> None:
        self.answer(PICTURE, X_Robots_Tag="noai, noarchive")

    def noimageai(self) -> None:
        self.answer(PICTURE, X_Robots_Tag="blift: noimageai")

    def noindex(self) -> None:
        self.answer(PICTURE, X_Robots_Tag="noindex")

    def otherbot(self) -> None:
        self.answer(PICTURE, X_Robots_Tag="otherbot: noai")

    def tdm(self) -> None:
        self.answer(PICTURE, tdm_reservation="1")

    def huge(self) -> None:
        self.answer(b"", Content_Length=str(10 * 2**30))

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        block = b"\xff\xd8\xff" + bytes(2**20)
        for _ in range(40):
            self.wfile.write(block)

    def drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def drip_headers(self) -> None:
        for _ in range(100):
            self.wfile.write(b"H")
            self.wfile.flush()
            time.sleep(0.1)

    def gzip(self) -> None:
        self.answer(b"\x1f\x8b" + bytes(100), Content_Encoding="gzip")

    def short(self) -> None:
        self.answer(PICTURE[:100], Content_Length=str(len(PICTURE)))

    def loop(self) -> None:
        self.answer(b"", 302, Location="/loop")

    def hop(self) -> None:
        self.answer(b"", 302, Location="/picture", Set_Cookie="id=1")

    def dead(self) -> None:
        self.answer(b"", 302, Location="/removed.png")

    def stand_in(self) -> None:
        self.answer(PICTURE, ETag='"d835884373f4d6c8f24742ceabe74946"')

    def to_metadata(self) -> None:
        self.answer(b"", 302, Location="http://169.254.169.254/latest/meta-data/")

    def to_file(self) -> None:
        self.answer(b"", 302, Location="file:///etc/passwd")

    def flaky(self) -> None:
        cls = type(self)
        cls.failures -= 1
        self.answer(PICTURE if cls.failures < 0 else b"", 200 if cls.failures < 0 else 503)

    def resumed(self) -> None:
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") == '"v1"':
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            part = f"bytes {start}-{len(PICTURE) - 1}/{len(PICTURE)}"
            return self.answer(PICTURE[start:], 206, ETag='"v1"', Content_Range=part)
        half = PICTURE[: len(PICTURE) // 2]
        return self.answer(half, ETag='"v1"', Content_Length=str(len(PICTURE)))

    def misplaced(self) -> None:
        if "Range" in self.headers:
            part = f"bytes 9-{len(PICTURE) - 1}/{len(PICTURE)}"
            return self.answer(PICTURE[9:], 206, ETag='"v1"', Content_Range=part)
        return self.resumed()

    def unplaced(self) -> None:
        if "Range" in self.headers:
            return self.answer(PICTURE, 206, ETag='"v1"')
        return self.resumed()

    def partly(self) -> None:
        self.answer(PICTURE[:999], 206, Content_Range=f"bytes 0-998/{len(PICTURE)}")


@pytest.fixture
def site():
    handler = type("Handler", (Site,), {"hits": [], "requests": [], "robots": "", "failures": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    handler.base = f"http://127.0.0.1:{server.server_address[1]}"
    yield handler
    server.shutdown()
    server.server_close()


def outcome(folder: Path, url: str, overrides: list[str]) -> str:
    """`fetched`, or the reason why not."""
    store = FetchStore(folder)
    fetch_all([Wanted("reddit-x", url)], store, load_settings("seed", overrides), 1)
    entry = store.entries()["reddit-x"]
    if entry.path is not None:
        assert (folder / entry.path).read_bytes() == PICTURE
        return "fetched"
    assert not list((folder / "files").rglob("*"))
    assert not (entry.final and list((folder / "partial").iterdir()))
    return str(entry.reason)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("picture", "fetched"),
        ("hop", "fetched"),
        ("otherbot", "fetched"),
        ("flaky", "fetched"),
        ("resumed", "fetched"),
        ("misplaced", "server_error"),
        ("unplaced", "server_error"),
        ("partly", "server_error"),
        ("html", "not_media"),
        ("gone", "unavailable"),
        ("noai", "opted_out"),
        ("noimageai", "opted_out"),
        ("noindex", "opted_out"),
        ("tdm", "opted_out"),
        ("huge", "too_large"),
        ("endless", "too_large"),
        ("drip", "too_slow"),
        ("drip-headers", "too_slow"),
        ("gzip", "encoded_body"),
        ("short", "cut_off"),
        ("loop", "too_many_redirects"),
        ("dead", "unavailable"),
        ("stand-in", "unavailable"),
        ("removed.png", "fetched"),  # that is its own name
        ("to-metadata", "forbidden_address"),
        ("to-file", "forbidden_url"),
    ],
)
def test_every_trick_of_a_server_has_its_outcome(site, tmp_path, path, expected):
    site.failures = 1
    settings = [*LOOPBACK, "media.max_megabytes=5"]
    started = time.monotonic()
    assert outcome(tmp_path, f"{site.base}/{path}", settings) == expected
    assert time.monotonic() - started < 8


def test_cookies_are_never_sent(site, tmp_path):
    outcome(tmp_path, f"{site.base}/hop", LOOPBACK)
    assert all("cookie" not in request for request in site.requests)


def test_robots_txt_is_obeyed_and_asked_once(site, tmp_path):
    site.robots = "User-agent: blift\nDisallow: /private/\n"
    settings = load_settings("seed", LOOPBACK)
    items = [Wanted("a", f"{site.base}/private/1"), Wanted("b", f"{site.base}/public")]
    counts = fetch_all(items, FetchStore(tmp_path), settings, 2)
    assert counts == {"already": 0, "robots": 1, "fetched": 1}
    assert site.hits == ["/public"]
    assert sum(r["path"] == "/robots.txt" for r in site.requests) <= 2


def test_robots_txt_is_asked_before_every_hop(site, tmp_path):
    site.robots = "User-agent: *\nDisallow: /pic*\n"
    assert outcome(tmp_path, f"{site.base}/hop", LOOPBACK) == "robots"
    assert site.hits == ["/hop"]


def test_a_second_run_asks_only_for_what_may_have_changed(site, tmp_path):
    settings, store = load_settings("seed", LOOPBACK), FetchStore(tmp_path)
    items = [Wanted("a", f"{site.base}/picture"), Wanted("b", f"{site.base}/gone")]
    items.append(Wanted("c", f"{site.base}/short"))
    fetch_all(items, store, settings, 1)
    site.hits.clear()
    assert fetch_all(items, store, settings, 1)["already"] == 2
    assert set(site.hits) == {"/short"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "0.0.0.0",
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
    ],
)
def test_no_spelling_of_loopback_is_connected_to(site, tmp_path, host):
    port = site.base.rsplit(":", 1)[1]
    found = outcome(tmp_path, f"http://{host}:{port}/picture", QUICK)
    assert found in {"forbidden_address", "unavailable"}
    assert site.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
        "::",
    ],
)
def test_addresses_that_are_not_public_are_refused(address):
    with pytest.raises(FetchError, match="forbidden_address"):
        check_address(ipaddress.ip_address(address), ())


def test_public_addresses_are_not_refused():
    for address in ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "8.8.8.8"):
        check_address(ipaddress.ip_address(address), ())


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a.jpg",
        "gopher://example.org/",
        "data:image/png;base64,AAAA",
        "http://user:secret@example.org/",
        "http:///nohost",
        "http://example.org:99999/",
        "http://example.org/a b",
        "http://example.org/\r\nX: y",
        "javascript:alert(1)",
    ],
)
def test_other_addresses_are_refused_before_any_lookup(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: pytest.fail("looked up"))
    with pytest.raises(FetchError, match="forbidden_url"):
        split_url(url)


def test_one_private_answer_among_public_ones_refuses_the_host(monkeypatch):
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in ("8.8.8.8", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(FetchError, match="forbidden_address"):
        resolve("rebind.example", 80, ())


def test_a_rebinding_name_is_resolved_once_and_connected_to_that(site, tmp_path, monkeypatch):
    answers = iter(["8.8.8.8", "127.0.0.1"])
    looked_up, connected = [], []

    def lookup(host, port, **_):
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(_self, address):
        connected.append(address[0])
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket.socket, "connect", connect)
    settings = [*QUICK, "fetch.robots=false", "fetch.retries=0"]
    assert outcome(tmp_path, "http://rebind.example/x.jpg", settings) == "cut_off"
    assert (looked_up, connected) == (["rebind.example"], ["8.8.8.8"])
    assert site.requests == []


def test_opt_out_tags():
    check_headers(["all", "noarchive"], None, "blift/1")
    check_headers(["googlebot: noindex"], None, "blift/1")
    for tag in ("noai", "NOIMAGEAI", "unavailable_after: x, none"):
        with pytest.raises(FetchError, match="opted_out"):
            check_headers([tag], None, "blift/1")


def test_fetch_outcomes_are_ledger_reasons_of_the_build(site, tmp_path):
    settings = load_settings("seed", [*LOOPBACK, *FAST])
    store = tmp_path / "store"
    names = ("picture", "noai", "gone")
    items = [Wanted(f"reddit-{n}", f"{site.base}/{n}") for n in names]
    fetch_all(items, FetchStore(store), settings, 2)
    posts = [post(f"reddit-{n}", "image") for n in names]
    write_text(tmp_path / "out", posts, {p["id"]: ["nice", "good"] for p in posts})
    assert media_stage(tmp_path / "out", store, settings, [], 1).samples == {"train": 1}
    reasons = {r["id"]: r["reason"] for r in ledger(tmp_path / "out") if r["kind"] == "post"}
    assert reasons == {
        "reddit-picture": None,
        "reddit-noai": "opted_out",
        "reddit-gone": "unavailable",
    }


def test_youtube_without_its_downloader_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("dataset_builder.fetch.youtube_download.find_spec", lambda _name: None)
    found = outcome(
        tmp_path, "https://www.youtube.com/watch?v=abcdefghijk", [*QUICK, "fetch.retries=0"]
    )
    assert found == "no_downloader"
