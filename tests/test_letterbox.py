"""The black bars of a film are found, and stay as they are."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline import Clip

from videostyle.cli import main
from videostyle.decode.decode import decode
from videostyle.decode.letterbox import with_bars
from videostyle.decode.probe import probe, with_duration
from videostyle.encode.options import EncodeOptions
from videostyle.errors import UsageError
from videostyle.look import Look
from videostyle.media.color import RGB, ColorConverter
from videostyle.media.info import ColorSpec
from videostyle.media.pixels import plane_array
from videostyle.rendering.render import render
from videostyle.stylize.stylizer import Stylizer

NONE = (0, 0, 0, 0)


def film(
    number: int, *, lines: int = 0, columns: int = 0, below: int | None = None, light: int = 200
) -> np.ndarray:
    """A moving gradient of 96 x 64 pixels between black bars."""
    picture = np.zeros((64, 96, 3), np.uint8)
    height, width = 64 - lines - (lines if below is None else below), 96 - 2 * columns
    ramp = (np.arange(width) * 3 + 9 * number) % light + 40
    picture[lines : lines + height, columns : columns + width] = ramp[None, :, None]
    return picture


def in_the_dark(rows: slice, columns: slice) -> np.ndarray:
    """A light patch, all else black."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[rows, columns] = 200
    return picture


@pytest.mark.parametrize("shape", [(8, 0), (0, 12), (6, 10), (0, 36), (0, 0)])
def test_bars_are_found(clip: Clip, shape: tuple[int, int]) -> None:
    lines, columns = shape
    path = clip(pts=range(25), pixels=lambda n: film(n, lines=lines, columns=columns))
    assert with_bars(probe(path)).bars == (lines, lines, columns, columns)


def test_each_bar_has_its_own_width(clip: Clip) -> None:
    path = clip(pts=range(25), pixels=lambda n: film(n, lines=8, below=10))
    assert with_bars(probe(path)).bars == (8, 10, 0, 0)
    path = clip("odd.mp4", pts=range(25), pixels=lambda n: film(n, lines=9, below=11))
    assert with_bars(probe(path)).bars == (8, 10, 0, 0)


def test_the_edge_of_bars_may_ring(clip: Clip) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (189, 320, 3), np.uint8)

    def pixels(number: int) -> np.ndarray:
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[26:-25] = np.roll(noise, number, 1)
        return picture

    def ringing(number: int) -> np.ndarray:
        picture = pixels(number)
        picture[19:26, 5 * number :: 40] = picture[-25:-18, 5 * number :: 40] = 60
        return picture

    def lit(number: int) -> np.ndarray:
        picture = pixels(number)
        picture[8:26, 5 * number :: 40] = picture[-25:-7, 5 * number :: 40] = 60
        return picture

    facts = {"pts": range(5), "size": (320, 240)}
    for codec in ("mpeg2video", "mpeg4"):
        path = clip(f"{codec}.mkv", **facts, pixels=pixels, codec=codec)
        assert with_bars(probe(path)).bars == (26, 24, 0, 0)
    assert with_bars(probe(clip("ringing.mp4", **facts, pixels=ringing))).bars == (26, 24, 0, 0)
    assert with_bars(probe(clip("lit.mp4", **facts, pixels=lit))).bars == NONE


def test_black_that_is_no_bar_is_painted(clip: Clip) -> None:
    for number, facts in enumerate(({"lines": 4, "below": 12}, {"lines": 28})):
        path = clip(f"{number}.mp4", pts=range(25), pixels=lambda n, facts=facts: film(n, **facts))
        assert with_bars(probe(path)).bars == NONE
    # Bars that are not there all the time, and a film that hardly shows anything.
    path = clip("late.mp4", pts=range(25), pixels=lambda n: film(n, lines=0 if n > 15 else 8))
    assert with_bars(probe(path)).bars == NONE
    path = clip("dark.mp4", pts=range(25), pixels=lambda n: film(n, lines=8) * (n == 13))
    assert with_bars(probe(path)).bars == NONE


def lettered(rows: slice, columns: slice = slice(60, 260)) -> np.ndarray:
    """(240, 320, 3): white strokes of two pixels, as letters have them."""
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[rows, columns] = 255 * (np.arange(columns.start, columns.stop) % 5 < 2)[:, None]
    return picture


