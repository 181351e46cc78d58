"""Corrections and plans: Holm over a table's planned cells, seeds, what a sample size can show."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, t

ALPHA = 0.05
POWER = 0.80
# share of items on which two models of a comparison are assumed to disagree
DISCORDANT = 0.25


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down adjusted p values, in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted, running = [0.0] * len(p_values), 0.0
    for step, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = running
    return adjusted


def over_seeds(values: Sequence[float]) -> dict[str, float | list[float]]:
    """Mean, sd and t interval over at least three seeds; ValueError below.

    Seeds and items are different sources of spread: this interval is never pooled with theirs.
    """
    if len(values) < 3:
        raise ValueError(f"{len(values)} seeds: at least 3 are needed for an interval over seeds")
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(t.ppf(1 - ALPHA / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    return {"mean": mean, "sd": sd, "interval": [mean - half, mean + half], "seeds": len(values)}


def detectable(n: int) -> dict[str, float]:
    """What n independent items can show, in the unit of a share (or of rho).

    two_errors: twice the standard error of one accuracy of 50 %. paired: the difference of two
    models found in 80 % of runs at 5 %, where they disagree on a quarter of the items. rho: twice
    the standard error of a rank correlation near zero.
    """
    z = float(norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER))
    return {
        "two_errors": 1 / math.sqrt(n),
        "paired": z * math.sqrt(DISCORDANT / n),
        "rho": 2 / math.sqrt(n),
    }
