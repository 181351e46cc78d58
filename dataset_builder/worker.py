"""What a worker process of a build does. It needs no executor, so it never loads one."""

import multiprocessing
import os
import threading

from dataset_builder.engine import Step

_stage: list[Step] = []  # what this process works for


def adopt(step: Step) -> None:
    """Make this process a worker of a stage, until its parent ends."""
    _stage[:] = [step]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def run(rank: int) -> None:
    """Run one task of the stage."""
    _stage[0](None, rank)


def _end_with_parent() -> None:
    """A worker whose first process was killed must not wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
