"""Mean average precision over the tags of one category, on the segments that have a tag of it."""

from typing import Any

import evaluate
import numpy as np
from datasets import Features, List, Value

from .formula import average_precision

_DESCRIPTION = """
Mean average precision over the tags of one category, on the segments that have a tag of it.
Tags without a positive are left out and counted.
"""
_INPUTS = """
Args:
    predictions: scores of every tag, per segment.
    references: 0/1 of every tag, per segment.
    with_category_only: leave out segments without a tag of the category (default).
Returns:
    value, segments, classes, classes_with_positives, classes_without_positives, per_class.
"""


class TagAveragePrecision(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features(
                {"predictions": List(Value("float64")), "references": List(Value("int8"))}
            ),
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[list[int]],
        with_category_only: bool = True,
    ) -> dict[str, Any]:
        return average_precision(
            np.asarray(predictions, float), np.asarray(references, int), with_category_only
        )
