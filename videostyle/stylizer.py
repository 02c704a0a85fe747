"""The stylizer: frames and looks in, pastiches out, on one device.

It sizes each frame for the network (stroke, padding), mixes the styles' gammas and betas, and
keeps as many frames in flight as the engine overlaps. Strength, `original` and keep_color are
applied afterwards, on the frame's own planes (`stylize.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from videostyle.engine import make_engine
from videostyle.errors import ModelError
from videostyle.look import Look
from videostyle.model import Model

Picture = npt.NDArray[np.uint8]
# Below this many pixels a side the reflections inside the network have nothing to reflect.
MIN_SIDE = 64


class Stylizer:
    """Paints RGB frames with one model on one device.

    Raises UsageError for a device or precision this machine lacks.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.model = model
        self.engine = make_engine(model.network, device, precision, threads)

    @property
    def depth(self) -> int:
        """How many frames may be submitted before the first result is taken."""
        return self.engine.depth

    def __call__(self, frame: Picture, look: Look) -> Picture:
        """Paint one frame (H, W, 3) uint8 RGB in the styles of `look.painted`."""
        return self.submit(frame, look)()

    def check(self, names: Iterable[str]) -> None:
        """Raise ModelError if the model lacks one of the styles."""
        have = self.model.card.style_names
        if unknown := sorted(set(names) - set(have)):
            raise ModelError(f"no style {unknown[0]!r} in this model (have: {', '.join(have)})")

    def submit(self, frame: Picture, look: Look) -> Callable[[], Picture]:
        """Begin to paint a frame (H, W, 3); the function returned waits for the pastiche.

        Raises ModelError for a style the model lacks.
        """
        self.check(look.painted)
        height, width = frame.shape[:2]
        sized = self._size(frame, look.stroke)
        rows = self.model.rows([look.painted])
        result = self.engine.submit(torch.from_numpy(sized)[None], rows)

        def finish() -> Picture:
            pastiche: Picture = result()[0].numpy()
            if look.stroke != 1:
                return resize(pastiche, height, width)
            return pastiche[:height, :width]

        return finish

    def _size(self, frame: Picture, stroke: float) -> Picture:
        """Bring a frame to sides the network takes: scaled by 1/stroke, or reflected past the
        right and lower border."""
        multiple = self.model.network.architecture.multiple
        height, width = (
            max(MIN_SIDE, -(-round(side / stroke) // multiple) * multiple)
            for side in frame.shape[:2]
        )
        if frame.shape[:2] == (height, width):
            return np.require(frame, requirements=["C", "W"])
        if stroke != 1:
            return resize(frame, height, width)
        margin = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
        return np.pad(frame, margin, mode="reflect")


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Scale (H, W, 3) with an antialiased bilinear filter."""
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None]
    scaled = F.interpolate(pixels, size=(height, width), mode="bilinear", antialias=True)
    return np.ascontiguousarray(scaled[0].permute(1, 2, 0).numpy())
