"""Mean squared error of numbers that are already in the units of the benchmark (LVU: ln(views),."""

from typing import Any

import evaluate
from datasets import Features, Value

from .formula import mse

_DESCRIPTION = """
Mean squared error of numbers that are already in the units of the benchmark (LVU: ln(views),
10 * likes / (likes + dislikes)).
"""
_INPUTS = """
Args:
    predictions: numbers.
    references: true numbers.
Returns:
    mse.
"""


class SquaredError(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features({"predictions": Value("float64"), "references": Value("float64")}),
        )

    def _compute(self, predictions: list[float], references: list[float]) -> dict[str, Any]:
        return {"mse": mse(predictions, references)}
