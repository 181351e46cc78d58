"""Ctrl-C reaches every process of a terminal; only the first one should speak of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Processes started inside inherit a mask that keeps SIGINT from them; ours comes back after.

    The parent ends them itself, so none prints a traceback or outlives it.
    """
    resource_tracker.ensure_running()  # it would lift the mask when started later
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