# What stands in the bars, of 32 lines, by the number of the frame.
IN_BARS = {
    "subtitles": lambda n: lettered(slice(216, 234)),
    "subtitles at times, half in the picture": lambda n: lettered(
        slice(202, 222) if n < 12 else slice(0)
    ),
    "a logo": lambda n: np.pad(np.full((12, 24, 3), 180, np.uint8), ((8, 220), (280, 16), (0, 0))),
}


@pytest.mark.parametrize("what", IN_BARS)
def test_letters_and_logos_stand_in_bars(clip: Clip, what: str) -> None:
    def pixels(number: int) -> np.ndarray:
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[32:-32] = ((np.arange(320) + 9 * number) % 200 + 40)[:, None]
        return np.maximum(picture, IN_BARS[what](number))

    info = with_bars(probe(clip(pts=range(25), size=(320, 240), pixels=pixels)))
    assert info.bars == (32, 32, 0, 0)
    converter = ColorConverter(info, "yuv420p")
    for frame in decode(info):
        white = converter.from_rgb(np.full((240, 320, 3), 255, np.uint8))
        kept = plane_array(converter.keep_bars(frame.image, white), 0)
        for part in (slice(32), slice(208, 240)):
            assert np.array_equal(kept[part], plane_array(frame.image, 0)[part])


DARK_SCENES = {
    "a lit spot": lambda n: in_the_dark(slice(18, 46), slice(40, 60)),
    "a picture that moves": lambda n: in_the_dark(slice(20, 44), slice(3 * n, 3 * n + 8)),
    "a round light": lambda n: (
        np.where(
            np.hypot(*(np.mgrid[:64, :96] - np.reshape((32, 48), (2, 1, 1))))[..., None] < 24,
            200,
            0,
        )
        .repeat(3, 2)
        .astype(np.uint8)
    ),
    "dark blue": lambda n: np.maximum(film(n, lines=8), np.uint8((0, 0, 180))),
}


@pytest.mark.parametrize("scene", DARK_SCENES)
def test_a_dark_scene_has_no_bars(clip: Clip, scene: str) -> None:
    path = clip(pts=range(25), pixels=DARK_SCENES[scene])
    assert with_bars(probe(path)).bars == NONE


def test_a_dark_beginning_hides_no_bars(clip: Clip) -> None:
    def pixels(number: int) -> np.ndarray:
        picture = film(number, lines=8)
        picture[40 if number < 6 else 64 :] = 0
        return picture

    assert with_bars(probe(clip(pts=range(25), pixels=pixels))).bars == (8, 8, 0, 0)


def test_a_ground_that_is_transparent_is_no_bar(clip: Clip) -> None:
    facts = {"pts": range(25), "pixels": lambda n: film(n, lines=8), "codec": "ffv1"}
    for pix_fmt, bars in (("yuv420p", (8, 8, 0, 0)), ("yuva420p", NONE)):
        assert with_bars(probe(clip(f"{pix_fmt}.mkv", pix_fmt=pix_fmt, **facts))).bars == bars


def test_raw_h264_which_has_no_times_has_bars(clip: Clip) -> None:
    info = probe(clip("clip.h264", pts=range(25), pixels=lambda n: film(n, lines=8)))
    assert with_bars(with_duration(info)).bars == (8, 8, 0, 0)


