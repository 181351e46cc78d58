"""Labelled personal data and look-alikes, generated: none belongs to anyone.

Numbers come from ranges set aside for fiction where there are such, cards from a Luhn generator.
"""

import random
import string

CARRIERS = (
    "{}",
    "please write to {} today",
    "my contact is {}, thanks!",
    "({})",
    "see {}.",
    "lol {} 😀 right?",
    "Edit: {}\nthanks for the gold",
    "“{}”",
)
WORDS = "river lamp stone cloud maple tiger north amber pixel delta".split()  # noqa: SIM905


def digits(draw, count):
    return "".join(draw.choices(string.digits, k=count))


def email(draw):
    name = draw.choice(WORDS) + draw.choice(["", ".", "_", "+", "-"]) + draw.choice(WORDS)
    host = draw.choice(WORDS) + draw.choice(["", "-mail", "1"])
    end = draw.choice(["com", "org", "co.uk", "de", "io", "example"])
    shapes = ["{}@{}.{}", "{}@{}.{}", "{}@{}.{}", "{} [at] {}.{}", "{} at {} [dot] {}"]
    shape = draw.choice([*shapes, "{}\uff20{}.{}"])
    if draw.random() < 0.05:
        return f"{name} at gmail dot com"
    return shape.format(name, host, end.replace(".", " [dot] ") if "[dot]" in shape else end)


def url(draw):
    host = f"{draw.choice(WORDS)}.example.{draw.choice(['com', 'org', 'net'])}"
    secret = "".join(draw.choices(string.ascii_letters + string.digits, k=32))
    return draw.choice(
        [
            f"https://{host}/reset?token={secret}",
            f"https://{host}/a/b?x=1&access_token={secret}&y=2",
            f"http://{host}/file?sig={secret}",
            f"https://user:{secret[:9]}@{host}/",
            f"https://{host}/?session_id={secret}",
            f"https://{host}/invite/{secret[:30]}A1b",
            f"https://{host}/?api_key={secret}",
            f"https://{host}/share?email=tom%40{host}",
            f"www.{host}/login?password={secret[:8]}",
            f"https://{host}/jwt/eyJhbGciOiJIUzI1NiJ9.{secret}",
            f"{host}/login?password={secret[:8]}",
            f"https://hooks.slack.com/services/T{digits(draw, 8)}/B{digits(draw, 8)}/{secret[:24]}",
            f"https://t.me/joinchat/{secret[:16]}",
        ]
    )


def handle(draw):
    name = draw.choice(WORDS) + draw.choice(["", "_", "-"]) + draw.choice(WORDS)
    name += draw.choice(["", digits(draw, 2)])
    shapes = ["u/{}", "/u/{}", "@{}", "U/{}", "@{}", "https://www.reddit.com/user/{}"]
    shapes += ["old.reddit.com/u/{}", "https://twitter.com/{}", "instagram.com/{}", "\uff20{}"]
    shape = draw.choice(shapes)
    return shape.format(name[:20] if "u" in shape.lower() else name[:20].replace("-", "_"))


def phone(draw):
    area = draw.choice("23456789") + digits(draw, 2)
    line = f"01{digits(draw, 2)}"
    return draw.choice(
        [
            f"({area}) 555-{line}",
            f"{area}-555-{line}",
            f"{area}.555.{line}",
            f"+1 {area} 555 {line}",
            f"+1{area}555{line}",
            f"1-{area}-555-{line}",
            f"+44 20 7946 0{digits(draw, 3)}",
            f"020 7946 0{digits(draw, 3)}",
            f"+49 30 23125{digits(draw, 3)}",
            f"+33 6 39 98 {digits(draw, 2)} {digits(draw, 2)}",
            f"06 39 98 {digits(draw, 2)} {digits(draw, 2)}",
            f"06.39.98.{digits(draw, 2)}.{digits(draw, 2)}",
            f"(0)20 7946 0{digits(draw, 3)}",
            f"+91 98765 {digits(draw, 5)}",
            f"98765 {digits(draw, 5)}",
            f"+91-9876{digits(draw, 6)}",
            f"0176 {digits(draw, 8)}",
            f"call me {area}555{line}",
        ]
    )


def ip(draw):
    return draw.choice(
        [
            ".".join(str(draw.randint(1, 254)) for _ in range(4)),
            f"192.168.{draw.randint(0, 255)}.{draw.randint(1, 254)}",
            "2001:db8:" + ":".join(f"{draw.randrange(1, 65536):x}" for _ in range(6)),
            f"2001:db8::{draw.randrange(256, 65536):x}",
            f"fe80::{draw.randrange(256, 65536):x}:{draw.randrange(256, 65536):x}",
        ]
    )


