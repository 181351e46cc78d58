"""Prediction files: DIR/<benchmark>/<task>.jsonl, one object per item, from any model."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from trainer.evaluation.task import Example, Task


class PredictionProblem(ValueError):
    """A prediction file cannot be used as it is."""


def path_of(folder: Path, task: Task) -> Path:
    """Where the predictions of a task stand."""
    return folder / f"{task.name}.jsonl"


def read_predictions(
    folder: Path, task: Task, examples: Iterable[Example]
) -> dict[str, list[dict[str, Any]]] | None:
    """Predictions by item id, the clips of one video together; None without a file.

    PredictionProblem names the file, line and id of an unknown or duplicate id, another task or
    version, and a line that is no object.
    """
    path = path_of(folder, task)
    if not path.is_file():
        return None
    known = {example.id for example in examples}
    found: dict[str, list[dict[str, Any]]] = {}
    seen: set[tuple[str, Any]] = set()
    for number, row in json_lines(path):
        where = f"{path}, line {number}"
        item, clip = row.get("id"), row.get("clip")
        if item not in known:
            raise PredictionProblem(
                f"{where}: id {item!r} is no item of {task.name} version {task.version} (of "
                f"{len(known)}, such as {min(known, default='none')!r})"
            )
        if (item, clip) in seen:
            raise PredictionProblem(f"{where}: id {item!r} stands twice" + _of_clip(clip))
        named = (row.get("task", task.name), row.get("version", task.version))
        if named != (task.name, task.version):
            raise PredictionProblem(
                f"{where}: id {item!r} is a prediction for {row.get('task')!r} version "
                f"{row.get('version')!r}, expected {task.name!r} version {task.version}"
            )
        seen.add((item, clip))
        found.setdefault(str(item), []).append(row)
    return found


def _of_clip(clip: Any) -> str:
    return f" (clip {clip!r})" if clip is not None else " (give clips of one video a `clip`)"


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of a JSONL file; PredictionProblem for anything else."""
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise PredictionProblem(f"{path}, line {number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise PredictionProblem(f"{path}, line {number}: expected an object, got {row!r}")
            yield number, row
