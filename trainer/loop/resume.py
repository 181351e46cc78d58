"""Checkpoints that are whole or not there, and which one a run goes on from."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainer.arguments import Run
from trainer.provenance import write_json

SEAL = "checkpoint.json"
STATE = "trainer_state.json"
PREFIX = "checkpoint-"
# settings that a resumed run must share with the one that wrote the checkpoint: another value
# would silently train something else than either run says
SAME = {
    "training": (
        *("seed", "data_seed", "per_device_train_batch_size", "gradient_accumulation_steps"),
        *("train_sampling_strategy", "optim", "learning_rate"),
    ),
    "blift": (
        *("selection", "task_mix", "fraction", "mix_data", "p_behavior", "freeze"),
        *("max_tokens", "over_budget", "max_train_samples", "stream_lanes", "stream_window"),
    ),
    "model": ("model_name_or_path", "use_peft", "lora_r", "lora_alpha", "load_in_4bit"),
    "script": ("dataset_config", "dataset_train_split", "dataset_streaming"),
}


class CheckpointProblem(ValueError):
    """A checkpoint is torn, or belongs to another run."""


def identity(run: Run, dataset_revision: str | None) -> dict[str, Any]:
    """Return what makes two launches the same run."""
    found: dict[str, Any] = {"dataset_revision": dataset_revision, "step": run.step_samples}
    for part, names in SAME.items():
        found |= {name: getattr(getattr(run, part), name) for name in names}
    return dict(json.loads(json.dumps(found, default=str)))


@contextlib.contextmanager
def whole_or_nothing(output: Path, step: int) -> Iterator[Path]:
    """Give a folder to write a checkpoint into; it gets its name when everything is on disk.

    For the one process that renames. A failure names the cause and leaves older ones as they are.
    """
    aside = output / ".saving"
    try:
        yield aside
        made = aside / f"{PREFIX}{step}"
        for path in [*made.rglob("*"), made]:
            _sync(path)
        target = output / f"{PREFIX}{step}"
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)
        _sync(output)
    except Exception as error:
        shutil.rmtree(aside, ignore_errors=True)
        if isinstance(error, OSError | RuntimeError) or "Safetensor" in type(error).__name__:
            raise OSError(
                f"checkpoint {step} could not be written to {str(output)!r} ({error}); "
                "older checkpoints are untouched: make room and give the same command again"
            ) from error
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(checkpoint: Path, facts: Mapping[str, Any]) -> None:
    """Write the last file of a checkpoint: every other file with its size, and the run's facts."""
    files = {
        path.relative_to(checkpoint).as_posix(): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file()
    }
    write_json(checkpoint / SEAL, {**facts, "files": files})


def facts_of(checkpoint: Path) -> dict[str, Any]:
    """Return a sealed checkpoint's facts; {} for one that another program wrote."""
    path = checkpoint / SEAL
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def torn(checkpoint: Path) -> str:
    """Return what is wrong with a checkpoint; empty when it is whole."""
    try:
        files = facts_of(checkpoint).get("files", {})
        json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return str(error)
    for name, size in files.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes instead of {size}"
    if not files and not any(checkpoint.glob("optimizer*")) and not any(checkpoint.glob("global*")):
        return "it holds no optimizer state"
    return ""


def checkpoints(output: Path) -> list[Path]:
    """Return the checkpoint folders, newest step first."""
    found = [path for path in output.glob(f"{PREFIX}*") if path.name[len(PREFIX) :].isdecimal()]
    return sorted(found, key=lambda path: int(path.name[len(PREFIX) :]), reverse=True)


def resume_point(run: Run, same: Mapping[str, Any]) -> Path | None:
    """Return the checkpoint to go on from: the one asked for, or the newest whole one, if any.

    Torn ones are named on stderr and passed over. CheckpointProblem for another run's, for a torn
    one that was asked for, and for a fresh start beside older checkpoints.
    """
    output, asked = Path(run.training.output_dir), str(run.training.resume_from_checkpoint)
    if asked.lower() == "false":
        if checkpoints(output):
            raise CheckpointProblem(
                f"resume_from_checkpoint is false, and {str(output)!r} holds "
                f"{checkpoints(output)[0].name} of an earlier run, which a later launch would go "
                "on from: delete the folder, choose another output_dir, or leave the option out"
            )
        return None
    if asked.lower() not in ("none", "true"):
        if not Path(asked).is_dir():
            raise CheckpointProblem(f"resume_from_checkpoint {asked!r}: no such folder")
        if why := torn(Path(asked)):
            raise CheckpointProblem(f"checkpoint {asked!r} is torn: {why}")
        return _of_this_run(Path(asked), same)
    for checkpoint in checkpoints(output):
        why = torn(checkpoint)
        if not why:
            return _of_this_run(checkpoint, same)
        print(f"warning: {checkpoint} is torn ({why}): trying an older one", file=sys.stderr)
    return None


def _of_this_run(checkpoint: Path, same: Mapping[str, Any]) -> Path:
    """Return the checkpoint; CheckpointProblem when another run wrote it."""
    theirs = facts_of(checkpoint).get("run", {})
    other = {name: (theirs[name], value) for name, value in same.items()
             if name in theirs and theirs[name] != value}  # fmt: skip
    if other:
        listed = "; ".join(f"{name} was {a!r}, is {b!r}" for name, (a, b) in other.items())
        raise CheckpointProblem(
            f"{checkpoint} belongs to another run ({listed}): choose another output_dir, or "
            "restore the settings"
        )
    return checkpoint


def rotate(output: Path, keep: int | None, best: str | None) -> None:
    """Remove the oldest checkpoints above a number; never the newest, never the best one."""
    found = checkpoints(output)
    if not keep or keep < 1:
        return
    best_name = Path(best).name if best else None
    spared = [path for path in found if path.name == best_name or path == found[0]]
    others = [path for path in found if path not in spared]
    for path in others[max(0, keep - len(spared)) :]:
        gone = output / f".removing-{path.name}"
        shutil.rmtree(gone, ignore_errors=True)
        path.rename(gone)  # first out of sight: a kill while deleting leaves no torn checkpoint
        shutil.rmtree(gone)
