"""Telephone numbers: by their form alone where it says enough, else beside a word that does.

Beside a cue ("call me on", "my number") stand the forms of every country, which alone look like
years, prices or scores; there libphonenumber decides, after what such digits may be instead.
"""

import re
from collections.abc import Callable
from functools import cache

# digits that could be a number at all; most texts with digits have too few
_FIVE = re.compile(r"(?:\d[^\dA-Za-z]{0,3}){4}\d")
_SEPARATOR = r"[ .\-\u00a0\u2010-\u2013]?"
_BEFORE = r"(?<![\w+.,/=#$€£¥₹:-])"
_AFTER = r"(?![\w%-]|[.,]\d)"
_FORMS = re.compile(
    # international: + or 00, country code, 7 to 12 more digits in groups, +49 30/901820
    rf"(?<![\w+.,/=#$€£-])(?:\+|00){_SEPARATOR}[1-9]\d{{0,2}}{_SEPARATOR}"
    rf"(?:\(0?\d{{1,4}}\){_SEPARATOR})?(?:\d{{1,5}}(?:{_SEPARATOR}|/)){{1,5}}\d{{2,5}}"
    r"(?![\w%]|[.,]\d|-\w)"
    # North America: (555) 123-4567, 555-123-4567, 202/555-0143, 1-800-...
    rf"|{_BEFORE}(?:1[ .-]?)?\([2-9]\d{{2}}\)[ .-]?\d{{3}}[ .-]?\d{{4}}{_AFTER}"
    rf"|{_BEFORE}(?:1[ .-])?[2-9]\d{{2}}([ .-])\d{{3}}\1\d{{4}}{_AFTER}"
    rf"|{_BEFORE}[2-9]\d{{2}}/[2-9]\d{{2}}-\d{{4}}{_AFTER}"
    # national with trunk zero: 020 7946 0958, 0176-12345678, 06-12345678, 06 12 34 56 78
    rf"|{_BEFORE}(?:8 )?\(?0[1-9]\d{{0,4}}\)?[ /-]\d{{2,4}}(?:[ -]\d{{2,4}}){{1,4}}{_AFTER}"
    rf"|{_BEFORE}\(?0[1-9]\d{{0,4}}\)?[ /-]\d{{5,8}}{_AFTER}"
    rf"|{_BEFORE}0[1-9]\d{{8,9}}{_AFTER}"
    # 06.12.34.56.78 and (0)20 7946 0958
    rf"|{_BEFORE}0[1-9](?:\.\d\d){{4}}{_AFTER}"
    rf"|{_BEFORE}\(0\)[ -]?\d{{2,4}}(?:[ -]\d{{3,4}}){{1,2}}{_AFTER}"
    # India: 98765 43210 or 098765 43210; China: 138-0013-8000
    rf"|{_BEFORE}0?[6-9]\d{{4}}[ -]\d{{5}}{_AFTER}"
    rf"|{_BEFORE}1[3-9]\d([ -])\d{{4}}\2\d{{4}}{_AFTER}"
)
_CUE = (
    r"(?:call(?:ed|ing|s)?|phone[ds]?|phoning|tel|telephone|mobile|cell(?:phone)?|whats ?app|"
    r"text(?:ed|ing|s)?|sms|dial(?:l?ed|ing)?|ring|fax|number|contact|reach|hotline|viber|"
    r"telegram|imessage|tel[eé]fono|telefon|t[eé]l|n[uú]mero|num[eé]ro|nummer|celular|m[oó]vil)"
)
_CUES = re.compile(rf"(?i)\b{_CUE}\b")
_DIGITS = re.compile(
    r"(?<![\w.,/=#$€£¥₹:+-])[(+]?\d(?:(?:[ .\-/\u00a0\u2010-\u2013]|\) ?-?| ?\()?\d){4,14}" + _AFTER
)
_NEAR = 24  # signs without digits between the cue and the number
_CUE_BEFORE = re.compile(rf"(?i)\b{_CUE}\b[^\d\n]{{0,{_NEAR}}}$")
_CUE_BEHIND = re.compile(rf"(?i)[^\d\n]{{0,{_NEAR}}}?\b{_CUE}\b")
# somebody's own, which may be as short as islands have them
_OWN = re.compile(
    r"(?i)\b(?:call|text|phone|ring|dial|reach|contact) me\b[^\d\n]{0,16}$"
    r"|\bmy (?:\w+ )?(?:number|phone|cell|mobile|tel)\b[^\d\n]{0,16}$"
)
# numbers of other things, and what is counted
_OTHER_BEFORE = re.compile(
    r"(?i)\b(?:orders?|serial|models?|tracking|versions?|ver|build|part|case|ticket|invoice|isbn|issn|"
    r"upc|ean|sku|item|account|episode|chapter|page|route|flight|score[ds]?|lottery|winning|lucky|"
    r"zip|postal|card|plate|licen[cs]e|id|code|product|catalog(?:ue)?|batch|coordinates?|lat|gps|"
    r"resolution|years?|since|dates?|dated|born|cost|costs|paid|price[ds]?|worth)\b[^\d\n]{0,16}$"
)
_UNIT_BEHIND = re.compile(
    r"(?i)^ ?(?:%|°|[$€£¥₹]|(?:dollars?|euros?|bucks|pounds|quid|usd|eur|gbp|yen|rupees|people|"
    r"views?|likes?|subs?(?:cribers)?|votes?|points?|times|years?|miles|kilomet\w+|met(?:er|re)s?|km|kg|"
    r"pixels|px|words|followers|k|m|bc|ad|ce|bce)\b|[x\u00d7] ?\d|[NSEW]\b)"
)
_DATE = re.compile(
    r"^\(?[0-3]?\d[-./ ][0-3]?\d[-./ ](?:1\d|20|21)\d\d\)?$"  # 07-04-1776
    r"|^(?:1\d|20|21)\d\d[-./ ][01]?\d[-./ ][0-3]?\d(?: \d\d)?$"
    r"|^[0-3]?\d[-./][01]?\d[-./]\d\d(?:[- ][0-3]?\d[-./][01]?\d[-./]\d\d)?$"
)
_YEARS = re.compile(
    r"^(?:1[5-9]|20|21)\d\d(?:[ ./\u2010-\u2013-]+(?:(?:1[5-9]|20|21)\d\d|(?<=[-/])\d\d))+$"
)
_COUNTED = "012345678901234567890"
MOST_ASKED = 16  # numbers of one text, as no country's takes 50 ms; beyond them the cue is enough
# asked first, because most numbers are of these; any order gives the same answer
_FIRST = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "AU", "NL", "PL", "RU", "MX", "HK", "JP")


