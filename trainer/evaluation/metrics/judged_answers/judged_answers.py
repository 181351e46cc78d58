"""Accuracy and score of a judge's replies {'pred': yes|no, 'score': 0-5}."""

from typing import Any

import evaluate
from datasets import Features, Value

from .formula import summary, yes_no

_DESCRIPTION = """
Accuracy and score of a judge's replies {'pred': yes|no, 'score': 0-5}; anything else is unparsed.
"""
_INPUTS = """
Args:
    predictions: the replies as they came.
Returns:
    n, unparsed, accuracy, accuracy_all, score, score_cut_to_int.
"""


class JudgedAnswers(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features({"predictions": Value("string")}),
        )

    def _compute(self, predictions: list[str | None]) -> dict[str, Any]:
        return summary([yes_no(reply) for reply in predictions])
