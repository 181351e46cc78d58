"""Exact match of short answers: as typed, and under the normalisation of the task."""

import re
from collections.abc import Sequence

OUTSIDE = " \t\r\n.,!?;:'\""


def normalised(answer: str) -> str:
    """Lower case, outer white space and . , ! ? ; : ' " removed, inner white space collapsed.

    No article is removed and no word is stemmed.
    """
    return re.sub(r"\s+", " ", answer.lower()).strip(OUTSIDE)


def exact_match(
    predictions: Sequence[str | None], references: Sequence[str], types: Sequence[str]
) -> dict[str, object]:
    """strict: as typed; normalised: see above; by_type: {type: {correct, n}} of the latter.

    Missing (None) and empty answers are wrong in both, and counted.
    """
    by_type: dict[str, dict[str, int]] = {}
    strict = 0
    for answer, truth, kind in zip(predictions, references, types, strict=True):
        entry = by_type.setdefault(str(kind), {"correct": 0, "strict": 0, "n": 0})
        same = answer is not None and answer == truth
        strict += same
        entry["n"] += 1
        entry["strict"] += same
        entry["correct"] += bool(answer) and normalised(answer or "") == normalised(truth)
    n = len(references)
    return {
        "n": n,
        "missing": sum(answer is None for answer in predictions),
        "empty": sum(answer is not None and not answer.strip() for answer in predictions),
        "strict": strict / n if n else None,
        "normalised": sum(e["correct"] for e in by_type.values()) / n if n else None,
        "by_type": by_type,
    }


def share_of_types(by_type: dict[str, dict[str, int]], types: Sequence[str], key: str) -> float:
    """Accuracy over some question types, by their own counts (the official Free line is not)."""
    chosen = [by_type[name] for name in types if name in by_type]
    return sum(entry[key] for entry in chosen) / sum(entry["n"] for entry in chosen)
