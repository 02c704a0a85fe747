"""Colour conversion between the input, the network's RGB and the output.

Tags do not convert: every conversion names matrix and range on both sides. swscale does the
arithmetic, with the flags that round correctly and interpolate chroma.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from videostyle.media.bars import Barkeeper, Bars
from videostyle.media.info import MATRICES, UNTAGGED, ColorSpec, MediaInfo, guess_matrix
from videostyle.media.pixels import Picture, Plane, add_detail, blend_by_mask, plane_array

Size = tuple[int, int]
Alpha = npt.NDArray[np.uint16]
OUTPUT_PIX_FMTS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le")

_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
RGB = ColorSpec(0, 1, 13, full_range=True)
# swscale's numbers are H.273's, but it knows BT.601 only as 5.
_SWSCALE_MATRIX = {6: 5}
_LIMITED, _FULL = 1, 2
# What grey has beside it to be converted: of grey alone swscale takes any to be of full range.
_GREY_WITH_CHROMA = {"gray": "yuv420p"}
_GREY_WITH_CHROMA |= {f"gray{bits}le": f"yuv420p{bits}le" for bits in (9, 10, 12, 14, 16)}


def output_color(info: MediaInfo) -> ColorSpec:
    """The colour of the output: the input's own, range included.

    RGB video becomes limited-range YUV, with the matrix players assume at its height.
    """
    if info.is_image or not info.color.is_rgb:
        return info.color
    return replace(info.color, matrix=guess_matrix(info.height), full_range=False)


def color_of(image: av.VideoFrame, usual: ColorSpec | None = None) -> ColorSpec:
    """How a frame's values stand for colours. What it does not say, or in a way that cannot be
    converted, is as `usual`; without that it is guessed."""
    name, is_rgb = image.format.name, _is_rgb(image)
    matrix, primaries, transfer = image.colorspace, image.color_primaries, image.color_trc
    full_range = {1: False, 2: True}.get(image.color_range)
    if full_range is None:
        full_range = name.startswith(("yuvj", "gray")) or bool(
            usual and usual.full_range and not usual.is_rgb
        )
    if usual and not is_rgb:
        matrix = matrix if matrix in MATRICES and matrix not in UNTAGGED else usual.matrix
        primaries = usual.primaries if primaries in UNTAGGED else primaries
        transfer = usual.transfer if transfer in UNTAGGED else transfer
    return ColorSpec.resolve(
        matrix, primaries, transfer, full_range=full_range, is_rgb=is_rgb, height=image.height
    )


def recolor(
    reformatter: VideoReformatter,
    image: av.VideoFrame,
    color: ColorSpec,
    target: ColorSpec,
    pix_fmt: str,
) -> av.VideoFrame:
    """A frame with the matrix and range of a target, in a YUV format, or RGB for a target of RGB.
    What is RGB, or has them, comes back as it is."""
    if _is_rgb(image) or _matrix_and_range(color) == _matrix_and_range(target):
        return image
    pix_fmt = "rgb24" if target.is_rgb else pix_fmt.replace("yuvj", "yuv")
    if image.format.name.startswith("yuvj") and not color.full_range:
        # To swscale what is called so is of full range, whatever is said of it.
        plain = av.VideoFrame(image.width, image.height, pix_fmt)
        _copy_planes(image, plain)
        image = plain
    # By way of RGB: from 10 bits to 10 bits swscale changes the matrix wrongly.
    rgb = convert(reformatter, image, "gbrp16le", color, RGB)
    return convert(reformatter, rgb, pix_fmt, RGB, target)


def _is_rgb(image: av.VideoFrame) -> bool:
    return image.format.is_rgb or image.format.has_palette


def _matrix_and_range(color: ColorSpec) -> tuple[int, bool]:
    return _SWSCALE_MATRIX.get(color.matrix, color.matrix), color.full_range


def has_alpha(pix_fmt: str) -> bool:
    """Whether a pixel format has an alpha channel; Pillow's modes of pictures count as none."""
    try:
        return any(component.is_alpha for component in av.VideoFormat(pix_fmt, 2, 2).components)
    except ValueError:
        return False


def working_pix_fmt(pix_fmt: str) -> str:
    """The format frames have from `stylize` on, for an output of a format: without alpha, which
    travels beside them, and RGB for all that is not YUV."""
    return pix_fmt.replace("yuva", "yuv") if pix_fmt.startswith("yuv") else "rgb24"


