"""Processes of this machine: forked from one server, the first failure ends the rest."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import Any

from dataset_builder.errors import BuildError
from dataset_builder.run.interrupts import interrupts_held
from dataset_builder.run.task import Task


def run_local(
    task: Task,
    weights: Mapping[int, int],
    workers: int,
    done: Callable[[int], None],
    room: int = 0,
    lean: bool = False,
) -> None:
    """Run `task(rank)` for every rank of `weights` in processes forked from the server.

    They end with this call and give their memory back. `lean` says that the tasks make no data
    frames and that their memory matters; else this process does what one alone would do. `done` is
    told of each rank that ended. Raises as `run_within`.
    """
    if not lean and min(workers, len(weights)) <= 1:
        for rank in weights:
            task(rank)
            done(rank)
        return
    start_server()
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(min(workers, len(weights)), context, _adopt, (task, lean)) as pool:
        run_within(lambda rank: pool.submit(_run_rank, rank), weights, room, workers, done)


def run_within(
    submit: Callable[[int], Future[Any]],
    weights: Mapping[int, int],
    room: int,
    workers: int,
    done: Callable[[int], None],
) -> None:
    """Run every task of `weights`, in their order, those at once together within `room`.

    One that is too heavy alone runs alone among the heavy. `done` is told of each that ended.
    Raises the first error; BuildError when a process was killed.
    """
    waiting, running = list(weights), dict[Future[Any], int]()
    with _ended(running):
        while waiting or running:
            for task in list(waiting):
                taken = sum(weights[other] for other in running.values())
                if len(running) < workers and (not taken or taken + weights[task] <= room):
                    running[submit(task)] = task
                    waiting.remove(task)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                future.result()
                done(running.pop(future))


@contextmanager
def _ended(futures: Collection[Future[Any]]) -> Iterator[None]:
    """Whatever fails inside: no process goes on, and a killed one is told."""
    try:
        yield
    except BrokenProcessPool as error:
        raise BuildError(
            "a worker process was ended from outside, most often for lack of memory; "
            "run again with fewer --workers (finished work is kept)"
        ) from error
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()  # else leaving the pool waits for tasks nobody wants now
        raise
    finally:
        for future in futures:
            future.cancel()


_task: list[Task] = []  # what this process works for


class _WithoutPandas:
    """Hides pandas, which pyarrow loads, for nothing, to see whether a list may be a series.

    That takes as long as all else a worker loads, and no worker makes a data frame.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Python's question where a module lies."""
        if name == "pandas":
            raise ModuleNotFoundError("not for workers", name=name)


def _adopt(task: Task, lean: bool) -> None:
    """Make this process a worker for `task`, until its parent ends."""
    _task[:] = [task]
    if lean:
        sys.meta_path.insert(0, _WithoutPandas())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _run_rank(rank: int) -> None:
    _task[0](rank)


def _end_with_parent() -> None:
    """A worker whose first process was killed must not wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


LOADED = ["dataset_builder.pipeline.text_stage", "dataset_builder.run.pool", "scipy.sparse"]


def start_server() -> None:
    """Start it, unless it runs; it loads our libraries beside us, so call this before doing so.

    Its mask keeps Ctrl-C, which reaches the whole process group, from it and the workers: the
    first process alone answers it and ends them.
    """
    multiprocessing.set_forkserver_preload(LOADED)
    with interrupts_held():
        forkserver.ensure_running()
