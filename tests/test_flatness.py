"""Flat areas get strokes, and what fades to black fades in the painting too."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from videostyle.look import Look
from videostyle.network.model import load_model
from videostyle.stylize.device_painter import presences
from videostyle.stylize.flatness import grain, grained, presence
from videostyle.stylize.stylizer import Stylizer

SAMPLES = Path(__file__).parents[1] / "samples"
PHOTOS = sorted(SAMPLES.glob("*.jpg"))


def opened(path: Path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


def black(sigma: float = 0, shape: tuple[int, int] = (90, 160)) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, (*shape, 3))
    return noise.round().clip(0, 255).astype(np.uint8)


def title() -> np.ndarray:
    picture = Image.new("RGB", (320, 180))
    ImageDraw.Draw(picture).text((90, 80), "A film by somebody", fill="white", font_size=16)
    return np.array(picture)


def test_grain_is_the_same_for_every_frame_and_size() -> None:
    whole = grain(1100, 1200)
    assert abs(whole.mean()) < 0.01
    assert whole.std() == pytest.approx(2, abs=0.01)
    assert np.array_equal(grain(64, 96), whole[:64, :96])


def test_grain_ends_at_black_and_white() -> None:
    for shade in (0, 3, 128, 255):
        frame = np.full((40, 50, 3), shade, np.uint8)
        expected = (frame + grain(40, 50)[..., None].astype(int)).clip(0, 255)
        assert np.array_equal(grained(frame), expected)
        assert (frame == shade).all()


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.stem)
def test_photographs_are_painted_wholly_even_at_a_quarter_of_their_light(path: Path) -> None:
    photo = opened(path)
    assert presence(photo) == 1
    assert presence((photo * 0.25).astype(np.uint8)) > 0.5


def test_what_has_one_colour_or_none_is_not_painted() -> None:
    assert presence(black()) == presence(black(sigma=1)) == 0
    assert presence(np.full((64, 64, 3), (10, 60, 200), np.uint8)) == 0
    assert presence(255 - black(sigma=0.5)) == 0
    assert presence(title()) > 0.9


def test_rolling_credits_and_moving_lights_are_weighed_evenly() -> None:
    """However few their pixels are, none is missed at one place and met at another."""
    roll = Image.new("RGB", (320, 400))
    for top in range(0, 400, 60):
        ImageDraw.Draw(roll).text((90, top), "Somebody", fill="white", font_size=10)
    credits = [presence(np.array(roll)[shift : shift + 180]) for shift in range(60)]
    assert max(credits) - min(credits) < 0.05
    lights = []
    for shift in range(20):
        night = black(1, (180, 320))
        night[60:64, 40 + shift : 44 + shift] = night[100:104, 200 - shift : 204 - shift] = 255
        lights.append(presence(night))
    assert max(lights) - min(lights) < 0.01
    assert 0 < lights[0] < 1


def test_a_batch_is_weighed_as_its_frames_are() -> None:
    photo = opened(PHOTOS[0])[:200, :200]
    frames = np.stack([(photo * light).astype(np.uint8) for light in (1, 0.2, 0.1, 0.05, 0)])
    together = presences(torch.from_numpy(frames))
    assert together.tolist() == pytest.approx([presence(frame) for frame in frames], abs=1e-4)


def test_a_fade_to_black_ends_in_black() -> None:
    stylizer, photo = Stylizer(load_model(), device="cpu"), opened(PHOTOS[0])[:180, :240]
    frames = [(photo * light).astype(np.uint8) for light in (0.3, 0.2, 0.1, 0.05, 0.02, 0)]
    painted = [stylizer(frame, Look({"starry_night": 1})) for frame in frames]
    lights = [float(pastiche.mean()) for pastiche in painted]
    assert all(earlier >= later for earlier, later in pairwise(lights[1:]))
    assert lights[0] > 50
    assert np.array_equal(painted[-1], frames[-1])


def test_the_ground_of_a_title_gets_strokes() -> None:
    pastiche = Stylizer(load_model(), device="cpu")(title(), Look({"great_wave": 1}))
    assert pastiche[:50, :70].std() > 5
