"""Kinds of values that a setting may have; `--set` and presets are held to them as they are read.

A value that would be taken for another one, or fail only after hours, is refused here.
"""

import datetime
import ipaddress
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Allowed:
    """Values of one setting: `words` end the sentence "expected ..."."""

    words: str
    holds: Callable[[Any], bool]

    def or_null(self) -> "Allowed":
        """The same, and null, which switches off what the setting sets."""
        return Allowed(f"{self.words}, or null", lambda v: v is None or self.holds(v))


def whole(least: int, most: int | None = None) -> Allowed:
    """A whole number from `least` on."""
    words = f"a whole number, {least} or more" if most is None else f"{least} to {most}"
    return Allowed(words, lambda v: type(v) is int and least <= v <= (v if most is None else most))


def share(below: bool = False) -> Allowed:
    """A number from 0 to 1; `below`: not 1 itself."""
    words = "a share of 0 or more and below 1" if below else "a number from 0 to 1"
    return Allowed(words, lambda v: _number(v) and 0 <= v <= 1 and not (below and v == 1))


def choice(*names: str) -> Allowed:
    """One of these words."""
    return Allowed(f"one of {', '.join(names)}", lambda v: isinstance(v, str) and v in names)


def words(*names: str) -> Allowed:
    """A list of words, or of these words."""
    return Allowed(
        f"a list of {', '.join(names) if names else 'words, as in [a, b]'}",
        lambda v: isinstance(v, list) and all(_text(w) and (not names or w in names) for w in v),
    )


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _day(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _networks(value: Any) -> bool:
    try:
        return isinstance(value, list) and all(ipaddress.ip_network(str(one)) for one in value)
    except ValueError:
        return False


FLAG = Allowed("true or false", lambda v: isinstance(v, bool))
TEXT = Allowed("a text", _text)
DAY = Allowed("a day that exists, written YYYY-MM-DD", _day).or_null()
ABOVE_0 = Allowed("a number above 0", lambda v: _number(v) and v > 0)
FROM_0 = Allowed("a number, 0 or more", lambda v: _number(v) and v >= 0)
FROM_1 = Allowed("a number, 1 or more", lambda v: _number(v) and v >= 1)
COUNT, SOME = whole(0), whole(1)
HASHES = Allowed(
    "a list of SHA-256, 64 hex digits each",
    lambda v: (
        isinstance(v, list)
        and all(isinstance(one, str) and re.fullmatch("[0-9a-f]{64}", one) for one in v)
    ),
)
NETWORKS = Allowed("a list of networks, as in [10.0.0.0/8]", _networks)


def conflicts(tree: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What settings that are each allowed cannot be together."""
    splits = tree["splits"]
    if splits["validation"] + splits["test"] >= 1:
        yield (
            f"splits.validation={splits['validation']} and splits.test={splits['test']}: "
            "expected a sum below 1, so that something is left to train on"
        )
    for name in ("reddit", "youtube"):
        start, end = tree[name]["start"], tree[name]["end"]
        if start and end and start >= end:
            yield (
                f"{name}.start={start} and {name}.end={end}: expected a start before the end, "
                "which is the first day no longer kept"
            )
    images, videos = (_lower(tree["reddit"][f"{kind}_subreddits"]) for kind in ("image", "video"))
    if images & videos:
        yield (
            f"reddit.image_subreddits and reddit.video_subreddits both name "
            f"{', '.join(sorted(images & videos))}: expected each subreddit in one of them"
        )


def _lower(names: Sequence[str] | None) -> set[str]:
    return {name.lower() for name in names or []}
