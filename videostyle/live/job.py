"""Work that a page starts, watches and can stop: one at a time of a kind, in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread
from typing import Any, Generic, TypeVar

from videostyle.errors import VideoStyleError

State = TypeVar("State")


class Job(Generic[State]):
    """state: a dataclass with `status` (idle, running, done, stopped or failed) and `message`.
    on_change is called in the job's thread whenever it changes."""

    def __init__(self, state: State, on_change: Callable[[], None]) -> None:
        self.state = state
        self.stopping = Event()
        self._on_change = on_change
        self._thread: Thread | None = None

    @property
    def is_running(self) -> bool:
        return self.state.status == "running"  # type: ignore[attr-defined,no-any-return]

    def begin(self, state: State, work: Callable[[], None]) -> None:
        """Run `work` in a thread; the state says that it runs. Call only when none is running."""
        self.wait()  # the one before may still be telling that it has ended
        self.stopping.clear()
        self.state = state
        self._thread = Thread(target=self._run, args=(work,), name=type(self).__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end soon; what it has by then is kept."""
        self.stopping.set()

    def wait(self) -> None:
        """Wait until it has ended."""
        if self._thread:
            self._thread.join()

    def close(self) -> None:
        """Stop, and wait until it has."""
        self.stop()
        self.wait()

    def set(self, **changes: Any) -> None:
        """Change the state and tell."""
        self.state = replace(self.state, **changes)  # type: ignore[type-var]
        self._on_change()

    def clean_up(self) -> None:
        """Called before a failure is told."""

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except VideoStyleError as error:
            self.clean_up()
            self.set(status="failed", message=str(error))
        except Exception as error:  # the page must hear of it
            logging.getLogger("videostyle").exception("%s failed", type(self).__name__)
            self.clean_up()
            self.set(status="failed", message=f"{type(error).__name__}: {error}")
