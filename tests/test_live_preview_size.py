"""The size of the preview that is left to videostyle."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videostyle.live.preview_size import LINES, PreviewSize


def changes(
    size: PreviewSize, cost: Callable[[float, int], float], fps: float, seconds: float
) -> Iterator[tuple[float, int]]:
    """When the size changes, and to what, where a frame takes `cost` seconds at a time and size."""
    now, busy = 0.0, 0.0
    while now < seconds:
        took = cost(now, size.lines)
        now, busy = now + max(took, 1 / fps), busy + took
        if size.painted(now, busy):
            size.go()
            yield now, size.lines


def play(size: PreviewSize, seconds_of_720: float, fps: float, seconds: float = 60) -> list[int]:
    """The sizes that follow one another on a machine that paints 720 lines in so many seconds."""
    later = changes(size, lambda _, lines: seconds_of_720 * (lines / 720) ** 2, fps, seconds)
    return [size.lines, *(lines for _, lines in later)]


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


@pytest.mark.parametrize("seconds_of_720", [0.1, 0.2, 0.26])
def test_after_a_hiccup_it_is_soon_as_large_as_before(seconds_of_720: float) -> None:
    def cost(now: float, lines: int) -> float:
        """Of a frame; six a second at 360 lines for three seconds."""
        return (4 / 6 if 30 < now < 33 else seconds_of_720) * (lines / 720) ** 2

    later = list(changes(PreviewSize(1080, 25), cost, 25, 600))
    assert later[0][1] < 360
    assert later[-1][1] == 360
    assert later[-1][0] < 50


@given(st.lists(st.floats(1e-3, 1), min_size=len(LINES), max_size=len(LINES)).map(sorted))
def test_what_a_machine_cannot_paint_is_tried_ever_more_seldom(costs: list[float]) -> None:
    """Here what a frame costs does not go with the number of pixels."""
    size = PreviewSize(1080, 25)
    lines, falls = size.lines, dict.fromkeys(LINES, 0)
    for _, after in changes(size, lambda _, lines: costs[LINES.index(lines)], 25, 1000):
        falls[lines] += after < lines
        lines = after
    assert all(10 * (2 ** (number - 1) - 1) < 1000 for number in falls.values())


@given(
    st.lists(st.floats(1e-3, 10), min_size=1, max_size=10), st.integers(16, 5000), st.floats(1, 240)
)
def test_it_settles(speeds: list[float], source_lines: int, fps: float) -> None:
    """However the machine's speed changes, a size that was too large does not come back soon."""

    def cost(now: float, lines: int) -> float:
        return speeds[int(now / 20) % len(speeds)] * (lines / 720) ** 2

    size = PreviewSize(source_lines, fps)
    lines, too_large, fell = size.lines, LINES[-1] + 1, 0.0
    for now, after in changes(size, cost, fps, 20 * len(speeds)):
        if after < lines:
            too_large, fell = lines, now
        assert after < too_large or now - fell > 10
        lines = after
