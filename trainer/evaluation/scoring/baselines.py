"""Predictors that do not look: the best constant, chosen on train where there is one; a draw."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.evaluation.task import Example, Task

Rows = dict[str, list[dict[str, Any]]]


def best_constant(task: Task, chosen_on: Sequence[Example]) -> str | None:
    """The answer that is right most often, on a tie the vocabulary's first; None if none is."""
    counts: Counter[str] = Counter()
    for example in chosen_on:
        accepted = example.truth if isinstance(example.truth, frozenset) else (example.truth,)
        counts.update(map(str, accepted))
    if not counts:
        return None
    order = {label: place for place, label in enumerate(task.labels)}
    return min(counts, key=lambda label: (-counts[label], order.get(label, 0), label))


def constant_rows(task: Task, root: Path, examples: Sequence[Example]) -> Rows:
    """The best constant as predictions of every item."""
    chosen_on = task.train(root) if task.train else examples
    answer = best_constant(task, chosen_on)
    return {e.id: [{"id": e.id, "answer": answer}] for e in examples}


def random_rows(task: Task, examples: Sequence[Example], seed: int) -> Rows:
    """One label drawn at random for every item."""
    draw = random.Random(seed)
    return {e.id: [{"id": e.id, "answer": draw.choice(e.choices or task.labels)}] for e in examples}


def gold_rows(examples: Sequence[Example]) -> Rows:
    """The truth as predictions: the first accepted label, where there are several."""
    return {
        e.id: [
            {"id": e.id, "answer": min(e.truth) if isinstance(e.truth, frozenset) else str(e.truth)}
        ]
        for e in examples
    }
