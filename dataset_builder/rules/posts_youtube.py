"""The rules on YouTube videos, in the paper's order (sec. 2.1.2)."""

from __future__ import annotations

import re

from dataset_builder.rules.rule import (
    Rule,
    dated_after,
    dated_before,
    early_label,
    has_listed_word,
    longer_than,
    undated,
)
from dataset_builder.settings import Settings
from dataset_builder.vocabulary import topic_pattern
from dataset_builder.work.sql import quote, sql_list


def before_window(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: uploads from 2018 on."""
    return dated_before("before_window", settings.youtube.start)


def after_window(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: uploads until the end of 2023."""
    return dated_after("after_window", settings.youtube.end)


def no_date(settings: Settings) -> Rule | None:
    """A window can only be judged with a date."""
    return undated([settings.youtube.start, settings.youtube.end])


def channel_not_listed(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: channels from Wikidata; judged only when a list was given."""
    if not settings.youtube.channels_only:
        return None
    missing = "(SELECT count(*) FROM channels) > 0 AND channel_id NOT IN (SELECT id FROM channels)"
    unknown = "(SELECT count(*) FROM channels) > 0 AND channel_id IS NULL"
    value = "coalesce(channel_id, 'unknown')"
    return Rule("channel_not_listed", f"({missing}) OR ({unknown})", value)


def category(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: music, gaming and news by YouTube's own category."""
    names = [name.lower() for name in settings.youtube.excluded_categories or []]
    return Rule("category", f"category IN {sql_list(names)}", "category") if names else None


def topic(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: topics excluded by hand there, by versioned patterns here."""
    names = settings.youtube.excluded_topics or []
    if not names:
        return None
    said = "lower(concat_ws(' | ', title, array_to_string(tags, ' | ')))"
    cases = " ".join(
        f"WHEN regexp_matches({said}, {quote(topic_pattern(name))}) THEN {quote(name)}"
        for name in names
    )
    return Rule("topic", f"(CASE {cases} END) IS NOT NULL", f"CASE {cases} END")


def comments_disabled(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: videos whose comments are disabled."""
    if settings.youtube.comments_disabled != "drop":
        return None
    return Rule("comments_disabled", "comments_disabled", "'disabled'")


def nsfw(settings: Settings) -> Rule | None:
    """Age-restricted videos: the platform's NSFW mark."""
    return Rule("nsfw", "nsfw IS NOT NULL", "nsfw")


def early_posts(settings: Settings) -> Rule | None:
    """Posts whose likes and score were read too soon after they were made."""
    return early_label(settings.youtube, settings.youtube.early_posts == "drop")


def too_long(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: videos over 60 s."""
    return longer_than(settings.youtube.max_seconds)


def few_views(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: more than 10,000 views, strictly."""
    least = settings.youtube.min_views
    if least is None:
        return None
    value = "coalesce(views::VARCHAR, 'hidden')"
    return Rule("few_views", f"views IS NULL OR views <= {least:d}", value)


def nsfw_words(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: posts whose title or description holds a listed word."""
    if not settings.youtube.nsfw_vocabulary_posts:
        return None
    return has_listed_word("concat_ws(' | ', title, description)")


def not_wanted(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: non-English videos; without a tag, by the title's script and words."""
    if not settings.youtube.languages:
        return None
    wanted = "|".join(re.escape(name) for name in settings.youtube.languages)
    letters = r"length(regexp_replace(title, '\P{L}', '', 'g'))"
    latin = r"length(regexp_replace(title, '[^\p{Latin}]', '', 'g'))"
    script = f"language IS NULL AND {latin} < 0.5 * {letters}"
    tagged = f"coalesce(NOT regexp_matches(language, {quote(f'^(?i:{wanted})(?:[-_]|$)')}), false)"
    named = "regexp_full_match(language, '[A-Za-z]{2,8}([-_][0-9A-Za-z]{1,8}){0,3}')"
    return Rule(
        "language",
        f"{tagged} OR detected IS NOT NULL OR ({script})",
        f"CASE WHEN {tagged} AND {named} THEN language WHEN {tagged} THEN 'an unknown tag' "
        "ELSE coalesce('detected ' || detected, 'title in another script') END",
    )
