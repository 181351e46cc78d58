"""Pitt sentiments: clean label, any annotator, two annotators, mAP, and the seven clubs."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer.evaluation.inputs.files import read_text
from trainer.evaluation.metrics.annotator_votes.formula import (
    at_least,
    porter,
    stem_table,
    vote_precision,
    votes,
)
from trainer.evaluation.scoring.choices import (
    Predictions,
    accuracy_outcome,
    class_scores,
    hits,
    top_labels,
)
from trainer.evaluation.scoring.outcome import MEAN, Outcome
from trainer.evaluation.task import Example, Task
from trainer.evaluation.tasks.pitt import SENTIMENT_WORDS
from trainer.evaluation.tasks.pitt_labels import CLUB, SENTIMENTS

# the list is cp1252: a no-break space stands before each parenthesis
LINE = re.compile(r'(?m)^\d+\.\s+"(.*?)" \(ABBREVIATION: "(\w+)"\)')


def annotator_votes(root: Path, examples: Sequence[Example]) -> list[dict[str, int]]:
    """Label -> annotators per item, from their raw replies."""
    text = read_text(root, SENTIMENT_WORDS, "cp1252")
    words = [(name, re.findall(r"[A-Za-z]+", known)) for known, name in LINE.findall(text)]
    stem = porter()
    table = stem_table(words, stem)
    return [votes(example.facts["raw"], table, stem) for example in examples]


def score_sentiment(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """The three accuracies of one guess, and mAP where every item has label scores."""
    scores, way = class_scores(task, examples, found, normalisation)
    guesses = top_labels(task, examples, scores)
    counted = annotator_votes(root, examples)
    by_rule = {1: "any", 2: "two"}
    outcomes = [
        accuracy_outcome(
            "accuracy",
            examples,
            hits(guesses, [e.truth for e in examples]),
            beside={"normalisation": way},
        )
    ]
    for least, rule in by_rule.items():
        accepted = [at_least(count, least) for count in counted]
        outcomes.append(accuracy_outcome(f"accuracy_{rule}", examples, hits(guesses, accepted)))
        outcomes.append(_precision(rule, examples, scores, accepted))
    return outcomes


def _precision(
    rule: str,
    examples: Sequence[Example],
    scores: list[np.ndarray | None],
    accepted: list[frozenset[str]],
) -> Outcome:
    rows = [i for i, s in enumerate(scores) if s is not None and np.isfinite(s).all()]
    value = beside = None
    if rows:
        made = np.stack([scores[i] for i in rows])  # type: ignore[misc]
        truth = np.array([[label in accepted[i] for label in SENTIMENTS] for i in rows], int)
        beside = vote_precision(made, truth)
        value = beside["macro"]
    guess = np.full(len(examples), np.nan)
    guess[rows] = 0.0
    return Outcome(
        f"map_{rule}_macro",
        MEAN,
        [e.id for e in examples],
        [e.cluster for e in examples],
        guess,
        value=value,
        beside={"micro": beside["micro"]} if beside else {},
        with_interval=False,
    )


def score_clubbed(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """Seven clubs. A prediction over the 30 sentiments is read through the club map."""
    thirty = all(
        set(row["labels"]) == set(SENTIMENTS)
        for rows in found.values()
        for row in rows
        if row.get("labels") is not None
    )
    any_labels = any(row.get("labels") is not None for rows in found.values() for row in rows)
    asked = task
    if thirty and any_labels:
        asked = Task(**{**task.__dict__, "labels": SENTIMENTS, "synonyms": {}})
    scores, way = class_scores(asked, examples, found, normalisation)
    guesses = [None if g is None else CLUB.get(g, g) for g in top_labels(asked, examples, scores)]
    clubs = [
        frozenset(CLUB[label] for label in at_least(count, 1))
        for count in annotator_votes(root, examples)
    ]
    truths = [example.truth for example in examples]
    return [
        accuracy_outcome(
            "accuracy", examples, hits(guesses, truths), beside={"normalisation": way}
        ),
        accuracy_outcome("accuracy_any", examples, hits(guesses, clubs)),
    ]
