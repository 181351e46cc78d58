"""Waiting for a process pool's work: the first failure ends the rest, a killed worker is told."""

import multiprocessing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from dataset_builder.errors import BuildError


def finished(futures: Sequence[Future[Any]]) -> Iterator[None]:
    """Once per finished piece of work. Raises its error; BuildError when a process was killed."""
    with _ended(futures):
        for future in as_completed(futures):
            future.result()
            yield


def run_within(
    submit: Callable[[int], Future[Any]],
    weights: Mapping[int, int],
    room: int,
    workers: int,
    done: Callable[[int], None],
) -> None:
    """Run every task of `weights`, in their order, those at once together within `room`.

    One that is too heavy alone runs alone among the heavy. `done` is told of each that ended.
    Raises as `finished`.
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
