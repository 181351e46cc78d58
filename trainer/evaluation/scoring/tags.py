"""Scorers of HVU: picking 5 of 30 tags, and mAP over all tags of a category."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.evaluation.metrics.tag_average_precision.formula import average_precision
from trainer.evaluation.metrics.tag_picking.formula import pick_categories, valid_picks
from trainer.evaluation.protocols.parse import parse_list
from trainer.evaluation.scoring.choices import Predictions
from trainer.evaluation.scoring.outcome import MEAN, Outcome
from trainer.evaluation.task import Example, Task
from trainer.evaluation.tasks.hvu import CATEGORIES, PICKS, categories


def score_picking(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """Per category over the segments that have it; overall is the mean of the six."""
    category_of = categories(root)
    picks = [_picks(found, example) for example in examples]
    whole = pick_categories(
        [p or [] for p in picks],
        [e.choices for e in examples],
        [e.truth for e in examples],
        category_of,
    )
    beside = {k: whole[k] for k in ("unparsed_picks", "empty_items", "tag_precision")}
    beside["mean_true_candidates"] = whole["mean_true_candidates"]
    picked = [
        None if p is None else {category_of[tag] for tag in valid_picks(p, e.choices)}
        for p, e in zip(picks, examples, strict=True)
    ]
    has = [{category_of[tag] for tag in e.truth} for e in examples]
    outcomes = [_category(name, examples, picked, has) for name in CATEGORIES]
    values = [_with_unparsed_wrong(o) for o in outcomes]
    known = [v for v in values if v is not None]
    overall = sum(known) / len(known) if known else None
    empty = np.array([math.nan if p is None else 0.0 for p in picks])
    ids, clusters = [e.id for e in examples], [e.cluster for e in examples]
    outcomes.append(
        Outcome(
            "overall", MEAN, ids, clusters, empty, value=overall, beside=beside, with_interval=False
        )
    )
    return outcomes


def _picks(found: Predictions, example: Example) -> list[str] | None:
    rows = found.get(example.id, ())
    if not rows:
        return None
    if rows[0].get("labels"):
        entries = rows[0]["labels"]
        best = sorted(example.choices, key=lambda tag: -entries[tag]["logprob"])
        return best[:PICKS]
    answer = rows[0].get("answer")
    return parse_list(answer)[:PICKS] if answer else None


def _category(
    name: str,
    examples: Sequence[Example],
    picked: Sequence[set[str] | None],
    has: Sequence[set[str]],
) -> Outcome:
    kept = [i for i, tags in enumerate(has) if name in tags]
    guess = [math.nan if (p := picked[i]) is None else float(name in p) for i in kept]
    return Outcome(
        name,
        MEAN,
        [examples[i].id for i in kept],
        [examples[i].cluster for i in kept],
        np.array(guess),
        unparsed_is_wrong=True,
    )


def _with_unparsed_wrong(outcome: Outcome) -> float | None:
    parsed = outcome.guess[outcome.parsed]
    return float(parsed.mean()) if len(parsed) else None


def score_map(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """mAP per category over segments with a tag of it; only segments with predictions count."""
    category_of = categories(root)
    rows = [(e, found[e.id][0]) for e in examples if found.get(e.id)]
    rows = [(e, row["labels"]) for e, row in rows if row.get("labels")]
    ids, clusters = [e.id for e in examples], [e.cluster for e in examples]
    scored = {e.id for e, _ in rows}
    guess = np.array([0.0 if name in scored else math.nan for name in ids])
    outcomes, everything = [], []
    for name in CATEGORIES:
        classes = sorted(tag for tag, category in category_of.items() if category == name)
        result = _category_precision(rows, classes) if rows else {}
        everything += [v for v in result.pop("per_class", ()) if v is not None]
        value = result.pop("value", None)
        outcomes.append(_whole(f"map_{name}", ids, clusters, guess, value, result))
    known = [o.value for o in outcomes if o.value is not None]
    overall = sum(known) / len(known) if known else None
    beside = {"mean_over_classes": float(np.mean(everything)) if everything else None}
    outcomes.append(_whole("map_overall", ids, clusters, guess, overall, beside))
    return outcomes


def _category_precision(rows: Sequence[Any], classes: Sequence[str]) -> dict[str, Any]:
    scores = np.array([[entry[c]["logprob"] for c in classes] for _, entry in rows])
    truth = np.array([[c in e.truth for c in classes] for e, _ in rows], int)
    return average_precision(scores, truth)


def _whole(
    cell: str, ids: Any, clusters: Any, guess: np.ndarray, value: float | None, beside: Any
) -> Outcome:
    """A value of all items at once: no mean of theirs, so no interval over them."""
    return Outcome(
        cell, MEAN, ids, clusters, guess, value=value, beside=beside, with_interval=False
    )
