"""What the memorability sets share: 00 to 99, joint over two digits; Spearman's rho."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.evaluation.task import Cell, Example, Task
from trainer.evaluation.tasks.emotion import fold

ASK = (
    "Return the {term} memorability score of the {kind} on a scale of 00 to 99 without any "
    "explanation."
)


def scored(name: str, score: float, seed: str, media: str | None = None, **facts: Any) -> Example:
    """One item with its memorability; facts hold its seeded fold of five."""
    facts.setdefault("fold", fold(seed, name))
    return Example(name, media or name, float(score), name, facts=facts)


def memorability_task(
    name: str,
    column: str,
    examples: Callable[[Path], list[Example]],
    term: str = "short term",
    kind: str = "video",
    counts: tuple[int, int] = (1, 1),
    table: int = 8,
    **rest: Any,
) -> Task:
    """One memorability task: the cell is Spearman's rho, 0 for a constant answer.

    table 0: a second truth of the same items, outside the 49 cells.
    """
    ask = ASK.replace("{term}", term).replace("{kind}", kind)
    return Task(
        name=name,
        version=1,
        examples=examples,
        protocol="digits",
        scorer="rank",
        metric="Spearman rho",
        questions=rest.pop("questions", (ask,)),
        kind=kind,
        constant_from="none",
        cells=(Cell("rho", table, column if counts[0] else "", *counts, 0.0, 0.0),),
        **rest,
    )
