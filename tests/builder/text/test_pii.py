"""Personal data: recall and false positives on generated samples, and what must stay as it is."""

import collections
import random
import re

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from builder.help.pii_samples import look_alikes, positives
from dataset_builder.text.normalise import normalise
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


COUNTRY_CUES = ("call me on {}", "text {} please", "my number is {}.", "phone: {}", "{} is my cell")


def numbers():
    """libphonenumber's examples of all regions: national, international and E.164."""
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
    forms = (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in kinds:
            number = phonenumbers.example_number_for_type(region, kind)
            if number:
                yield region, [phonenumbers.format_number(number, form) for form in forms]


@pytest.mark.parametrize("form", [0, 1, 2])
def test_numbers_of_every_country_beside_a_cue(form):
    missed, total = [], 0
    for at, (region, shapes) in enumerate(numbers()):
        text = COUNTRY_CUES[at % len(COUNTRY_CUES)]
        total += 1
        if scrub(text.format(shapes[form]), collections.Counter()) != text.format("[PHONE]"):
            missed.append((region, shapes[form]))
    assert len(missed) <= 0.05 * total, (len(missed), total, missed)


@pytest.mark.parametrize(
    "text",
    [
        *"06-12345678|0612345678|138-0013-8000|+49 30/901820|202/555-0143".split("|"),  # noqa: SIM905
        "call me on 600 123 456",
        "my number: 2025550143",
        "whatsapp 612 34 56 78",
        "text 01 234567890",
        "8 (912) 345-67-89 is my number",
    ],
)
def test_numbers_as_people_write_them(text):
    assert "[PHONE]" in scrub(text, collections.Counter())


def not_numbers(draw):
    """Digits that are no telephone number, often beside a word that could announce one."""
    year, month, day = draw.randint(1500, 2030), draw.randint(1, 12), draw.randint(1, 28)
    small, large = draw.randint(1, 99), draw.randint(100, 999)
    what = draw.choice(
        [
            f"{day:02}-{month:02}-{year}", f"{month}/{day}/{year}", f"{year}-{month:02}-{day:02}",
            f"{day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02} 12:30:45",
            f"{small}-{small + 1}", f"{small}:{small + 1}, {small}:{small + 2}",
            f"{small % 9 + 1}.{small % 30}.{large % 30}.{day}", f"{year}-{year + 1}",
            f"{year} {year + 1} {year + 2}", f"{year}/{year % 100}", f"${large},{large}.{small:02}",
            f"{large} {large} dollars", f"{small},{large},{large}", f"€{large}.{large},{small:02}",
            f"{small % 90}.{draw.randrange(10**6):06} -{small % 90}.{draw.randrange(10**6):06}",
            f"1920x{large}", f"{large}x{large}x{large}", "3840 x 2160", f"{large}{large} views",
            f"1 {large} {large} people", f"04 08 15 16 23 {small % 90 + 10}",
        ]
    )  # fmt: skip
    return draw.choice(
        ["call it {}", "the number was {}", "my phone shows {}", "text from {}", "so {} it is",
         "a call on {}", "{} on my phone", "the score: {}", "since {}", "they reach {} here"]
    ).format(what)  # fmt: skip


def test_at_most_one_look_alike_in_a_hundred_is_touched():
    draw = random.Random(7)
    texts = [not_numbers(draw) for _ in range(1000)]
    touched = [t for t in texts if scrub(t, collections.Counter()) != t]
    assert len(touched) <= 10, touched


SECRETS = (
    "token id_token refresh_token access_token access-token accessToken oauth_token X-Plex-Token "
    "reset_password_token client_secret secret api_key apikey x-api-key auth_key password passwd "
    "new_password signature X-Amz-Signature session_id sessionid PHPSESSID jsessionid sig jwt "
    "email invite login_otp"
)


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example/x?{}=abcDEF123",
        "https://a.example/x?q=1&{}=abcDEF123&z=2",
        "https://a.example/x#{}=abcDEF123",
        "https://a.example/x?q=1#state=1&{}=abcDEF123",
        "https://a.example/x;{}=abcDEF123",
        "https://a.example/#/login?{}=abcDEF123",
        "www.a.example/x?{}=abcDEF123",
        "a.example/x?q=1;{}=abcDEF123",
    ],
)
def test_secrets_by_how_their_names_end(address):
    for name in SECRETS.split():
        url = address.format(name)
        assert scrub(f"see {url} here", collections.Counter()) == "see [URL] here"
        if url.startswith("https"):
            assert "abcDEF123" not in scrub_url(url, collections.Counter())


@pytest.mark.parametrize(
    "text",
    [
        "@everyone and @here look", "@media (min-width: 3px)", "@Override public", "@property def",
        "1440p @144Hz without", "my 50mm @f/1.8 and", "@f2.8", "f/4 @ISO100", "dinner @ mine. Then",
        "Got mine @ Costco. Great price", "@4K60 and @60fps", "@ 7.30pm", "@3am",
        "update to 7.6.5.4", "since 2.21.7.14 came out", "like 127.0.0.1 for me",
        "use 8.8.8.8 or 1.1.1.1",
        "mask 255.255.255.0", "https://www.senate.gov/roll.cfm?congress=115&session=1&vote=00094",
        "https://a.example/?keyword=cat&monkey=1&state=NY&code=US", "on 07-04-1776 it was",
    ],
)  # fmt: skip
def test_what_is_nothing_personal(text):
    assert scrub(text, collections.Counter()) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\u00a0@First Last\u00a0 so true", "[USER] so true"),
        ("\u00a0@Anna Maria von Ort\u00a0 hi", "[USER] hi"),
        ("well \u00a0@First Last\u00a0 and \u00a0@Other\u00a0 too", "well [USER] and [USER] too"),
        ("@some_one says @here", "[USER] says @here"),
        ("@mediaman and @hereford", "[USER] and [USER]"),
    ],
)
def test_mentions_go_with_the_whole_name(text, clean):
    assert scrub(normalise(text, False), collections.Counter()) == clean
    assert "Last" not in scrub(text, collections.Counter())


def test_placeholders_are_left_alone():
    text = " ".join(PLACEHOLDERS.values())
    assert scrub(text, collections.Counter()) == text


def test_user_markup_is_data():
    text = "<image> <|im_start|>system {{7*7}} </s> [INST]"
    assert scrub(text, collections.Counter()) == text


@pytest.mark.timeout(30)  # a pattern that backtracks takes minutes, a good one milliseconds
@pytest.mark.parametrize("text", ["1" * 20_000, "a@" * 10_000, "1 " * 10_000, "u/" * 10_000,
                                  "call 1234567 " * 800, "http://" + "a/" * 10_000,
                                  ":".join("a" * 10_000)])  # fmt: skip
def test_long_texts_take_no_time(text):
    assert isinstance(scrub(text, collections.Counter()), str)


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://tom.lee:pw@i.redd.it/x.jpg", "https://i.redd.it/x.jpg"),
        ("https://a.example/x.jpg?w=1&email=a%40b.c&token=S", "https://a.example/x.jpg?w=1"),
        ("https://a.example/x.jpg#token=S", "https://a.example/x.jpg"),
        (
            "https://a.example/x.jpg;sessionid=S?a=1;id_token=S;b=2",
            "https://a.example/x.jpg?a=1;b=2",
        ),
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
