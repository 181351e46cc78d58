"""Scorers of free text: questions (exact match, judge), captions (judge)."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer.evaluation.metrics.exact_answer.formula import exact_match, normalised, share_of_types
from trainer.evaluation.metrics.judged_answers.formula import one_to_ten, yes_no
from trainer.evaluation.scoring.choices import Predictions, accuracy_outcome
from trainer.evaluation.scoring.outcome import MEAN, Outcome
from trainer.evaluation.task import Example, Task

# types 3 to 8 are ActivityNet-QA's "free" questions
FREE_TYPES = tuple(str(number) for number in range(3, 9))


def score_answers(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """Exact match always; accuracy and score 0-5 where a judge's verdicts stand beside.

    A verdict is the field `judged` of a prediction: the reply's text, read here.
    """
    answers = [_answer(found, example) for example in examples]
    truths = [example.truth for example in examples]
    kinds = [str(example.facts["type"]) for example in examples]
    exact = exact_match(answers, truths, kinds)
    right = np.array(
        [
            math.nan if not a or not a.strip() else float(normalised(a) == normalised(t))
            for a, t in zip(answers, truths, strict=True)
        ]
    )
    beside = {"strict": exact["strict"], "by_type": exact["by_type"], "empty": exact["empty"]}
    if task.benchmark == "activitynet_qa":
        beside["free"] = share_of_types(exact["by_type"], FREE_TYPES, "correct")  # type: ignore[arg-type]
        beside["free_strict"] = share_of_types(exact["by_type"], FREE_TYPES, "strict")  # type: ignore[arg-type]
    outcomes = [accuracy_outcome("exact_match", examples, right, beside=beside)]
    return _judged(examples, found) + outcomes


def _answer(found: Predictions, example: Example) -> str | None:
    rows = found.get(example.id, ())
    return rows[0].get("answer") if rows else None


def _judged(examples: Sequence[Example], found: Predictions) -> list[Outcome]:
    rows = [found.get(example.id, ()) for example in examples]
    if not any(row.get("judged") for item in rows for row in item):
        return []
    verdicts = [yes_no(item[0].get("judged", {}).get("reply")) if item else None for item in rows]
    says = [math.nan if v is None else float(v["pred"] == "yes") for v in verdicts]
    scores = [math.nan if v is None else v["score"] for v in verdicts]
    known = [v["score"] for v in verdicts if v is not None]
    cut = {"score_cut_to_int": float(np.mean([int(s) for s in known])) if known else None}
    ids, clusters = [e.id for e in examples], [e.cluster for e in examples]
    return [
        accuracy_outcome("accuracy", examples, np.array(says)),
        Outcome("score", MEAN, ids, clusters, np.array(scores), unit="0-5", beside=cut),
    ]


def score_captions(
    task: Task, root: Path, examples: Sequence[Example], found: Predictions, normalisation: str
) -> list[Outcome]:
    """The judge's 1 to 10 per criterion: the field `judged` maps a criterion to a reply."""
    names = {example.facts["set"] for example in examples}
    outcomes = []
    for cell in task.cells:
        values = []
        for example in examples:
            rows = found.get(example.id, ())
            replies = rows[0].get("judged", {}) if rows else {}
            score = one_to_ten(replies.get(cell.name))
            values.append(math.nan if score is None else score)
        ids = [e.id for e in examples]
        beside = {"set": sorted(names)}
        outcomes.append(
            Outcome(cell.name, MEAN, ids, ids, np.array(values), unit="1-10", beside=beside)
        )
    return outcomes
