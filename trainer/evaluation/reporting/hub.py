"""Measured values in the Hub's own forms: model-index of a card and `.eval_results/*.yaml`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index

from trainer.evaluation.results import write_text


def _pinned(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows with a value and a run id, none of them synthetic: only measured numbers leave."""
    return [
        row
        for row in rows
        if row["value"] is not None and row["run_id"] and "synthetic" not in row["flags"]
    ]


def model_index(name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The `model-index` list of a model card."""
    results = [
        EvalResult(
            task_type="image-text-to-text",
            dataset_type=row["task"].split("/")[0],
            dataset_name=row["task"],
            dataset_split=row["split"] or None,
            dataset_revision=row["dataset_revision"],
            metric_type=row["cell"] or row["metric"],
            metric_name=f"{row['metric']} (version {row['version']})",
            metric_value=row["value"],
            metric_args={
                "n": row["n"],
                "unparsed": row["unparsed"],
                "interval": row["interval"],
                "run_id": row["run_id"],
            },
        )
        for row in _pinned(rows)
    ]
    index: list[dict[str, Any]] = eval_results_to_model_index(name, results)
    return index


def write_eval_results(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """One `.eval_results/<benchmark>.yaml` per benchmark; returns the files."""
    by_benchmark: dict[str, list[dict[str, Any]]] = {}
    for row in _pinned(rows):
        benchmark = row["task"].split("/")[0]
        entry = {
            "dataset": {
                "id": f"behavior-llava/{benchmark}",
                "task_id": f"{row['task']}/{row['cell'] or row['metric']}",
                "revision": row["dataset_revision"],
            },
            "value": row["value"],
            "notes": (
                f"version {row['version']}, n {row['n']}, unparsed {row['unparsed']}, interval "
                f"{row['interval']}, run {row['run_id']}"
            ),
        }
        by_benchmark.setdefault(benchmark, []).append(entry)
    paths = []
    for benchmark, entries in by_benchmark.items():
        path = folder / ".eval_results" / f"{re.sub(r'[^a-z0-9_]+', '_', benchmark)}.yaml"
        write_text(path, yaml.safe_dump(entries, sort_keys=False, allow_unicode=True))
        paths.append(path)
    return paths
