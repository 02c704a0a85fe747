"""The frames of a file from a place on, looked for while something else is shown."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread

from videostyle.decode.decode import decode
from videostyle.errors import MediaError
from videostyle.live.preview_size import of_lines
from videostyle.live.source import Place, Source, cut_from
from videostyle.media.frame import Frame
from videostyle.rendering.stages import prefetch

_DECODED_AHEAD = 2
# Of frames that are kept: at 360 lines some 190, in 8 bits.
_MOST_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Way:
    """To a place in a source. lines: of the preview's shorter side, at most."""

    source: Source
    lines: int
    place: Place


class Opening:
    """The frames at the end of a way. A thread of its own goes it, from the key frame before the
    place, and a few frames farther. The frames that were taken are kept while they are few: so it
    can begin anew without going the way again."""

    def __init__(self, way: Way) -> None:
        self.way, place = way, way.place
        self.info = of_lines(way.source.info, way.lines)
        cut = cut_from(self.info, place.seconds)
        # One before at least: where the video ends earlier, that is the last there is.
        decoded = decode(self.info, cut=cut, lead=max(1, -place.frames))
        self._frames = prefetch(decoded, _DECODED_AHEAD)
        self._kept: list[Frame] | None = None  # after the first; None: too many, or not to be had
        self._first = Future[Frame | None]()
        # Not an executor's: the process would not end before it.
        Thread(target=self._find, args=(cut.start,), name="opening", daemon=True).start()

    @property
    def is_found(self) -> bool:
        """Whether nobody would have to wait for its first frame."""
        return self._first.done()

    @property
    def can_begin_anew(self) -> bool:
        return self._kept is not None

    def keeps(self, seconds: float) -> bool:
        """Whether it can begin anew after so much of the video. Raises MediaError."""
        expected = seconds * float(self.info.frame_rate or 25)
        return self._kept is not None and expected < self._most_kept()

    def frames(self) -> tuple[Frame, Iterator[Frame]]:
        """The frame at the place, once it is found, and those that follow. Whoever took some
        before takes no more of those. Raises MediaError."""
        first = self._found()
        self._kept = self._kept or []
        return first, self._following()

    def close(self) -> None:
        """Leave the file: if its first frame is not found yet, as soon as it is."""
        self._first.add_done_callback(lambda _: self._frames.close())

    def _find(self, start: float) -> None:
        try:
            self._first.set_result(self.way.place.find(self._frames, start))
        except BaseException as error:  # `_found` raises it
            self._first.set_exception(error)

    def _found(self) -> Frame:
        first = self._first.result()
        if first is None:
            raise MediaError(f"{self.info.path}: has no frames to show")
        return first

    def _most_kept(self) -> int:
        return _MOST_BYTES // sum(plane.buffer_size for plane in self._found().image.planes)

    def _following(self) -> Iterator[Frame]:
        yield from self._kept or ()
        most = self._most_kept()
        try:
            for frame in self._frames:
                if self._kept is not None:
                    self._kept.append(frame)
                    if len(self._kept) > most:
                        self._kept = None
                yield frame
        except Exception:
            self._kept = None
            raise


class Openings:
    """Of what is shown, and of the round after it, which is there before it is gone to. All in one
    thread."""

    def __init__(self) -> None:
        self._shown: Opening | None = None
        self._next: Opening | None = None

    def go(self, way: Way) -> Opening:
        """What is shown from now on. What was shown must have been left."""
        if self._next and self._next.way == way:
            self._shown, self._next = self._next, None
        else:
            self._shown = Opening(way)
        return self._shown

    def prepare(self, way: Way, seconds: float) -> None:
        """For the next round, which begins at the end of a way when what is shown ends. seconds:
        from there to where a round ends."""
        if self._shown and self._shown.way == way and self._shown.keeps(seconds):
            return
        if self._next is None:
            self._next = Opening(way)
        elif self._next.way != way and self._next.is_found:  # else two would be looked for at once
            self._next.close()
            self._next = Opening(way)

    def leave(self, way: Way | None) -> None:
        """Be done with what is shown, unless the next round, at the end of a way, can have it.
        Without a way, and with one in another source, nothing stays open."""
        left, self._shown = self._shown, None
        if left and left.way == way and left.can_begin_anew:
            left, self._next = self._next, left
        if left:
            left.close()
        if self._next and (way is None or self._next.way.source != way.source):
            self._next.close()
            self._next = None
