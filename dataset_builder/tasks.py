"""Run independent media tasks: a process pool here, datatrove's executors on Ray or Slurm.

A task writes its own result file and is skipped where that is there, so nothing else remembers what
is done. Models are loaded once per worker process (`load_annotator`); on Ray those are actors.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from dataset_builder.interrupts import interrupts_held
from dataset_builder.pools import finished
from dataset_builder.settings import Settings

T = TypeVar("T")


def run_tasks(
    work: Callable[[T], None],
    tasks: Sequence[T],
    workers: int,
    settings: Settings,
    build_dir: Path,
    label: str,
) -> None:
    """Call `work` on every task; order and worker count have no influence on what is written.

    The first failure stops the rest and is raised here.
    """
    if settings.build.executor == "local":
        done = _local(work, tasks, workers)
        bar = tqdm(done, label, len(tasks), unit="task", file=sys.stderr, disable=None)
        for _ in bar:
            pass
    elif tasks:
        _far(work, tasks, workers, settings, build_dir, label)


def run_model_tasks(
    work: Callable[[T], None],
    tasks: Sequence[T],
    workers: int,
    settings: Settings,
    build_dir: Path,
    label: str,
) -> None:
    """`run_tasks` for work that loads a model: on Ray, actors that keep it, with their GPUs."""
    if settings.build.executor != "ray" or not tasks:
        run_tasks(work, tasks, workers, settings, build_dir, label)
        return
    from dataset_builder.ray_actors import run_on_actors

    done = run_on_actors(work, tasks, workers, settings)
    for _ in tqdm(done, label, len(tasks), unit="task", file=sys.stderr, disable=None):
        pass


def _local(work: Callable[[T], None], tasks: Sequence[T], workers: int) -> Iterator[None]:
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            work(task)
            yield
        return
    # spawn: a fork would copy the locks that other threads of this process hold
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        with interrupts_held():
            futures: list[Future[None]] = [pool.submit(work, task) for task in tasks]
        yield from finished(futures)


def _far(
    work: Callable[[T], None],
    tasks: Sequence[T],
    workers: int,
    settings: Settings,
    build_dir: Path,
    label: str,
) -> None:
    """Through the executor of the text stages; its markers are named after this very work."""
    from dataset_builder.engine import run_stage  # loads datatrove
    from dataset_builder.workdir import Layout

    digest = hashlib.sha256(repr(tasks).encode()).hexdigest()[:12]
    name = f"{label.replace('.', '_')}-{digest}"
    rank_task = partial(_one, work, tuple(tasks))
    run_stage(name, rank_task, len(tasks), workers, Layout(build_dir), settings)


def _one(work: Callable[[T], None], tasks: Sequence[T], rank: int) -> None:
    work(tasks[rank])
