"""Run independent tasks here or on a Ray cluster; each task writes its own result file."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tqdm import tqdm

from dataset_builder.errors import BuildError

T = TypeVar("T")


def run_tasks(
    work: Callable[[T], None], tasks: Sequence[T], workers: int, executor: str, label: str
) -> None:
    """Call `work` on every task; order and worker count have no influence on what is written.

    The first failure stops the rest and is raised here.
    """
    runners = {"local": _local, "slurm": _local, "ray": _ray}
    done = runners[executor](work, tasks, workers)
    shown = tqdm(done, desc=label, total=len(tasks), unit="task", file=sys.stderr, disable=None)
    for _ in shown:
        pass


def _local(work: Callable[[T], None], tasks: Sequence[T], workers: int) -> Iterator[None]:
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            work(task)
            yield
        return
    # spawn: a fork would copy the threads' locks of the libraries loaded here
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        futures: list[Future[None]] = [pool.submit(work, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        except BrokenProcessPool as error:
            raise BuildError(
                "a worker process was ended from outside, most often for lack of memory; "
                "run again with fewer --workers (finished work is kept)"
            ) from error
        finally:
            for future in futures:
                future.cancel()


def _ray(work: Callable[[T], None], tasks: Sequence[T], workers: int) -> Iterator[None]:
    try:
        import ray
    except ImportError:
        raise BuildError("build.executor=ray needs `pip install ray`; or use local") from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    remote: Any = ray.remote(work)
    waiting = [remote.remote(task) for task in tasks]
    while waiting:
        ready, waiting = ray.wait(waiting)
        ray.get(ready)
        yield
