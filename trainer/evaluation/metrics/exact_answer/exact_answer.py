"""Exact match of short answers as typed and normalised (lower case, outer punctuation and white."""

from typing import Any

import evaluate
from datasets import Features, Value

from .formula import exact_match

_DESCRIPTION = """
Exact match of short answers as typed and normalised (lower case, outer punctuation and white
space removed), by question type.
"""
_INPUTS = """
Args:
    predictions: answers, None for a missing one.
    references: the true answers.
    types: the type of each question.
Returns:
    n, missing, empty, strict, normalised, by_type.
"""


class ExactAnswer(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features(
                {
                    "predictions": Value("string"),
                    "references": Value("string"),
                    "types": Value("string"),
                }
            ),
        )

    def _compute(
        self, predictions: list[str | None], references: list[str], types: list[str]
    ) -> dict[str, Any]:
        return exact_match(predictions, references, types)
