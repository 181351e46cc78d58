"""hvu_4096: per category, the share of segments that have it with a valid pick of it. A pick."""

from typing import Any

import evaluate
from datasets import Features, List, Value

from .formula import pick_categories

_DESCRIPTION = """
hvu_4096: per category, the share of segments that have it with a valid pick of it. A pick
outside the candidates is unparsed.
"""
_INPUTS = """
Args:
    predictions: picked tags per segment.
    references: true tags per segment.
    candidates: the offered tags per segment.
    categories: {tag: category}.
Returns:
    categories, overall, unparsed_picks, empty_items, tag_precision, mean_true_candidates.
"""


class TagPicking(evaluate.Metric):
    """See `formula.py`, which scoring uses without this library."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=Features(
                {
                    "predictions": List(Value("string")),
                    "references": List(Value("string")),
                    "candidates": List(Value("string")),
                }
            ),
        )

    def _compute(
        self,
        predictions: list[list[str]],
        references: list[list[str]],
        candidates: list[list[str]],
        categories: dict[str, str],
    ) -> dict[str, Any]:
        return pick_categories(predictions, candidates, references, categories)
