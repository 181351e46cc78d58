"""mAP of one category of tags, over the segments that have a tag of it."""

from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score


def average_precision(
    scores: np.ndarray, truth: np.ndarray, with_category_only: bool = True
) -> dict[str, Any]:
    """scores, truth (0/1): [segments, classes].

    Classes without a positive are left out and counted: called on the matrix, scikit-learn gives
    them 0. per_class holds None for them, in class order.
    """
    rows = truth.any(axis=1) if with_category_only else np.ones(len(truth), bool)
    kept, labels = scores[rows], truth[rows]
    positive: np.ndarray = np.asarray(labels.sum(axis=0) > 0)
    per_class = [
        float(average_precision_score(labels[:, c], kept[:, c])) if positive[c] else None
        for c in range(truth.shape[1])
    ]
    found = [value for value in per_class if value is not None]
    return {
        "value": float(np.mean(found)) if found else None,
        "segments": int(rows.sum()),
        "classes": truth.shape[1],
        "classes_with_positives": len(found),
        "classes_without_positives": truth.shape[1] - len(found),
        "per_class": per_class,
    }
