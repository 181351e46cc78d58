"""One task of a stage, and what it leaves for the process that started it."""

import fcntl
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_builder.errors import told

Task = Callable[[int], None]


@dataclass(frozen=True)
class Demand:
    """What each task takes of something, and how much of it all at once may have."""

    weights: tuple[int, ...] = ()
    room: int = 0

    def of(self, rank: int) -> int:
        """The weight of one task; nothing where none were given."""
        return self.weights[rank] if self.weights else 0


class Step:
    """A datatrove pipeline step that ignores documents and runs one task by rank."""

    def __init__(self, task: Task, lock: Path, errors: Path) -> None:
        self.task, self.lock, self.errors = task, lock, errors

    def __call__(self, data: Any, rank: int = 0, world_size: int = 1) -> None:
        """Run the task; what goes wrong is also left as a file, for executors far away."""
        with self.lock.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)
            started = time.process_time()
            try:
                self.task(rank)
                _note(cpu_file(self.errors.parent, rank), time.process_time() - started)
            except Exception as error:
                self.errors.mkdir(parents=True, exist_ok=True)
                text = json.dumps({"kind": type(error).__name__, "message": told(error)})
                (self.errors / f"{rank:05d}.json").write_text(text, encoding="utf-8")
                raise

    def __repr__(self) -> str:
        return f"Step({getattr(self.task, 'func', self.task)!r})"


def cpu_file(folder: Path, rank: int) -> Path:
    """Where a task leaves the CPU seconds it took, for the benchmarks."""
    return folder / "cpu" / f"{rank:05d}"


def _note(file: Path, seconds: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{seconds:.3f}", encoding="ascii")


def progress_file(folder: Path, rank: int) -> Path:
    """Where a task that reads a file leaves the bytes it has read."""
    return folder / "progress" / f"{rank:05d}"
