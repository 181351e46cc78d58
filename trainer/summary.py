"""What a run did: train_summary.json, and the manifest that says where a model comes from."""

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trainer.arguments import Run
from trainer.data.mixture import SOURCES
from trainer.data.rows import dataset_revision
from trainer.provenance import (
    code_commit,
    file_sha256,
    library_versions,
    model_revision,
    peak_memory,
    unplaced,
    write_json,
)

SUMMARY = "train_summary.json"
MANIFEST = "training_manifest.json"


def summarise(run: Run, trainer: Any, table: list[dict[str, Any]], unusable: Any) -> dict[str, Any]:
    """Return what the run did, over all its launches; collective: every process calls it."""
    counts = trainer.counts.total()
    state, data = trainer.state, trainer.data
    seen = counts["samples"]
    loss = [entry for entry in state.log_history if "loss" in entry]
    found = {
        "dataset": run.dataset if run.has_dataset else None,
        "dataset_revision": data_revision(run),
        "base_model": run.model.model_name_or_path,
        "base_revision": model_revision(
            str(run.model.model_name_or_path), run.model.model_revision
        ),
        "code_commit": code_commit(),
        "versions": library_versions(),
        "seed": run.training.seed,
        "world_size": trainer.accelerator.num_processes,
        "launches": counts["launches"],
        "steps": state.global_step,
        "epochs": state.epoch,
        "source_samples": dict(zip(SOURCES, data.samples, strict=False)),
        "source_epochs": trainer.source_epochs(),
        "samples_seen": seen,
        "samples_dropped": counts["dropped"],
        "tasks": tasks_by_medium(counts["tasks"]),
        "mix_unusable": dict(unusable),
        "mix_broken": counts["broken"],
        "tokens_seen": counts["tokens"],
        "parameters": sum(row["total"] for row in table),
        "parameters_trained": sum(row["trained"] for row in table),
        "parameter_table": table,
        "seconds": round(counts["seconds"], 3),
        "seconds_per_sample": round(counts["seconds"] / max(seen, 1), 3),
        "tokens_per_second": round(counts["tokens"] / max(counts["seconds"], 1e-9), 3),
        "data_wait_share": round(
            counts["waited"] / max(counts["seconds"] * trainer.accelerator.num_processes, 1e-9),
            4,
        ),
        "peak_memory_bytes": peak_memory(),
        "best_step": state.best_global_step,
        "loss_curve": loss,
        "evaluations": [entry for entry in state.log_history if "eval_loss" in entry],
        "settings": run.training.to_dict() | vars(run.blift) | vars(run.script) | vars(run.model),
    }
    return dict(unplaced(found))


def tasks_by_medium(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return kind of medium -> task -> turns seen: what a model may be asked about."""
    found: dict[str, dict[str, int]] = {}
    for name, count in sorted(counts.items()):
        kind, task = name.split(" ", 1)
        found.setdefault(kind, {})[task] = count
    return found


def data_revision(run: Run) -> str | None:
    """Return what pins the run's BLIFT data; None where it has none."""
    if not run.has_dataset:
        return None
    return dataset_revision(run.dataset, run.blift.dataset_revision)


def check_trained(summary: dict[str, Any], max_tokens: int | None) -> None:
    """Raise ValueError when every sample was too long: the weights are the base's."""
    if 0 < summary["samples_seen"] <= summary["samples_dropped"]:
        raise ValueError(
            f"all {summary['samples_seen']} samples seen have more than max_tokens={max_tokens} "
            "tokens, so nothing was trained: raise it"
        )


def manifest(run: Run, summary: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """Return where a model comes from: data, mix, base, code, recipe, versions, machine, speed."""
    mix = [Path(path) for path in run.blift.mix_data or []]
    files = [
        file
        for path in mix
        for file in ([path] if path.is_file() else sorted(path.rglob("*.json*")))
    ]
    named = (
        *("dataset", "dataset_revision", "base_model", "base_revision", "code_commit"),
        *("versions", "seed", "steps", "epochs", "source_epochs", "samples_seen", "tasks"),
        *("samples_dropped", "mix_unusable", "parameter_table", "settings"),
    )
    return {
        **{name: summary[name] for name in named},
        "format": 1,
        "data_merkle_root": summary["dataset_revision"],
        "mix": [{"path": file.name, "sha256": file_sha256(file)} for file in files],
        "command": unplaced(words),
        "recipe": recipe_of(words),
        "seeds": {"seed": run.training.seed, "data_seed": run.training.data_seed},
        "hardware": hardware(summary["world_size"]),
        "measured": {
            name: summary[name]
            for name in ("seconds", "tokens_per_second", "seconds_per_sample", "data_wait_share",
                         "peak_memory_bytes", "launches")
        },
    }  # fmt: skip


def recipe_of(words: list[str]) -> dict[str, str] | None:
    """Return the recipe's path and digest; None when none was given."""
    if "--config" not in words:
        return None
    path = Path(words[words.index("--config") + 1])
    return {"path": path.name, "sha256": file_sha256(path)}


def hardware(processes: int) -> dict[str, Any]:
    """Return what the run ran on."""
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "processes": processes,
        "accelerator": torch.cuda.get_device_name() if cards else None,
        "accelerators_here": cards,
        "cpu": platform.processor() or platform.machine(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }


def write_results(run: Run, summary: dict[str, Any], words: list[str]) -> None:
    """Write the summary and, last of all, the manifest: with it the folder is whole."""
    folder = Path(run.training.output_dir)
    write_json(folder / SUMMARY, summary)
    write_json(folder / MANIFEST, manifest(run, summary, words))
