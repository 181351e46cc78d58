"""The rules on comments of either source (secs. 2.1.1 and 2.1.2)."""

from dataset_builder.rules.rule import WORDS, Rule, early_label, has_listed_word
from dataset_builder.settings import Settings
from dataset_builder.work.sql import quote

LINK = r"(?i)(?:https?://|www\.)\S+|\b(?:[a-z0-9-]+\.)+[a-z]{2,}/\S*"
WORDS_PER_LINK = 2


def reply(settings: Settings, source: str) -> Rule | None:
    """Only comments on the post itself, where the setting says so."""
    if not settings.source(source).top_level_only:
        return None
    return Rule("reply", "reply", "'reply'")


def nsfw(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: comments marked NSFW."""
    if source != "reddit" or not settings.reddit.nsfw:
        return None
    return Rule("nsfw", "nsfw IS NOT NULL", "nsfw")


def bot(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: comments by bots."""
    if source != "reddit" or not settings.reddit.bots:
        return None
    return Rule("bot", "bot IS NOT NULL", "bot")


def deleted(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: deleted and removed comments."""
    if source != "reddit" or not settings.reddit.deleted:
        return None
    return Rule("deleted", "deleted IS NOT NULL", "deleted")


def uploader(settings: Settings, source: str) -> Rule | None:
    """What whoever posted the media wrote below them (not in the paper)."""
    if settings.source(source).uploader_comments == "keep":
        return None
    return Rule("uploader", "uploader", "'uploader'")


def pinned(settings: Settings, source: str) -> Rule | None:
    """What was pinned above the comments that were liked more (not in the paper)."""
    if settings.source(source).pinned_comments == "keep":
        return None
    return Rule("pinned", "pinned", "'pinned'")


def early_comments(settings: Settings, source: str) -> Rule | None:
    """Comments whose likes were read too soon to rank them."""
    section = settings.source(source)
    return early_label(section, section.early_comments == "drop")


def link_only(settings: Settings, source: str) -> Rule | None:
    """Links and no more than two other words for each: lists of shops and networks."""
    if settings.source(source).link_only_comments == "keep":
        return None
    links = f"len(regexp_extract_all(text, {quote(LINK)}))"
    rest = f"regexp_replace(text, {quote(LINK)}, ' ', 'g')"
    words = f"len(regexp_extract_all({rest}, '[\\p{{L}}\\p{{N}}]\\S*'))"
    # most comments hold neither sign, and the patterns cost more than looking for them
    likely = "contains(text, '/') OR contains(text, 'www.')"
    only = f"CASE WHEN {likely} THEN {links} > 0 AND {words} <= {WORDS_PER_LINK} * {links} END"
    return Rule("link_only", only, f"{links} || ' links'")


def few_words(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.1: fewer than 3 words; sec. 2.1.2: fewer than 4."""
    least = settings.source(source).min_words
    if not least:
        return None
    enough = "% " * (least - 1) + "%"  # a fifth of the time of counting them
    return Rule("few_words", f"text = '' OR text NOT LIKE '{enough}'", f"{WORDS}::VARCHAR")


def many_words(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.2: more than 100 words."""
    most = settings.source(source).max_words
    if not most:
        return None
    many = f"strlen(text) > {2 * most:d} AND {WORDS} > {most:d}"
    return Rule("many_words", many, f"{WORDS}::VARCHAR")


def nsfw_words(settings: Settings, source: str) -> Rule | None:
    """Sec. 2.1.2: comments that hold a listed word."""
    wanted = settings.source(source).nsfw_vocabulary_comments
    return has_listed_word("text") if wanted else None


def empty(settings: Settings, source: str) -> Rule | None:
    """Nothing is left of the comment once it is normalised."""
    return Rule("empty", "text = ''", "'empty'")
