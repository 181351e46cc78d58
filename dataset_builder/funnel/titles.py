"""What each step of a build asks for, in the words of the settings that were used."""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from dataset_builder.rules.order import Step

Values = Mapping[str, Any]  # one platform's section, as the manifest records it


def title_of(source: str, step: Step, settings: Mapping[str, Any]) -> str:
    """The step's title under these settings; the paper's where they are not known."""
    values = settings.get(source)
    said = TITLES.get((source, step.title))
    return step.title if said is None or values is None else said(values)


def _overlay(values: Values) -> str:
    start = values["overlay_start"]
    return f"since {start}" if start else "has a date"


def _window(values: Values) -> str:
    start, end = values["start"], values["end"]
    if end:  # the settings name the first day that is out
        end = (datetime.date.fromisoformat(end) - datetime.timedelta(days=1)).isoformat()
    if start and end:
        return f"{start} to {end}"
    return f"from {start}" if start else f"until {end}" if end else "any date"


def _channels(values: Values) -> str:
    # only the inputs tell whether a list was given
    return _window(values) + (", listed channels if any" if values["channels_only"] else "")


def _marks(values: Values) -> str:
    names = {"nsfw": "NSFW", "bots": "bot", "deleted": "deleted"}
    used = [name for key, name in names.items() if values[key]]
    used += ["listed words"] * values["nsfw_vocabulary_posts"]
    used += ["duplicate"] * (values["duplicates"] != "keep")
    return f"not {', '.join(used)}" if used else "any mark"


def _topic(values: Values) -> str:
    parts = ["topic"] * bool(values["excluded_topics"] or values["excluded_categories"])
    if values["languages"]:
        parts.append(f"language {', '.join(values['languages'])}")
    parts += ["open to comments"] * (values["comments_disabled"] == "drop")
    return ", ".join(parts) or "any topic and language"


def _length(values: Values) -> str:
    most = values["max_seconds"]
    return "any length" if most is None else f"at most {most:g} s"


def _views(values: Values) -> str:
    least = values["min_views"]
    return "any number of views" if least is None else f"over {least:,} views"


def _words(values: Values) -> str:
    return "not NSFW, no listed word" if values["nsfw_vocabulary_posts"] else "not NSFW"


def _comments(values: Values) -> str:
    least = values["min_comments"] or 0
    return f"{least} comment{'' if least == 1 else 's'} or more left" if least else "any comments"


def _host(values: Values) -> str:
    hosts = values["image_hosts"] is not None or values["video_hosts"] is not None
    return "hosted and available" if hosts else "available"


# by the paper's title in `rules/order.py`
TITLES: dict[tuple[str, str], Callable[[Values], str]] = {
    ("reddit", "since 2015-02"): _overlay,
    ("reddit", "2018-01 to 2022-01"): _window,
    ("reddit", "not NSFW, bot, deleted, duplicate"): _marks,
    ("reddit", "comments left"): _comments,
    ("reddit", "at most 500 s"): _length,
    ("reddit", "hosted and available"): _host,
    ("youtube", "2018 to 2023, listed channels"): _channels,
    ("youtube", "topic, language"): _topic,
    ("youtube", "at most 60 s"): _length,
    ("youtube", "over 10,000 views"): _views,
    ("youtube", "word list"): _words,
    ("youtube", "comments left and available"): lambda v: f"{_comments(v)}, available",
}
