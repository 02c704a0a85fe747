"""A painting dropped on the page: its gamma and beta are trained while the picture shows them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

from PIL import Image

from videostyle.engine import choose_device
from videostyle.errors import MediaError, VideoStyleError
from videostyle.model import Model, save_model
from videostyle.model_card import Style
from videostyle.training import add_style
from videostyle.training.config import PaintingConfig
from videostyle.training.loss_network import load_loss_network

STEPS = 400
# The picture shows the row after each so many updates.
SHOW_EVERY = 10
MAX_BYTES = 20 << 20
MAX_PIXELS = 100_000_000
_SIDE = 1024


@dataclass(frozen=True, slots=True)
class LessonState:
    """What the page shows of a lesson. status: idle, running, done, stopped or failed."""

    status: str = "idle"
    style: str = ""
    step: int = 0
    loss: float = 0.0
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "style": self.style,
            "step": self.step,
            "steps": STEPS,
            "loss": round(self.loss, 4),
            "message": self.message,
        }


class Lesson:
    """The one lesson of a session. on_model gets the model with the style in it, ever again;
    both callbacks are called in the lesson's thread."""

    def __init__(
        self,
        loss_network: Path | None,
        device: str,
        on_model: Callable[[Model], None],
        on_change: Callable[[], None],
    ) -> None:
        self.state = LessonState()
        self.loss_network = loss_network
        self._device, self._on_model, self._on_change = device, on_model, on_change
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(
        self, model: Model, style: Style, painting: Image.Image, content: Path, output: Path
    ) -> None:
        """Teach a model one painting, with a file's pictures as content, and write it to `output`.
        Call only when none is running."""
        self._stop.clear()
        self.state = LessonState("running", style.name, message="Looking at the painting")
        work = (model, style, painting, content, output)
        self._thread = Thread(target=self._run, args=work, name="lesson", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the lesson; what is learned by then is kept."""
        self._stop.set()

    def close(self) -> None:
        self.stop()
        if self._thread:
            self._thread.join()

    def _run(
        self, model: Model, style: Style, painting: Image.Image, content: Path, output: Path
    ) -> None:
        try:
            self._teach(model, style, painting, content, output)
        except VideoStyleError as error:
            self._on_model(model)
            self._set(status="failed", message=str(error))
        except Exception as error:  # the page must hear of it; the traceback goes to the log
            self._on_model(model)
            self._set(status="failed", message=f"{type(error).__name__}: {error}")
            raise

    def _teach(
        self, model: Model, style: Style, painting: Image.Image, content: Path, output: Path
    ) -> None:
        assert self.loss_network is not None
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "painting.png"
            painting.save(file)
            training = add_style.StyleTraining(
                model,
                file,
                style,
                add_style.content_pictures(content),
                load_loss_network(self.loss_network),
                steps=STEPS,
                settings=PaintingConfig(),
                device=choose_device(self._device),
            )
        for number, step in enumerate(training.steps(), 1):
            if number % SHOW_EVERY == 0:
                self._on_model(training.preview())
                self._set(step=number, loss=step.style, message="Learning its strokes")
            if self._stop.is_set():
                break
        taught = training.model()
        save_model(output, taught.card, taught.network, taught.styles)
        self._on_model(taught)
        self._set(
            status="stopped" if self._stop.is_set() else "done",
            loss=taught.card.recipe["losses"][style.name]["style"],
            message=f"{style.title} is learned. Use it anywhere with --model {output}",
        )

    def _set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._on_change()


def read_painting(data: bytes) -> Image.Image:
    """An uploaded picture, at most 1024 pixels a side. Raises MediaError for anything else."""
    formats = ("JPEG", "PNG", "WEBP")
    try:
        with Image.open(BytesIO(data), formats=formats) as image:
            if image.width * image.height > MAX_PIXELS or min(image.size) < 64:
                raise MediaError(f"a painting of {image.width}x{image.height} pixels is refused")
            image.draft("RGB", (_SIDE, _SIDE))
            picture = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError("not a picture; drop a JPEG, PNG or WebP") from error
    picture.thumbnail((_SIDE, _SIDE))
    return picture
