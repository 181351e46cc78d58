"""What a worker process of a build does. It needs no executor, so it never loads one."""

import multiprocessing
import os
import sys
import threading

from dataset_builder.engine import Step

_stage: list[Step] = []  # what this process works for


class _WithoutPandas:
    """Hides pandas, which pyarrow loads, for nothing, to see whether a list may be a series.

    That takes as long as all else a worker loads, and no worker makes a data frame.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Python's question where a module lies."""
        if name == "pandas":
            raise ModuleNotFoundError("not for workers", name=name)


def adopt(step: Step) -> None:
    """Make this process a worker of a stage, until its parent ends."""
    _stage[:] = [step]
    sys.meta_path.insert(0, _WithoutPandas())
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
