"""The order of the rules: which stage of the funnel each belongs to, and the SQL that applies them.

The order is part of a build's identity: reasons name the *first* rule that holds.
"""

from collections.abc import Sequence
from functools import partial

from dataset_builder.rules import comments, posts_reddit, posts_youtube
from dataset_builder.rules.rule import CommentRule, PostRule, Rule, bad_id, few_comments
from dataset_builder.settings import Settings
from dataset_builder.work.sql import quote

Staged = tuple[str, Sequence[PostRule]]
# Stages in funnel order. Duplicates come between EARLY and the comments; media after LATE.
EARLY: dict[str, tuple[Staged, ...]] = {
    "reddit": (
        ("read", (bad_id,)),
        (
            "window",
            (
                posts_reddit.no_date,
                posts_reddit.before_overlay_rule,
                posts_reddit.before_window,
                posts_reddit.after_window,
            ),
        ),
        (
            "marks",
            (
                posts_reddit.nsfw,
                posts_reddit.bot,
                posts_reddit.deleted,
                posts_reddit.nsfw_words,
            ),
        ),
    ),
    "youtube": (
        ("read", (bad_id,)),
        (
            "window",
            (
                posts_youtube.no_date,
                posts_youtube.before_window,
                posts_youtube.after_window,
                posts_youtube.channel_not_listed,
            ),
        ),
        (
            "topic",
            (
                posts_youtube.category,
                posts_youtube.topic,
                posts_youtube.not_wanted,
                posts_youtube.comments_disabled,
            ),
        ),
        ("length", (posts_youtube.too_long,)),
        ("views", (posts_youtube.few_views,)),
        ("marks", (posts_youtube.nsfw, posts_youtube.nsfw_words)),
    ),
}
LATE: dict[str, tuple[Staged, ...]] = {
    "reddit": (
        ("comments", (partial(few_comments, source="reddit"),)),
        ("length", (posts_reddit.too_long,)),
        ("host", (posts_reddit.gallery, posts_reddit.not_hosted)),
    ),
    "youtube": (("comments", (partial(few_comments, source="youtube"),)),),
}
# Marks need no text; the others see it normalised.
COMMENT_MARKS = (comments.reply, comments.nsfw, comments.bot, comments.deleted)
COMMENT_TEXT = (comments.empty, comments.few_words, comments.many_words, comments.nsfw_words)


def staged(stages: Sequence[Staged], settings: Settings) -> list[tuple[str, Rule]]:
    """(stage, rule) of the rules these settings switch on, in order."""
    return [
        (stage, rule)
        for stage, functions in stages
        for function in functions
        if (rule := function(settings)) is not None
    ]


def comment_rules(
    functions: Sequence[CommentRule], settings: Settings, source: str
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
