"""Frames of a program's own, painted along a timeline."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from videostyle.errors import ModelError, UsageError
from videostyle.look import Look
from videostyle.rendering.frames import paint_frames
from videostyle.stylize.stylizer import Stylizer

Frames = list[npt.NDArray[np.uint8]]


@pytest.fixture
def frames() -> Frames:
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 255, (8, 10, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    return [np.roll(tiles, 8 * number, axis=1) for number in range(9)]


def test_every_frame_is_painted_in_order(frames: Frames, stylizer: Stylizer) -> None:
    look = Look({"red": 1}, strength=0.8, keep_color=0.6)
    painted = list(paint_frames(iter(frames), look, stylizer=stylizer, stabilize=False))
    assert len(painted) == len(frames)
    for frame, pastiche in zip(frames, painted, strict=True):
        assert np.abs(pastiche.astype(int) - stylizer(frame, look)).max() <= 1


@pytest.mark.parametrize("opacity", [0, 0.5, 1])
def test_what_is_painted_can_be_written_to_a_pipe_as_it_is(
    frames: Frames, stylizer: Stylizer, opacity: float
) -> None:
    odd = [np.ascontiguousarray(frame[:61, :77]) for frame in frames]
    for stabilize in (False, True):
        look = Look({"red": 1}, strength=opacity)
        for pastiche in paint_frames(odd, look, stylizer=stylizer, stabilize=stabilize):
            assert memoryview(pastiche).c_contiguous
            assert pastiche.shape == odd[0].shape


def test_a_timeline_counts_on_the_clock_of_the_frames(
    frames: Frames, stylizer: Stylizer, tmp_path: Path
) -> None:
    timeline = tmp_path / "t.yaml"
    timeline.write_text(
        "version: 1\nkeyframes:\n"
        "  - {at: 0s, mix: original, ease: hold}\n  - {at: 0.5s, mix: red}\n"
    )
    painted = list(paint_frames(frames, timeline, fps=10, stylizer=stylizer))
    same = [np.array_equal(*pair) for pair in zip(frames, painted, strict=True)]
    assert same == [True] * 5 + [False] * 4


def test_what_stands_still_is_held(frames: Frames, stylizer: Stylizer) -> None:
    rng = np.random.default_rng(1)
    noisy = [frames[0] // 2 + rng.integers(50, 54, frames[0].shape, np.uint8) for _ in range(8)]

    def change(stabilize: bool) -> float:
        look = Look({"red": 1})
        painted = [*paint_frames(noisy, look, stylizer=stylizer, stabilize=stabilize)]
        return float(np.abs(np.diff(np.array(painted, int)[3:], axis=0)).mean())

    assert change(True) < change(False) / 2


def test_a_generator_is_read_only_a_little_ahead(frames: Frames, stylizer: Stylizer) -> None:
    taken = 0

    def camera() -> Iterator[npt.NDArray[np.uint8]]:
        nonlocal taken
        while True:
            taken += 1
            yield frames[taken % len(frames)]

    painted = paint_frames(camera(), Look({"red": 1}), stylizer=stylizer)
    for _ in range(20):
        next(painted)
    assert taken <= 20 + stylizer.depth + 2


def test_a_generator_is_let_go_of_when_the_painting_is_closed(
    frames: Frames, stylizer: Stylizer
) -> None:
    closed = []

    def camera() -> Iterator[npt.NDArray[np.uint8]]:
        try:
            while True:
                yield frames[0]
        finally:
            closed.append(True)

    painted = paint_frames(camera(), Look({"red": 1}), stylizer=stylizer)
    next(painted)
    painted.close()
    assert closed


def test_what_cannot_be_painted_is_named(
    frames: Frames, stylizer: Stylizer, tmp_path: Path
) -> None:
    timeline = tmp_path / "t.yaml"
    timeline.write_text("version: 1\nkeyframes:\n  - {at: 50%, mix: red}\n")
    with pytest.raises(UsageError, match="give frames that have one, as a list"):
        paint_frames(iter(frames), timeline, stylizer=stylizer)
    for fps in (0, Fraction(1, 10**6)):
        with pytest.raises(UsageError, match="fps"):
            paint_frames(frames, timeline, fps=fps, stylizer=stylizer)
    for wrong, message in (
        ({"stylizer": "lean"}, "stylizer is"),
        ({"frames": None}, "frames is"),
        ({"stabilize": "yes"}, "stabilize is 'yes'; it must be True or False"),
    ):
        given: dict[str, Any] = {"frames": frames, "timeline": timeline, "stylizer": stylizer}
        with pytest.raises(UsageError, match=message):
            paint_frames(**{**given, **wrong})
    with pytest.raises(UsageError, match="for one style throughout"):
        paint_frames(frames, "red", stylizer=stylizer)
    with pytest.raises(ModelError, match="blue_dots"):
        paint_frames(frames, Look({"blue_dots": 1}), stylizer=stylizer)
    with pytest.raises(UsageError, match="a frame is"):
        next(paint_frames([frames[0][..., 0]], timeline, stylizer=stylizer))
    assert len([*paint_frames(frames, timeline, stylizer=stylizer)]) == len(frames)
