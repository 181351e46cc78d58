"""What the evaluation's tests share: the goldens, the fixture folder, prediction files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import evaluate

from places import ROOT, SHARED
from trainer.evaluation.score import SCORERS
from trainer.evaluation.scoring.outcome import Outcome
from trainer.evaluation.tasks import find

METRICS = ROOT / "trainer" / "evaluation" / "metrics"
FIXTURES = ROOT / "trainer" / "evaluation" / "fixtures"
GOLDENS = SHARED / "goldens" / "evaluation"
BENCHMARKS = SHARED / "data" / "benchmarks"


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDENS / f"{name}.json").read_text("utf-8"))


def metric(name: str) -> Any:
    """One metric, loaded by its path as a stranger would."""
    return evaluate.load(str(METRICS / name / f"{name}.py"), keep_in_memory=True)


def score_rows(
    task_name: str, root: Path, rows: Iterable[dict[str, Any]], way: str = "auto"
) -> dict[str, Outcome]:
    """Score prediction rows on the items they are about; outcome by cell."""
    (task,) = find(task_name)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row)
    examples = [e for e in task.examples(root) if e.id in found]
    return {o.cell: o for o in SCORERS[task.scorer](task, root, examples, found, way)}


def entries(labels: Iterable[str], scores: Iterable[float]) -> dict[str, dict[str, float]]:
    """Label entries that hold a sum alone."""
    return {label: {"logprob": s} for label, s in zip(labels, scores, strict=True)}


def write_predictions(folder: Path, task: str, rows: Iterable[dict[str, Any]]) -> Path:
    path = folder / f"{task}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path
