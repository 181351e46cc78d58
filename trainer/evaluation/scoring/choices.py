"""Scorers of label tasks: top-1 over a vocabulary, one or several accepted labels, 1 of 30."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.evaluation.metrics.label_accuracy.formula import sum_of_softmax
from trainer.evaluation.metrics.statement_retrieval.formula import retrieval, true_rank
from trainer.evaluation.protocols.labels import (
    NORMALISATIONS,
    Entries,
    LabelProblem,
    check_entries,
    choose_normalisation,
    label_scores,
)
from trainer.evaluation.protocols.parse import parse_label
from trainer.evaluation.scoring.outcome import MEAN, Outcome
from trainer.evaluation.task import Example, Task

Predictions = Mapping[str, Sequence[Mapping[str, Any]]]
Scores = list[np.ndarray | None]


def class_scores(
    task: Task, examples: Sequence[Example], found: Predictions, normalisation: str
) -> tuple[Scores, str | None]:
    """Scores over the labels per item (None: unparsed), and the normalisation used.

    Several clips of a video: the sum of their softmax. A written answer is a vote for its label.
    LabelProblem where `normalisation` needs what a prediction lacks.
    """
    scored = []
    for example in examples:
        for row in found.get(example.id, ()):
            if row.get("labels") is not None:
                where = f"{task.name}, id {example.id!r}"
                entries = in_our_words(task, row["labels"])
                check_entries(entries, example.choices or task.labels, where)
                scored.append(entries)
    way = normalisation
    if way == "auto":
        way = choose_normalisation(scored, task.labels or None)
    result: Scores = []
    for example in examples:
        rows = [_row_scores(task, example, row, way) for row in found.get(example.id, ())]
        known = [row for row in rows if row is not None]
        if len(known) > 1:
            result.append(sum_of_softmax(np.stack(known)))
        else:
            result.append(known[0] if known else None)
    return result, way if scored else None


def in_our_words(task: Task, entries: Entries) -> Entries:
    """Entries keyed by the vocabulary, where a file has the annotation's own names (nm0000229)."""
    if not task.labels or all(name in task.labels for name in entries):
        return entries
    return {
        name if name in task.labels else task.synonyms.get(name.lower(), name): entry
        for name, entry in entries.items()
    }


def _row_scores(
    task: Task, example: Example, row: Mapping[str, Any], way: str
) -> np.ndarray | None:
    labels = example.choices or task.labels
    if row.get("labels") is not None:
        scores = label_scores(in_our_words(task, row["labels"]), labels, way)
        if scores is None:
            raise LabelProblem(
                f"{task.name}, id {example.id!r}: {way!r} cannot be computed: labels share their "
                f"first token, or an entry lacks a number; choose one of {NORMALISATIONS}"
            )
        return scores
    label = parse_label(row["answer"], labels, task.synonyms) if row.get("answer") else None
    if label is None:
        return None
    # one vote: softmax of this is 1 for the label, 0 for the others
    return np.where(np.array(labels) == label, 0.0, -np.inf)


def top_labels(task: Task, examples: Sequence[Example], scores: Scores) -> list[str | None]:
    """The best label per item; a tie goes to the label that stands first in the vocabulary."""
    return [
        None if s is None else (e.choices or task.labels)[int(s.argmax())]
        for e, s in zip(examples, scores, strict=True)
    ]


def hits(guesses: Sequence[str | None], accepted: Sequence[Any]) -> np.ndarray:
    """1, 0, or NaN for unparsed; accepted: a label or a set of them per item."""
    return np.array(
        [
            np.nan if guess is None else float(guess == ok or (_many(ok) and guess in ok))
            for guess, ok in zip(guesses, accepted, strict=True)
        ]
    )


def _many(accepted: Any) -> bool:
    return isinstance(accepted, frozenset)


def accuracy_outcome(
    cell: str, examples: Sequence[Example], score: np.ndarray, **rest: Any
) -> Outcome:
    """A cell of accuracies: unparsed items are wrong in value_all."""
    return Outcome(
        cell,
        MEAN,
        [e.id for e in examples],
        [e.cluster for e in examples],
        score,
        unparsed_is_wrong=True,
        **rest,
    )


def score_labels(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """Top-1 accuracy, with the value under every other normalisation beside it."""
    scores, way = class_scores(task, examples, found, normalisation)
    guesses = top_labels(task, examples, scores)
    beside: dict[str, Any] = {"normalisation": way} if way else {}
    if way:
        beside["by_normalisation"] = _others(task, examples, found, way)
    score = hits(guesses, [e.truth for e in examples])
    return [accuracy_outcome(task.cells[0].name, examples, score, beside=beside)]


def _others(
    task: Task, examples: Sequence[Example], found: Predictions, way: str
) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for name in NORMALISATIONS:
        if name == way:
            continue
        try:
            scores, _ = class_scores(task, examples, found, name)
        except LabelProblem:
            values[name] = None
            continue
        score = hits(top_labels(task, examples, scores), [e.truth for e in examples])
        values[name] = float(np.nanmean(score)) if not np.isnan(score).all() else None
    return values


def score_retrieval(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """1 of 30: accuracy, and the mean reciprocal rank over items with scores."""
    # thirty sentences differ in their first word or not by chance: their sum is the headline
    way = "sum" if normalisation == "auto" else normalisation
    scores, used = class_scores(task, examples, found, way)
    guesses = top_labels(task, examples, scores)
    ranks = [
        true_rank(list(s), e.choices.index(e.truth))
        for e, s in zip(examples, scores, strict=True)
        if s is not None and np.isfinite(s).all()
    ]
    reciprocal = retrieval(ranks)["mean_reciprocal_rank"]
    score = hits(guesses, [e.truth for e in examples])
    beside = {"mean_reciprocal_rank": reciprocal, "normalisation": used}
    return [accuracy_outcome(task.cells[0].name, examples, score, beside=beside)]
