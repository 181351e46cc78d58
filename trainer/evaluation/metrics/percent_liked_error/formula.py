"""How well percent liked is predicted: raw R2 moves on one stray answer, so it is never alone."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import r2_score

WINSOR = (1, 99)
MIN_ITEMS = 3


def likes_fit(
    predictions: np.ndarray, references: np.ndarray, train_mean: float | None
) -> dict[str, Any]:
    """R2 raw, winsorised and of log1p, Spearman, and the R2 of the constant train mean.

    Winsorised: both sides clipped to the 1st and 99th percentile (linear) of the truth.
    {} below three items or with equal truths.
    """
    if len(references) < MIN_ITEMS or np.ptp(references) == 0:
        return {}
    low, high = np.percentile(references, WINSOR)
    clipped, inside = np.clip(references, low, high), np.clip(predictions, low, high)
    constant = None if train_mean is None else np.full(len(references), train_mean)
    return {
        "r2_raw": float(r2_score(references, predictions)),
        "r2_winsorised": float(r2_score(clipped, inside)),
        # a share below 0 cannot be meant; log1p has none
        "r2_log1p": float(r2_score(np.log1p(references), np.log1p(np.clip(predictions, 0, None)))),
        "spearman": 0.0
        if np.ptp(predictions) == 0
        else float(spearmanr(predictions, references).statistic),
        "r2_constant_train_mean": None
        if constant is None
        else float(r2_score(references, constant)),
        "winsor_limits": [float(low), float(high)],
    }
