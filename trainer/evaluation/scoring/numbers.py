"""Scorers of numbers: LVU regression, memorability ranks, likes, comments, region orders."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.evaluation.metrics.comment_perplexity.formula import perplexities
from trainer.evaluation.metrics.percent_liked_error.formula import likes_fit
from trainer.evaluation.metrics.rank_correlation.formula import parse_score, rho
from trainer.evaluation.metrics.region_order.formula import region_order
from trainer.evaluation.metrics.squared_error.formula import video_predictions
from trainer.evaluation.protocols.parse import (
    parse_count,
    parse_order,
    parse_percent,
    parse_ratio,
)
from trainer.evaluation.scoring.choices import Predictions
from trainer.evaluation.scoring.outcome import FIT, MEAN, PERPLEXITY, RANK, SPLIT_RANK, Outcome
from trainer.evaluation.task import Example, Task
from trainer.evaluation.tasks.gaze import REGIONS
from trainer.evaluation.tasks.lvu import official_like_ratio, official_views


def _answers(found: Predictions, example: Example) -> list[str]:
    return [row["answer"] for row in found.get(example.id, ()) if row.get("answer")]


def _outcome(cell: str, how: str, examples: Sequence[Example], guess: Any, **rest: Any) -> Outcome:
    return Outcome(
        cell,
        how,
        [e.id for e in examples],
        [e.cluster for e in examples],
        np.asarray(guess, float),
        **rest,
    )


def score_lvu_regression(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """Squared error in official units; clips are converted first, then averaged."""
    views = task.name.endswith("view_count")
    read: Callable[[str], float | None] = parse_count if views else parse_ratio
    units = official_views if views else official_like_ratio
    clips = {
        e.id: [v for text in _answers(found, e) if (v := read(text)) is not None] for e in examples
    }
    made = video_predictions(clips, units)
    error = [(made[e.id] - e.truth) ** 2 if e.id in made else math.nan for e in examples]
    return [_outcome(task.cells[0].name, MEAN, examples, error, unit="squared official unit")]


def score_rank(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """Spearman's rho of the joint argmax or the written score; the expectation's stands beside."""
    guess, expected = [], []
    for example in examples:
        rows = found.get(example.id, ())
        guess.append(_mean([_memorability(row, "argmax") for row in rows]))
        expected.append(_mean([_memorability(row, "expectation") for row in rows]))
    truth = np.array([example.truth for example in examples], float)
    splits = [example.facts.get("splits") for example in examples]
    both = ~np.isnan(np.array(expected, float))
    beside: dict[str, Any] = {}
    if both.any():
        beside["rho_expectation"] = rho(np.array(expected, float)[both], truth[both])[0]
    how = SPLIT_RANK if splits and splits[0] is not None else RANK
    return [
        _outcome(
            task.cells[0].name,
            how,
            examples,
            guess,
            truth=truth,
            splits=splits if how == SPLIT_RANK else None,  # type: ignore[arg-type]
            unit="rho",
            beside=beside,
        )
    ]


def _memorability(row: Mapping[str, Any], key: str) -> float | None:
    if row.get("digits") is not None:
        return float(row["digits"][key])
    return parse_score(row["answer"]) if row.get("answer") and key == "argmax" else None


def _mean(values: Sequence[float | None]) -> float:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else math.nan


def score_likes(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """R2 of percent liked, never alone: winsorised, log1p, Spearman, constant train mean."""
    guess = [
        _mean([parse_percent(text) for text in _answers(found, example)]) for example in examples
    ]
    truth = np.array([example.truth for example in examples], float)
    kept = ~np.isnan(np.array(guess, float))
    train = [e.truth for e in task.train(root)] if task.train else []
    beside = likes_fit(np.array(guess)[kept], truth[kept], float(np.mean(train)) if train else None)
    return [
        _outcome(task.cells[0].name, FIT, examples, guess, truth=truth, unit="R2", beside=beside)
    ]


def score_comments(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """Perplexity of the true comments: `labels` holds one entry {logprob, tokens, bytes}."""
    loss, tokens, size = [], [], []
    for example in examples:
        rows = found.get(example.id, ())
        entries = [entry for row in rows for entry in (row.get("labels") or {}).values()]
        loss.append(-entries[0]["logprob"] if entries else math.nan)
        tokens.append(entries[0]["tokens"] if entries else 0)
        size.append(len(example.truth.encode()))
    kept = ~np.isnan(np.array(loss, float))
    beside = (
        perplexities(np.array(loss)[kept], np.array(tokens)[kept], np.array(size)[kept])
        if kept.any()
        else {}
    )
    return [
        _outcome(
            task.cells[0].name,
            PERPLEXITY,
            examples,
            loss,
            truth=np.array(tokens, float),
            unit="perplexity per token",
            beside=beside,
        )
    ]


def score_regions(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """Mean rank correlation with gaze, and whether the first region is the most looked at."""
    ranks, first = [], []
    for example in examples:
        answers = _answers(found, example)
        order = parse_order(answers[0], REGIONS) if answers else None
        rank, top = region_order(example.truth, order) if order else (math.nan, math.nan)
        ranks.append(rank)
        first.append(float(top))
    return [
        _outcome("rho", MEAN, examples, ranks, unit="rho"),
        _outcome("top1", MEAN, examples, first, unparsed_is_wrong=True),
    ]
