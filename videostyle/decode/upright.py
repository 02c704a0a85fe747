"""Frames turned upright, in pixels the pipeline takes, their alpha beside them."""

from __future__ import annotations

from pathlib import Path

import av
import av.filter
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import VideoReformatter

from videostyle.decode.hdr import tone_map
from videostyle.errors import MediaError
from videostyle.media.color import Alpha, color_of, flatten, recolor, split_alpha
from videostyle.media.info import HDR_TRANSFERS, ColorSpec, MediaInfo

# Signs of the display matrix (a, b, c, d), where x' = a x + c y and y' = b x + d y, to filters.
_UPRIGHT = {
    (-1, 0, 0, 1): ("hflip",),
    (1, 0, 0, -1): ("vflip", "copy"),  # vflip alone only numbers the lines backwards
    (-1, 0, 0, -1): ("vflip", "hflip"),
    (0, -1, 1, 0): ("transpose=cclock",),
    (0, 1, -1, 0): ("transpose=clock",),
    (0, 1, 1, 0): ("transpose=cclock_flip",),
    (0, -1, -1, 0): ("transpose=clock_flip",),
}
_TURNED = {90: _UPRIGHT[0, -1, 1, 0], 180: _UPRIGHT[-1, 0, 0, -1], 270: _UPRIGHT[0, 1, -1, 0]}


def upright_filters(image: av.VideoFrame) -> tuple[str, ...]:
    """FFmpeg filters that turn the picture upright."""
    try:
        data = image.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know every kind of side data, and then gives none
        return _TURNED.get(image.rotation % 360, ())
    if data is None:
        return ()
    assert isinstance(data, SideData)
    matrix = np.frombuffer(memoryview(data), np.int32)[[0, 1, 3, 4]]  # 16.16 fixed point
    signs = np.rint(matrix / max(1, np.abs(matrix).max())).astype(int)
    return _UPRIGHT.get(tuple(signs.tolist()), ())


def hdr_refused(path: Path, color: ColorSpec) -> MediaError:
    """What to say of PQ or HLG where nothing is said of what shall become of it."""
    return MediaError(
        f"{path}: HDR video ({HDR_TRANSFERS[color.transfer]}) would come out in wrong colours; "
        "hdr tonemap (--hdr) makes it SDR, hdr pass paints its values as they are"
    )


class Upright:
    """Turns frames upright, without what the file hides, brings them to one size and colour where
    it changes them on the way, and lays alpha on black or takes it out. Interlaced ones become
    progressive, or swscale would convert and scale their fields apart."""

    def __init__(self, info: MediaInfo, keep_alpha: bool) -> None:
        self._info = info
        self._keep_alpha = keep_alpha
        self._reformatter = VideoReformatter()
        self._key: tuple[object, ...] = ()
        self._color = info.hdr_color or info.color  # of the last frame
        self._graph: av.filter.Graph | None = None
        self._in_fields = False  # whether any frame was

    def __call__(self, image: av.VideoFrame) -> tuple[av.VideoFrame, Alpha | None]:
        color_tags = (image.colorspace, image.color_range, image.color_trc)
        self._in_fields |= image.interlaced_frame and image.format.name != "cuda"
        size = (image.width, image.height)
        key = (image.rotation, image.format.name, size, self._in_fields, *color_tags)
        if key != self._key:
            # Side data and frame hold each other, and with the frame its decoder's memory, until
            # the garbage collector comes round; so the display matrix is looked at only where it
            # is another one than the first frame's.
            turned = image.rotation != self._info.rotation_degrees
            filters = upright_filters(image) if turned else self._info.upright_filters
            self._key, self._graph = key, self._make_graph(image, filters)
            self._color = color_of(image, self._info.hdr_color or self._info.color)
            if self._color.is_hdr and self._info.hdr == "refuse":
                raise hdr_refused(self._info.path, self._color)
        if self._graph is not None:
            if image.format.name == "cuda":
                image = image.reformat(format=self._info.pix_fmt)
            image.pts = None  # the pts travel beside the image
            self._graph.push(image)
            pulled = self._graph.pull()
            assert isinstance(pulled, av.VideoFrame)
            image = pulled
        alpha = None
        if self._keep_alpha:
            image, alpha = split_alpha(self._reformatter, image, self._color)
        else:
            image = flatten(self._reformatter, image, self._color)
        if self._color.is_hdr and self._info.hdr == "tonemap":
            image = tone_map(self._reformatter, image, self._color)
        else:
            on_gpu = image.format.name == "cuda"
            pix_fmt = self._info.pix_fmt if on_gpu else image.format.name
            image = recolor(self._reformatter, image, self._color, self._info.color, pix_fmt)
        return image, alpha

    def _make_graph(self, image: av.VideoFrame, names: tuple[str, ...]) -> av.filter.Graph | None:
        crop = self._info.crop
        if self._in_fields:
            names = ("setfield=prog", *names)
        size = crop.inner(image.width, image.height)
        if size != (image.width, image.height):
            names = (f"crop={size[0]}:{size[1]}:{crop.left}:{crop.above}:exact=1", "copy", *names)
        upright = size[::-1] if any("transpose" in name for name in names) else size
        wanted = (self._info.width, self._info.height)
        if upright != wanted:
            names = (*names, f"scale={wanted[0]}:{wanted[1]}")
        if not names:
            return None
        on_gpu = image.format.name == "cuda"
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(
                width=image.width,
                height=image.height,
                format=av.VideoFormat(self._info.pix_fmt) if on_gpu else image.format,
                time_base=self._info.time_base,
            ),
            *(graph.add(*name.split("=", 1)) for name in names),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        return graph