def card(draw):
    start = draw.choice(["4", "51", "55", "37", "6011"])
    body = start + digits(draw, (15 if start == "37" else 16) - len(start) - 1)
    total = sum(
        sum(divmod(2 * int(d), 10)) if place % 2 == 0 else int(d)
        for place, d in enumerate(reversed(body))
    )
    number = body + str(-total % 10)
    groups = [number[i : i + 4] for i in range(0, len(number), 4)]
    return draw.choice([number, " ".join(groups), "-".join(groups)])


MAKERS = {"email": email, "url": url, "handle": handle, "phone": phone, "ip": ip, "card": card}


def positives(seed, count=500):
    """(class, text, the personal string) triples, the classes in turn."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        kind = list(MAKERS)[number % len(MAKERS)]
        secret = MAKERS[kind](draw)
        rows.append((kind, draw.choice(CARRIERS).format(secret), secret))
    return rows


def look_alike(draw):
    number = draw.randint(1, 999)
    return draw.choice(
        [
            f"version {draw.randint(1, 9)}.{draw.randint(0, 20)}.{draw.randint(0, 20)}",
            f"v{draw.randint(1, 9)}.{draw.randint(0, 9)}.{draw.randint(0, 9)}.{draw.randint(0, 9)}",
            f"firmware 10.2.{draw.randint(0, 9)}.{draw.randint(0, 9)}",
            f"it cost ${number},{digits(draw, 3)}.{digits(draw, 2)}",
            f"{number},{digits(draw, 3)},{digits(draw, 3)} people",
            f"€{number}.{digits(draw, 3)},{digits(draw, 2)}",
            f"on 20{digits(draw, 2)}-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}",
            f"{draw.randint(1, 28)}/0{draw.randint(1, 9)}/19{digits(draw, 2)}",
            f"{draw.randint(1, 28)}.1{draw.randint(0, 2)}.20{draw.randint(10, 22)}",
            f"at 1{draw.randint(0, 9)}:{draw.randint(10, 59)}:{draw.randint(10, 59)}",
            f"score 1{draw.randint(0, 9)}-{draw.randint(2, 9)} in game {draw.randint(1, 9)}",
            f"1{digits(draw, 3)}x{digits(draw, 3)} pixels",
            f"order #{digits(draw, 9)}",
            f"r/{draw.choice(WORDS)}",
            f"either/or and km/h and w/o {draw.choice(WORDS)}",
            f"{draw.choice(WORDS)} @ {draw.randint(1, 12)}pm",
            f"https://www.example.org/{draw.choice(WORDS)}/{number}.html",
            f"https://i.redd.it/{draw.choice(WORDS)}{number}.jpg",
            f"https://www.youtube.com/watch?v={draw.choice(WORDS)}{digits(draw, 6)}",
            f"http://example.com/page?id={number}&page=2",
            f"instagram.com/p/{draw.choice(WORDS)}{number}",
            f"twitter.com/search?q={draw.choice(WORDS)}",
            f"look at the {draw.choice(WORDS)} dot com bubble",
            f"look at {draw.choice(WORDS)} dot com",
            f"end of a sentence.@ {number}",
            f"pi is 3.14159265{digits(draw, 4)}",
            f"the years 1939-1945 and 19{digits(draw, 2)}-20{digits(draw, 2)}",
            f"ISBN 978-3-16-14841{digits(draw, 1)}-0",
            f"coordinates 48.{digits(draw, 4)}, 11.{digits(draw, 4)}",
            f"{number} / {number + 4} would do it again",
            f"Windows 10.0.{digits(draw, 5)}.1",
            f"std::vector and a::b in C++{draw.randint(11, 23)}",
            f"10^{number} or 2**{number}",
            f"{draw.randint(20, 99)}% of {digits(draw, 4)}",
            f"f/1.8 1/{number}s ISO {draw.randint(1, 64)}00",
            f"chapter 3.2.1.{draw.randint(1, 9)}",
            f"ratio 16:9, {draw.randint(1, 9)}:{digits(draw, 2)}:{digits(draw, 2)} long",
            f"id {digits(draw, 18)}7",
            "meet me at the [dot] on the map",
        ]
    )


def look_alikes(seed, count=500):
    """Texts with nothing personal in them."""
    draw = random.Random(seed)
    return [draw.choice(CARRIERS).format(look_alike(draw)) for _ in range(count)]
