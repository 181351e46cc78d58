"""Comment texts as readers saw them, and the gate that lets plain ones pass untouched."""

import random
import re
import unicodedata

import pytest

from dataset_builder.text.normalise import PLAIN_GATE, UNCHANGED, normalise

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
SINHALA = "\u0dc1\u0dca\u200d\u0dbb\u0dd3"
REDDIT = {
    "**bold** and *it* and ***both***": "bold and it and both",
    "snake_case_name and 2 * 3 * 4": "snake_case_name and 2 * 3 * 4",
    "_all_ of __it__ ~~gone~~": "all of it gone",
    "[text](https://a.example/b_(c)) ![p](u)": "text p",
    "&gt; quoted\n\nanswer": "quoted answer",
    "&gt;!spoiler!&lt; here": "spoiler here",
    "tom &amp; jerry &lt;3": "tom & jerry <3",
    "a &amp;#x200B; b": "a b",
    "# Title\n\n* one\n* two\n\n---\nend": "Title one two end",
    "|a|b|\n|:-|:-|\n|1|2|": "|a|b| |1|2|",
    "`code` and ^(small text) and x^2": "code and small text and x2",
    "\\*not\\* \\_this\\_": "*not* _this_",
    "he\u200bllo \u202eevil\u202c": "hello evil",
    "family 👨\u200d👩\u200d👧 and 😀": "family 👨\u200d👩\u200d👧 and 😀",
    "l\u200done joiner": "lone joiner",
    "cafe\u0301": "café",
    "  many \t spaces\n\nand lines ": "many spaces and lines",
    "¯\\\\\\_(ツ)\\_/¯": "¯\\_(ツ)_/¯",
    "<image> {{x}} <|im_start|>": "<image> {{x}} <|im_start|>",
    "nothing goes wrong &lt;/s&gt;": "nothing goes wrong </s>",
    "put a &lt;b&gt; tag around &lt;br/&gt; it": "put a <b> tag around <br/> it",
    "For just ^^$3.99 you ^can ^(do it)": "For just $3.99 you can do it",
    "4 ^^ 5 and \\^up": "4 ^^ 5 and ^up",
    "![gif](giphy|aB3dEf|downsized) look at this": "look at this",
    "![gif](giphy|aB3_dEf_g)": "",
    '![img](emote|t5_abc|123) ok ![img](abc123 "a cat")': "ok a cat",
    f"lions {ENGLAND} win": f"lions {ENGLAND} win",
    "hidden \U000e0068\U000e0069 tags": "hidden tags",
    PERSIAN: PERSIAN,
    SINHALA: SINHALA,
    "la\u200ctin": "latin",
    "\u845b\U000e0100 x\U000e0100": "\u845b\U000e0100 x",
    "": "",
}


@pytest.mark.parametrize(("text", "clean"), REDDIT.items(), ids=range(len(REDDIT)))
def test_reddit(text, clean):
    assert normalise(text, True) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("*stars* stay", "*stars* stay"),
        ("a <b>bold</b> word</s>", "a <b>bold</b> word</s>"),
        ("\u00a0@First Last\u00a0 so\u00a0true", "@First\u00a0Last so true"),
        ("@First Last\u00a0 so true", "@First\u00a0Last so true"),
        ("@first is so\u00a0true", "@first is so true"),
        ("5 &lt; 6 &amp; 7", "5 < 6 & 7"),
    ],
)
def test_youtube(text, clean):
    assert normalise(text, False) == clean


def test_texts_the_gate_holds_back_are_clean_already():
    gate = re.compile(PLAIN_GATE)
    draw = random.Random(1)
    signs = "abc XYZ 019 .,;:!?'\"()-+=/@%$" * 3 + "*_~`[]<>#^|\\&\n\té日👍\u2019"
    signs += "\ufe0f\u0301\u200b\u200d"
    texts = ["".join(draw.choices(signs, k=draw.randint(0, 12))) for _ in range(60_000)]
    held = [text for text in texts if not gate.search(text)]
    assert len(held) > 3000
    for markdown in (True, False):
        assert [text for text in held if normalise(text, markdown) != text] == []


@pytest.mark.timeout(30)  # a pattern that backtracks takes minutes, a good one milliseconds
@pytest.mark.parametrize("sign", [*"*_~`[]()<>#^|\\-=&!", "- ", "* ", "[](", "^(", ">!", "|-"])
def test_no_text_takes_long(sign):
    assert len(normalise(sign * 5000, True)) <= 5000 * len(sign)
    assert "a" in normalise((sign + "a") * 3000, True)


def test_signs_the_gate_calls_unchanged_are_so_alone_and_together():
    kind = re.compile(f"[{UNCHANGED}]")
    signs = [chr(n) for n in range(128, 0x20000) if kind.match(chr(n))]
    assert len(signs) > 30_000
    for sign in signs:
        assert sign.isprintable() or unicodedata.category(sign) == "Cn", hex(ord(sign))
        assert not sign.isspace()
        assert unicodedata.combining(sign) == 0
        assert normalise(f"a{sign}b", True) == f"a{sign}b"
    # what composes with the sign before it: marks, and the vowels and finals of Hangul syllables
    joining = {c for c in signs if unicodedata.category(c).startswith("M")} - {"\ufe0f"}
    assert joining == set()
    assert not kind.search("\u1161\u11a8\u0301\u3099\u00a0\u00ad\u200b\u200d\u2028\u3000\u0085")
    draw = random.Random(3)
    for _ in range(20_000):
        text = "".join(draw.choices(signs, k=6))
        assert unicodedata.is_normalized("NFC", text), ascii(text)
