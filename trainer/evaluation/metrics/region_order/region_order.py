"""Nine regions in predicted order against fixation counts: mean Spearman's rho and top-1."""

from typing import Any

import evaluate
from datasets import Features, List, Value

from .formula import region_order

_DESCRIPTION = """
Nine regions in predicted order against fixation counts: mean Spearman's rho and top-1.
"""
_INPUTS = """
Args:
    predictions: region indices, most salient first, per picture.
    references: fixation counts of the regions, per picture.
Returns:
    rho, top1.
"""


class RegionOrder(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features(
                {"predictions": List(Value("int64")), "references": List(Value("int64"))}
            ),
        )

    def _compute(self, predictions: list[list[int]], references: list[list[int]]) -> dict[str, Any]:
        pairs = [region_order(c, o) for c, o in zip(references, predictions, strict=True)]
        return {
            "rho": sum(rho for rho, _ in pairs) / len(pairs),
            "top1": sum(top for _, top in pairs) / len(pairs),
        }
