"""What the three video question sets share: exact match beside a judge's accuracy and score."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.evaluation.inputs.files import read_json
from trainer.evaluation.task import Cell, Example, File, Task

ASK = "{question} Answer the question using a single word or phrase."


def msvd_style(root: Path, file: File) -> list[Example]:
    """The form of MSVD-QA and MSRVTT-QA: a dict keyed by question id."""
    rows: Mapping[str, Mapping[str, Any]] = read_json(root, file)
    return [
        Example(
            row["question_id"],
            row["video"],
            row["answer"],
            row["video"],
            row["question"],
            facts={"type": row["answer_type"]},
        )
        for row in rows.values()
    ]


def question_task(
    name: str,
    column: str,
    examples: Callable[[Path], list[Example]],
    constant: float | None,
    **rest: Any,
) -> Task:
    """One question set: accuracy (exact or judged) and the judge's mean score, 0 to 5."""
    return Task(
        name=name,
        examples=examples,
        protocol="answer",
        scorer="answers",
        metric="judge accuracy (yes of yes + no) and score 0-5; exact match beside it",
        questions=(ASK,),
        cluster="video",
        cells=(
            Cell("accuracy", 3, f"{column}_acc", 1, 1, 0.0),
            Cell("score", 3, f"{column}_score", 0, 0),
            Cell("exact_match", 0, "", 0, 0, 0.0, constant),
        ),
        **rest,
    )
