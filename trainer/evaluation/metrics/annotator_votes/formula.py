"""Labels that several annotators wrote as free text: votes, and accuracy under three rules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

Stem = Callable[[str], str]


def porter() -> Stem:
    """The Porter stemmer of NLTK, whose extensions the official evaluation had ("play" stays)."""
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer().stem


def stem_table(lines: Iterable[tuple[str, Iterable[str]]], stem: Stem) -> dict[str, str]:
    """Stem -> label, from (label, its words); ValueError when two labels share a stem."""
    table: dict[str, str] = {}
    for label, words in lines:
        for word in words:
            key = stem(word.lower())
            if table.setdefault(key, label) != label:
                raise ValueError(f"stem {key!r} belongs to {table[key]!r} and {label!r}")
    return table


def votes(replies: Sequence[str], table: Mapping[str, str], stem: Stem) -> dict[str, int]:
    """Label -> annotators who named it: one vote each, unknown words dropped."""
    found: dict[str, int] = {}
    for reply in replies:
        words = (word.strip(",.") for word in reply.lower().split())
        for label in {table[key] for word in words if (key := stem(word)) in table}:
            found[label] = found.get(label, 0) + 1
    return found


def at_least(counts: Mapping[str, int], annotators: int) -> frozenset[str]:
    """Labels named by at least that many annotators."""
    return frozenset(label for label, count in counts.items() if count >= annotators)


def vote_precision(scores: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """macro: mean AP of the classes with a positive; micro: AP of all cells at once."""
    classes = [c for c in range(truth.shape[1]) if truth[:, c].any()]
    values = [average_precision_score(truth[:, c], scores[:, c]) for c in classes]
    if not values:
        return {"macro": None, "micro": None}
    return {
        "macro": float(np.mean(values)),
        "micro": float(average_precision_score(truth.ravel(), scores.ravel())),
    }
