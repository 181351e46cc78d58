"""How far predicted percent-liked is from likes / views."""

import warnings
from collections.abc import Callable
from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap

_DESCRIPTION = """
Errors of predicted percent-liked against 100 * likes / views, both in percent: mean absolute
error, median absolute error and R2. A constant prediction has an R2 of at most 0.
"""
_INPUTS = """
Args:
    predictions: predicted percent-liked of each parsed answer.
    references: 100 * likes / views of the same videos.
    seed: of the bootstrap.
Returns:
    mae, median_error, r2 (None below three videos or with equal references), each with a 95 %
    interval over videos under <name>_interval (None below two videos).
"""
RESAMPLES = 2000
MIN_FOR_R2 = 3


class PercentLikedError(evaluate.Metric):
    """Mean and median absolute error and R2, each with a percentile-bootstrap interval."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("float64"),
                    "references": datasets.Value("float64"),
                }
            ),
        )

    def _compute(
        self, predictions: list[float], references: list[float], seed: int
    ) -> dict[str, Any]:
        guess, truth = np.asarray(predictions, float), np.asarray(references, float)
        result: dict[str, Any] = {}
        for name, statistic in (("mae", _mae), ("median_error", _median_error), ("r2", _r2)):
            defined = len(guess) >= (MIN_FOR_R2 if name == "r2" else 1)
            if not defined or (name == "r2" and np.ptp(truth) == 0):
                result[name] = result[f"{name}_interval"] = None
                continue
            result[name] = float(statistic(guess, truth))
            result[f"{name}_interval"] = _interval(guess, truth, statistic, seed)
        return result


def _interval(
    guess: np.ndarray, truth: np.ndarray, statistic: Callable[..., np.ndarray], seed: int
) -> list[float] | None:
    if len(guess) < 2:
        return None
    with warnings.catch_warnings():
        # a resample of one video drawn n times has no R2; such draws are left out below
        warnings.simplefilter("ignore", DegenerateDataWarning)
        draws = bootstrap(
            (guess, truth),
            statistic,
            paired=True,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=seed,
        ).bootstrap_distribution
    return [float(edge) for edge in np.nanpercentile(draws, [2.5, 97.5])]


def _mae(guess: np.ndarray, truth: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.abs(guess - truth).mean(axis=axis))


def _median_error(guess: np.ndarray, truth: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.median(np.abs(guess - truth), axis=axis))


def _r2(guess: np.ndarray, truth: np.ndarray, axis: int = -1) -> np.ndarray:
    residual = ((truth - guess) ** 2).sum(axis=axis)
    total = ((truth - truth.mean(axis=axis, keepdims=True)) ** 2).sum(axis=axis)
    # rounding leaves a little spread in equal references
    spread = total > 1e-9 * (truth**2).sum(axis=axis)
    return 1 - np.divide(residual, total, out=np.full_like(residual, np.nan), where=spread)
