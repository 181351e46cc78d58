"""Spearman's rho with average ranks. A constant side gives 0 and a flag."""

from typing import Any

import evaluate
from datasets import Features, Value

from .formula import rho

_DESCRIPTION = """
Spearman's rho with average ranks. A constant side gives 0 and a flag.
"""
_INPUTS = """
Args:
    predictions: scores.
    references: true scores.
Returns:
    rho, constant, n.
"""


class RankCorrelation(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features({"predictions": Value("float64"), "references": Value("float64")}),
        )

    def _compute(self, predictions: list[float], references: list[float]) -> dict[str, Any]:
        return dict(
            zip(("rho", "constant"), rho(predictions, references), strict=True), n=len(references)
        )
