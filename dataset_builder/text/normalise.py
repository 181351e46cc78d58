"""Text of a comment or title as readers saw it: no HTML entities, markdown or invisible signs.

Emoji and flags stay with the joiners and tags inside them, and joiners in scripts that need them.
Whitespace becomes single spaces, but the no-break spaces inside a mention of YouTube's stay: they
alone say where a name ends. HTML is none here: a source that is HTML is turned into text where it
is read (`read/youtube.py`).
"""

import html
import re
import unicodedata

# Signs that no step below changes, alone or beside each other: ASCII, composed letters, punctuation
# and emoji. None is a space, invisible or a mark that joins the sign before it.
UNCHANGED = (
    "\\x20-\\x7e\u00a1-\u00ac\u00ae-\u02ff\u0400-\u0481\u2010-\u2027\u2030-\u205e\u20a0-\u20bf"
    "\u2190-\u2328\u2600-\u27bf\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3\ufe0f"
    "\U0001f300-\U0001faff"
)
# Texts without any of these come back unchanged; used as SQL gate (RE2) and tested to be one.
PLAIN_GATE = rf"[^{UNCHANGED}]|[&*_`\\^]|~~|\]\(|>!|^[ >#+=|:~-]|^\d+[.)] | $|  "
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]+"
)
# joiners shape the letters of these scripts: Arabic to Sinhala, Burmese, Khmer, Mongolian
_JOINED = "\u0600-\u0dff\u1000-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc"
_LONE_JOINER = re.compile(
    f"(?<![{_JOINED}\u2190-\u2bff\u3000-\u303f\ufe0f\U0001f000-\U0001faff])\u200d"
)
# what is no hidden text in its place: tags of a flag such as England's, a non-joiner, the variant
# of a Han character
_SEEN = re.compile(
    "(?<=\U0001f3f4)[\U000e0030-\U000e007a]{1,8}\U000e007f"
    f"|(?<=[{_JOINED}])\u200c"
    "|(?<=[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]"
)
_MENTION = re.compile(
    "(?<=\u00a0)@(?:[^\\s@]{1,30} ){1,4}[^\\s@]{1,30}(?=\u00a0)"
    # at the start some exports cut the first no-break space off; then names, not a sentence
    "|^@[^\\s@]{1,30}(?: [^\\sa-z@][^\\s@]{0,29}){1,4}(?=\u00a0)"
)
_HELD = "\ufdd0"  # never a character: stands for a no-break space while others are joined
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LINE_START = re.compile(
    r"(?m)^[ \t]{0,3}(?:>(?!!)[ \t]?|#{1,6}[ \t]*|[*+-][ \t]+|\d{1,3}[.)][ \t]+)+"
)
_RULE = re.compile(
    r"(?m)^[ \t]*(?:[-*_=][ \t]*){3,}$|^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)+$"
)
_LINE_MARKS = frozenset(" \t>#*+-_=|:")  # what the two above start with, besides digits
_LINK = re.compile(
    r"!?\[([^\[\]]{0,2000})\]\(\s*<?([^()\s]{0,2000}(?:\([^()\s]*\)[^()\s]*)?)>?"
    r"(?:\s+\"[^\"]*\")?\s*\)"
)
# GIFs, emotes and pictures in comments: their caption is all that is words
_PICTURE = re.compile(r"!\[(?:gif|img)\]\([^()\s]*(?:\s+\"([^\"]*)\")?\s*\)")
_SPOILER = re.compile(r">!(.{1,2000}?)!<", re.S)
_STRONG = re.compile(r"(?<!\\)(\*{1,3}|_{2,3}|~~)(?=\S)(.{1,2000}?)(?<=[^\s\\])\1", re.S)
_EMPHASIS = re.compile(r"(?<![\w\\])_(?=\S)([^_\n]{1,2000}?)(?<=[^\s\\])_(?!\w)")
_CODE = re.compile(r"(`{1,3})([^`]+)\1")
_SUPER = re.compile(r"(?<!\\)\^+(?=[^\s^)\]])(?:\(([^()]*)\)|)")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!~^|<>])")


def normalise(text: str, markdown: bool) -> str:
    """The text cleaned; `markdown` also takes Reddit's markup away (YouTube keeps its text).

    Each expression runs only where the sign it looks for occurs: most comments have none.
    """
    text = _unescape(text)
    if "\u00a0" in text and "@" in text:
        text = _MENTION.sub(lambda found: found.group().replace(" ", _HELD), text)
    if not text.isprintable():
        text = _CONTROL.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", _INVISIBLE.sub(_seen, text))
        if "\u200d" in text:
            text = _LONE_JOINER.sub("", text)
    if markdown:
        text = _plain(text)
    return " ".join(text.split()).replace(_HELD, "\u00a0")


def _seen(found: re.Match[str]) -> str:
    """Of invisible signs those that shape the sign before them."""
    needed = _SEEN.match(found.string, found.start())
    return needed.group() if needed else ""


def _unescape(text: str) -> str:
    # dumps escape once; Reddit's own "&amp;#x200B;" needs a second pass
    if "&" in text:
        text = html.unescape(text)
        if "&" in text:
            text = html.unescape(text)
    return text


def _plain(text: str) -> str:
    marked = "\n" in text or text[:1] in _LINE_MARKS or text[:1].isdecimal()
    if marked:
        text = _RULE.sub("", text)
    if ">!" in text:
        text = _SPOILER.sub(r"\1", text)
    if marked:
        text = _LINE_START.sub("", text)
    if "](" in text:
        text = _LINK.sub(r"\1", _PICTURE.sub(r"\1", text))
    if "`" in text:
        text = _CODE.sub(r"\2", text)
    if "*" in text or "__" in text or "~~" in text:
        for _ in range(2):  # bold inside italics
            text = _STRONG.sub(r"\2", text)
    if "_" in text:
        text = _EMPHASIS.sub(r"\1", text)
    if "^" in text:
        text = _SUPER.sub(lambda found: found.group(1) or "", text)
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
