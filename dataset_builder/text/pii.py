"""Personal data in text replaced by typed placeholders; author names never get this far.

Classes, in the order they are looked for: URL with a secret, e-mail, card number, IP address,
handle (u/name, @name), phone number. The order matters: an e-mail holds an "@", a card number
looks like a phone number.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

PLACEHOLDERS = {
    "url": "[URL]",
    "email": "[EMAIL]",
    "card": "[CARD]",
    "ip": "[IP]",
    "handle": "[USER]",
    "phone": "[PHONE]",
}
_AT = "@\uff20\ufe6b"  # with its full-width and small forms
# A text without any of these holds nothing to replace (RE2 and `re` alike).
PII_GATE = (
    rf"[{_AT}]|://|(?i:\bwww\.)|(?i:\bu/)|[0-9][^0-9A-Za-z]{{0,3}}[0-9]|:[0-9A-Fa-f]*:"
    r"|(?i:[\[(](?:at|dot)[\])])|(?i:\bat [a-z0-9-]+ dot [a-z])|(?i:\.[a-z]{2,24}/)"
)
_SECRET = (
    r"(?:access_?token|auth(?:_?(?:token|key))?|token|api_?key|key|sig(?:nature)?|secret|session"
    r"(?:_?id)?|sid|sso|jwt|password|passwd|pwd|code|invite|x-amz-[a-z-]+|x-goog-[a-z-]+|hash|"
    r"e?mail|user(?:name|_?id)?|otp|ticket|nonce|state|fbclid|gclid|igshid|mc_eid)"
)
_SECRET_NAME = re.compile(rf"(?i)(?:^|[&;]){_SECRET}=")
_URL_SECRET = re.compile(
    r"\b(?i:[a-z][a-z0-9+.-]{1,12}://|www\.)(?:"
    r"[^\s/@?#<>\"']{1,200}@[^\s<>\"']+"  # user:password@host
    rf"|[^\s?#<>\"']{{1,500}}[?#&;](?:[^\s<>\"']{{0,500}}[?#&;])?(?i:{_SECRET})=[^\s<>\"']+"
    # a path segment like a key: a JSON web token, a long hash, or long with digit and both cases
    r"|[^\s<>\"']{0,300}/(?:eyJ[\w-]{10,}|[0-9a-f]{40,}|(?=\w*\d)(?=\w*[A-Z])"
    r"(?=\w*[a-z])\w{28,})[^\s<>\"']*)"
    # without a scheme
    rf"|(?<![\w@./-])(?:[\w-]{{1,63}}\.){{1,6}}[A-Za-z]{{2,24}}/[^\s?#<>\"']{{0,500}}\?"
    rf"(?:[^\s<>\"']{{0,500}}[&;])?(?i:{_SECRET})=[^\s<>\"']+"
    # addresses that are themselves the key: web hooks and invitations
    r"|(?:\b(?i:https?)://)?(?<![\w@.-])(?i:hooks\.slack\.com/services/|t\.me/(?:joinchat/|\+)"
    r"|discord\.gg/|discord(?:app)?\.com/(?:invite|api/webhooks)/|chat\.whatsapp\.com/)[\w/+-]{4,}"
)
_DOT = r"\s?(?:\.|\[dot\]|\(dot\))\s?"
_EMAIL = re.compile(
    rf"(?i)(?<![\w.+%-])[\w.+%'-]{{1,64}}\s?(?:[{_AT}]|\[at\]|\(at\))"
    rf"\s?(?:[\w-]{{1,63}}{_DOT}){{1,6}}[a-z]{{2,24}}(?![\w-])"
    # spelled out: only with an ending that is one, because "at the [dot] on" is a sentence
    r"|(?<![\w.+%-])[\w.+%'-]{1,64}\s+at\s+(?:[\w-]{1,63}\s?(?:\[dot\]|\(dot\))\s?){1,6}"
    r"(?:com|org|net|edu|gov|info|io|co|me|us|uk|de|fr|es|it|nl|ca|au|in|jp|ru|br|example)\b"
    r"|(?<![\w.+%-])[\w.+%'-]{1,64} at (?:gmail|googlemail|yahoo|ymail|hotmail|outlook|icloud|aol|"
    r"proton(?:mail)?|gmx|live|msn|mail|zoho|yandex) dot (?:com|org|net|de|fr|ru)\b"
)
_CARD = re.compile(r"(?<![\w.,/-])(?:\d[ -]?){12,18}\d(?![\w-]|[.,]\d)")
_CARD_START = re.compile(
    r"4|5[1-5]|2[2-7]|3[47]|6(?:011|5|4[4-9])|35"  # Visa, Mastercard, Amex, Discover, JCB
    r"|3(?:0[0-5]|[689])\d{11,12}$"  # Diners
    r"|62|(?:5018|5020|5038|5893|6304|6759|676[123])"  # UnionPay, Maestro
)
_IPV4 = re.compile(
    r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"
    r"(?![\w-]|\.\d)"
)
_VERSION_BEFORE = re.compile(
    r"(?i)(?:\bv|\bver\.?|versions?|releases?|build|firmware|driver|chapter|section|update|patch|"
    r"kernel|chrome|firefox|section|§|rev\.?|android|ios|macos|windows|python|java)[ :=#/]*$"
)
_IPV6 = re.compile(
    r"(?i)(?<![\w:.])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"
    r"|(?=(?:[0-9a-f:]*\d|[0-9a-f:]{9}))(?:[0-9a-f]{1,4}:){1,6}:(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?"
    r"|::(?:ffff:)?(?:[0-9a-f]{1,4}:){1,5}[0-9a-f]{1,4})(?![\w:])"
)
# the first part of such a path is a person, unless it is one of the site's own words
_PROFILE = (
    r"(?i:(?:(?:www|old|new|m|np)\.)?reddit\.com/u(?:ser)?/"
    r"|(?:(?:www|mobile|m)\.)?(?:twitter|x|instagram|facebook)\.com/(?!(?:i|p|home|search|explore|"
    r"hashtag|intent|share|sharer|login|settings|tos|privacy|about|reel|reels|stories|tv|watch|"
    r"groups|events|photo|photos|marketplace|gaming|help|policies|pages|hashtags|video)\b)"
    r"|(?:(?:www|m)\.)?(?:tiktok|youtube)\.com/@|(?:www\.)?linkedin\.com/in/"
    r"|(?:www\.)?snapchat\.com/add/|t\.me/)"
)
_HANDLE = re.compile(
    rf"(?:\bhttps?://)?(?<![\w@.-]){_PROFILE}[\w.%-]{{2,64}}(?:/[^\s<>\"')\]]*)?"
    r"|(?<![\w/.])/?[uU]/[A-Za-z0-9_-]{3,20}(?![\w/-])"
    rf"|(?<![\w+/@&])(?<!\w\.)[{_AT}](?=[\w.-]*[^\W\d_])\w(?:[\w.-]{{0,28}}[\w-])?(?![\w@]|\.\w)"
)
# An address of the first form without any part of the second holds nothing to replace.
_PLAIN_URL = (
    r"https?://[0-9A-Za-z.-]+(?:/[0-9A-Za-z._/-]*)?"
    r"|https?://(?:www\.|m\.)?youtube\.com/watch\?v=[0-9A-Za-z_-]+"
)
_NAMED_URL = r"(?i:\bu/|/user/|/in/|/add/|\bt\.me\b|\b(?:twitter|x|instagram|facebook)\.com\b)"
URL_GATES = rf"^(?:{_PLAIN_URL})$", _NAMED_URL
_SEPARATOR = r"[ .\-\u2010-\u2013]?"
_PHONE = re.compile(
    # international: + or 00, country code, 7 to 12 more digits in groups
    rf"(?<![\w+.,/=#$€£-])(?:\+|00){_SEPARATOR}[1-9]\d{{0,2}}{_SEPARATOR}(?:\(0?\d{{1,4}}\){_SEPARATOR})?"
    rf"(?:\d{{1,5}}{_SEPARATOR}){{1,5}}\d{{2,5}}(?![\w%]|[.,]\d|-\w)"
    # North America: (555) 123-4567, 555-123-4567, 1-800-...
    rf"|(?<![\w+.,/=#$€£:-])(?:1[ .-]?)?\([2-9]\d{{2}}\)[ .-]?\d{{3}}[ .-]?\d{{4}}(?![\w%-]|[.,]\d)"
    rf"|(?<![\w+.,/=#$€£:-])(?:1[ .-])?[2-9]\d{{2}}([ .-])\d{{3}}\1\d{{4}}(?![\w%-]|[.,]\d)"
    # national with trunk zero: 020 7946 0958, 0176-12345678, 06 12 34 56 78, (030) 901820
    rf"|(?<![\w+.,/=#$€£:-])\(?0[1-9]\d{{0,4}}\)?[ /-]\d{{2,4}}(?:[ -]\d{{2,4}}){{1,4}}"
    rf"(?![\w%-]|[.,]\d)"
    rf"|(?<![\w+.,/=#$€£:-])\(?0[1-9]\d{{1,4}}\)?[ /-]\d{{5,8}}(?![\w%-]|[.,]\d)"
    # 06.12.34.56.78 and (0)20 7946 0958
    rf"|(?<![\w+.,/=#$€£:-])0[1-9](?:\.\d\d){{4}}(?![\w%-]|[.,]\d)"
    rf"|(?<![\w+.,/=#$€£:-])\(0\)[ -]?\d{{2,4}}(?:[ -]\d{{3,4}}){{1,2}}(?![\w%-]|[.,]\d)"
    # India: 98765 43210 or 098765 43210
    rf"|(?<![\w+.,/=#$€£:-])0?[6-9]\d{{4}}[ -]\d{{5}}(?![\w%-]|[.,]\d)"
)
_CALLED = re.compile(
    r"(?i)\b(?:call|phone|tel|telephone|mobile|cell|whats ?app|text|sms|dial|ring|fax)"
    r"[^\d\n]{0,24}?(?<![\d.,$€£#])(\d{10,11})(?![\w%]|[.,]\d)"
)


def scrub(text: str, found: Counter[str]) -> str:
    """The text with placeholders; `found` counts what was replaced, per class."""

    def put(kind: str) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            found[kind] += 1
            return PLACEHOLDERS[kind]

        return replace

    if "/" in text or "www." in text.lower():
        text = _URL_SECRET.sub(put("url"), text)
    if any(sign in text for sign in _AT) or "at" in text.lower():
        text = _EMAIL.sub(put("email"), text)
    if any(map(str.isdigit, text)):
        text = _cards(text, found)
        text = _ips(text, found)
    elif "::" in text:
        text = _ips(text, found)
    if "/" in text or any(sign in text for sign in _AT):
        text = _HANDLE.sub(put("handle"), text)
    return _phones(text, found)


def scrub_all(value: Any, found: Counter[str]) -> Any:
    """`scrub` of a text, or of every text in lists of them."""
    if isinstance(value, str):
        return scrub(value, found)
    return [scrub_all(item, found) for item in value] if isinstance(value, list) else value


def scrub_url(url: str, found: Counter[str]) -> str:
    """A post's address without what names a person or opens an account.

    Long names of files stay, because they are the address. Reddit signs its previews for
    everyone, so theirs keep their query.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        found["url"] += 1
        return PLACEHOLDERS["url"]
    netloc = parts.netloc.rpartition("@")[2]
    query = parts.query
    if not host.endswith("preview.redd.it"):
        query = "&".join(item for item in query.split("&") if not _SECRET_NAME.match(item))
    fragment = "" if _SECRET_NAME.search(parts.fragment) else parts.fragment
    clean = urlunsplit((parts.scheme, netloc, parts.path, query, fragment))
    clean = _HANDLE.sub(PLACEHOLDERS["handle"], _EMAIL.sub(PLACEHOLDERS["email"], clean))
    if clean != urlunsplit(parts):
        found["url"] += 1
    return clean


