"""The one list of steps, from the first line read to the release, and the SQL of their rules.

The order of the rules is part of a build's identity: reasons name the *first* rule that holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from dataset_builder.ledger.reasons import MEDIA_REASONS
from dataset_builder.rules import comments, posts_reddit, posts_youtube
from dataset_builder.rules.rule import CommentRule, PostRule, Rule, bad_id, few_comments
from dataset_builder.schema import SOURCES
from dataset_builder.settings import Settings
from dataset_builder.work.sql import quote


@dataclass(frozen=True)
class Step:
    """One step of an item's way through a build, as ledger and funnel show it.

    `rules` are judged as SQL in this order, at the ledger's `stage`. `reasons` are all that end
    here, those of readers, duplicates and media included. `paper` is its count of posts after the
    step (pictures, videos); None where it prints none.
    """

    stage: str
    title: str
    reasons: tuple[str, ...]
    rules: tuple[PostRule, ...] = ()
    paper: tuple[int | None, int | None] = (None, None)
    late: bool = False  # judged when the post's comments are known


# From the first line read to the release; arXiv 2405.00942 sec. 2.1.
# "3.1 M + 2.0 M" is printed as excluded and read as what remains.
STEPS: dict[str, tuple[Step, ...]] = {
    "reddit": (
        Step(
            "read",
            "read",
            ("malformed", "repeated", "other_subreddit", "bad_id", "forgotten"),
            (bad_id,),
        ),
        Step(
            "window",
            "since 2015-02",
            ("no_date", "before_overlay_rule"),
            (posts_reddit.no_date, posts_reddit.before_overlay_rule),
            (3_100_000, 2_000_000),
        ),
        Step(
            "window",
            "2018-01 to 2022-01",
            ("before_window", "after_window"),
            (posts_reddit.before_window, posts_reddit.after_window),
            (1_400_000, 1_100_000),
        ),
        Step(
            "marks",
            "not NSFW, bot, deleted, duplicate",
            # the duplicates (text/reposts.py) are those of all that is left by then
            ("nsfw", "bot", "deleted", "nsfw_words", "early_label", "duplicate"),
            (
                posts_reddit.nsfw,
                posts_reddit.bot,
                posts_reddit.deleted,
                posts_reddit.nsfw_words,
                posts_reddit.early_posts,
            ),
            (876_000, 983_000),
        ),
        Step(
            "comments",
            "comments left",
            ("few_comments",),
            (partial(few_comments, source="reddit"),),
            (631_000, 397_000),
            late=True,
        ),
        Step(
            "length",
            "at most 500 s",
            ("too_long", "duration_unknown"),
            (posts_reddit.too_long,),
            (631_000, 221_000),
            late=True,
        ),
        Step(
            "host",
            "hosted and available",
            ("gallery", "not_hosted", *MEDIA_REASONS),
            (posts_reddit.gallery, posts_reddit.not_hosted),
            (400_000, 80_000),
            late=True,
        ),
    ),
    "youtube": (
        Step(
            "read",
            "read",
            ("malformed", "repeated", "bad_id", "forgotten"),
            (bad_id,),
            (None, 2_200_000),
        ),
        Step(
            "window",
            "2018 to 2023, listed channels",
            ("no_date", "before_window", "after_window", "channel_not_listed"),
            (
                posts_youtube.no_date,
                posts_youtube.before_window,
                posts_youtube.after_window,
                posts_youtube.channel_not_listed,
            ),
        ),
        Step(
            "topic",
            "topic, language",
            ("category", "topic", "language", "comments_disabled"),
            (
                posts_youtube.category,
                posts_youtube.topic,
                posts_youtube.not_wanted,
                posts_youtube.comments_disabled,
            ),
        ),
        Step(
            "length",
            "at most 60 s",
            ("too_long", "duration_unknown"),
            (posts_youtube.too_long,),
        ),
        Step("views", "over 10,000 views", ("few_views",), (posts_youtube.few_views,)),
        Step(
            "marks",
            "word list",
            ("nsfw", "nsfw_words", "early_label"),
            (posts_youtube.nsfw, posts_youtube.nsfw_words, posts_youtube.early_posts),
        ),
        Step(
            "comments",
            "comments left and available",
            ("few_comments", *MEDIA_REASONS),
            (partial(few_comments, source="youtube"),),
            (None, 250_000),
            late=True,
        ),
    ),
}
# Comments, in the order in which they are judged. Marks need no text; the others see it normalised.
COMMENT_MARKS = (
    comments.reply,
    comments.nsfw,
    comments.bot,
    comments.deleted,
    comments.uploader,
    comments.pinned,
    comments.early_comments,
)
COMMENT_TEXT = (
    comments.empty,
    comments.link_only,
    comments.few_words,
    comments.many_words,
    comments.nsfw_words,
)


def staged(source: str, late: bool, settings: Settings) -> list[tuple[str, Rule]]:
    """(stage, rule) of the post rules these settings switch on, in order; early or late ones."""
    return [
        (step.stage, rule)
        for step in STEPS[source]
        if step.late == late
        for function in step.rules
        if (rule := function(settings)) is not None
    ]


def without_comments(source: str, settings: Settings) -> list[tuple[str, Rule]]:
    """The late rules that need no comments: a post they drop can never be kept."""
    return [(stage, rule) for stage, rule in staged(source, True, settings) if stage != "comments"]


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
    for source in SOURCES:
        marks = comment_rules((*COMMENT_MARKS, *COMMENT_TEXT), settings, source)
        for kind, chosen in (
            ("post", staged(source, False, settings)),
            ("comment", marks),
            ("post", staged(source, True, settings)),
        ):
            for stage, rule in chosen:
                rows.append({"source": source, "kind": kind, "stage": stage, "reason": rule.reason})
    return rows
