"""The rules on Reddit posts, in the paper's order (sec. 2.1.1)."""

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
from dataset_builder.work.sql import quote


def before_overlay_rule(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: r/pics allowed digital text until February 2015."""
    return dated_before("before_overlay_rule", settings.reddit.overlay_start)


def before_window(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: posts from January 2018 on, when both subreddits were large."""
    return dated_before("before_window", settings.reddit.start)


def after_window(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: the window ends with January 2022."""
    return dated_after("after_window", settings.reddit.end)


def no_date(settings: Settings) -> Rule | None:
    """A window can only be judged with a date."""
    reddit = settings.reddit
    return undated([reddit.start, reddit.end, reddit.overlay_start])


def nsfw(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: posts marked NSFW."""
    return Rule("nsfw", "nsfw IS NOT NULL", "nsfw") if settings.reddit.nsfw else None


def bot(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: posts by bots."""
    return Rule("bot", "bot IS NOT NULL", "bot") if settings.reddit.bots else None


def deleted(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: deleted and removed posts."""
    return Rule("deleted", "deleted IS NOT NULL", "deleted") if settings.reddit.deleted else None


def nsfw_words(settings: Settings) -> Rule | None:
    """The word list on Reddit titles; off in the paper."""
    return has_listed_word("title") if settings.reddit.nsfw_vocabulary_posts else None


def early_posts(settings: Settings) -> Rule | None:
    """Posts whose likes and score were read too soon after they were made."""
    return early_label(settings.reddit, settings.reddit.early_posts == "drop")


def too_long(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: videos over 500 s, where the dump already knows the length."""
    return longer_than(settings.reddit.max_seconds)


def gallery(settings: Settings) -> Rule | None:
    """A gallery is several pictures under one set of comments: which one do they speak of?"""
    if settings.reddit.galleries == "first":
        return None
    return Rule("gallery", "gallery", "'gallery'")


def not_hosted(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: pictures hosted by Reddit, videos hosted by YouTube."""
    image = _foreign(settings.reddit.image_hosts)
    video = _foreign(settings.reddit.video_hosts)
    if settings.reddit.video_hosts is not None:
        video = f"({video} OR media_key = native_id)"  # a channel or playlist page is no video
    wrong = f"CASE media_type WHEN 'image' THEN {image} ELSE {video} END"
    value = "CASE WHEN is_self THEN 'self post' ELSE coalesce(nullif(host, ''), 'no URL') END"
    return Rule("not_hosted", f"is_self OR {wrong}", value)


def _foreign(hosts: list[str] | None) -> str:
    if hosts is None:
        return "false"
    ends = " OR ".join(f"('.' || host) LIKE {quote('%.' + host.lower())}" for host in hosts)
    return f"NOT coalesce({ends or 'false'}, false)"
