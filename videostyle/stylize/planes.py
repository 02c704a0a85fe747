"""YUV planes to RGB and back in PyTorch, on any device, in the numbers of swscale (`color`).

Scaling is linear along each axis, so it is a matrix product an axis, which a GPU does at the speed
of its tensor cores. The matrices hold swscale's filters: triangles where only chroma is scaled,
else cubics (`_cubic`), stretched where the picture shrinks. Chroma halved along a line is sited on
the left of its two pixels, as MPEG's codecs have it, or between them, as swscale takes it unless
told.

Between the conversions values are held around 0, from -128 to 127 whatever the bits of a sample,
where fp16 tells steps of 1/16 apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from videostyle.media.color import OUTPUT_PIX_FMTS
from videostyle.media.info import ColorSpec
from videostyle.media.pixels import MIDDLE, plane_array

# Shares of red and blue in luma by matrix (ITU-T H.273, table 4).
_LUMA_SHARES = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114)}
_LUMA_SHARES |= {7: (0.212, 0.087), 9: (0.2627, 0.0593)}
# Formats of frames that NVDEC leaves in its memory, by those of the same samples in planes.
_ON_GPU = {"yuv420p": "nv12", "yuv420p10le": "p010le"}
_SLACK = 64  # samples behind a frame that FFmpeg's wide loads may read


def supports(pix_fmt: str, color: ColorSpec) -> bool:
    """Whether frames of this kind can be converted here."""
    return pix_fmt in OUTPUT_PIX_FMTS and color.matrix in _LUMA_SHARES


@dataclass(frozen=True, slots=True)
class PlaneLayout:
    """How the planes of a frame, one of OUTPUT_PIX_FMTS, lie in a row of samples: Y, then U, then
    V, without padding between lines."""

    pix_fmt: str
    height: int
    width: int

    @property
    def bits(self) -> int:
        """Of a sample."""
        return 10 if self.pix_fmt.endswith("10le") else 8

    @property
    def dtype(self) -> torch.dtype:
        """Of a sample in a tensor; int16 holds 10 bits without a sign."""
        return torch.int16 if self.bits > 8 else torch.uint8

    def on_gpu(self, image: av.VideoFrame) -> bool:
        """Whether a frame lies in a GPU's memory with these samples."""
        return (
            image.format.name == "cuda"
            and image.sw_format is not None
            and image.sw_format.name == _ON_GPU.get(self.pix_fmt)
            and self.height % 2 == self.width % 2 == 0
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each plane."""
        down = {"yuv420": (2, 2), "yuv422": (1, 2), "yuv444": (1, 1)}[self.pix_fmt[:6]]
        chroma = (-(-self.height // down[0]), -(-self.width // down[1]))
        return (self.height, self.width), chroma, chroma

    @property
    def samples(self) -> int:
        """Length of a row."""
        return sum(height * width for height, width in self.sizes) + _SLACK

    def split(self, rows: Tensor) -> list[Tensor]:
        """Views (N, h, w) of the planes in (N, samples)."""
        views, start = [], 0
        for height, width in self.sizes:
            end = start + height * width
            views.append(rows[:, start:end].view(len(rows), height, width))
            start = end
        return views

    def pack(self, image: av.VideoFrame, row: Tensor) -> None:
        """Copy a frame's planes into (samples,) on the host."""
        for index, view in enumerate(self.split(row[None])):
            plane = plane_array(image, index)
            view[0].numpy()[...] = plane.view(np.int16) if self.bits > 8 else plane

    def take(self, image: av.VideoFrame, row: Tensor) -> None:
        """Copy the planes of a frame `on_gpu` into (samples,) there, on the current stream.

        The decoder must have finished the frame, and the frame must live until it is copied.
        """
        luma, chroma = (from_dlpack(plane.__dlpack__()) for plane in image.planes)
        planes = (luma, chroma[..., 0], chroma[..., 1])
        for view, plane in zip(self.split(row[None]), planes, strict=True):
            if self.bits > 8:  # p010 has them at the upper end of 16
                plane = (plane.view(torch.int16) >> (16 - self.bits)) & ((1 << self.bits) - 1)
            view[0].copy_(plane)

    def frame(self, row: Tensor, color: ColorSpec) -> av.VideoFrame:
        """A frame whose planes are those in (samples,) on the host; it keeps their memory."""
        planes = [view[0].numpy() for view in self.split(row[None])]
        if self.bits > 8:
            planes = [plane.view(np.uint16) for plane in planes]
        if self.height % 2 or self.width % 2:  # which from_dlpack refuses
            image = av.VideoFrame(self.width, self.height, self.pix_fmt)
            for index, plane in enumerate(planes):
                plane_array(image, index)[...] = plane
        else:
            image = av.VideoFrame.from_dlpack(planes, self.pix_fmt, self.width, self.height)
        image.colorspace, image.color_range = color.matrix, 2 if color.full_range else 1
        return image


class PlanesToRgb:
    """Converts planes to RGB and scales them to `size` (height, width)."""

    def __init__(
        self,
        layout: PlaneLayout,
        color: ColorSpec,
        size: tuple[int, int],
        like: Tensor,
        *,
        left: bool = True,
    ) -> None:
        """like: has the device and the floating-point dtype to compute with. left: chroma is sited
        on the left."""
        self._layout = layout
        self._luma, self._chroma = _scales(layout, color)
        self._red, self._blue = _LUMA_SHARES[color.matrix]
        cubic = size != (layout.height, layout.width)
        shift = 0.25 if left else 0.0
        self._resize = [
            Resize(each, size, cubic, shift * (each[1] < layout.width), like)
            for each in layout.sizes
        ]
        self._dtype = like.dtype

    def __call__(self, planes: Sequence[Tensor]) -> Tensor:
        """Samples, three times (N, h, w) -> (N, height, width, 3) uint8, full range."""
        y, u, v = (
            resize(centred(plane, self._layout.bits, self._dtype))
            for resize, plane in zip(self._resize, planes, strict=True)
        )
        # Black is at 16 or at 0; the result is centred as well.
        scale, offset = self._luma
        y = y / scale + ((MIDDLE - offset) / scale - MIDDLE)
        red = y + v * (2 * (1 - self._red) / self._chroma)
        blue = y + u * (2 * (1 - self._blue) / self._chroma)
        green = (y - self._red * red - self._blue * blue) / (1 - self._red - self._blue)
        return _to_bytes(torch.stack((red, green, blue), -1))


class RgbToPlanes:
    """Converts RGB of `size` (height, width) to planes and scales it to theirs."""

    def __init__(
        self,
        layout: PlaneLayout,
        color: ColorSpec,
        size: tuple[int, int],
        like: Tensor,
        *,
        left: bool = True,
    ) -> None:
        """like: has the device and the floating-point dtype to compute with. left: chroma is sited
        on the left."""
        self._luma, self._chroma = _scales(layout, color)
        self._red, self._blue = _LUMA_SHARES[color.matrix]
        cubic = size != (layout.height, layout.width)
        shift = -0.25 * size[1] / layout.sizes[1][1] if left else 0.0
        self._resize = [
            Resize(size, each, cubic, shift * (each[1] < layout.width), like)
            for each in layout.sizes
        ]
        self._dtype = like.dtype

    def __call__(self, rgb: Tensor) -> list[Tensor]:
        """(N, height, width, 3) uint8 -> three times (N, h, w), centred and not yet rounded."""
        red, green, blue = (rgb.to(self._dtype) - MIDDLE).unbind(-1)
        y = self._red * red + (1 - self._red - self._blue) * green + self._blue * blue
        u = (blue - y) * (self._chroma / (2 * (1 - self._blue)))
        v = (red - y) * (self._chroma / (2 * (1 - self._red)))
        scale, offset = self._luma
        y = y * scale + (MIDDLE * scale + offset - MIDDLE)
        return [resize(plane) for resize, plane in zip(self._resize, (y, u, v), strict=True)]


def centred(samples: Tensor, bits: int, dtype: torch.dtype) -> Tensor:
    """Integer samples of 8 or 10 bits as numbers from -128 to 127; 10 bits give steps of 1 / 4."""
    values = samples.to(dtype)
    return (values - (MIDDLE << (bits - 8))) * 0.5 ** (bits - 8) if bits > 8 else values - MIDDLE


def to_samples(values: Tensor, layout: PlaneLayout) -> Tensor:
    """The reverse of `centred`: rounded, in the layout's dtype."""
    steps = 1 << (layout.bits - 8)
    rounded = (values * steps).round_() if steps > 1 else values.round()
    half = MIDDLE * steps
    return rounded.clamp_(-half, half - 1).add_(half).to(layout.dtype)


def blend(below: Tensor, above: Tensor, opacity: Tensor) -> Tensor:
    """Lay planes (N, h, w) over others, each frame at its opacity (N,): 0 gives exactly the ones
    below, 1 the ones above."""
    return torch.lerp(below, above, opacity.to(above.dtype)[:, None, None])


def _to_bytes(values: Tensor) -> Tensor:
    return values.round().clamp_(-MIDDLE, MIDDLE - 1).add_(MIDDLE).to(torch.uint8)


def _scales(layout: PlaneLayout, color: ColorSpec) -> tuple[tuple[float, float], float]:
    """Of full-range values from 0 to 255: luma is value * scale + offset; chroma's scale.

    Full range of 10 bits ends at 1023, a little more than 255 times 4.
    """
    if color.full_range:
        top = ((1 << layout.bits) - 1) / (1 << (layout.bits - 8))
        return (top / 255, 0.0), top / 255
    return (219 / 255, 16.0), 224 / 255


class Resize:
    """Scales (N, h, w) from one (height, width) to another, and moves it `shift` columns of the
    source to the left."""

    def __init__(
        self,
        source: tuple[int, int],
        target: tuple[int, int],
        cubic: bool,
        shift: float,
        like: Tensor,
    ) -> None:
        # A side that stays takes no product.
        self._rows, self._columns = (
            None if before == after and not move else _taps(before, after, cubic, move, like)
            for before, after, move in zip(source, target, (0.0, shift), strict=True)
        )
        # The shorter product first: whichever leaves less to the second.
        self._rows_first = target[0] * source[1] <= source[0] * target[1]

    def __call__(self, plane: Tensor) -> Tensor:
        if self._rows is not None and self._rows_first:
            plane = self._rows @ plane
        if self._columns is not None:
            plane = plane @ self._columns.T
        if self._rows is not None and not self._rows_first:
            plane = self._rows @ plane
        return plane


def _taps(before: int, after: int, cubic: bool, shift: float, like: Tensor) -> Tensor:
    """(after, before): the weights of the samples before in each sample after. Samples are taken
    at their middles, `shift` samples to the right; past the border the last one counts. Where the
    picture shrinks, the filter is as much wider as the samples after are."""
    step = before / after
    stretch = max(1.0, step)
    centre = (np.arange(after) + 0.5) * step - 0.5 + shift
    reach = int(np.ceil((2 if cubic else 1) * stretch)) + 1
    index = np.floor(centre)[:, None].astype(int) + np.arange(-reach, reach + 1)
    distance = np.abs(index - centre[:, None]) / stretch
    weight = _cubic(distance) if cubic else np.maximum(0, 1 - distance)
    weight /= weight.sum(1, keepdims=True)
    matrix = np.zeros((after, before))
    np.add.at(matrix, (np.arange(after)[:, None], index.clip(0, before - 1)), weight)
    # Rounded weights still add up to 1, or flat areas would change.
    rounded = torch.from_numpy(matrix).to(like.dtype).double()
    largest = torch.from_numpy(matrix.argmax(1))[:, None]
    rounded.scatter_add_(1, largest, 1 - rounded.sum(1, keepdim=True))
    return rounded.to(like.device, like.dtype)


def _cubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weight of a sample by its distance, in samples and not negative: the cubic of Keys, "Cubic
    convolution interpolation for digital image processing", 1981, with a = -0.6, which is
    swscale's default (there B = 0 and C = 0.6, after Mitchell and Netravali, "Reconstruction
    Filters in Computer Graphics", 1988); Keys himself takes -0.5."""
    near = 1.4 * distance**3 - 2.4 * distance**2 + 1
    far = -0.6 * distance**3 + 3 * distance**2 - 4.8 * distance + 2.4
    return np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
