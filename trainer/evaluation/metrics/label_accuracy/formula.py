"""Share of items whose label is right; unparsed answers are counted, and wrong in value_all."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np


def accuracy(
    predictions: Sequence[Any | None], references: Sequence[Collection[Any]]
) -> dict[str, float | int | None]:
    """Top-1 against a set of accepted labels; None is unparsed."""
    right = [p is not None and p in r for p, r in zip(predictions, references, strict=True)]
    parsed = sum(p is not None for p in predictions)
    return {
        "n": len(right),
        "unparsed": len(right) - parsed,
        "correct": sum(right),
        "value": sum(right) / parsed if parsed else None,
        "value_all": sum(right) / len(right) if right else None,
    }


def sum_of_softmax(clips: np.ndarray) -> np.ndarray:
    """Scores of a video from the logits of its clips [clips, classes]: softmax first, then sum.

    Summing logits lets one confident clip outvote the others and gives other winners.
    """
    shifted = np.exp(clips - clips.max(axis=1, keepdims=True))
    return np.asarray((shifted / shifted.sum(axis=1, keepdims=True)).sum(axis=0))


def top_k(scores: np.ndarray, truth: np.ndarray, k: int) -> dict[str, float]:
    """Official multi-label form: scores, truth [items, classes] (0/1).

    top1: the first maximum is in the truth set. topk, recall_at_k: the k last of an ascending
    stable sort, so that ties favour later classes.
    """
    first = scores.argmax(axis=1)
    last = np.argsort(scores, axis=1, kind="stable")[:, -k:]
    hits = np.take_along_axis(truth, last, axis=1)
    return {
        "top1": float(truth[np.arange(len(truth)), first].mean()),
        f"top{k}": float(hits.any(axis=1).mean()),
        f"recall_at_{k}": float(hits.sum() / truth.sum()),
    }
