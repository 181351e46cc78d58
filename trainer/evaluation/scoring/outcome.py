"""What a scorer hands over: one cell with its items, ready for values, intervals and pairs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainer.evaluation.metrics.rank_correlation.formula import rho
from trainer.evaluation.stats.statistics_of import (
    R2,
    ExpRatio,
    Mean,
    MeanOf,
    Rho,
    Statistic,
    cluster_codes,
)

# how a cell combines its items
MEAN, RANK, FIT, PERPLEXITY, SPLIT_RANK = "mean", "rho", "r2", "perplexity", "mean of rho"


@dataclass(frozen=True)
class Outcome:
    """One cell. guess, truth: one number per item, NaN in guess for an unparsed one.

    mean: guess is the item's score (1/0, squared error, 0-5) and truth is unused. rho, r2: guess
    against truth. perplexity: guess is the negative log-likelihood, truth the tokens.
    unparsed_is_wrong: value_all counts unparsed items as 0. splits: of SPLIT_RANK.
    """

    cell: str
    how: str
    ids: Sequence[str]
    clusters: Sequence[str]
    guess: np.ndarray
    truth: np.ndarray | None = None
    unparsed_is_wrong: bool = False
    unit: str = "share"
    splits: Sequence[tuple[int, ...]] | None = None
    beside: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    value: float | None = None
    with_interval: bool = True

    @property
    def parsed(self) -> np.ndarray:
        """Mask of parsed items."""
        return ~np.isnan(self.guess)

    def complete(self) -> "Outcome":
        """The same cell with unparsed answers as wrong ones: the form in which models compare."""
        if not self.unparsed_is_wrong:
            return self
        return Outcome(
            self.cell, self.how, self.ids, self.clusters, np.nan_to_num(self.guess, nan=0.0)
        )


def statistic(outcome: Outcome) -> tuple[Statistic, int, int]:
    """(statistic over cluster weights, clusters, items) of the parsed items of a cell."""
    kept = outcome.parsed
    codes, clusters = cluster_codes([c for c, k in zip(outcome.clusters, kept, strict=True) if k])
    guess = outcome.guess[kept]
    truth = outcome.truth[kept] if outcome.truth is not None else np.zeros(len(guess))
    if outcome.how == MEAN:
        return Mean.of(guess, codes, clusters), clusters, 0
    if outcome.how == PERPLEXITY:
        ratio = Mean(np.bincount(codes, guess, clusters), np.bincount(codes, truth, clusters))
        return ExpRatio(ratio), clusters, 0
    if outcome.how == FIT:
        return R2(truth, guess, codes), clusters, len(guess)
    if outcome.how == SPLIT_RANK:
        assert outcome.splits is not None
        splits = [s for s, k in zip(outcome.splits, kept, strict=True) if k]
        parts = []
        for number in sorted({n for s in splits for n in s}):
            member = np.array([number in s for s in splits])
            parts.append(Rho(truth[member], guess[member], codes[member]))
        return MeanOf(tuple(parts)), clusters, len(guess)
    return Rho(truth, guess, codes), clusters, len(guess)


def point(outcome: Outcome) -> tuple[float | None, tuple[str, ...]]:
    """(value over the parsed items, flags): a constant side makes rho 0 and is flagged."""
    if outcome.value is not None:
        return outcome.value, outcome.flags
    kept = outcome.parsed
    if not kept.any():
        return None, outcome.flags
    if outcome.how == RANK and outcome.truth is not None:
        value, constant = rho(outcome.guess[kept], outcome.truth[kept])
        return value, outcome.flags + (("constant",) if constant else ())
    made, clusters, _ = statistic(outcome)
    value = float(made(np.ones((1, clusters)))[0])
    if np.isnan(value):
        constant = outcome.how == SPLIT_RANK
        return (0.0 if constant else None), (*outcome.flags, "constant")
    return value, outcome.flags
