"""Reading written answers. What cannot be read is None: unparsed, never a guess."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from trainer.evaluation.metrics.exact_answer.formula import normalised

# half a number ("5,3%", "12-15%", "-5%") is no answer: unparsed, never misread
PERCENT = re.compile(
    r"(?<![\d.,-])(?<!\d[eE])(\d{1,3}(?:\.\d+)?)\s*(?:%|per ?cent\b)", re.IGNORECASE
)
COUNT = re.compile(
    r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)\s*(thousand|million|billion|[kmb])?(?![\w%]|[.,]\d)",
    re.IGNORECASE,
)
SCALES = {"": 1, "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}
LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s*")


def parse_percent(answer: str) -> float | None:
    """The first percentage of an answer; None without one or outside 0..100."""
    found = PERCENT.search(answer)
    value = float(found.group(1)) if found else None
    return value if value is not None and value <= 100 else None


def parse_count(answer: str) -> float | None:
    """The one count of an answer ("1,234", "1.2 million", "35k"); None for none or several."""
    found = {
        float(number.replace(",", "")) * SCALES[scale.lower()]
        for number, scale in COUNT.findall(answer)
    }
    value = found.pop() if len(found) == 1 else None
    return value if value is not None and value >= 1 else None


def parse_ratio(answer: str) -> float | None:
    """A share 0..1: a percentage, or one bare number of at most 1; None for anything else."""
    percent = parse_percent(answer)
    if percent is not None:
        return percent / 100
    found = re.fullmatch(r"\s*([01]?\.\d+|[01])\s*\.?\s*", answer)
    value = float(found.group(1)) if found else None
    return value if value is not None and value <= 1 else None


def parse_label(
    answer: str, labels: Sequence[str], synonyms: Mapping[str, str] | None = None
) -> str | None:
    """The label an answer gives: alone, else the only one it mentions as whole words.

    A synonym counts as its label; two different labels in one answer are unparsed.
    """
    known = {_word(word): label for word, label in (synonyms or {}).items()}
    known |= {_word(label): label for label in labels}
    text = normalised(answer)
    if text in known:
        return known[text]
    found: dict[tuple[int, int], str] = {}
    for word, label in known.items():
        for match in (
            () if word not in text else re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text)
        ):
            found[match.span()] = label
    # "not sad": a negated mention says nothing certain
    if re.search(r"\b(?:not|no|neither|nor|isn't|unlike)\b", text):
        return None
    # "social impact" is no mention of "impact"
    whole = [
        label
        for span, label in found.items()
        if not any(o != span and o[0] <= span[0] and span[1] <= o[1] for o in found)
    ]
    return whole[0] if len(set(whole)) == 1 else None


@lru_cache(maxsize=1 << 16)
def _word(label: str) -> str:
    return normalised(label)


def parse_list(answer: str) -> list[str]:
    """The entries of a list separated by commas or lines, without numbers or bullets."""
    parts = (LIST_MARK.sub("", part).strip(" .\t\"'") for part in re.split(r"[\n,;]", answer))
    return [part for part in parts if part]


def parse_order(answer: str, names: Sequence[str]) -> list[int] | None:
    """Indices of all names in the order of the answer's lines; None unless each stands once."""
    index = {name: i for i, name in enumerate(names)}
    order = [index.get(part.lower().replace("centre", "center")) for part in parse_list(answer)]
    known = [place for place in order if place is not None]
    return known if len(order) == len(known) == len(set(known)) == len(names) else None
