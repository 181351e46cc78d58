"""Ctrl-C and SIGTERM, which job schedulers send, are told in one line; work done so far is kept.

Ctrl-C reaches every process of a terminal; only the first one should speak of it.

And it must be known as Ctrl-C: DuckDB takes the signal inside a query for itself and raises
RuntimeError("Query interrupted") instead of KeyboardInterrupt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt under a name of its own.

    Python ends a process by SIGINT, whatever exit code we ask for, once the plain one has passed
    through an `exec`, as it does while `dataclasses` are being imported.
    """


class Noted(threading.Event):
    """Set by a signal; `exit_code` is what a shell gives a process that it ended."""

    exit_code = 128 + signal.SIGINT


@contextmanager
def interrupts_noted() -> Iterator[Noted]:
    """An event that the signal sets before it is raised as KeyboardInterrupt, as Ctrl-C ever is."""
    noted = Noted()

    def note(number: int, _frame: FrameType | None) -> None:
        noted.exit_code = 128 + number
        noted.set()
        raise Interrupted

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield noted  # someone else handles it, or it is ignored: theirs to say
        return
    signal.signal(signal.SIGINT, note)
    before = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, before)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Processes started inside inherit a mask that keeps SIGINT from them; ours comes back after.

    The parent ends them itself, so none prints a traceback or outlives it.
    """
    from multiprocessing import resource_tracker  # `blift --help` starts no process

    resource_tracker.ensure_running()  # it would lift the mask when started later
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
