"""Two models on the same items: paired intervals, permutation tests, McNemar, clustered errors."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import binomtest, rankdata

from trainer.evaluation.stats.bootstrap import CHUNK_CELLS, RESAMPLES, Interval, interval
from trainer.evaluation.stats.statistics_of import Statistic

EXACT_UP_TO = 16
SLACK = 1e-12
PERMUTATIONS = 10_000


@dataclass(frozen=True)
class Permutation:
    """A two-sided p value; exact where every sign was enumerated."""

    p: float
    exact: bool
    permutations: int


def difference_interval(
    a: Statistic,
    b: Statistic,
    clusters: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    items: int = 0,
) -> Interval | None:
    """Interval of statistic(A) - statistic(B): both on the same resample."""
    return interval(
        lambda weights: a(weights) - b(weights),
        clusters,
        resamples=resamples,
        seed=seed,
        items=items,
    )


def sign_flip(
    cluster_sums: np.ndarray, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> Permutation:
    """Sign flips of the cluster sums of a - b; all 2^n up to 16 clusters, else sampled.

    A sampled p is (1 + extreme) / (1 + permutations): never 0.
    """
    sums = cluster_sums[cluster_sums != 0]
    observed, n = abs(sums.sum()), len(sums)
    if n <= EXACT_UP_TO:
        signs = np.array(list(product((1.0, -1.0), repeat=n))).reshape(2**n, n)
        extreme = np.abs(signs @ sums) >= observed - SLACK
        return Permutation(float(extreme.mean()), True, 2**n)
    rng, extreme_count, left = np.random.default_rng(seed), 0, permutations
    while left:
        size = min(left, max(1, CHUNK_CELLS // n))
        signs = rng.integers(0, 2, size=(size, n), dtype=np.int8) * 2.0 - 1.0
        extreme_count += int((np.abs(signs @ sums) >= observed - SLACK).sum())
        left -= size
    return Permutation((1 + extreme_count) / (1 + permutations), False, permutations)


def swap_test(
    difference: Callable[[np.ndarray], float],
    clusters: int,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Permutation:
    """For statistics that are no mean (rho, R2): swap A and B per cluster and recompute.

    difference: boolean mask of swapped clusters -> statistic(A) - statistic(B) after the swap.
    """
    observed = abs(difference(np.zeros(clusters, bool)))
    if clusters <= EXACT_UP_TO:
        masks = [np.array(mask) for mask in product((False, True), repeat=clusters)]
        extreme = sum(abs(difference(mask)) >= observed - SLACK for mask in masks)
        return Permutation(extreme / len(masks), True, len(masks))
    rng = np.random.default_rng(seed)
    extreme = sum(
        abs(difference(rng.random(clusters) < 0.5)) >= observed - SLACK for _ in range(permutations)
    )
    return Permutation((1 + extreme) / (1 + permutations), False, permutations)


def rank_swaps(
    truth: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    codes: np.ndarray,
    clusters: int,
    permutations: int,
    seed: int,
) -> Permutation:
    """`swap_test` of Spearman's rho, many swaps at once; sampled, never 0."""
    fixed = rankdata(truth) - (len(truth) + 1) / 2

    def differences(masks: np.ndarray) -> np.ndarray:
        swap, pair = masks[:, codes], []
        for one, two in ((a, b), (b, a)):
            ranks = rankdata(np.where(swap, two, one), axis=1) - (len(truth) + 1) / 2
            scale = np.sqrt((ranks**2).sum(axis=1) * (fixed**2).sum())
            pair.append(np.divide(ranks @ fixed, scale, out=np.zeros(len(masks)), where=scale > 0))
        return np.asarray(pair[0] - pair[1])

    observed = abs(differences(np.zeros((1, clusters), bool))[0])
    rng, extreme, left = np.random.default_rng(seed), 0, permutations
    while left:
        size = min(left, max(1, CHUNK_CELLS // len(truth)))
        found = np.abs(differences(rng.random((size, clusters)) < 0.5))
        extreme += int((found >= observed - SLACK).sum())
        left -= size
    return Permutation((1 + extreme) / (1 + permutations), False, permutations)


def mcnemar(a: np.ndarray, b: np.ndarray) -> tuple[float, tuple[int, int]]:
    """Exact two-sided p of the discordant items of two 0/1 columns, and their two counts."""
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    if only_a + only_b == 0:
        return 1.0, (0, 0)
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue), (only_a, only_b)


def clustered_error(values: np.ndarray, codes: np.ndarray, clusters: int) -> float:
    """sqrt(sum over clusters of (sum of deviations)^2) / n."""
    deviations = np.bincount(codes, values - values.mean(), clusters)
    return float(np.sqrt((deviations**2).sum()) / len(values))