def phones(text: str, put: Callable[[re.Match[str]], str]) -> str:
    """The text with `put` of each number's match in its place."""
    if not _FIVE.search(text):
        return text

    def form(match: re.Match[str]) -> str:
        count = sum(map(str.isdigit, match.group()))
        return put(match) if 8 <= count <= 15 and not _else(match) else match.group()

    left = MOST_ASKED

    def called(match: re.Match[str]) -> str:
        nonlocal left
        if _else(match) or not _beside_cue(match):
            return match.group()
        left -= 1
        return put(match) if left < 0 or _valid(match.group()) else match.group()

    text = _FORMS.sub(form, text)
    return _DIGITS.sub(called, text) if _CUES.search(text) else text


def _beside_cue(match: re.Match[str]) -> bool:
    text, count = match.string, sum(map(str.isdigit, match.group()))
    before = text[max(0, match.start() - 48) : match.start()]
    if count < 6:
        return bool(_OWN.search(before))
    behind = text[match.end() : match.end() + 48]
    return bool(_CUE_BEFORE.search(before) or _CUE_BEHIND.match(behind))


def _else(match: re.Match[str]) -> bool:
    """Whether the digits are a date, years, a count, or the number of a thing."""
    said, text = match.group(), match.string
    groups = re.findall(r"\d+", said)
    pairs = all(len(group) == 2 for group in groups)
    dots = said.count(".")
    return bool(
        _DATE.match(said)
        or _YEARS.match(said)
        or (len(groups) == 1 and said in _COUNTED)
        or (pairs and len(groups) > 5)  # 04 08 15 16 23 42
        or (dots and len(groups) == 2)  # a decimal
        or (dots and min(map(len, groups)) == 1 and groups[0] != "1")  # a version
        or _UNIT_BEHIND.match(text[match.end() : match.end() + 16])
        or _OTHER_BEFORE.search(text[max(0, match.start() - 32) : match.start()])
    )


def _valid(said: str) -> bool:
    """Whether it is a number of some country, as libphonenumber finds them in texts."""
    from phonenumbers import Leniency, PhoneNumberMatcher  # 0.2 s, for one text in thousands

    return any(
        next(iter(PhoneNumberMatcher(said, region, Leniency.VALID, 1)), None)
        for region in _regions()
    )


@cache
def _regions() -> tuple[str, ...]:
    from phonenumbers import SUPPORTED_REGIONS

    return (*_FIRST, *sorted(SUPPORTED_REGIONS - set(_FIRST)))