def test_a_film_that_breaks_off_has_bars(clip: Clip) -> None:
    path = clip("clip.mkv", pts=range(600), pixels=lambda n: film(n, lines=8))
    os.truncate(path, path.stat().st_size * 3 // 10)
    assert with_bars(probe(path)).bars == (8, 8, 0, 0)
    path = clip("short.mp4", pts=range(2), pixels=lambda n: film(n, lines=8))
    assert with_bars(probe(path)).bars == (8, 8, 0, 0)


def test_bars_follow_rotation_and_size(clip: Clip) -> None:
    path = clip(
        pts=range(25), pixels=lambda n: film(n, lines=8, below=10), rotation=(90, False, False)
    )
    info = with_bars(probe(path))
    assert (info.width, info.height, info.bars) == (64, 96, (0, 0, 8, 10))
    assert info.fitted(48).bars == (0, 0, 4, 4)
    assert with_bars(probe(path).fitted(48)).bars == (0, 0, 4, 4)


def test_the_part_between_the_bars(clip: Clip) -> None:
    info = probe(clip(pts=range(25), pixels=lambda n: film(n, lines=8, below=10, columns=12)))
    bars = ColorConverter(with_bars(info), "yuv420p").bars
    assert bars.inner((64, 96)) == (slice(8, 54), slice(12, 84))
    assert bars.inner((36, 54)) == (slice(5, 30), slice(7, 47))
    assert ColorConverter(info, "yuv420p").bars.inner((36, 54)) == (slice(0, 36), slice(0, 54))


# Frames that are not looked at to find the bars.
FULL, WIDE, SUBTITLED = (14, 15), 10, 19


def scenes(number: int) -> np.ndarray:
    """A film in a window with scenes that fill the frame, or its columns, and a subtitle."""
    picture = film(
        number, lines=0 if number in (*FULL, WIDE) else 8, columns=0 if number in FULL else 12
    )
    if number == SUBTITLED:
        picture[58:61, 30:66:2] = 230
    return picture


def kept(number: int) -> tuple[bool, bool]:
    """Whether a scene has bars above and below, and left and right."""
    return number not in (*FULL, WIDE), number not in FULL


def bars_of_scenes(shape: tuple[int, int], number: int) -> np.ndarray:
    """(H, W) of bool, for a plane of any size."""
    lines, columns = shape[0] // 8, shape[1] // 8
    bars = np.zeros(shape, bool)
    above_and_below, left_and_right = kept(number)
    bars[:lines] = bars[-lines:] = above_and_below
    bars[:, :columns] |= left_and_right
    bars[:, -columns:] |= left_and_right
    return bars


def test_bars_stay_as_they_are_and_scenes_in_their_place_are_painted(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    source = clip(pts=range(24), pixels=scenes)
    assert with_bars(probe(source)).bars == (8, 8, 12, 12)
    output = tmp_path / "out.mkv"
    lossless = EncodeOptions(codec="ffv1")
    render(source, output, Look({"red": 1}), stylizer=stylizer, options=lossless)
    pairs = zip(decode(probe(output)), decode(probe(source)), strict=True)
    for number, (painted, original) in enumerate(pairs):
        for plane in range(3):
            after, before = (
                plane_array(frame.image, plane).astype(int) for frame in (painted, original)
            )
            bars = bars_of_scenes(before.shape, number)
            assert np.array_equal(after[bars], before[bars])
            assert np.abs(after - before)[~bars].mean() > 2
            if number in FULL:
                assert np.abs(after - before)[: len(after) // 8].mean() > 2


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("pix_fmt", ["rgb24", "yuv420p", "yuv422p10le"])
def test_bars_are_told_from_scenes_in_every_format(
    clip: Clip, pix_fmt: str, full_range: bool
) -> None:
    spec = ColorSpec(6, 6, 6, full_range=full_range)
    info = with_bars(probe(clip(pts=range(24), pixels=scenes, color=spec)))
    converter = ColorConverter(info, pix_fmt, RGB if pix_fmt == "rgb24" else None)
    for number, frame in enumerate(decode(info)):
        white = converter.from_rgb(np.full((64, 96, 3), 255, np.uint8))
        pixels = converter.to_rgb(converter.keep_bars(frame.image, white))
        bars = bars_of_scenes((64, 96), number)
        assert (pixels[~bars] > 200).all()
        shown = converter.to_rgb(frame.image)
        assert (np.abs(pixels[bars].astype(int) - shown[bars]) < 30).all()


def test_a_blue_scene_in_the_place_of_bars_is_painted(clip: Clip) -> None:
    info = replace(probe(clip(pts=range(2))), bars=(8, 8, 0, 0))
    sea = np.full((64, 96, 3), (0, 20, 120), np.uint8)
    for pix_fmt in ("yuv420p", "yuv444p10le"):
        converter = ColorConverter(info, pix_fmt)
        white = converter.from_rgb(np.full((64, 96, 3), 255, np.uint8))
        assert (converter.to_rgb(converter.keep_bars(converter.from_rgb(sea), white)) > 250).all()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.h264"])
def test_bars_are_named_and_may_be_painted(
    clip: Clip, tmp_path: Path, stylizer: Stylizer, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Also of a file that does not say its length."""
    source = clip(name, pts=range(25), pixels=lambda n: film(n, lines=8, below=10, columns=12))
    output = tmp_path / "out.mkv"
    look, lossless = Look({"red": 1}), EncodeOptions(codec="ffv1")
    note = "black bars (8 lines above, 10 below, 12 columns left and right) are left as they are"
    assert main(["probe", str(source)]) == 0
    assert note in capsys.readouterr().out
    for bars in ("auto", "none"):
        command = (
            f"render {source} -o {output} --style starry_night -y --dry-run --json --bars {bars}"
        )
        assert main(command.split()) == 0
        assert any(json.loads(capsys.readouterr().out)["bars"].values()) == (bars == "auto")
        report = render(
            source, output, look, stylizer=stylizer, options=lossless, bars=bars, end=0.2
        )
        assert (f"{note}; bars none (--bars) paints them" in report.notes) == (bars == "auto")
        shown = plane_array(next(decode(probe(output))).image, 0)
        assert (shown[:8].std() == 0) == (bars == "auto")
    with pytest.raises(UsageError, match="bars is 'all'; it must be one of auto, none"):
        render(source, output, look, stylizer=stylizer, bars="all")


def test_a_white_scene_between_bars_stays_white(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    def pixels(number: int) -> np.ndarray:
        picture = film(number, lines=8)
        picture[8:-8] = 255 if number in (6, 7, 8) else picture[8:-8]
        return picture

    source, output = clip(pts=range(25), pixels=pixels), tmp_path / "out.mp4"
    render(source, output, Look({"red": 1}), stylizer=stylizer)
    info = probe(output)
    shown = [ColorConverter(info, "yuv420p").to_rgb(each.image) for each in decode(info)]
    assert shown[7][12:-12].min() > 240
    assert shown[12][12:-12].std() > 5


def test_light_in_bars_is_painted_and_only_that(clip: Clip) -> None:
    # Someone who walks beside a lit screen, from a side's bar into that below.
    info = replace(probe(clip(pts=range(2), size=(320, 240))), bars=(40, 40, 60, 60))
    hall = np.zeros((240, 320, 3), np.uint8)
    hall[40:200, 60:260] = 120
    hall[100:230, 10:40] = 90
    for pix_fmt in ("rgb24", "yuv420p", "yuv422p10le"):
        converter = ColorConverter(info, pix_fmt, RGB if pix_fmt == "rgb24" else None)
        white = converter.from_rgb(np.full((240, 320, 3), 255, np.uint8))
        pixels = converter.to_rgb(converter.keep_bars(converter.from_rgb(hall), white))
        assert (pixels[100:230, 10:40] > 250).all()
        assert (pixels[:80] < 5)[:, :60].all()
        assert (pixels[:, 260:] < 5).all()
        assert (pixels[200:, 64:] < 5).all()


def test_a_scene_that_fades_is_painted_until_it_is_as_dark_as_bars(clip: Clip) -> None:
    def pixels(number: int) -> np.ndarray:
        noise = np.random.default_rng(number).integers(0, 9, (64, 96, 1), np.uint8)
        return np.maximum(film(number, lines=8), noise)

    plain = with_bars(probe(clip(pts=range(25), pixels=lambda n: film(n, lines=8))))
    noisy = with_bars(probe(clip("noisy.mkv", pts=range(25), pixels=pixels, codec="ffv1")))
    assert plain.bars == noisy.bars == (8, 8, 0, 0)
    for info, light, is_scene in ((plain, 3, False), (plain, 7, True), (noisy, 7, False)):
        converter = ColorConverter(info, "yuv420p")
        dark = converter.from_rgb(np.full((64, 96, 3), light, np.uint8))
        white = converter.from_rgb(np.full((64, 96, 3), 255, np.uint8))
        painted = plane_array(converter.keep_bars(dark, white), 0)
        assert (painted[:8] > 200).all() == is_scene
        assert (painted[:8] < 30).all() != is_scene
