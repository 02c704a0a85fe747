"""The stylizer: frames and looks in, pastiches out, on one device.

It sizes frames for the network (stroke, padding), mixes the styles' gammas and betas, and keeps
as many frames in flight as the engine overlaps. For a video strength, `original` and keep_color
are applied afterwards, on the frame's own planes (`stylize.py`).
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from videostyle.errors import ModelError, UsageError, ran_out_of_memory
from videostyle.look import Look
from videostyle.media.pixels import blend_rgb, luma_of, with_detail
from videostyle.network.architecture import Numbers, Pictures
from videostyle.network.engine import Engine, make_engine
from videostyle.network.model import Model
from videostyle.stylize.flatness import grained, presence
from videostyle.wording import shown

Picture = npt.NDArray[np.uint8]
T = TypeVar("T")
# Lines (pixels of the shorter side) of the picture whose look stroke 1 gives to any frame.
LOOK_LINES = 512
STROKES_TO_DOUBLE = 12
# What is enlarged more than so many times gets the detail that scaling leaves out (`enlarger`): a
# pastiche for 1080 lines does, one for 720 not.
DETAIL_FROM = 1.5
# A pastiche is enlarged at most so many times before it is painted over: 1080 lines are not, 1440
# and 2160 are.
MAX_ENLARGEMENT = 2.25
# Below this many pixels a side the reflections inside the network have nothing to reflect.
MIN_SIDE = 64


class Stylizer:
    """Paints RGB frames with one model on one device. Threads may share one; but videos rendered at
    the same time on a GPU would share the memory that holds them still, so give each its own.

    threads: of the CPU; None for as many as there are cores. Raises UsageError for a device or
    precision this machine lacks, for less than one thread, and for what is no model.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise UsageError(f"model is {shown(model)}; give what load_model returns")
        if threads is not None:
            if isinstance(threads, bool) or not (isinstance(threads, Integral) and threads > 0):
                raise UsageError(f"threads is {shown(threads)}; it must be a whole number above 0")
            threads = int(threads)
        self._model = model
        settings: dict[str, Any] = {"device": device, "precision": precision, "threads": threads}
        self.settings = settings
        self._engine, self._process = make_engine(model, **settings), os.getpid()
        self.frames_in_strips = 0  # for want of memory
        self._strip_lines: dict[tuple[int, ...], int] = {}  # by the shape of what was too large

    def __repr__(self) -> str:
        return f"<Stylizer {self.model.card.name!r:.80} on {self._engine.description}>"

    def __reduce__(self) -> tuple[Callable[..., Stylizer], tuple[Model]]:
        # An engine is not copied; another process makes its own.
        return partial(Stylizer, **self.settings), (self.model,)

    @property
    def model(self) -> Model:
        """The model it paints with. Another of the same weights may take its place, with other
        styles; UsageError is raised for other weights, as the network is made ready but once."""
        return self._model

    @model.setter
    def model(self, model: Model) -> None:
        if not isinstance(model, Model) or model.weights is not self._model.weights:
            raise UsageError("a Stylizer keeps its network; make another Stylizer for this model")
        self._model = model

    @property
    def engine(self) -> Engine:
        """What runs the network; in a forked process another one, as threads do not come along.

        Raises UsageError where it paints on a GPU, which a forked process cannot use.
        """
        if os.getpid() != self._process:
            if self._engine.gpu is not None:
                raise UsageError(
                    "a Stylizer on a GPU does not paint in a forked process; start it by "
                    'multiprocessing.get_context("spawn")'
                )
            self._inherited = self._engine  # which would wait for its threads if it were deleted
            self._engine, self._process = make_engine(self.model, **self.settings), os.getpid()
        return self._engine

    @property
    def depth(self) -> int:
        """How many frames are in work at once, if the first result is taken after so many."""
        return self.engine.depth

    @property
    def gpu(self) -> int | None:
        """The NVIDIA GPU it paints on, by number; None on a CPU."""
        return self.engine.gpu

    def __call__(self, frame: Picture, look: Look) -> Picture:
        """Paint one frame (H, W, 3) uint8 RGB in a look; the pastiche is a new array of the same
        kind, C-contiguous.

        Raises UsageError for any other array, ModelError for a style the model lacks.
        """
        if not isinstance(look, Look):
            raise UsageError(f'look is {shown(look)}; write Look({{"starry_night": 1}})')
        check_frame(frame)
        if look.opacity == 0:
            return frame.copy()
        height, width = frame.shape[:2]
        size = self.working_size(height, width, look.stroke)
        if size == (height, width):
            pastiche = self.submit(frame, look.painted)()
        else:
            pastiche = self.submit(resize(frame, *size), look.painted)()
            pastiche = self.refine(pastiche, look.painted, height)()
            sharpness = self.sharpness(len(pastiche), height)
            detail = self.detail(pastiche)() if sharpness else None
            pastiche = resize(pastiche, height, width)
            if detail is not None:
                pastiche = with_detail(pastiche, resize(detail, height, width), sharpness)
        return np.ascontiguousarray(_blend(frame, pastiche, look))

    def check(self, names: Iterable[str]) -> None:
        """Raise ModelError if the model lacks one of the styles."""
        if unknown := self.model.card.unknown_style(names):
            raise ModelError(unknown)

    def working_size(self, height: int, width: int, stroke: float) -> tuple[int, int]:
        """Height and width at which to paint a frame.

        Strokes are so many pixels wide as they were trained, so the frame is brought to
        LOOK_LINES / stroke lines (its shorter side), and the pastiche back to the frame. A frame
        of fewer lines is painted at its own size / stroke, down to MIN_SIDE. Strokes grow by steps,
        of which STROKES_TO_DOUBLE make them twice as large: an engine may have to get ready for a
        new size.
        """
        shorter = min(height, width)
        stroke = 2 ** (round(STROKES_TO_DOUBLE * math.log2(stroke)) / STROKES_TO_DOUBLE)
        scale = max(min(shorter, LOOK_LINES) / stroke, min(shorter, MIN_SIDE)) / shorter
        if scale == 1:
            return height, width
        multiple = self.model.architecture.multiple
        sides = (-(-round(side * scale) // multiple) * multiple for side in (height, width))
        painted_height, painted_width = (max(MIN_SIDE, side) for side in sides)
        return painted_height, painted_width

    def is_ready(self, height: int, width: int, stroke: float) -> bool:
        """Whether the first layer of a frame of that size is painted in that stroke at once: for a
        new working size an engine may compile the network first, in the time of some frames."""
        size = self._padded_size(*self.working_size(height, width, stroke))
        return self.engine.is_ready((1, *size, 3))

    def submit(self, frame: Picture, mixture: Mapping[str, float]) -> Callable[[], Picture]:
        """Begin to paint a frame (H, W, 3), with grain (`flatness`), at its own size; the function
        returned waits for the pastiche.

        A frame for which the memory does not suffice is painted in strips. Raises ModelError for a
        style the model lacks, what an engine raises if there is no memory for strips either.
        """
        self.check(mixture)
        return self._submit(grained(frame), mixture)

    def _submit(self, frame: Picture, mixture: Mapping[str, float]) -> Callable[[], Picture]:
        height, width = frame.shape[:2]
        rows = self.model.rows([mixture])
        result = self._begin(self._padded(frame)[None], rows)

        def finish() -> Picture:
            return result()[0, :height, :width]

        return finish

    def _begin(self, frames: Pictures, rows: Numbers) -> Callable[[], Pictures]:
        """The engine's `submit`, or strips where that runs out of memory, at once or later."""
        result = None
        if frames.shape not in self._strip_lines:
            result = _if_memory_suffices(lambda: self.engine.submit(frames, rows))

        def finish() -> Pictures:
            pastiches = result and _if_memory_suffices(result)
            return self._in_strips(frames, rows) if pastiches is None else pastiches

        return finish

    def _in_strips(self, frames: Pictures, rows: Numbers) -> Pictures:
        """Paint frames (N, H, W, 3) in strips as high as the memory allows."""
        import torch

        from videostyle.network.strips import paint_in_strips

        network = self.model.network
        if self.gpu is not None:
            network = copy.deepcopy(network).to(torch.device("cuda", self.gpu))
        lines = self._strip_lines.get(frames.shape) or self._lines(frames.shape[1] / 2)
        while True:
            torch.cuda.empty_cache()
            try:
                pastiches = paint_in_strips(network, frames, rows, lines)
            except (MemoryError, RuntimeError) as error:
                if not ran_out_of_memory(error) or lines <= MIN_SIDE:
                    raise
            else:
                self._strip_lines[frames.shape] = lines
                self.frames_in_strips += len(frames)
                return pastiches
            lines = self._lines(lines / 2)

    def _lines(self, lines: float) -> int:
        """The same up to a multiple the network takes."""
        multiple = self.model.architecture.multiple
        return math.ceil(lines / multiple) * multiple

    def refine(
        self, pastiche: Picture, mixture: Mapping[str, float], height: int
    ) -> Callable[[], Picture]:
        """Begin to paint over a pastiche (H, W, 3) that is to be enlarged to `height` lines; the
        function returned waits for the last layer.

        Enlarged strokes are blurred ones. So a pastiche that would be enlarged more than
        MAX_ENLARGEMENT times is doubled and painted again, until it is large enough (coarse to
        fine, after Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer",
        CVPR 2017, section 6). Of such a layer only what is too fine for the one below is taken, a
        band of Burt and Adelson's pyramid ("The Laplacian Pyramid as a Compact Image Code", 1983):
        strokes stay as large as they are, and get fine ones of their own.
        """
        weights = layers(len(pastiche), height)
        if not weights:
            return lambda: pastiche
        for weight in weights[:-1]:
            pastiche = self._paint_over(pastiche, mixture, weight)()
        return self._paint_over(pastiche, mixture, weights[-1])

    def sharpness(self, lines: int, height: int) -> float:
        """The weight in [0, 1] of the detail added to a pastiche of so many lines for a frame of
        `height`: it fades in as a layer does."""
        return self.adds_detail * min(1.0, max(0.0, height / lines / DETAIL_FROM * 3 - 3))

    @property
    def adds_detail(self) -> bool:
        """Whether pastiches that are enlarged get detail: what a network does not smooth needs
        none."""
        return self.model.architecture.smooth_output

    def detail(self, pastiche: Picture) -> Callable[[], Picture]:
        """Begin to find what scaling leaves out of a pastiche (H, W, 3) that it doubles, with even
        H and W; the function returned waits for it, (2 H, 2 W) uint8, in which MIDDLE is 0."""
        detail = self.engine.detail(luma_of(pastiche)[None])
        return lambda: detail()[0]

    def _paint_over(
        self, pastiche: Picture, mixture: Mapping[str, float], weight: float
    ) -> Callable[[], Picture]:
        """Begin the layer twice as large as a pastiche, laid over it with a weight in (0, 1]; with
        what is left of 1 the pastiche has its own detail."""
        height, width = pastiche.shape[:2]
        doubled = resize(pastiche, 2 * height, 2 * width)
        painting = self._submit(doubled, mixture)
        detail = self.detail(pastiche) if weight < 1 and self.adds_detail else None

        def finish() -> Picture:
            layer = painting()
            halved = np.asarray(Image.fromarray(np.ascontiguousarray(layer)).reduce(2))
            fine = np.subtract(layer, resize(halved, 2 * height, 2 * width), dtype=np.int16)
            if weight < 1:
                fine = np.rint(weight * fine.astype(np.float32)).astype(np.int16)
            below = with_detail(doubled, detail(), 1 - weight) if detail else doubled
            np.add(below, fine, out=fine)
            return np.clip(fine, 0, 255, out=fine).astype(np.uint8)

        return finish

    def _padded(self, frame: Picture) -> Picture:
        """Reflect a frame past its right and lower border to sides the network takes."""
        height, width = frame.shape[:2]
        lower, right = self._padded_size(height, width)
        if (lower, right) == (height, width):
            return np.require(frame, requirements=["C", "W"])
        amounts = ((0, lower - height), (0, right - width), (0, 0))
        return np.pad(frame, amounts, mode="reflect")

    def _padded_size(self, height: int, width: int) -> tuple[int, int]:
        multiple = self.model.architecture.multiple
        height, width = (max(MIN_SIDE, -(-side // multiple) * multiple) for side in (height, width))
        return height, width


def check_frame(frame: Any) -> None:
    """Raise UsageError for what is no (H, W, 3) uint8."""
    is_array = isinstance(frame, np.ndarray)
    is_rgb = is_array and frame.ndim == 3 and frame.shape[2] == 3 and frame.size > 0
    if not (is_rgb and frame.dtype == np.uint8):
        found = f"{frame.shape} {frame.dtype}" if is_array else type(frame).__name__
        hint = ""
        if isinstance(frame, Image.Image):
            hint = '; give np.asarray(image.convert("RGB"))'
        raise UsageError(f"a frame is (H, W, 3) uint8, not {found}{hint}")


def layers(lines: int, height: int) -> list[float]:
    """The weights in (0, 1] of the layers painted over a pastiche of so many lines for a frame of
    `height`, each twice as large as the one below.

    A layer fades in while the enlargement grows by a third, in five of its steps.
    """
    weights = []
    while (enlargement := height / lines) > MAX_ENLARGEMENT:
        weights.append(min(1.0, enlargement / MAX_ENLARGEMENT * 3 - 3))
        lines *= 2
    return weights


def _blend(frame: Picture, pastiche: Picture, look: Look) -> Picture:
    """As `stylize` lays a pastiche over a picture."""
    opacity = look.opacity * presence(frame)
    if opacity == 1 and look.keep_color == 0:
        return pastiche
    return blend_rgb(frame, pastiche, opacity, opacity * (1 - look.keep_color))


def _if_memory_suffices(work: Callable[[], T]) -> T | None:
    try:
        return work()
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        return None


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Scale (H, W, 3) or (H, W) with an antialiased bicubic filter."""
    image = Image.fromarray(np.require(picture, requirements=["C"]))
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC))
