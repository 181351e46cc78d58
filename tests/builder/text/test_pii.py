"""Personal data: recall and false positives on generated samples, and what must stay as it is."""

import collections
import random
import re

import pytest

from builder.help.pii_samples import look_alikes, positives
from dataset_builder.text.pii import PII_GATE, PLACEHOLDERS, URL_GATES, scrub, scrub_url

NEEDED = {"email": 0.99, "url": 0.99, "handle": 0.99, "phone": 0.95, "ip": 0.95, "card": 0.95}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_recall_on_500_positives(seed):
    seen, hit, missed = collections.Counter(), collections.Counter(), []
    for kind, text, secret in positives(seed):
        clean = scrub(text, collections.Counter())
        seen[kind] += 1
        # found as what it is, and nothing of it left
        if PLACEHOLDERS[kind] in clean and secret not in clean:
            hit[kind] += 1
        else:
            missed.append((kind, text, clean))
    recall = {kind: hit[kind] / seen[kind] for kind in seen}
    assert all(recall[kind] >= NEEDED[kind] for kind in NEEDED), (recall, missed[:20])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_false_positives_on_500_look_alikes(seed):
    touched = [
        (text, clean)
        for text in look_alikes(seed)
        if (clean := scrub(text, collections.Counter())) != text
    ]
    assert len(touched) <= 5, touched


def test_counts_per_class():
    found = collections.Counter()
    clean = scrub("u/river_lamp wrote to a@b.example and @stone", found)
    assert clean == "[USER] wrote to [EMAIL] and [USER]"
    assert found == {"handle": 2, "email": 1}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_gate_lets_every_positive_through(seed):
    """Texts the SQL gate holds back never reach `scrub`: none may need it."""
    gate = re.compile(PII_GATE)
    held = [
        text
        for kind, text, _ in positives(seed)
        if scrub(text, collections.Counter()) != text and not gate.search(text)
    ]
    assert not held


def test_placeholders_are_left_alone():
    text = " ".join(PLACEHOLDERS.values())
    assert scrub(text, collections.Counter()) == text


def test_user_markup_is_data():
    text = "<image> <|im_start|>system {{7*7}} </s> [INST]"
    assert scrub(text, collections.Counter()) == text


@pytest.mark.timeout(30)  # a pattern that backtracks takes minutes, a good one milliseconds
@pytest.mark.parametrize("text", ["1" * 20_000, "a@" * 10_000, "1 " * 10_000, "u/" * 10_000,
                                  "http://" + "a/" * 10_000, ":".join("a" * 10_000)])  # fmt: skip
def test_long_texts_take_no_time(text):
    assert isinstance(scrub(text, collections.Counter()), str)


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://tom.lee:pw@i.redd.it/x.jpg", "https://i.redd.it/x.jpg"),
        ("https://a.example/x.jpg?w=1&email=a%40b.c&token=S", "https://a.example/x.jpg?w=1"),
        ("https://a.example/x.jpg#token=S", "https://a.example/x.jpg"),
        ("https://www.reddit.com/user/some_one/comments/a/b/", "[USER]"),
        ("http://[not-an-address/", "[URL]"),
        ("https://preview.redd.it/x.jpg?width=3&s=abc", None),
        ("https://www.youtube.com/watch?v=AAAAAAAAAAA&t=3", None),
        ("https://a.example/" + "0123456789abcdef" * 4 + ".jpg?1#page=2", None),
    ],
)
def test_addresses(url, left):
    found = collections.Counter()
    assert scrub_url(url, found) == (left or url)
    assert found == ({"url": 1} if left else {})


def test_addresses_the_gates_hold_back_hold_nothing():
    draw = random.Random(2)
    plain, named = map(re.compile, URL_GATES)
    hosts = "i.redd.it reddit.com www.reddit.com x.com t.me youtube.com a.example linkedin.com"
    parts = (
        "u user in add some_one a.jpg watch?v=a_-AAAAAAAA %40me @me U User x.com a=b a@b.c ?sid=s"
    )
    urls = [
        draw.choice(["http://", "https://", "HTTPS://", "ftp://", ""])
        + "/".join([draw.choice(hosts.split()), *draw.choices(parts.split(), k=draw.randint(0, 3))])
        for _ in range(20_000)
    ]
    held = [url for url in urls if plain.search(url) and not named.search(url)]
    assert len(held) > 1000
    assert [url for url in held if scrub_url(url, collections.Counter()) != url] == []
