"""The stabilizer: rest is held, motion is left alone, and only the last few frames count."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videostyle.media.pixels import Picture
from videostyle.stylize.device_stabilizer import hold
from videostyle.stylize.stabilizer import BLOCK, MEMORY, REACH, Stabilizer, similarity

MIX = {"red": 1.0}


def noisy(picture: Picture, random: np.random.Generator, sigma: float) -> Picture:
    noise = random.normal(0, sigma, picture.shape)
    return (picture + noise).round().clip(0, 255).astype(np.uint8)


def scene(random: np.random.Generator, height: int = 96, width: int = 120) -> Picture:
    return random.integers(30, 220, (height, width, 3), dtype=np.uint8)


def test_noise_over_a_still_scene_is_averaged_away() -> None:
    random = np.random.default_rng(0)
    frame, pastiche = scene(random), scene(random)
    stabilizer = Stabilizer()
    shown = [
        stabilizer(noisy(frame, random, 1), noisy(pastiche, random, 8), MIX).astype(float)
        for _ in range(30)
    ]
    flicker = np.mean([(a - b) ** 2 for a, b in pairwise(shown[4:])])
    assert flicker < 2 * 8**2 / 12  # 2 sigma^2 unfiltered, 1/16 of that at best
    assert abs(np.mean(shown[4:]) - pastiche.mean()) < 0.5


def test_what_moves_leaves_no_trace() -> None:
    random = np.random.default_rng(0)
    background, pastiches = scene(random), [scene(random) for _ in range(8)]
    stabilizer = Stabilizer()
    for step, pastiche in enumerate(pastiches):
        frame = background.copy()
        left = 8 * step
        frame[32:56, left : left + 24] = 255
        shown = stabilizer(frame, pastiche, MIX)
        near = np.s_[32 - BLOCK : 56 + BLOCK, max(0, left - 8 * MEMORY) : left + 24 + BLOCK]
        assert np.array_equal(shown[near], pastiche[near])
    margin = (REACH + 2) * BLOCK
    assert not np.array_equal(shown[56 + margin :], pastiches[-1][56 + margin :])


@pytest.mark.parametrize("after", [(40, 70, 210), (210, 130, 40), (250, 70, 120)])
def test_a_change_of_colour_leaves_no_trace(after: tuple[int, int, int]) -> None:
    random = np.random.default_rng(0)
    frame, stabilizer = scene(random), Stabilizer()
    frame[32:64, 32:64] = (210, 70, 40)
    for _ in range(MEMORY):
        stabilizer(noisy(frame, random, 2), scene(random), MIX)
    frame[32:64, 32:64] = after
    pastiche = scene(random)
    shown = stabilizer(noisy(frame, random, 2), pastiche, MIX)
    assert np.array_equal(shown[32:64, 32:64], pastiche[32:64, 32:64])


@pytest.mark.parametrize(("gain", "noise"), [(1, 4), (0.05, 0.5), (0.05, 1)])
def test_a_dark_scene_is_held_and_let_go_as_a_bright_one(gain: float, noise: float) -> None:
    random = np.random.default_rng(0)
    coarse = gain * random.integers(0, 256, (16, 25, 1)).repeat(3, axis=2)
    wall = coarse.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    pastiches = [scene(random, 128, 168) for _ in range(2 * MEMORY)]

    def held(pan: int) -> float:
        """How far the last pastiches are from what was painted, while so many pixels pass by."""
        stabilizer, distances = Stabilizer(), []
        for step, pastiche in enumerate(pastiches):
            frame = noisy(wall[:, pan * step :][:, :168], random, noise)
            shown = stabilizer(frame, pastiche, MIX)
            distances.append(np.abs(shown.astype(int) - pastiche).mean())
        return float(np.mean(distances[MEMORY:]))

    assert held(pan=0) > 30
    assert held(pan=5) < 3


def test_a_cut_shows_nothing_of_the_scene_before() -> None:
    random = np.random.default_rng(0)
    stabilizer = Stabilizer()
    for _ in range(MEMORY):
        stabilizer(scene(random), scene(random), MIX)
    pastiche = scene(random)
    assert stabilizer(scene(random), pastiche, MIX) is pastiche


def test_a_jump_of_the_mixture_shows_nothing_of_the_style_before() -> None:
    random = np.random.default_rng(0)
    frame, before, after = (scene(random) for _ in range(3))
    stabilizer = Stabilizer()
    stabilizer(frame, before, MIX)
    assert np.array_equal(stabilizer(frame, after, {"red": 0.9, "blue": 0.1}), after)
    held = stabilizer(frame, before, {"red": 0.89, "blue": 0.11})
    assert not np.array_equal(held, before)


def test_another_size_or_a_break_starts_afresh() -> None:
    random = np.random.default_rng(0)
    frame, pastiche, other = (scene(random) for _ in range(3))
    stabilizer = Stabilizer()
    stabilizer(frame, other, MIX)
    stabilizer.clear()
    assert stabilizer(frame, pastiche, MIX) is pastiche
    cropped = np.ascontiguousarray(pastiche[:-8])
    assert stabilizer(np.ascontiguousarray(frame[:-8]), cropped, MIX) is cropped


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1), st.integers(0, 9))
def test_only_the_last_few_frames_count(height: int, width: int, seed: int, start: int) -> None:
    random = np.random.default_rng(seed)
    still = scene(random, height, width)
    frames = [noisy(still, random, 3) for _ in range(14)]
    pastiches = [scene(random, height, width) for _ in frames]
    whole, part = Stabilizer(), Stabilizer()
    expected = [whole(*pair, MIX) for pair in zip(frames, pastiches, strict=True)]
    later = [part(*pair, MIX) for pair in zip(frames[start:], pastiches[start:], strict=True)]
    for a, b in zip(expected[start + MEMORY :], later[MEMORY:], strict=True):
        assert np.array_equal(a, b)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1), st.booleans())
def test_in_pytorch_every_byte_is_the_same(
    height: int, width: int, seed: int, in_part: bool
) -> None:
    part = (slice(height // 4, height), slice(width // 8, width)) if in_part else None
    random = np.random.default_rng(seed)
    still = scene(random, height, width)
    frames = np.stack([noisy(still, random, random.uniform(0, 6)) for _ in range(MEMORY + 4)])
    frames[-2:, : height // 2] += 40
    pastiches = np.stack([scene(random, height, width) for _ in frames])
    weights = random.uniform(0, 0.06, len(frames)).tolist()
    mixtures = [{"red": 1 - weight, "blue": weight} for weight in weights]
    stabilizer = Stabilizer()
    given = zip(frames, pastiches, mixtures, strict=True)
    expected = [stabilizer(*each, part) for each in given][MEMORY:]
    alike = [
        [similarity(mixtures[at], mixtures[at - lag]) for lag in range(1, MEMORY + 1)]
        for at in range(MEMORY, len(frames))
    ]
    held = hold(*map(torch.from_numpy, (frames, pastiches)), torch.tensor(alike), part=part)
    assert np.array_equal(held.numpy(), np.stack(expected))


def test_a_scene_between_black_bars_is_held_as_without_them() -> None:
    random = np.random.default_rng(0)
    picture = noisy(np.full((96, 160, 3), 90, np.uint8), random, 12)
    noise = [random.normal(0, 5, picture.shape) for _ in range(MEMORY + 1)]
    frames = [(picture + each).round().clip(0, 255).astype(np.uint8) for each in noise]
    pastiches = [scene(random, 96, 160) for _ in frames]
    part = (slice(32, 128), slice(0, 160))
    alone, between = Stabilizer(), Stabilizer()
    for frame, pastiche in zip(frames, pastiches, strict=True):
        bars = [(32, 32), (0, 0), (0, 0)]
        wide = np.pad(frame, bars), np.pad(pastiche, bars)
        shown = alone(frame, pastiche, MIX)
        held = between(*wide, MIX, part)
    away = slice((REACH + 2) * BLOCK, -(REACH + 2) * BLOCK)
    assert np.array_equal(held[32:128][away], shown[away])
    assert not np.array_equal(shown[away], pastiches[-1][away])


@pytest.mark.parametrize("value", [0, 255])
def test_flat_pictures_keep_their_value(value: int) -> None:
    flat = np.full((33, 47, 3), value, np.uint8)
    stabilizer = Stabilizer()
    for _ in range(MEMORY + 2):
        assert np.array_equal(stabilizer(flat, flat, MIX), flat)
