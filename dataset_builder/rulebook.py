"""The order of the rules: which stage of the funnel each belongs to, and the SQL that applies them.

The order is part of a build's identity: reasons name the *first* rule that holds.
"""

from collections.abc import Sequence
from functools import partial

from dataset_builder import language, rules
from dataset_builder.reddit import quote
from dataset_builder.rules import PostRule, Rule
from dataset_builder.settings import Settings

Staged = tuple[str, Sequence[PostRule]]

# Stages in funnel order. Duplicates come between EARLY and the comments; media after LATE.
EARLY: dict[str, tuple[Staged, ...]] = {
    "reddit": (
        ("read", (rules.bad_id,)),
        (
            "window",
            (
                rules.reddit_no_date,
                rules.before_overlay_rule,
                rules.reddit_before_window,
                rules.reddit_after_window,
            ),
        ),
        (
            "marks",
            (
                rules.reddit_nsfw,
                rules.reddit_bot,
                rules.reddit_deleted,
                rules.reddit_nsfw_words,
            ),
        ),
    ),
    "youtube": (
        ("read", (rules.bad_id,)),
        (
            "window",
            (
                rules.youtube_no_date,
                rules.youtube_before_window,
                rules.youtube_after_window,
                rules.channel_not_listed,
            ),
        ),
        ("topic", (rules.category, rules.topic, language.not_wanted, rules.comments_disabled)),
        ("length", (rules.youtube_too_long,)),
        ("views", (rules.few_views,)),
        ("marks", (rules.youtube_nsfw, rules.youtube_nsfw_words)),
    ),
}
LATE: dict[str, tuple[Staged, ...]] = {
    "reddit": (
        ("comments", (partial(rules.few_comments, source="reddit"),)),
        ("length", (rules.reddit_too_long,)),
        ("host", (rules.gallery, rules.not_hosted)),
    ),
    "youtube": (("comments", (partial(rules.few_comments, source="youtube"),)),),
}
# Marks need no text; the others see it normalised.
COMMENT_MARKS = (rules.reply, rules.comment_nsfw, rules.comment_bot, rules.comment_deleted)
COMMENT_TEXT = (rules.empty, rules.few_words, rules.many_words, rules.comment_nsfw_words)


def staged(stages: Sequence[Staged], settings: Settings) -> list[tuple[str, Rule]]:
    """(stage, rule) of the rules these settings switch on, in order."""
    return [
        (stage, rule)
        for stage, functions in stages
        for function in functions
        if (rule := function(settings)) is not None
    ]


def comment_rules(
    functions: Sequence[rules.CommentRule], settings: Settings, source: str
) -> list[tuple[str, Rule]]:
    """The same for comment rules of one source; their stage is "comments"."""
    found = (function(settings, source) for function in functions)
    return [("comments", rule) for rule in found if rule is not None]


def verdict(chosen: Sequence[tuple[str, Rule]]) -> str:
    """SQL: struct (stage, reason, value) of the first rule that holds, else null."""
    if not chosen:
        return "NULL::STRUCT(stage VARCHAR, reason VARCHAR, value VARCHAR)"
    cases = "\n".join(
        f"WHEN {rule.condition} THEN {{'stage': {quote(stage)}, 'reason': {quote(rule.reason)}, "
        f"'value': {rule.value}}}"
        for stage, rule in chosen
    )
    return f"CASE {cases} END"


def describe(settings: Settings) -> list[dict[str, str]]:
    """The rules in force, in order, for the manifest."""
    rows = []
    for source in ("reddit", "youtube"):
        marks = comment_rules((*COMMENT_MARKS, *COMMENT_TEXT), settings, source)
        for kind, chosen in (
            ("post", staged(EARLY[source], settings)),
            ("comment", marks),
            ("post", staged(LATE[source], settings)),
        ):
            for stage, rule in chosen:
                rows.append({"source": source, "kind": kind, "stage": stage, "reason": rule.reason})
    return rows
