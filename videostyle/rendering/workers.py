"""Segments painted by several processes at once: one per GPU, or each with a share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from types import ModuleType
from typing import Any

from videostyle.device import cores, gpus
from videostyle.errors import MediaError, UsageError
from videostyle.rendering.assignment import Assignment
from videostyle.rendering.painter import Painted, Painter, Segments
from videostyle.rendering.progress import ProgressCount
from videostyle.stylize.stylizer import Stylizer

_POLL_SECONDS = 0.1
_OURS = (signal.SIGINT, signal.SIGTERM)  # for this process to hear, not for its workers
_GO, _FINISH, _ABORT = range(3)
_main_away = Lock()


@dataclass(frozen=True, slots=True)
class _Board:
    """What the processes tell each other, in shared memory. It has no locks, which a killed
    process would leave locked: each value has one writer.

    order: the parent's. kit: the assignment, model and settings, pickled; a worker that died before
    it read so much from a pipe would leave the parent writing for ever. done: of each worker,
    frames painted and seconds decoding, stylizing and encoding. hired: how many workers have begun,
    counted under its own lock.
    """

    order: Any
    kit: Any
    done: Any
    hired: Any

    @classmethod
    def new(cls, context: Any, workers: int, kit: bytes) -> _Board:
        shared = context.RawArray("c", len(kit))
        shared.raw = kit
        done = context.RawArray("d", 4 * workers)
        return cls(context.RawValue("i", _GO), shared, done, context.Value("i", 0))

    def write(self, worker: int, painted: int, busy: Mapping[str, float]) -> None:
        self.done[4 * worker : 4 * worker + 4] = [painted, *busy.values()]

    def read(self) -> tuple[int, dict[str, float]]:
        painted, *busy = (sum(self.done[field::4]) for field in range(4))
        return int(painted), dict(zip(("decode", "stylize", "encode"), busy, strict=True))


def paint_in_processes(
    segments: Segments,
    assignment: Assignment,
    stylizer: Stylizer,
    workers: int,
    progress: ProgressCount,
    interrupted: Callable[[], bool],
) -> Generator[Painted]:
    """Paint parts at the same time; they come as they are finished, in any order.

    The workers are gone when this ends, however it ends, and do not outlive this process. Raises
    what `Painter` raises, MediaError if a worker dies, and UsageError for a timeline with an easing
    that they cannot import, such as a function of the caller's script.
    """
    context = multiprocessing.get_context("spawn")
    workers = max(1, min(workers, len(segments)))
    try:
        with _without_main():
            kit = pickle.dumps((assignment, stylizer.model, stylizer.settings))
    except (pickle.PicklingError, AttributeError) as error:
        raise UsageError(
            f"the timeline cannot be handed to workers ({error}); paint with one, or define what "
            "it names in a module"
        ) from error
    board = _Board.new(context, workers, kit)
    with ProcessPoolExecutor(workers, context, _hire, (board, workers)) as pool:
        try:
            with _signals_are_ours(), _without_main():
                numbers = {
                    pool.submit(_paint, {number: segment}): number
                    for number, segment in segments.items()
                }
            # Not `concurrent.futures.wait`: an interrupt within it would leave futures locked, and
            # the pool waiting for them.
            finished: SimpleQueue[Future[list[Painted]]] = SimpleQueue()
            for future in numbers:
                future.add_done_callback(finished.put)
            waiting = set(numbers)
            while waiting:
                with suppress(Empty):
                    future = finished.get(timeout=_POLL_SECONDS)
                    waiting.remove(future)
                    painted = [] if future.cancelled() else future.result()
                    yield from painted
                    if any(record.ends for _, record, _ in painted):
                        for other in waiting:
                            if numbers[other] > numbers[future]:
                                other.cancel()
                progress.update(*board.read())
                if interrupted():
                    board.order.value = _FINISH
        except BaseException as error:
            board.order.value = _ABORT
            if isinstance(error, BrokenProcessPool):
                if interrupted():  # on Windows, which lets those that start hear Ctrl-C
                    return
                raise MediaError(
                    f"{assignment.info.path}: a worker process died or could not start, perhaps "
                    "for want of memory; the same with fewer workers (--workers) goes on after "
                    "what is finished"
                ) from error
            raise


@contextmanager
def _signals_are_ours() -> Iterator[None]:
    """Processes started inside never see the terminal's Ctrl-C, not even while they start."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes started inside do not run the caller's script again, guarded or not. One thread at
    a time: another would take the stand-in for the script, and put that back in its place."""
    with _main_away:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


# The worker's side.

_painter: Painter
_board: _Board


def _hire(board: _Board, workers: int) -> None:
    global _painter, _board
    for number in _OURS:
        signal.signal(number, signal.SIG_IGN)
    Thread(target=_leave_with_parent, args=(board,), daemon=True).start()
    _board = board
    if board.order.value != _GO:
        return
    with board.hired.get_lock():
        worker = board.hired.value
        board.hired.value += 1
    assignment, model, settings = pickle.loads(board.kit.raw)
    _painter = Painter(
        assignment,
        Stylizer(model, **_share(settings, worker, workers)),
        lambda: board.order.value != _GO,
        lambda painted, busy: board.write(worker, painted, busy),
    )


def _paint(segments: Segments) -> list[Painted]:
    """Empty if there was no time to begin."""
    return [] if _board.order.value != _GO else list(_painter.paint_segments(segments))


def _share(settings: dict[str, Any], worker: int, workers: int) -> dict[str, Any]:
    """A GPU of its own for each worker as far as there are enough, and a part of the threads."""
    count = gpus() if settings["device"] in ("auto", "cuda") else 0
    turn = {"device": f"cuda:{worker % count}"} if count else {}
    return {**settings, **turn, "threads": max(1, (settings["threads"] or cores()) // workers)}


def _leave_with_parent(board: _Board) -> None:
    parent = multiprocessing.parent_process()
    while board.order.value != _ABORT and (parent is None or parent.is_alive()):
        time.sleep(_POLL_SECONDS)
    os._exit(1)
