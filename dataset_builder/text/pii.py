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

from dataset_builder.text.phones import phones

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
    # whatever stands before these: id_token, X-Plex-Token, oauthToken, client_secret, PHPSESSID
    r"(?:(?:[\w.\[\]-]{0,40}(?:token|secret|password|passwd|passphrase|signature|credentials?|"
    r"api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key|sess(?:ion)?[_-]?(?:id|key)|sessid)"
    r"|(?:[\w.\[\]-]{0,40}[_.-])?(?:sig|sid|sso|jwt|pwd|otp|auth|api|e?mail|invite)"
    r"|user(?:name|[_-]?id)?|x-amz-[a-z-]+|x-goog-[a-z-]+|fbclid|gclid|igshid|mc_eid)\]?=[^\s<>\"'&;#]"
    # names of many things: only with a value that is long enough to be a secret
    r"|(?:[\w.-]{0,40}[_.-])?(?:key|code|session|hash|ticket|nonce|state)=[^\s<>\"'&;#]{6})"
)
_SECRET_NAME = re.compile(rf"(?i)(?:^|[&;?/]){_SECRET}")
_URL_SECRET = re.compile(
    r"\b(?i:[a-z][a-z0-9+.-]{1,12}://|www\.)(?:"
    r"[^\s/@?#<>\"']{1,200}@[^\s<>\"']+"  # user:password@host
    rf"|[^\s?#<>\"']{{1,500}}?[?#&;](?:[^\s<>\"']{{0,500}}?[&;?#/])?(?i:{_SECRET})[^\s<>\"']*"
    # a path segment like a key: a JSON web token, a long hash, or long with digit and both cases
    r"|[^\s<>\"']{0,300}/(?:eyJ[\w-]{10,}|[0-9a-f]{40,}|(?=\w*\d)(?=\w*[A-Z])"
    r"(?=\w*[a-z])\w{28,})[^\s<>\"']*)"
    # without a scheme
    rf"|(?<![\w@./-])(?:[\w-]{{1,63}}\.){{1,6}}[A-Za-z]{{2,24}}/[^\s?#<>\"']{{0,500}}?[?#;]"
    rf"(?:[^\s<>\"']{{0,500}}?[&;?#/])?(?i:{_SECRET})[^\s<>\"']*"
    # addresses that are themselves the key: web hooks and invitations
    r"|(?:\b(?i:https?)://)?(?<![\w@.-])(?i:hooks\.slack\.com/services/|t\.me/(?:joinchat/|\+)"
    r"|discord\.gg/|discord(?:app)?\.com/(?:invite|api/webhooks)/|chat\.whatsapp\.com/)[\w/+-]{4,}"
)
_DOT = r"(?:\.|\s\.\s|\s?(?:\[dot\]|\(dot\))\s?)"
_ENDING = (
    "(?:com|org|net|edu|gov|info|io|co|me|us|uk|de|fr|es|it|nl|ca|au|in|jp|ru|br|ch|at|be|se|no|"
    "dk|fi|pl|cz|pt|ie|nz|mx|ar|cn|kr|za|eu|tv|xyz|dev|app|example)"
)
_EMAIL = re.compile(
    rf"(?i)(?<![\w.+%-])[\w.+%'-]{{1,64}}(?:[{_AT}]|\[at\]|\(at\))"
    rf"(?:[\w-]{{1,63}}{_DOT}){{1,6}}[a-z]{{2,24}}(?![\w-])"
    # with spaces, or spelled out: only with an ending that is one, because "dinner @ mine. Then"
    # and "at the [dot] on" are sentences
    rf"|(?<![\w.+%-])[\w.+%'-]{{1,64}}\s?(?:[{_AT}]|\[at\]|\(at\))\s?"
    rf"(?:[\w-]{{1,63}}{_DOT}){{1,6}}{_ENDING}\b(?![\w-])"
    rf"|(?<![\w.+%-])[\w.+%'-]{{1,64}}\s+at\s+(?:[\w-]{{1,63}}\s?(?:\[dot\]|\(dot\))\s?){{1,6}}"
    rf"{_ENDING}\b"
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
    r"(?i)(?:\bv|\bver\.?|versions?|releases?|build|firmware|drivers?|chapter|section|updated?|patch|"
    r"kernel|chrome|firefox|§|rev\.?|android|ios|macos|windows|python|java|upgraded?|downgraded?)"
    r"(?: (?:to|from|is|was|at|on|of|number|no\.?))?[ :=#/]*$"
)
_ADDRESS_BEFORE = re.compile(
    r"(?i)\b(?:ip|ips|address|server|host|ping|connect to)\b[^.\d\n]{0,16}$"
)
# four small numbers are a version (of random addresses one in 5,000 is such); loopback, masks and
# public resolvers are nobody's
_SMALL = 32
_NOBODYS = re.compile(r"(?:127|0|255)\.|(?:1\.[01]\.[01]\.1|8\.8\.[48]\.[48]|9\.9\.9\.9)$")
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
# what else stands behind "@": everyone, a programmer's mark, a rate, size, time or aperture
_NO_NAME = (
    r"(?:everyone|here|channel|Override|property|staticmethod|classmethod|dataclass|import|charset|"
    r"keyframes|font-face|supports|Deprecated|Autowired|Nullable|NotNull|SuppressWarnings|"
    r"media(?=\s*(?:\(|(?:screen|print|only|all|not)\b)))(?![\w.-])"
    r"|(?i:\d[\d.,]*(?:k\d\d|[kmg]?hz|fps|[kpixscfhvwamg]|[ap]\.?m|[cmkn]m|km/?h|mph|m?ah|ms|secs?|mins?|"
    r"hrs?|[kmg]bp?s?|lbs?|kgs?|mg|ml|ft|rpm|db|usd|mp|st|nd|rd|th)|iso ?\d+|f/?\d[\d.]*|\d+x\d+)"
    r"(?![\w-])"
)
_HANDLE = re.compile(
    rf"(?:\bhttps?://)?(?<![\w@.-]){_PROFILE}[\w.%-]{{2,64}}(?:/[^\s<>\"')\]]*)?"
    r"|(?<![\w/.])/?[uU]/[A-Za-z0-9_-]{3,20}(?![\w/-])"
    # @name, and @First Last as YouTube writes it: no-break spaces around it, or inside it
    rf"|(?<=\u00a0)[{_AT}][^\s@]{{1,30}}(?: [^\s@]{{1,30}}){{1,5}}(?=\u00a0)"
    rf"|(?<![\w+/@&])(?<!\w\.)[{_AT}](?!{_NO_NAME})(?=[\w.-]*[^\W\d_])\w(?:[\w.-]{{0,28}}[\w-])"
    r"(?:\u00a0[^\s@]{1,30}){0,5}(?![\w@]|\.\w)"
)
# An address of the first form without any part of the second holds nothing to replace.
_PLAIN_URL = (
    r"https?://[0-9A-Za-z.-]+(?:/[0-9A-Za-z._/-]*)?"
    r"|https?://(?:www\.|m\.)?youtube\.com/watch\?v=[0-9A-Za-z_-]+"
)
_NAMED_URL = r"(?i:\bu/|/user/|/in/|/add/|\bt\.me\b|\b(?:twitter|x|instagram|facebook)\.com\b)"
URL_GATES = rf"^(?:{_PLAIN_URL})$", _NAMED_URL


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
    return phones(text, put("phone"))


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
    query, path = parts.query, parts.path
    if not host.endswith("preview.redd.it"):
        query = _without_secrets(query)
        first, *rest = path.split(";")  # /x.jpg;jsessionid=...
        path = ";".join([first, *(item for item in rest if not _SECRET_NAME.match(item))])
    fragment = "" if _SECRET_NAME.search(parts.fragment) else parts.fragment
    clean = urlunsplit((parts.scheme, netloc, path, query, fragment))
    clean = _HANDLE.sub(PLACEHOLDERS["handle"], _EMAIL.sub(PLACEHOLDERS["email"], clean))
    if clean != urlunsplit(parts):
        found["url"] += 1
    return clean


def _without_secrets(query: str) -> str:
    """The items of a query, between "&" or ";", that open no account."""
    items = re.split("([&;])", query)  # the items, and what stands between them
    kept = [at for at in range(0, len(items), 2) if not _SECRET_NAME.match(items[at])]
    return "".join((items[at - 1] if n else "") + items[at] for n, at in enumerate(kept))


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
        before = text[max(0, match.start() - 32) : match.start()]
        if _VERSION_BEFORE.search(before) or _is_nobodys(match.group(), before):
            return match.group()
        found["ip"] += 1
        return PLACEHOLDERS["ip"]

    text = _IPV4.sub(replace, text)
    return _IPV6.sub(replace, text) if text.count(":") > 1 else text


def _is_nobodys(address: str, before: str) -> bool:
    """Whether such an IPv4 address names no one's machine."""
    if ":" in address or _NOBODYS.match(address):
        return ":" not in address or address == "::1"
    small = all(int(part) < _SMALL for part in address.split("."))
    return small and not _ADDRESS_BEFORE.search(before)
