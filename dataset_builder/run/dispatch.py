"""Work that knows by itself what is done: its pieces here, on Ray or on Slurm, by one setting.

A piece writes its own result file, and the caller hands over only pieces without one, so nothing
else remembers what is done. Models are loaded once per worker process (`load_annotator`).
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from dataset_builder.run.pool import run_local
from dataset_builder.settings import Settings
from dataset_builder.work.layout import Layout

T = TypeVar("T")


def run_tasks(
    work: Callable[[T], None],
    tasks: Sequence[T],
    workers: int,
    settings: Settings,
    build_dir: Path,
    label: str,
    *,
    loads_model: bool = False,
) -> None:
    """Call `work` on every task; order and worker count have no influence on what is written.

    `loads_model`: on Ray, actors that keep their model run the tasks, with the GPUs they ask for.
    The first failure stops the rest and is raised here.
    """
    if not tasks:
        return
    executor = settings.build.executor
    bar = tqdm(None, label, len(tasks), unit="task", file=sys.stderr, disable=None)
    with bar:
        if executor == "local":
            step = partial(_one, work, tuple(tasks))
            run_local(step, dict.fromkeys(range(len(tasks)), 0), workers, lambda _: bar.update())
        elif executor == "ray" and loads_model:
            from dataset_builder.run.actors import run_on_actors

            for _ in run_on_actors(work, tasks, workers, settings):
                bar.update()
        else:
            _far(work, tasks, workers, settings, build_dir, label)


def _far(
    work: Callable[[T], None],
    tasks: Sequence[T],
    workers: int,
    settings: Settings,
    build_dir: Path,
    label: str,
) -> None:
    """Through the executor of the text stages, under a name of this very work."""
    from dataset_builder.run.stage import run_stage  # loads datatrove

    digest = hashlib.sha256(repr(tasks).encode()).hexdigest()[:12]
    name, layout = f"{label.replace('.', '_')}-{digest}", Layout(build_dir)
    # a marker of the same work, done before its results went, must not vouch for them
    shutil.rmtree(layout.logs / name, ignore_errors=True)
    run_stage(name, partial(_one, work, tuple(tasks)), len(tasks), workers, layout, settings)


def _one(work: Callable[[T], None], tasks: Sequence[T], rank: int) -> None:
    work(tasks[rank])
