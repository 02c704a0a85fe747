"""Pipeline stages: a stage is a generator, a thread is `prefetch`, a clock is `Meter`.

Within one process only `painter` adds a thread, which finishes a piece while the next is painted.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.1


def prefetch(items: Iterable[T], ahead: int) -> Generator[T]:
    """Run `items` in a thread of its own, at most `ahead` of them before the reader.

    An error in `items` is raised at the reader. When the reader leaves, the thread closes
    `items` and ends; none is left behind.
    """
    queue: Queue[tuple[str, T | BaseException | None]] = Queue(ahead)
    left = Event()

    def put(kind: str, value: T | BaseException | None) -> bool:
        while not left.is_set():
            try:
                queue.put((kind, value), timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False

    def work(source: Iterator[T]) -> None:
        try:
            for item in source:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:  # the reader raises it
            put("error", error)
        finally:
            if isinstance(source, Generator):
                source.close()

    thread = Thread(target=work, args=(iter(items),), name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = queue.get()
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(value, BaseException)
                raise value
            yield value  # type: ignore[misc]
    finally:
        left.set()
        _drain(queue)
        thread.join()


def _drain(queue: Queue[tuple[str, T | BaseException | None]]) -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return


class Meter:
    """Seconds each stage has been busy: its own time less the time it waited for its input."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self._spent: dict[str, float] = {}

    def watch(self, name: str, items: Iterable[T]) -> Generator[T]:
        """Pass `items` on, adding up the time they take to come."""
        iterator = iter(items)
        while True:
            begin = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                spent = time.perf_counter() - begin
                self._spent[name] = self._spent.get(name, 0.0) + spent
            yield item

    def spent(self, name: str) -> float:
        return self._spent.get(name, 0.0)

    @property
    def seconds(self) -> float:
        """Since the meter was made."""
        return time.perf_counter() - self.started
