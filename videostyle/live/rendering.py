"""A render started from the page: one at a time, in a thread, with a stylizer of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from videostyle.encode.options import EncodeOptions
from videostyle.live.controls import Passage
from videostyle.live.job import Job
from videostyle.look import Look
from videostyle.network.model import Model
from videostyle.rendering.progress import Progress
from videostyle.rendering.render import render
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class RenderState:
    """What the page shows of a render. name, crf, max_size, passage: what was asked for, the
    last whether it is only a passage. status: idle, running, done, stopped or failed. output: the
    file's name, empty where there is none."""

    name: str = ""
    crf: int | None = None
    max_size: int | None = None
    passage: bool = False
    status: str = "idle"
    output: str = ""
    frame: int = 0
    total: int | None = None
    fps: float = 0.0
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON; eta in seconds, or None."""
        left = None if self.total is None or not self.fps else (self.total - self.frame) / self.fps
        return {**asdict(self), "fps": round(self.fps, 1), "eta": left}


class Rendering(Job[RenderState]):
    """The one render of a session."""

    def __init__(self, settings: Mapping[str, Any], on_change: Callable[[], None]) -> None:
        """settings: device, precision and threads, as `Stylizer` takes them."""
        super().__init__(RenderState(), on_change)
        self._settings = settings

    def start(
        self,
        source: Path,
        output: Path,
        timeline: Timeline | Look,
        model: Model,
        options: EncodeOptions,
        max_size: int | None,
        passage: Passage | None,
    ) -> None:
        """Render, as the command line would; stopped, what is there stays as a playable part."""

        def work() -> None:
            report = render(
                source,
                output,
                timeline,
                stylizer=Stylizer(model, **self._settings),
                options=options,
                max_size=max_size,
                start=passage.start if passage else None,
                end=passage.end if passage else None,
                hdr="tonemap",
                on_progress=self._progress,
                interrupted=self.stopping.is_set,
            )
            self.set(
                status="done" if report.complete else "stopped",
                output=report.output.name if report.frames else "",
                frame=report.frames,
                fps=report.fps,
                message="; ".join(report.notes) if report.frames else "nothing was written",
            )

        asked = RenderState(output.name, options.crf, max_size, passage is not None)
        message = "Preparing the model"
        self.begin(replace(asked, status="running", output=output.name, message=message), work)

    def _progress(self, progress: Progress) -> None:
        self.set(
            frame=progress.frame,
            total=progress.total,
            fps=progress.fps,
            message=f"limited by {progress.limited_by}",
        )
