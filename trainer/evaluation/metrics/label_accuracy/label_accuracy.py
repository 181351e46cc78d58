"""Top-1 accuracy against a set of accepted labels; unparsed answers are counted."""

from typing import Any

import evaluate
from datasets import Features, List, Value

from .formula import accuracy

_DESCRIPTION = """
Top-1 accuracy against a set of accepted labels. Unparsed answers (None) are counted: wrong in
value_all, left out of value.
"""
_INPUTS = """
Args:
    predictions: one label per item, or None.
    references: the accepted labels of each item.
Returns:
    n, unparsed, correct, value, value_all.
"""


class LabelAccuracy(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features(
                {"predictions": Value("string"), "references": List(Value("string"))}
            ),
        )

    def _compute(
        self, predictions: list[str | None], references: list[list[str]]
    ) -> dict[str, Any]:
        return accuracy(predictions, references)
