"""Thumbnails: a small picture of the source in one style each."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future

import numpy as np
from PIL import Image

from videostyle.decode.still import still
from videostyle.errors import MediaError
from videostyle.live.easel import Pixels, encode_jpeg
from videostyle.live.source import Source
from videostyle.look import ORIGINAL, Look
from videostyle.network.model import Model
from videostyle.stylize.stylizer import Stylizer

SIDE = 384


class Thumbnails:
    """They are asked for from any thread, and painted in the one that the stylizer belongs to: one
    at a time, so that thirty do not hold the picture up."""

    def __init__(self, stylizer: Stylizer) -> None:
        self._stylizer = stylizer
        self._asked: deque[tuple[Future[bytes], str]] = deque()
        self._painted: dict[str, tuple[Pixels, Model, bytes]] = {}
        self._still: tuple[Source, Pixels] | None = None

    @property
    def are_wanted(self) -> bool:
        return bool(self._asked)

    def ask(self, style: str) -> Future[bytes]:
        """A JPEG in one style, or untouched for `original`."""
        future: Future[bytes] = Future()
        self._asked.append((future, style))
        return future

    def paint_next(self, source: Source | None, camera: Pixels | None) -> None:
        """Paint what was asked for first. source: None for the camera, of which the newest frame is
        given, (H, W, 3) RGB, or None while it has shown none."""
        future, style = self._asked.popleft()
        if not future.set_running_or_notify_cancel():
            return  # the tab that asked is gone
        try:
            future.set_result(self._paint(style, self._small(source, camera)))
        except Exception as error:  # whoever asked gets it
            future.set_exception(error)

    def cancel(self) -> None:
        """Tell who still waits that nothing is painted any more."""
        for future, _ in self._asked:
            future.cancel()

    def _paint(self, style: str, frame: Pixels) -> bytes:
        model = self._stylizer.model
        known = self._painted.get(style)
        if known and known[0] is frame and known[1] is model:
            return known[2]
        painted = frame if style == ORIGINAL else self._stylizer(frame, Look({style: 1.0}))
        jpeg = encode_jpeg(painted)
        self._painted[style] = frame, model, jpeg
        return jpeg

    def _small(self, source: Source | None, camera: Pixels | None) -> Pixels:
        if source is None:
            if camera is None:
                raise MediaError("the camera shows nothing yet")
            picture = Image.fromarray(camera)
            picture.thumbnail((SIDE, SIDE))
            return np.asarray(picture)
        if self._still and self._still[0] is source:
            return self._still[1]
        pixels = still(source.info.fitted(SIDE))
        self._still = source, pixels
        return pixels
