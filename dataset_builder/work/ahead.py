"""Steps of one reading task at the same time: zstd and DuckDB both leave Python's lock."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, made one ahead in a thread."""
    box: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def put(item: tuple[T] | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                box.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item,)):
                    return
            put(None)
        except BaseException as error:  # handed to the reader, who raises it
            put(error)
        finally:
            if isinstance(items, Generator):
                items.close()  # here: it may hold threads of its own

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (found := box.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found[0]
    finally:
        stop.set()
        thread.join()


def ordered(work: Callable[[T], R], items: Iterator[T], threads: int) -> Iterator[R]:
    """`work` of every item, in the items' order, done by this many threads a few items ahead."""
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
