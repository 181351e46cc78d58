"""One true statement among candidates: accuracy and mean reciprocal rank."""

from typing import Any

import evaluate
from datasets import Features, List, Value

from .formula import retrieval, true_rank

_DESCRIPTION = """
One true statement among candidates: accuracy and mean reciprocal rank, ties to the first index.
"""
_INPUTS = """
Args:
    predictions: scores of the candidates, per item.
    references: index of the true candidate.
Returns:
    accuracy, mean_reciprocal_rank, ranks.
"""


class StatementRetrieval(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features(
                {"predictions": List(Value("float64")), "references": Value("int64")}
            ),
        )

    def _compute(self, predictions: list[list[float]], references: list[int]) -> dict[str, Any]:
        ranks = [true_rank(s, t) for s, t in zip(predictions, references, strict=True)]
        return retrieval(ranks) | {"ranks": ranks}
