"""The black bars of a film are found, and stay as they are."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from pipeline import Clip

from videostyle.decode import decode, probe
from videostyle.letterbox import with_bars
from videostyle.look import Look
from videostyle.options import EncodeOptions
from videostyle.rendering import render
from videostyle.stylizer import Stylizer


def film(
    number: int, *, lines: int = 0, columns: int = 0, below: int | None = None, light: int = 200
) -> np.ndarray:
    """A moving gradient of 96 x 64 pixels between black bars."""
    picture = np.zeros((64, 96, 3), np.uint8)
    height, width = 64 - lines - (lines if below is None else below), 96 - 2 * columns
    ramp = (np.arange(width) * 3 + 9 * number) % light + 40
    picture[lines : lines + height, columns : columns + width] = ramp[None, :, None]
    return picture


@pytest.mark.parametrize("shape", [(8, 0), (0, 12), (6, 10), (0, 0)])
def test_bars_are_found(clip: Clip, shape: tuple[int, int]) -> None:
    lines, columns = shape
    path = clip(pts=range(25), pixels=lambda n: film(n, lines=lines, columns=columns))
    assert with_bars(probe(path)).bars == shape


def test_black_that_is_no_bar_is_painted(clip: Clip) -> None:
    for number, facts in enumerate(({"lines": 4, "below": 12}, {"lines": 28})):
        path = clip(f"{number}.mp4", pts=range(25), pixels=lambda n, facts=facts: film(n, **facts))
        assert with_bars(probe(path)).bars == (0, 0)
    # Bars that are not there all the time, and a film that hardly shows anything.
    path = clip("late.mp4", pts=range(25), pixels=lambda n: film(n, lines=0 if n > 15 else 8))
    assert with_bars(probe(path)).bars == (0, 0)
    path = clip("dark.mp4", pts=range(25), pixels=lambda n: film(n, lines=8) * (n == 12))
    assert with_bars(probe(path)).bars == (0, 0)


def test_bars_follow_rotation_and_size(clip: Clip) -> None:
    path = clip(pts=range(25), pixels=lambda n: film(n, lines=8), rotation=(90, False, False))
    info = with_bars(probe(path))
    assert (info.width, info.height, info.bars) == (64, 96, (0, 8))
    assert info.fitted(48).bars == (0, 4)
    assert with_bars(probe(path).fitted(48)).bars == (0, 4)


def test_bars_stay_as_they_are(clip: Clip, tmp_path: Path, stylizer: Stylizer) -> None:
    source = clip(pts=range(12), pixels=lambda n: film(n, lines=8, columns=12))
    output = tmp_path / "out.mkv"
    lossless = EncodeOptions(codec="ffv1")
    render(source, output, Look({"red": 1}), stylizer=stylizer, options=lossless)
    with av.open(str(output)) as painted:
        for frame, original in zip(painted.decode(video=0), decode(probe(source)), strict=True):
            for plane, (height, width) in enumerate(((64, 96), (32, 48), (32, 48))):
                after, before = (
                    np.frombuffer(image.planes[plane], np.uint8)
                    .reshape(height, -1)[:, :width]
                    .astype(int)
                    for image in (frame, original.image)
                )
                inside = np.zeros((height, width), bool)
                inside[height // 8 : -height // 8, width // 8 : -width // 8] = True
                assert np.array_equal(after[~inside], before[~inside])
                assert np.abs(after - before)[inside].mean() > 2