def _cards(text: str, found: Counter[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match.group())
        if not _is_card(digits):
            return match.group()
        found["card"] += 1
        return PLACEHOLDERS["card"]

    return _CARD.sub(replace, text)


def _is_card(digits: str) -> bool:
    """Luhn's sum over a number that starts as one of a card company does."""
    if not _CARD_START.match(digits):
        return False
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _ips(text: str, found: Counter[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        if _VERSION_BEFORE.search(text[max(0, match.start() - 16) : match.start()]):
            return match.group()
        found["ip"] += 1
        return PLACEHOLDERS["ip"]

    text = _IPV4.sub(replace, text)
    return _IPV6.sub(replace, text) if text.count(":") > 1 else text


def _phones(text: str, found: Counter[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        count = sum(map(str.isdigit, match.group()))
        if not 8 <= count <= 15 or _DATE.search(match.group()):
            return match.group()
        found["phone"] += 1
        return PLACEHOLDERS["phone"]

    def called(match: re.Match[str]) -> str:
        found["phone"] += 1
        start = match.start(1) - match.start()
        return match.group()[:start] + PLACEHOLDERS["phone"]

    text = _PHONE.sub(replace, text)
    return _CALLED.sub(called, text)


_DATE = re.compile(r"^0?[0-3]?\d[-./ ][01]?\d[-./ ](?:19|20)\d\d$|^(?:19|20)\d\d[-./ ][01]\d[-./ ]")
