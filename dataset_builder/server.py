"""The process that a build's workers are forked from."""

import multiprocessing
from multiprocessing import forkserver

from dataset_builder.interrupts import interrupts_held

LOADED = ["dataset_builder.pipeline", "dataset_builder.worker", "scipy.sparse"]


def start_server() -> None:
    """Start it, unless it runs; it loads our libraries beside us, so call this before doing so.

    Its mask keeps Ctrl-C, which reaches the whole process group, from it and the workers: the
    first process alone answers it and ends them.
    """
    multiprocessing.set_forkserver_preload(LOADED)
    with interrupts_held():
        forkserver.ensure_running()
