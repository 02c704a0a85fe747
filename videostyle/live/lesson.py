"""A painting dropped on the page: its gamma and beta are trained while the picture shows them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from videostyle.device import choose_device
from videostyle.errors import MediaError, ModelError
from videostyle.live.job import Job
from videostyle.media.picture import sizes_unwarned, to_rgb_mode
from videostyle.network.model import Model, save_model
from videostyle.network.model_card import Style

STEPS = 400
# The picture shows the row after each so many updates.
SHOW_EVERY = 10
MAX_BYTES = 20_000_000
MAX_PIXELS = 100_000_000
_SIDE = 1024


@dataclass(frozen=True, slots=True)
class LessonState:
    """What the page shows of a lesson. status: idle, running, done, stopped or failed."""

    status: str = "idle"
    style: str = ""
    title: str = ""
    step: int = 0
    loss: float = 0.0
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "steps": STEPS, "loss": round(self.loss, 4)}


class Lesson(Job[LessonState]):
    """The one lesson of a session. on_model gets the model with the style in it, ever again, and
    the model as it was if the lesson fails; it is called in the lesson's thread."""

    def __init__(
        self,
        loss_network: Path | None,
        device: str,
        on_model: Callable[[Model], None],
        on_change: Callable[[], None],
    ) -> None:
        super().__init__(LessonState(), on_change)
        self.loss_network = loss_network
        self._device, self._on_model = device, on_model
        self._before: Model | None = None
        self._is_cancelled = False

    def start(
        self, model: Model, style: Style, painting: Image.Image, content: Path, output: Path
    ) -> None:
        """Teach a model one painting, with a file's pictures as content, and write it to `output`,
        which does not exist; stopped, what is learned by then, once that has been shown. Raises
        ModelError if it cannot be written there."""
        # As large as what will be, so that minutes of learning do not end in a full disk.
        _save(model, output)
        output.unlink()
        self._before, self._is_cancelled = model, False
        state = LessonState("running", style.name, style.title, message="Looking at the painting")
        self.begin(state, lambda: self._teach(model, style, painting, content, output))

    def cancel(self) -> None:
        """Ask it to end soon, with nothing learned."""
        self._is_cancelled = True
        self.stop()

    def forget(self) -> None:
        """Tell no more how it ended."""
        if not self.is_running:
            self.set(**asdict(LessonState()))

    def clean_up(self) -> None:
        if self._before:
            self._on_model(self._before)

    def _teach(
        self, model: Model, style: Style, painting: Image.Image, content: Path, output: Path
    ) -> None:
        # Here, for a page where nothing is learned needs no PyTorch.
        from videostyle.training import add_style
        from videostyle.training.config import PaintingConfig
        from videostyle.training.loss_network import load_loss_network

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
        number = 0
        for number, step in enumerate(training.steps(), 1):
            if number % SHOW_EVERY == 0:
                self._on_model(training.preview())
                self.set(step=number, loss=step.style, message="Learning its strokes")
            if self.stopping.is_set():
                break
        is_stopped = number < STEPS
        if self._is_cancelled or (is_stopped and number < SHOW_EVERY):
            self.clean_up()
            self.set(status="stopped", message=f"{style.title}: nothing was learned")
            return
        taught = training.model()
        _save(taught, output)
        self._on_model(taught)
        updates = f", with {number} of {STEPS} updates" if is_stopped else ""
        self.set(
            status="stopped" if is_stopped else "done",
            step=number,
            loss=taught.card.recipe["losses"][style.name]["style"],
            message=f"{style.title} is learned{updates}. Use it anywhere with --model {output}",
        )


def _save(model: Model, output: Path) -> None:
    try:
        save_model(output, model)
    except OSError as error:
        raise ModelError(
            f"{output}: cannot be written: {error.strerror}; a lesson needs a folder with room"
        ) from error


def read_painting(data: bytes) -> Image.Image:
    """An uploaded picture, upright, at most 1024 pixels a side. Raises MediaError for anything
    else."""
    formats = ("JPEG", "PNG", "WEBP")
    try:
        with sizes_unwarned(), Image.open(BytesIO(data), formats=formats) as image:
            if image.width * image.height > MAX_PIXELS or min(image.size) < 64:
                raise MediaError(f"a painting of {image.width}x{image.height} pixels is refused")
            image.draft("RGB", (_SIDE, _SIDE))
            picture = to_rgb_mode(ImageOps.exif_transpose(image)).convert("RGB")
    except MediaError:
        raise
    except Exception as error:  # Pillow's readers raise almost anything on damaged files
        raise MediaError("not a picture; drop a JPEG, PNG or WebP") from error
    picture.thumbnail((_SIDE, _SIDE))
    return picture
