"""Spearman's rho with average ranks; a constant side gives 0 and a flag, never NaN."""

import re
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

SCORE = re.compile(r"\s*(\d{1,2})\s*\.?\s*")


def parse_score(answer: str | None) -> int | None:
    """One or two digits with an optional full stop and nothing else; "100" is unparsed."""
    found = SCORE.fullmatch(answer) if answer is not None else None
    return int(found.group(1)) if found else None


def rho(predictions: Sequence[float], references: Sequence[float]) -> tuple[float | None, bool]:
    """(rho, flag): 0 and True where either side is constant; None below two items."""
    if len(predictions) < 2:
        return None, False
    if np.ptp(np.asarray(predictions, float)) == 0 or np.ptp(np.asarray(references, float)) == 0:
        return 0.0, True
    return float(spearmanr(predictions, references).statistic), False
