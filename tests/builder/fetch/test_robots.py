"""robots.txt as RFC 9309 has it, and X-Robots-Tag headers that name a crawler."""

import pytest

from dataset_builder.fetch.robots import ROBOTS_BYTES, _text, check_headers, parse_robots
from dataset_builder.fetch.safe_http import FetchError

AGENT = "blift/0.1 (dataset builder; obeys robots.txt)"
HERE = "https://a.example"


def allowed(robots, path):
    return parse_robots(robots, "blift").can_fetch(HERE + path, "blift")


@pytest.mark.parametrize(
    ("robots", "open_", "closed"),
    [
        ("User-agent: *\nDisallow: /*.jpg$", ["/a.png", "/a.jpg?x"], ["/a.jpg", "/b/c.jpg"]),
        ("User-agent: *\nDisallow: /a/*/private", ["/a/private"], ["/a/b/private/x"]),
        ("User-agent: *\nDisallow: /\nAllow: /pub/", ["/pub/a"], ["/a", "/pu"]),
        ("User-agent: *\nAllow: /pub/\nDisallow: /pub/x", ["/pub/a"], ["/pub/x1"]),
        ("User-agent: *\nDisallow: /page\nAllow: /page", ["/page"], []),
        ("User-agent: *\nAllow: /page\nDisallow: /*.ph", ["/page", "/page.ph"], ["/x.ph"]),
        ("\ufeffUser-agent: *\nDisallow: /x", ["/"], ["/x"]),
        ("User-agent: blift\n\n\nDisallow: /x\n\nDisallow: /y", ["/z"], ["/x", "/y"]),
        (
            "User-agent: blift\nDisallow: /a\n\nUser-agent: *\nDisallow: /\n"
            "User-agent: BLIFT\nDisallow: /b",
            ["/c"],
            ["/a", "/b"],
        ),
        ("User-agent: other\nUser-agent: blift\nDisallow: /x\n", ["/"], ["/x"]),
        ("User-agent: blift/2.0 # us\nDisallow: /x\nUser-agent: *\nDisallow: /", ["/"], ["/x"]),
        # a part of our name, a word of our header and another's name that holds ours
        ("User-agent: bli\nUser-agent: dataset\nUser-agent: xblift\nDisallow: /", ["/x"], []),
        ("User-agent: blift-image\nDisallow: /", ["/x"], []),
        # other lines do not end a group
        ("User-agent: blift\nCrawl-delay: 9\nUser-agent: z\nDisallow: /x", ["/"], ["/x"]),
        ("User-agent: blift\nSitemap: https://a.example/s\nDisallow: /x", ["/"], ["/x"]),
        ("User-agent: *\rDisallow: /x\r\nDisallow: /y", ["/"], ["/x", "/y"]),
        ("User-agent: *\nDisallow:", ["/x"], []),
        ("User-agent: *\nDisallow: /caf%C3%A9\nDisallow: /a%3cd", ["/c"], ["/café", "/a%3Cd"]),
        ("Disallow: /", ["/x"], []),
        ("<html><body>not here</body></html>", ["/x"], []),
        ("", ["/x"], []),
    ],
)  # fmt: skip
def test_rules_of_rfc_9309(robots, open_, closed):
    assert [path for path in open_ if not allowed(robots, path)] == []
    assert [path for path in closed if allowed(robots, path)] == []


def test_the_first_500_kib_count_and_no_half_line():
    head = b"User-agent: *\nDisallow: /x\n"
    fill = b"#" + b"a" * 98 + b"\n"
    lines = head + fill * (ROBOTS_BYTES // 100 + 1)
    cut = lines[: ROBOTS_BYTES - 10] + b"\nDisallow: /private/\nDisallow: /y\n"
    text = _text([cut[at : at + 65_536] for at in range(0, len(cut), 65_536)])
    assert "Disallow: /x" in text
    assert not allowed(text, "/x/1")
    assert allowed(text, "/open")  # a half line would have read "Disallow: /"
    assert allowed(text, "/y")


@pytest.mark.parametrize(
    "tag",
    [
        "otherbot: noai",
        "otherbot: noindex, noai, none",
        "OtherBot/2.1: noarchive, noimageai",
        "all, max-image-preview:large",
        "otherbot: unavailable_after: 25 Jun 2010 15:00:00 PST, none",
    ],
)
def test_what_is_for_another_crawler_does_not_concern_us(tag):
    check_headers([tag], None, AGENT)


@pytest.mark.parametrize(
    "tag",
    [
        "noai",
        "blift: noarchive, noai",
        "BLIFT: noindex",
        "*: noai",
        "otherbot: all, blift: noai",
        "max-snippet:20, noindex",
        "unavailable_after: 25 Jun 2010 15:00:00 PST, noindex",
    ],
)
def test_what_is_for_us_is_obeyed(tag):
    with pytest.raises(FetchError, match="opted_out"):
        check_headers(["otherbot: noindex", tag], None, AGENT)
