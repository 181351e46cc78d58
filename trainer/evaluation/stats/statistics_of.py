"""Statistics as functions of resampling weights, so that a resample costs no sorting.

Each takes weights [resamples, clusters] (how often a cluster was drawn) and returns one value per
resample, NaN where it is undefined there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]


def cluster_codes(clusters: Sequence[str | int]) -> tuple[np.ndarray, int]:
    """Numbers 0.. of clusters in order of first appearance, and how many there are."""
    numbers: dict[str | int, int] = {}
    codes = np.fromiter(
        (numbers.setdefault(c, len(numbers)) for c in clusters), dtype=np.int64, count=len(clusters)
    )
    return codes, len(numbers)


@dataclass(frozen=True)
class Mean:
    """Sum over items / number of items, from cluster sums [clusters]."""

    sums: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, codes: np.ndarray, clusters: int) -> "Mean":
        """The mean of item values; NaN items are left out."""
        kept = ~np.isnan(values)
        return cls(
            np.bincount(codes[kept], values[kept], clusters),
            np.bincount(codes[kept], minlength=clusters).astype(float),
        )

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        total = weights @ self.counts
        return np.divide(
            weights @ self.sums, total, out=np.full(len(weights), np.nan), where=total > 0
        )


@dataclass(frozen=True)
class ExpRatio:
    """exp(sum / sum): perplexity, from cluster sums of negative log-likelihoods and of tokens."""

    mean: Mean

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return np.exp(self.mean(weights))


@dataclass(frozen=True)
class MeanOf:
    """The mean of several statistics on the same resample (five splits, six categories)."""

    parts: tuple[Statistic, ...]

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return np.asarray(np.mean([part(weights) for part in self.parts], axis=0))


class Rho:
    """Spearman's rho with average ranks inside each resample.

    Items are kept in the order of the truth, and variances are summed over tied groups, so that a
    resample costs three passes over its items.
    """

    def __init__(self, truth: np.ndarray, guess: np.ndarray, codes: np.ndarray) -> None:
        order = np.argsort(truth, kind="stable")
        self.codes, self.truth, guess = codes[order], Groups(truth[order]), guess[order]
        self.by_guess = np.argsort(guess, kind="stable")
        self.guess = Groups(guess[self.by_guess])
        self.group_of = np.empty(len(guess), np.int64)
        self.group_of[self.by_guess] = np.repeat(
            np.arange(len(self.guess.starts)), self.guess.lengths
        )

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        items = weights[:, self.codes].astype(float)
        n = items.sum(axis=1)
        first, spread_first = self.truth.ranks(items, n)
        second, spread_second = self.guess.ranks(items[:, self.by_guess], n)
        one = np.repeat(first, self.truth.lengths, axis=1)
        cover = np.einsum("ri,ri,ri->r", items, one, second[:, self.group_of])
        scale = np.sqrt(spread_first * spread_second)
        return np.divide(cover, scale, out=np.full(len(n), np.nan), where=scale > 1e-9)


class Groups:
    """Tied groups of values that stand in ascending order."""

    def __init__(self, ordered: np.ndarray) -> None:
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.lengths = np.diff(np.r_[self.starts, len(ordered)])

    def ranks(self, weights: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(average rank of each group minus the mean rank, weighted sum of its squares)."""
        size = np.add.reduceat(weights, self.starts, axis=1)
        rank = np.cumsum(size, axis=1) - size / 2 - n[:, None] / 2
        return rank, np.einsum("rg,rg,rg->r", size, rank, rank)


@dataclass(frozen=True)
class R2:
    """1 - residual / total sum of squares inside each resample."""

    truth: np.ndarray
    guess: np.ndarray
    codes: np.ndarray

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        items = weights[:, self.codes].astype(float)
        n = items.sum(axis=1)
        mean = items @ self.truth / n
        total = items @ self.truth**2 - n * mean**2
        residual = items @ (self.truth - self.guess) ** 2
        spread = total > 1e-9 * np.maximum(items @ self.truth**2, 1e-300)
        return 1 - np.divide(residual, total, out=np.full(len(n), np.nan), where=spread)
