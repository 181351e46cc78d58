"""Waiting for a process pool's work: the first failure ends the rest, a killed worker is told."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from dataset_builder.errors import BuildError


def finished(futures: Sequence[Future[Any]]) -> Iterator[None]:
    """Once per finished piece of work. Raises its error; BuildError when a process was killed."""
    try:
        for future in as_completed(futures):
            future.result()
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
