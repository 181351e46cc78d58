"""Accuracy against the clean label, any annotator, and two annotators, and mAP over the labels."""

from typing import Any

import evaluate
import numpy as np
from datasets import Features, List, Value

from .formula import vote_precision

_DESCRIPTION = """
Accuracy against the clean label, any annotator, and two annotators, and mAP over the labels.
"""
_INPUTS = """
Args:
    predictions: scores of the labels, per item.
    references: index of the clean label.
    counts: annotators who named each label, per item.
Returns:
    accuracy_clean, accuracy_any, accuracy_two, map_any, map_two.
"""


class AnnotatorVotes(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features(
                {
                    "predictions": List(Value("float64")),
                    "references": Value("int64"),
                    "counts": List(Value("int64")),
                }
            ),
        )

    def _compute(
        self, predictions: list[list[float]], references: list[int], counts: list[list[int]]
    ) -> dict[str, Any]:
        scores, votes = np.asarray(predictions, float), np.asarray(counts, int)
        best = scores.argmax(axis=1)
        mine = votes[np.arange(len(votes)), best]
        return {
            "accuracy_clean": float((best == np.asarray(references)).mean()),
            "accuracy_any": float((mine >= 1).mean()),
            "accuracy_two": float((mine >= 2).mean()),
            "map_any": vote_precision(scores, (votes >= 1).astype(int)),
            "map_two": vote_precision(scores, (votes >= 2).astype(int)),
        }
