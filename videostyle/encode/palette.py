"""256 colours for every frame of a GIF, chosen by FFmpeg's palettegen and paletteuse."""

from __future__ import annotations

from fractions import Fraction

import av
import av.filter


class PalettePicker:
    """Turns rgb24 frames of one size into pal8, each with the palette that suits it best."""

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._count = 0

    def __call__(self, image: av.VideoFrame) -> av.VideoFrame:
        if self._graph is None:
            self._graph = _make_graph(image)
        image.pts = self._count  # the frame and its palette find each other by it
        self._count += 1
        self._graph.push(image)
        picked = self._graph.pull()
        assert isinstance(picked, av.VideoFrame)
        return picked


def _make_graph(image: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=image.width, height=image.height, format=image.format, time_base=Fraction(1, 25)
    )
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
