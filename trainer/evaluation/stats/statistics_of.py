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


@dataclass(frozen=True)
class Rho:
    """Spearman's rho with average ranks inside each resample."""

    truth: np.ndarray
    guess: np.ndarray
    codes: np.ndarray

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        items = weights[:, self.codes].astype(float)
        first, second = weighted_ranks(self.truth, items), weighted_ranks(self.guess, items)
        return weighted_correlation(first, second, items)


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


def weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average ranks [resamples, items] of values that occur `weights` times each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    size = np.add.reduceat(weights[:, order], starts, axis=1)
    rank = np.cumsum(size, axis=1) - size + (size + 1) / 2
    groups = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(values)]))
    back = np.empty(len(values), np.int64)
    back[order] = groups
    return np.asarray(rank[:, back])


def weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's correlation per row; 0 where a side is constant in every drawn item."""
    n = weights.sum(axis=1, keepdims=True)
    dx = x - (weights * x).sum(axis=1, keepdims=True) / n
    dy = y - (weights * y).sum(axis=1, keepdims=True) / n
    cover = (weights * dx * dy).sum(axis=1)
    scale = np.sqrt((weights * dx**2).sum(axis=1) * (weights * dy**2).sum(axis=1))
    return np.divide(cover, scale, out=np.full(len(x), np.nan), where=scale > 1e-9)
