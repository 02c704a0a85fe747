"""A render started from the page: one at a time, in a thread, with a stylizer of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

from videostyle.errors import VideoStyleError
from videostyle.look import Look
from videostyle.model import Model
from videostyle.options import EncodeOptions
from videostyle.render import Progress, render
from videostyle.stylizer import Stylizer
from videostyle.timeline import Timeline


@dataclass(frozen=True, slots=True)
class RenderState:
    """What the page shows of a render. status: idle, running, done, stopped or failed."""

    status: str = "idle"
    output: str = ""
    frame: int = 0
    total: int | None = None
    fps: float = 0.0
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON; eta in seconds, or None."""
        left = None if self.total is None or not self.fps else (self.total - self.frame) / self.fps
        return {
            "status": self.status,
            "output": self.output,
            "frame": self.frame,
            "total": self.total,
            "fps": round(self.fps, 1),
            "eta": left,
            "message": self.message,
        }


class Rendering:
    """The one render of a session. on_change is called in its thread."""

    def __init__(self, device: str, on_change: Callable[[], None]) -> None:
        self.state = RenderState()
        self._device, self._on_change = device, on_change
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(
        self,
        source: Path,
        output: Path,
        timeline: Timeline | Look,
        model: Model,
        options: EncodeOptions,
        max_size: int | None,
    ) -> None:
        """Render, as the command line would. Call only when none is running."""
        self._stop.clear()
        self.state = RenderState("running", output.name, message="Preparing the model")
        work = (source, output, timeline, model, options, max_size)
        self._thread = Thread(target=self._run, args=work, name="rendering", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the frame in work; what is there stays as a playable part."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and wait until it has."""
        self.stop()
        if self._thread:
            self._thread.join()

    def _run(
        self,
        source: Path,
        output: Path,
        timeline: Timeline | Look,
        model: Model,
        options: EncodeOptions,
        max_size: int | None,
    ) -> None:
        try:
            report = render(
                source,
                output,
                timeline,
                stylizer=Stylizer(model, device=self._device),
                options=options,
                max_size=max_size,
                on_progress=self._progress,
                interrupted=self._stop.is_set,
            )
            self._set(
                status="done" if report.complete else "stopped",
                output=report.output.name,
                frame=report.frames,
                fps=report.fps,
                message="; ".join(report.notes),
            )
        except VideoStyleError as error:
            self._set(status="failed", message=str(error))
        except Exception as error:  # the page must hear of it; the traceback goes to the log
            self._set(status="failed", message=f"{type(error).__name__}: {error}")
            raise

    def _progress(self, progress: Progress) -> None:
        self._set(
            frame=progress.frame,
            total=progress.total,
            fps=progress.fps,
            message=f"limited by {progress.limited_by}",
        )

    def _set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._on_change()
