"""The paper's rules, one function each, in the paper's order; thresholds come from blift.yaml.

A rule is SQL: `condition` is true for what it drops, `value` is the text that did it. A rule a
preset switches off is None. Several rules may hold for one item: the first one is its reason.
Post rules see STAGED_POSTS (title normalised), comment rules STAGED_COMMENTS plus `text` (the
normalised body: single spaces) and `nsfw`. Sections are those of arXiv 2405.00942v2.
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataset_builder.reddit import quote, sql_list
from dataset_builder.settings import Settings
from dataset_builder.vocabulary import TOPICS, nsfw_pattern


@dataclass(frozen=True)
class Rule:
    """One filter: items where `condition` holds are dropped for `reason`, showing `value`."""

    reason: str
    condition: str
    value: str


PostRule = Callable[[Settings], Rule | None]
CommentRule = Callable[[Settings, str], Rule | None]

# a time beyond what a calendar holds is shown as its number
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


def before_overlay_rule(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: r/pics allowed digital text until February 2015."""
    return _before("before_overlay_rule", settings.reddit.overlay_start)


def reddit_before_window(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: posts from January 2018 on, when both subreddits were large."""
    return _before("before_window", settings.reddit.start)


def reddit_after_window(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: the window ends with January 2022."""
    return _after("after_window", settings.reddit.end)


def reddit_no_date(settings: Settings) -> Rule | None:
    """A window can only be judged with a date."""
    reddit = settings.reddit
    return _no_date([reddit.start, reddit.end, reddit.overlay_start])


def reddit_nsfw(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: posts marked NSFW."""
    return Rule("nsfw", "nsfw IS NOT NULL", "nsfw") if settings.reddit.nsfw else None


def reddit_bot(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: posts by bots."""
    return Rule("bot", "bot IS NOT NULL", "bot") if settings.reddit.bots else None


def reddit_deleted(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: deleted and removed posts."""
    return Rule("deleted", "deleted IS NOT NULL", "deleted") if settings.reddit.deleted else None


def reddit_nsfw_words(settings: Settings) -> Rule | None:
    """The word list on Reddit titles; off in the paper."""
    return _nsfw_words("title") if settings.reddit.nsfw_vocabulary_posts else None


def few_comments(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: posts with fewer than two comments left."""
    least = getattr(settings, source).min_comments
    if not least:
        return None
    return Rule("few_comments", f"kept_comments < {least:d}", "kept_comments::VARCHAR")


def reddit_too_long(settings: Settings) -> Rule | None:
    """Sec. 2.1.1: videos over 500 s, where the dump already knows the length."""
    return _too_long(settings.reddit.max_seconds)


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


def youtube_before_window(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: uploads from 2018 on."""
    return _before("before_window", settings.youtube.start)


def youtube_after_window(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: uploads until the end of 2023."""
    return _after("after_window", settings.youtube.end)


def youtube_no_date(settings: Settings) -> Rule | None:
    """A window can only be judged with a date."""
    return _no_date([settings.youtube.start, settings.youtube.end])


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
        f"WHEN regexp_matches({said}, {quote(TOPICS[name])}) THEN {quote(name)}" for name in names
    )
    return Rule("topic", f"(CASE {cases} END) IS NOT NULL", f"CASE {cases} END")


def comments_disabled(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: videos whose comments are disabled."""
    if settings.youtube.comments_disabled != "drop":
        return None
    return Rule("comments_disabled", "comments_disabled", "'disabled'")


def youtube_nsfw(settings: Settings) -> Rule | None:
    """Age-restricted videos: the platform's NSFW mark."""
    return Rule("nsfw", "nsfw IS NOT NULL", "nsfw")


def youtube_too_long(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: videos over 60 s."""
    return _too_long(settings.youtube.max_seconds)


def few_views(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: more than 10,000 views, strictly."""
    least = settings.youtube.min_views
    if least is None:
        return None
    value = "coalesce(views::VARCHAR, 'hidden')"
    return Rule("few_views", f"views IS NULL OR views <= {least:d}", value)


def youtube_nsfw_words(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: posts whose title or description holds a listed word."""
    if not settings.youtube.nsfw_vocabulary_posts:
        return None
    return _nsfw_words("concat_ws(' | ', title, description)")


def reply(settings: Settings, source: str) -> Rule | None:
    """Only comments on the post itself, where the setting says so."""
    if not getattr(settings, source).top_level_only:
        return None
    return Rule("reply", "reply", "'reply'")


def comment_nsfw(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: comments marked NSFW."""
    if source != "reddit" or not settings.reddit.nsfw:
        return None
    return Rule("nsfw", "nsfw IS NOT NULL", "nsfw")


def comment_bot(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: comments by bots."""
    if source != "reddit" or not settings.reddit.bots:
        return None
    return Rule("bot", "bot IS NOT NULL", "bot")


def comment_deleted(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: deleted and removed comments."""
    if source != "reddit" or not settings.reddit.deleted:
        return None
    return Rule("deleted", "deleted IS NOT NULL", "deleted")


def few_words(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: fewer than 3 words; sec. 2.1.2: fewer than 4."""
    least = getattr(settings, source).min_words
    if not least:
        return None
    enough = "% " * (least - 1) + "%"  # a fifth of the time of counting them
    return Rule("few_words", f"text = '' OR text NOT LIKE '{enough}'", f"{WORDS}::VARCHAR")


def many_words(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.2: more than 100 words."""
    most = getattr(settings, source).max_words
    if not most:
        return None
    many = f"strlen(text) > {2 * most:d} AND {WORDS} > {most:d}"
    return Rule("many_words", many, f"{WORDS}::VARCHAR")


def comment_nsfw_words(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.2: comments that hold a listed word."""
    wanted = getattr(settings, source).nsfw_vocabulary_comments
    return _nsfw_words("text") if wanted else None


def empty(settings: Settings, source: str) -> Rule | None:
    """Nothing is left of the comment once it is normalised."""
    return Rule("empty", "text = ''", "'empty'")


def _before(reason: str, day: str | None) -> Rule | None:
    return Rule(reason, f"created < {epoch(day)}", DAY) if day else None


def _after(reason: str, day: str | None) -> Rule | None:
    return Rule(reason, f"created >= {epoch(day)}", DAY) if day else None


def _no_date(limits: Sequence[str | None]) -> Rule | None:
    return Rule("no_date", "created IS NULL", "'no date'") if any(limits) else None


def _too_long(seconds: float | None) -> Rule | None:
    if seconds is None:
        return None
    return Rule("too_long", f"media_type = 'video' AND duration > {seconds}", "duration::VARCHAR")


def _foreign(hosts: list[str] | None) -> str:
    if hosts is None:
        return "false"
    ends = " OR ".join(f"('.' || host) LIKE {quote('%.' + host.lower())}" for host in hosts)
    return f"NOT coalesce({ends or 'false'}, false)"


def _nsfw_words(text: str) -> Rule:
    pattern = quote(nsfw_pattern())
    value = f"lower(regexp_extract({text}, {pattern}, 1))"
    return Rule("nsfw_words", f"regexp_matches({text}, {pattern})", value)
