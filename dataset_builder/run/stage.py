"""Stages as idempotent tasks, run by datatrove: here, on Ray or on Slurm, by one setting.

datatrove supplies dispatch and completion markers (a finished task is never run again); a task is
`function(rank)` and leaves its outputs under their real names only when they are whole.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loguru import logger
from tqdm import tqdm

from dataset_builder.errors import BuildError
from dataset_builder.run.task import Demand, Step, Task, progress_file
from dataset_builder.settings import Settings
from dataset_builder.work.layout import Layout

ASK_SLURM = 20.0  # seconds between two looks at its queue
EXECUTORS = ("local", "ray", "slurm")


def run_stage(
    name: str,
    task: Task,
    tasks: int,
    workers: int,
    layout: Layout,
    settings: Settings,
    sizes: Sequence[int] | None = None,
    demand: Demand | None = None,
) -> None:
    """Run `task(rank)` for every rank that is not done yet; raises the first failure.

    `sizes`, for tasks that read files: bytes of each task, so that the bar counts bytes. `demand`
    limits what runs at once on this machine; clusters have the memory of each task stated.
    """
    folder = layout.logs / name
    if not tasks or _done(folder) >= tasks:
        return
    shutil.rmtree(folder / "errors", ignore_errors=True)
    step = Step(task, layout.work / "tasks.lock", folder / "errors")
    executor = _executor(name, step, tasks, workers, folder, settings)
    executor.demand = demand or Demand()
    logger.disable("datatrove")
    with _progress(name, folder, tasks, sizes):
        executor.run()
        if settings.build.executor == "slurm":
            _wait(folder, tasks, str(executor.job_id))
    if _done(folder) < tasks:
        raise BuildError(f"stage {name}: {tasks - _done(folder)} tasks did not finish; {folder}")


def _executor(
    name: str, step: Step, tasks: int, workers: int, folder: Path, settings: Settings
) -> Any:
    kind, build = settings.build.executor, settings.build
    common: dict[str, Any] = {"pipeline": [step], "tasks": tasks, "logging_dir": str(folder)}
    if kind == "local":
        from dataset_builder.run.executors import LocalExecutor

        return LocalExecutor(workers=min(workers, tasks), **common)
    if kind == "ray":
        from dataset_builder.run.executors import RayExecutor

        if importlib.util.find_spec("ray") is None:
            raise BuildError(
                "build.executor=ray needs Ray: pip install 'ray>=2.40', or use --executor local"
            )
        return RayExecutor(workers=min(workers, tasks), **common)
    if kind == "slurm":
        from dataset_builder.run.executors import SlurmExecutor

        memory = max(2, round(build.decoder_memory_gb + build.memory_mb / 1024 + 1))
        return SlurmExecutor(
            workers=workers,
            time=build.slurm_time,
            partition=build.slurm_partition,
            mem_per_cpu_gb=memory,
            job_name=f"blift-{name}",
            mail_type="NONE",
            **common,
        )
    raise BuildError(f"build.executor={kind!r}: expected one of {', '.join(EXECUTORS)}")


def _done(folder: Path) -> int:
    return len(list((folder / "completions").glob("[0-9]*")))


def _wait(folder: Path, tasks: int, job: str) -> None:
    """Slurm runs on its own: wait for markers, stop at the first error file or a dead job."""
    asked, missing = time.monotonic(), 0
    while _done(folder) < tasks:
        for file in sorted((folder / "errors").glob("*.json")):
            error = json.loads(file.read_text(encoding="utf-8"))
            raise BuildError(f"{error['message']} (task {file.stem}, {error['kind']})")
        if time.monotonic() - asked > ASK_SLURM:
            # twice: markers may reach this machine after the job has left the queue
            missing = 0 if _queued(job) else missing + 1
            if missing > 1 and _done(folder) < tasks:
                raise BuildError(
                    f"Slurm job {job} ended, but {tasks - _done(folder)} of {tasks} tasks left no "
                    f"result (killed, out of memory or out of time?); see {folder}/slurm_logs and "
                    "run again: finished tasks are kept"
                )
            asked = time.monotonic()
        time.sleep(0.5)


def _queued(job: str) -> bool:
    """Whether Slurm still knows the job as waiting or running; True where it cannot be asked."""
    try:
        found = subprocess.run(
            ["squeue", "--noheader", "--jobs", job], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    if found.returncode:  # the controller may be away for a while
        return "invalid job id" not in found.stderr.lower()
    return bool(found.stdout.strip())


def _read(folder: Path, sizes: Sequence[int]) -> int:
    """Bytes read by all tasks: whole files of finished ones, word of the others."""
    total = 0
    for rank, size in enumerate(sizes):
        if (folder / "completions" / f"{rank:05d}").exists():
            total += size
        else:
            with suppress(OSError, ValueError):
                total += int(progress_file(folder, rank).read_text(encoding="ascii"))
    return total


@contextmanager
def _progress(name: str, folder: Path, tasks: int, sizes: Sequence[int] | None) -> Iterator[None]:
    """A bar on stderr that follows what tasks leave on disk, whatever runs them."""
    stop = threading.Event()
    bar = tqdm(
        total=sum(sizes) if sizes else tasks,
        desc=name.replace("_", " "),
        unit="B" if sizes else "task",
        unit_scale=bool(sizes),
        file=sys.stderr,
        disable=None,
    )

    def update() -> None:
        bar.update((_read(folder, sizes) if sizes else _done(folder)) - bar.n)

    def follow() -> None:
        while not stop.wait(0.2):
            update()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        update()
        bar.close()
