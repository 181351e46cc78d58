"""What a model's own folder says of it: how much it saw, what it was taught, what was measured."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

FILES = ("training_manifest.json", "train_summary.json", "results.json")
TAUGHT = ("scenes", "likes", "comments")
# below this many parameters a model is for tests of programs: its answers mean nothing
TOY_PARAMETERS = 20_000_000


@dataclass(frozen=True)
class Record:
    """parameters; samples seen in training (None: not recorded); tasks: kind of media -> tasks it
    was trained on (None: not recorded); measured: rows of results.json."""

    parameters: int
    samples: int | None = None
    tasks: dict[str, frozenset[str]] | None = None
    measured: tuple[dict[str, Any], ...] = field(default=())

    @property
    def toy(self) -> bool:
        """Whether this is the tiny model of the tests."""
        return self.parameters < TOY_PARAMETERS

    def taught(self, task: str, kind: str) -> bool:
        """Whether the question may be asked: the record names it for this kind of media, or there
        is no record; then only what the data could teach (no picture has views to take a share of).
        """
        if self.tasks is None:
            return (task, kind) != ("likes", "image")
        return task in self.tasks.get(kind, frozenset())

    def line(self) -> str:
        """One or two sentences for the page, out of the record alone."""
        size = self.parameters
        shown = f"{size / 1e9:.1f} billion" if size >= 1e9 else f"{size / 1e6:.1f} million"
        told = [f"{shown} parameters."]
        if self.samples is None:
            told.append("Its folder holds no record of training: judge its answers accordingly.")
        else:
            told.append(f"It saw {self.samples:,} sample{'s' * (self.samples != 1)} in training.")
        for kind, tasks in sorted((self.tasks or {}).items()):
            names = ", ".join(task for task in TAUGHT if task in tasks) or "nothing"
            told.append(f"Taught for {kind}s: {names}.")
        told += [measure(row) for row in self.measured if "percent_liked" in str(row.get("task"))]
        return " ".join(told)


def measure(row: dict[str, Any]) -> str:
    """A measured value beside its chance level, in words."""
    value, chance = row.get("value"), row.get("chance")
    if not isinstance(value, int | float):
        return ""
    text = f"Measured {row['task']} ({row.get('metric')}): {value:.2f} on {row.get('n')} posts"
    if isinstance(chance, int | float):
        text += f", a constant guess: {chance:.2f}"
    return text + "."


def read_record(model: str, revision: str | None, parameters: int) -> Record:
    """The record of a folder or Hub id; what is absent or unreadable counts as not recorded."""
    found = {name: read_json(model, revision, name) for name in FILES}
    trained = found["training_manifest.json"] or found["train_summary.json"] or {}
    samples = trained.get("samples_seen")
    rows = found["results.json"]
    rows = rows.get("results", []) if isinstance(rows, dict) else rows
    return Record(
        parameters,
        samples if isinstance(samples, int) else None,
        trained_tasks(trained),
        tuple(row for row in rows or () if isinstance(row, dict)),
    )


def trained_tasks(trained: dict[str, Any]) -> dict[str, frozenset[str]] | None:
    """Tasks per kind of media. `tasks` of the record ({kind: {task: samples}} or {kind: [task]})
    where it has it; else the names in the mix, which says nothing of kinds: the share of likes is
    then left to videos."""
    named = trained.get("tasks")
    if isinstance(named, dict):
        return {
            kind: frozenset(task for task in tasks if not isinstance(tasks, dict) or tasks[task])
            for kind, tasks in named.items()
            if isinstance(tasks, dict | list)
        }
    mix = trained.get("settings", {}).get("task_mix")
    if not isinstance(mix, str):
        return None
    names = {part.partition("=")[0].strip() for part in mix.split(",")}
    tasks = frozenset(
        task for task in TAUGHT if "all" in names or any(task in name.split("+") for name in names)
    )
    return {"image": tasks - {"likes"}, "video": tasks}


def read_json(model: str, revision: str | None, name: str) -> Any:
    """A JSON file of a model's repository; None where there is none."""
    try:
        if Path(model).is_dir():
            path = Path(model) / name
        else:
            path = Path(hf_hub_download(model, name, revision=revision))
        return json.loads(path.read_text(encoding="utf-8"))
    except (EntryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        return None
