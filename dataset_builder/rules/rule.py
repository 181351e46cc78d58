"""A rule: SQL that is true for what it drops; and what the rules of several sources share."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataset_builder.sections import Source
from dataset_builder.settings import Settings
from dataset_builder.vocabulary import nsfw_pattern
from dataset_builder.work.sql import quote


@dataclass(frozen=True)
class Rule:
    """One filter: items where `condition` holds are dropped for `reason`, showing `value`."""

    reason: str
    condition: str
    value: str


PostRule = Callable[[Settings], Rule | None]
CommentRule = Callable[[Settings, str], Rule | None]
# a time beyond what a calendar holds is shown as its number
CLOCKS = 3600  # seconds by which two may differ
DAY = "coalesce(try(strftime(make_timestamp(created * 1000000), '%Y-%m-%d')), created::VARCHAR)"
WORDS = "(CASE WHEN text = '' THEN 0 ELSE strlen(text) - strlen(replace(text, ' ', '')) + 1 END)"


def epoch(day: str) -> int:
    """Seconds since 1970 of an ISO day, UTC."""
    moment = datetime.datetime.fromisoformat(day)
    return int(moment.replace(tzinfo=datetime.UTC).timestamp())


def bad_id(settings: Settings) -> Rule | None:
    """Ids that could not be file names or shard keys (not in the paper)."""
    good = r"^[0-9A-Za-z_-]{1,64}$"
    # its shape alone: what stands in the place of an id may be a person's
    shape = r"regexp_replace(left(native_id, 80), '[\p{L}\p{N}]', 'x', 'g')"
    return Rule("bad_id", f"NOT regexp_matches(native_id, '{good}')", shape)


def few_comments(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: posts with fewer than two comments left."""
    least = settings.source(source).min_comments
    if not least:
        return None
    return Rule("few_comments", f"kept_comments < {least:d}", "kept_comments::VARCHAR")


def early(source: Source) -> str:
    """SQL: likes and score were read too soon after posting to say much; null = nobody knows.

    Nobody does where they were read before it was posted, clocks that differ aside.
    """
    age = f"retrieved - created < {round(source.early_hours * 3600)}"
    return f"CASE WHEN retrieved >= created - {CLOCKS} THEN {age} END"


def early_label(source: Source, on: bool) -> Rule | None:
    """Labels that were taken too early, where the setting says so (not in the paper)."""
    value = "(retrieved - created) || ' s after posting'"
    return Rule("early_label", early(source), value) if on else None


def dated_before(reason: str, day: str | None) -> Rule | None:
    return Rule(reason, f"created < {epoch(day)}", DAY) if day else None


def dated_after(reason: str, day: str | None) -> Rule | None:
    return Rule(reason, f"created >= {epoch(day)}", DAY) if day else None


def undated(limits: Sequence[str | None]) -> Rule | None:
    return Rule("no_date", "created IS NULL", "'no date'") if any(limits) else None


def longer_than(seconds: float | None) -> Rule | None:
    if seconds is None:
        return None
    return Rule("too_long", f"media_type = 'video' AND duration > {seconds}", "duration::VARCHAR")


def has_listed_word(text: str) -> Rule:
    pattern = quote(nsfw_pattern())
    value = f"lower(regexp_extract({text}, {pattern}, 1))"
    return Rule("nsfw_words", f"regexp_matches({text}, {pattern})", value)
