"""The size of the preview that is left to videostyle."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videostyle.live.preview_size import LINES, PreviewSize


def play(size: PreviewSize, seconds_of_720: float, fps: float, seconds: float = 60) -> list[int]:
    """The sizes that follow one another on a machine that paints 720 lines in so many seconds."""
    chosen, now, busy = [size.lines], 0.0, 0.0
    while now < seconds:
        cost = seconds_of_720 * (size.lines / 720) ** 2
        now, busy = now + max(cost, 1 / fps), busy + cost
        if size.painted(now, busy):
            chosen.append(size.lines)
    return chosen


@pytest.mark.parametrize(
    ("seconds_of_720", "sizes"),
    [
        (0.001, [360, 720]),  # a GPU
        (0.1, [360]),  # 25 ms, but a larger preview would keep the machine busy
        (0.36, [360, 270]),  # 11 frames a second become 20
        (0.8, [360, 180]),
        (60.0, [360, 180]),  # nothing helps
    ],
)
def test_it_is_as_large_as_can_be_followed(seconds_of_720: float, sizes: list[int]) -> None:
    assert play(PreviewSize(1080, 25), seconds_of_720, 25) == sizes


def test_it_is_not_larger_than_the_source() -> None:
    assert play(PreviewSize(400, 25), 0.001, 25) == [360, 540]
    assert play(PreviewSize(240, 25), 0.001, 25) == [270]


def test_a_slow_source_is_no_slow_machine() -> None:
    assert play(PreviewSize(1080, 8), 0.1, 8) == [360, 540]
    size, now = PreviewSize(1080, 25), 0.0
    for _ in range(100):  # a camera in the dark
        now += 0.1
        assert not size.painted(now, 0.02 * now)


@given(
    st.lists(st.floats(1e-3, 10), min_size=1, max_size=10), st.integers(16, 5000), st.floats(1, 240)
)
def test_it_settles(speeds: list[float], source_lines: int, fps: float) -> None:
    """However the machine's speed changes, no size that was too large comes back."""
    size = PreviewSize(source_lines, fps)
    too_large = LINES[-1] + 1
    for speed in speeds:
        chosen = play(size, speed, fps, 20)
        for before, after in pairwise(chosen):
            too_large = before if after < before else too_large
            assert after < too_large
