"""Which stroke a moving picture is painted in, by a stylizer that gets ready when it is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any, cast

import pytest

from videostyle.live.ready_stroke import ReadyStroke
from videostyle.stylize.stylizer import Stylizer


class _Slow:
    """Compiles the first layer of a stroke at once, and what is painted over it after `go`."""

    def __init__(self, lines: Callable[[float], int] = lambda stroke: round(100 / stroke)) -> None:
        self.go, self.begun = Event(), Event()
        self.compiled = {100}
        self.painted: list[float] = []
        self.model = self.card = self
        self.style_names = ["red"]
        self.error: Exception | None = None
        self._lines = lines

    def working_size(self, height: int, width: int, stroke: float) -> tuple[int, int]:
        return self._lines(stroke), self._lines(stroke)

    def is_ready(self, height: int, width: int, stroke: float) -> bool:
        return self._lines(stroke) in self.compiled

    def __call__(self, frame: Any, look: Any) -> None:
        assert frame.shape == (100, 100, 3)
        self.painted.append(look.stroke)
        if self.error:
            raise self.error
        self.compiled.add(self._lines(look.stroke))
        self.begun.set()
        assert self.go.wait(60)


@pytest.fixture
def slow() -> _Slow:
    return _Slow()


def _strokes(slow: _Slow) -> ReadyStroke:
    strokes = ReadyStroke(cast(Stylizer, slow))
    assert strokes.nearest(100, 100, 1.0) == 1
    return strokes


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_stroke_is_taken_once_all_its_layers_are_ready(slow: _Slow) -> None:
    strokes = _strokes(slow)
    assert strokes.nearest(100, 100, 4.0) == 1
    assert slow.begun.wait(60)
    assert slow.is_ready(100, 100, 4.0)
    assert [strokes.nearest(100, 100, 4.0) for _ in range(5)] == [1] * 5
    slow.go.set()
    _until(lambda: strokes.nearest(100, 100, 4.0) == 4)
    assert slow.painted == [4]
    slow.go.clear()
    assert strokes.nearest(100, 100, 3.0) == 4  # the nearest of two
    assert strokes.nearest(100, 100, 1.5) == 1
    slow.go.set()
    strokes.close()
    assert slow.painted == [4, 3]  # one at a time


def test_the_first_stroke_and_one_that_fails_are_waited_for(slow: _Slow) -> None:
    strokes = _strokes(slow)
    assert strokes.nearest(50, 50, 2.0) == 2  # of frames of another size there is none yet
    slow.error = MemoryError()
    assert strokes.nearest(100, 100, 2.0) == 1
    _until(lambda: strokes.nearest(100, 100, 2.0) == 2)
    slow.error = None
    slow.go.set()
    assert strokes.nearest(100, 100, 4.0) == 1  # others are got ready for all the same
    _until(lambda: strokes.nearest(100, 100, 4.0) == 4)
    strokes.close()
    assert slow.painted == [2, 4]


def test_what_is_ready_no_more_is_got_ready_again(slow: _Slow) -> None:
    strokes = _strokes(slow)
    slow.go.set()
    _until(lambda: strokes.nearest(100, 100, 2.0) == 2)
    slow.compiled.remove(50)
    assert strokes.nearest(100, 100, 2.0) == 1
    _until(lambda: strokes.nearest(100, 100, 2.0) == 2)
    strokes.close()
    assert slow.painted == [2, 2]
