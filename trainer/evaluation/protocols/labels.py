"""Five ways to turn the token log-probabilities of labels into one score each; no torch.

A label's entry: logprob (sum over its tokens), tokens, bytes (UTF-8, without delimiter), first
(log p of its first token; null where labels share it), prior (sum after the unconditional prompt),
end (sum with the end-of-turn token).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

NORMALISATIONS = ("first", "sum", "token_mean", "byte", "pmi", "sum_end")
Entries = Mapping[str, Mapping[str, Any]]


class LabelProblem(ValueError):
    """The entries of a prediction do not give the score asked for."""


def label_scores(entries: Entries, labels: Sequence[str], normalisation: str) -> np.ndarray | None:
    """One score per label in the order given; None where a label lacks what this way needs."""
    return _scores([entries[label] for label in labels], normalisation)


def _scores(rows: Sequence[Mapping[str, Any]], normalisation: str) -> np.ndarray | None:
    def column(name: str) -> np.ndarray | None:
        values = [row.get(name) for row in rows]
        return None if any(v is None for v in values) else np.asarray(values, float)

    if normalisation == "first":
        return column("first")
    if normalisation == "sum_end":
        return column("end")
    total = column("logprob")
    other = {"sum": None, "token_mean": "tokens", "byte": "bytes", "pmi": "prior"}[normalisation]
    if total is None or other is None:
        return total
    by = column(other)
    if by is None:
        return None
    return total - by if normalisation == "pmi" else total / by


def choose_normalisation(items: Sequence[Entries], labels: Sequence[str] | None) -> str:
    """`first` where every item has unique first tokens, else `sum_end` where given, else `sum`.

    The paper scores the next token alone, which labels that share it cannot be told apart by.
    labels None: every item has its own.
    """
    unique = bool(items)
    for entries in items:
        values = [entries[name].get("first") for name in (labels or entries)]
        if any(v is None for v in values) or len(set(values)) < len(values):
            unique = False
            break
    if unique:
        return "first"
    with_end = items and all(
        entries[name].get("end") is not None for entries in items for name in (labels or entries)
    )
    return "sum_end" if with_end else "sum"


def check_entries(entries: Entries, labels: Sequence[str], where: str) -> None:
    """LabelProblem names labels that are missing, too many, or whose logprob is no number."""
    missing, extra = set(labels) - set(entries), set(entries) - set(labels)
    if missing or extra:
        raise LabelProblem(
            f"{where}: labels {sorted(missing)[:5]} are missing and {sorted(extra)[:5]} are not in "
            "the vocabulary: score exactly the task's labels"
        )
    for label in labels:
        value = entries[label].get("logprob")
        if not isinstance(value, int | float) or value != value:
            raise LabelProblem(f"{where}: label {label!r} has logprob {value!r}, expected a number")


def first_token_collisions(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Groups of label indices that share their first token id, in order."""
    groups: dict[int, list[int]] = {}
    for index, tokens in enumerate(ids):
        groups.setdefault(tokens[0], []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def prefix_pairs(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """[short, long]: the tokens of one label are the beginning of another's."""
    return [
        [i, j]
        for i, short in enumerate(ids)
        for j, long in enumerate(ids)
        if i != j and list(long[: len(short)]) == list(short)
    ]


def joint_digits(first: Sequence[float], second: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Joint distribution over 00..99 from log p(d1) [10] and log p(d2 | d1) [10, 10].

    Renormalised over the hundred strings. argmax of the joint (not digit by digit: they differ),
    first in numeric order on a tie; expectation; log_p of the argmax.
    """
    joint = (np.asarray(first, float)[:, None] + np.asarray(second, float)).ravel()
    joint -= joint.max()
    log_p = joint - np.log(np.exp(joint).sum())
    best = int(log_p.argmax())
    return {
        "argmax": best,
        "expectation": float(np.exp(log_p) @ np.arange(100)),
        "log_p": float(log_p[best]),
    }