class ColorConverter:
    """Converts frames of one input. One per thread; a frame is never in two converters at once,
    because a conversion changes the source frame's tags while it runs."""

    def __init__(self, info: MediaInfo, pix_fmt: str, color: ColorSpec | None = None) -> None:
        """pix_fmt, color: of the frames it gives, the latter `output_color(info)` by default."""
        self.pix_fmt = "rgb24" if info.is_image else pix_fmt
        self.color = color or output_color(info)
        self.bars = Bars.of(info)
        self.has_captions = info.has_captions
        self._input = info.color
        self._reformatter = VideoReformatter()
        self._mask: tuple[Picture, list[Picture]] | None = None  # the last one, for each plane

    def to_output(self, image: av.VideoFrame) -> av.VideoFrame:
        """The frame in the output's format and colour; the frame itself where it already is."""
        if image.format.name == self.pix_fmt and self.same_color(image):
            return image
        color = self._color_of(image)
        return convert(self._reformatter, image, self.pix_fmt, color, self.color)

    def same_color(self, image: av.VideoFrame) -> bool:
        """Whether matrix and range are the output's already."""
        color = self._color_of(image)
        return (color.matrix, color.full_range) == (self.color.matrix, self.color.full_range)

    def to_rgb(self, image: av.VideoFrame, size: Size | None = None) -> Picture:
        """Full-range RGB (H, W, 3) uint8, C-contiguous, scaled to `size` (height, width)."""
        color = self._color_of(image)
        # swscale is twice as fast with planes, and gives the same values.
        rgb = convert(self._reformatter, image, "gbrp", color, RGB, size)
        pixels: Picture = np.empty((rgb.height, rgb.width, 3), np.uint8)
        for channel, index in enumerate((2, 0, 1)):
            pixels[..., channel] = plane_array(rgb, index)
        return pixels

    def from_rgb(self, pixels: Picture, size: Size | None = None) -> av.VideoFrame:
        """A new frame in the output's format and colour from (H, W, 3) uint8 RGB, scaled to
        `size` (height, width)."""
        pixels = np.ascontiguousarray(pixels)
        if self.pix_fmt == "rgb24" and size in (None, pixels.shape[:2]):
            return av.VideoFrame.from_ndarray(pixels, "rgb24")
        image = av.VideoFrame.from_numpy_buffer(pixels, "rgb24")
        color = RGB if self.pix_fmt == "rgb24" else self.color
        return convert(self._reformatter, image, self.pix_fmt, RGB, color, size)

    def add_detail(self, painted: av.VideoFrame, detail: Picture, weight: float) -> None:
        """Add detail (H, W) uint8, of any size, to the luma of a frame in the output's format, with
        a weight in [0, 1]. A detail of MIDDLE is 0."""
        image = av.VideoFrame.from_numpy_buffer(np.require(detail, requirements=["C"]), "gray")
        size = (painted.height, painted.width)
        scaled = plane_array(convert(self._reformatter, image, "gray", RGB, RGB, size), 0)
        luma = plane_array(painted, 0)
        if self.pix_fmt == "rgb24":
            add_detail(luma.reshape(*size, 3), scaled[..., None], weight, 8)
        else:
            bits = painted.format.components[0].bits
            in_luma = weight * (1 if self.color.full_range else 219 / 255)
            add_detail(luma, scaled, in_luma, bits)

    def keep_bars(self, original: av.VideoFrame, pastiche: av.VideoFrame) -> av.VideoFrame:
        """Put the bars of a frame as it came back into its pastiche, which is in the output's
        format, but where a scene is in their place, and return that."""
        original = self.to_output(original)
        below, above = (
            [plane_array(image, index) for index in range(len(image.planes))]
            for image in (original, pastiche)
        )
        bits = original.format.components[0].bits
        shapes = tuple((plane.shape[0], plane.shape[1]) for plane in below)
        for scene in _barkeeper(self.bars, shapes, bits, self.color.full_range).scenes(below):
            for index, part in enumerate(scene.parts if not scene.fills else ()):
                source, target = below[index][part], above[index][part]
                if scene.squares.any():
                    change = scene.opacity(index) * (target.astype(np.float32) - source)
                    target[...] = np.rint(source + change)
                else:
                    target[...] = source
        return pastiche

    def keep_unmasked(
        self, original: av.VideoFrame, pastiche: av.VideoFrame, mask: Picture
    ) -> av.VideoFrame:
        """Put a frame as it came back into its pastiche, which is in the output's format, where a
        mask (h, w) uint8 is 0, and by a share where it is below 255; return that."""
        original = self.to_output(original)
        planes = range(len(pastiche.planes))
        below, above = (
            [plane_array(image, index) for index in planes] for image in (original, pastiche)
        )
        channels = 3 if pastiche.format.is_rgb else 1
        if self._mask is None or self._mask[0] is not mask:
            sizes = [(plane.shape[1] // channels, plane.shape[0]) for plane in above]
            picture = Image.fromarray(mask)
            self._mask = (
                mask,
                [np.asarray(picture.resize(size, Image.Resampling.BILINEAR)) for size in sizes],
            )
        for index, share in enumerate(self._mask[1]):
            shape = (*share.shape, channels)
            blend_by_mask(
                below[index].reshape(shape), above[index].reshape(shape), share[..., None]
            )
        return pastiche

    def _color_of(self, image: av.VideoFrame) -> ColorSpec:
        if _is_rgb(image):
            return RGB
        return self.color if self._input.is_rgb else self._input


@lru_cache(maxsize=4)
def _barkeeper(
    bars: Bars, planes: tuple[tuple[int, int], ...], bits: int, full_range: bool
) -> Barkeeper:
    return Barkeeper(bars, planes, bits, full_range=full_range)


def convert(
    reformatter: VideoReformatter,
    image: av.VideoFrame,
    pix_fmt: str,
    source: ColorSpec,
    target: ColorSpec,
    size: Size | None = None,
) -> av.VideoFrame:
    """Convert format, matrix and range, and scale to `size` (height, width) if that differs;
    primaries and transfer stay as they are."""
    if image.format.name in _GREY_WITH_CHROMA and not source.full_range:
        image = _with_chroma(image)
    height, width = size or (image.height, image.width)
    scaled = (height, width) != (image.height, image.width)
    return reformatter.reformat(
        image,
        width=width,
        height=height,
        format=pix_fmt,
        src_colorspace=_SWSCALE_MATRIX.get(source.matrix, source.matrix),
        dst_colorspace=_SWSCALE_MATRIX.get(target.matrix, target.matrix),
        src_color_range=_FULL if source.full_range else _LIMITED,
        dst_color_range=_FULL if target.full_range else _LIMITED,
        interpolation=_EXACT | (Interpolation.BICUBIC if scaled else Interpolation.BILINEAR),
        threads=1,
    )


def _with_chroma(image: av.VideoFrame) -> av.VideoFrame:
    """Grey as the luma of a frame without colours."""
    colored = av.VideoFrame(image.width, image.height, _GREY_WITH_CHROMA[image.format.name])
    plane_array(colored, 0)[...] = plane_array(image, 0)
    for index in (1, 2):
        plane_array(colored, index)[...] = 1 << (image.format.components[0].bits - 1)
    return colored


def flatten(reformatter: VideoReformatter, image: av.VideoFrame, color: ColorSpec) -> av.VideoFrame:
    """Lay a frame with alpha on black; without alpha it comes back as it is."""
    if not has_alpha(image.format.name):
        return image
    pixels = convert(reformatter, image, "rgba", color, RGB).to_ndarray().astype(np.uint16)
    flat = ((pixels[..., :3] * pixels[..., 3:] + 127) // 255).astype(np.uint8)
    return av.VideoFrame.from_ndarray(flat, "rgb24")


def split_alpha(
    reformatter: VideoReformatter, image: av.VideoFrame, color: ColorSpec
) -> tuple[av.VideoFrame, Alpha | None]:
    """A frame's colours as they are, without alpha, and its alpha: (H, W) uint16, 65535 opaque.

    YUV keeps its planes exactly; all else becomes rgb24.
    """
    name = image.format.name
    if not has_alpha(name):
        return image, None
    if name.startswith("yuva"):
        if name.endswith("be"):  # planes are read as words of this machine
            name = name.removesuffix("be") + "le"
            image = convert(reformatter, image, name, color, color)
        opaque = av.VideoFrame(image.width, image.height, working_pix_fmt(name))
        _copy_planes(image, opaque)
        return opaque, _spread(plane_array(image, 3), image.format.components[3].bits)
    pixels = convert(reformatter, image, "rgba", color, RGB).to_ndarray().astype(np.uint8)
    opaque = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[..., :3]), "rgb24")
    return opaque, _spread(pixels[..., 3], 8)


def join_alpha(image: av.VideoFrame, alpha: Alpha) -> av.VideoFrame:
    """The reverse of `split_alpha` for planar YUV."""
    joined = av.VideoFrame(image.width, image.height, image.format.name.replace("yuv", "yuva"))
    _copy_planes(image, joined)
    plane_array(joined, 3)[...] = alpha >> (16 - joined.format.components[3].bits)
    return joined


def _copy_planes(source: av.VideoFrame, target: av.VideoFrame) -> None:
    for index in range(3):
        plane_array(target, index)[...] = plane_array(source, index)


def _spread(values: Plane, bits: int) -> Alpha:
    """Values of so many bits (at least 8) to 16, the highest to the highest."""
    wide = values.astype(np.uint16)
    return (wide << np.uint16(16 - bits)) | (wide >> np.uint16(2 * bits - 16))
