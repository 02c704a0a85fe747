"""Masks: white is painted, black stays as it was."""

from __future__ import annotations

import json
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import make_clip
from PIL import Image
from pipeline import Clip

from videostyle.cli import main
from videostyle.decode.decode import decode
from videostyle.decode.mask import Mask
from videostyle.decode.probe import probe
from videostyle.encode.options import EncodeOptions
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.media.pixels import blend_by_mask, plane_array
from videostyle.rendering.render import Report, render
from videostyle.stylize.stylizer import Stylizer

LOSSLESS = EncodeOptions(codec="ffv1")
SIZE = (96, 64)


def half(number: int) -> np.ndarray:
    """White on the left in even frames, on the right in odd ones."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, 48 * (number % 2) : 48 * (number % 2) + 48] = 255
    return pixels


def painted(source: Path, output: Path, stylizer: Stylizer, **how: object) -> Report:
    options = LOSSLESS if output.suffix == ".mkv" else EncodeOptions()
    return render(source, output, Look({"red": 1}), stylizer=stylizer, options=options, **how)  # type: ignore[arg-type]


def planes(path: Path) -> list[list[np.ndarray]]:
    return [
        [plane_array(frame.image, index).copy() for index in range(len(frame.image.planes))]
        for frame in decode(probe(path))
    ]


def sides(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left and right, without the middle, where a smaller plane's mask is grey."""
    middle = plane.shape[1] // 2
    return plane[:, : middle - 3], plane[:, middle + 3 :]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_white_is_painted_and_black_is_the_frame_as_it_came(
    clip: Clip, tmp_path: Path, stylizer: Stylizer, pix_fmt: str
) -> None:
    film = clip(pix_fmt=pix_fmt)
    mask = make_clip(tmp_path / "mask.mp4", pixels=half, size=SIZE)
    painted(film, tmp_path / "all.mkv", stylizer)
    painted(film, tmp_path / "masked.mkv", stylizer, mask=mask)
    painted(film, tmp_path / "inverted.mkv", stylizer, mask=mask, invert_mask=True)
    names = ("all", "masked", "inverted")
    before, everywhere, masked, inverted = map(
        planes, (film, *(tmp_path / f"{name}.mkv" for name in names))
    )
    assert len(masked) == len(before) == 10
    for number, frames in enumerate(zip(before, everywhere, masked, inverted, strict=True)):
        for came, painting, found, reverse in zip(*frames, strict=True):
            white = number % 2
            assert not np.array_equal(sides(painting)[white], sides(came)[white])
            assert np.array_equal(sides(found)[white], sides(painting)[white])
            assert np.array_equal(sides(found)[1 - white], sides(came)[1 - white])
            assert np.array_equal(sides(reverse)[1 - white], sides(painting)[1 - white])
            assert np.array_equal(sides(reverse)[white], sides(came)[white])


def test_pictures_have_masks_too(tmp_path: Path, stylizer: Stylizer) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    Image.fromarray(half(0)).resize((48, 32)).save(tmp_path / "mask.png")
    painted(tmp_path / "photo.png", tmp_path / "all.png", stylizer)
    painted(tmp_path / "photo.png", tmp_path / "out.png", stylizer, mask=tmp_path / "mask.png")
    everywhere, found = (np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("all", "out"))
    assert np.array_equal(found[:, :45], everywhere[:, :45])
    assert np.array_equal(found[:, 51:], pixels[:, 51:])


def test_transparent_pixels_of_a_picture_are_black(clip: Clip, tmp_path: Path) -> None:
    pixels = np.full((64, 96, 4), 255, np.uint8)
    pixels[:, 48:, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    Image.fromarray(pixels).save(tmp_path / "mask_1.png")
    film = probe(clip())
    for name in ("mask.png", "mask_%d.png"):
        for is_inverted in (False, True):
            mask = Mask.of(tmp_path / name, film, is_inverted=is_inverted)
            for frame in mask.beside(decode(film), 0.0):
                assert frame.mask is not None
                left, right = frame.mask[:, :48], frame.mask[:, 48:]
                assert (left == 255 * (not is_inverted)).all()
                assert (right == 255 * is_inverted).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "CMYK"])
def test_a_picture_of_any_mode_is_a_mask(clip: Clip, tmp_path: Path, mode: str) -> None:
    path, film = tmp_path / f"mask.{'tif' if mode == 'CMYK' else 'png'}", probe(clip())
    picture = Image.fromarray(half(0))
    if mode == "I;16":
        picture = Image.fromarray(half(0)[..., 0].astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    picture.save(path)
    frame = next(Mask.of(path, film, is_inverted=False).beside(decode(film), 0.0))
    assert np.array_equal(frame.mask, half(0)[..., 0])


def test_a_video_that_is_see_through_stays_so(tmp_path: Path, stylizer: Stylizer) -> None:
    for number in range(1, 4):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 96, 4), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"in_{number}.png")
    Image.fromarray(half(0)).save(tmp_path / "mask.png")
    source, output = tmp_path / "in_%d.png", tmp_path / "out_%d.png"
    painted(source, output, stylizer, mask=tmp_path / "mask.png", fps=12)
    for number in range(1, 4):
        came, found = (
            np.asarray(Image.open(tmp_path / f"{name}_{number}.png")) for name in ("in", "out")
        )
        assert np.array_equal(found[..., 3], came[..., 3])
        assert np.array_equal(found[:, 51:], came[:, 51:])
        assert not np.array_equal(found[:, :45], came[:, :45])


def test_a_frame_that_is_scaled_has_the_mask_of_its_full_size(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    film, mask = clip(size=(600, 70)), tmp_path / "mask.png"
    Image.new("L", (600, 70), 255).save(mask)
    painted(film, tmp_path / "all.mkv", stylizer, max_size=96)  # 96x12, which is 8:1
    painted(film, tmp_path / "out.mkv", stylizer, max_size=96, mask=mask)
    assert np.array_equal(flat(planes(tmp_path / "out.mkv")), flat(planes(tmp_path / "all.mkv")))


@pytest.mark.parametrize("name", ["mask.mp4", "mask.h264", "mask_%d.png"])
def test_a_part_beyond_the_mask_has_its_last_frame(
    clip: Clip, tmp_path: Path, stylizer: Stylizer, name: str
) -> None:
    film, mask = clip(pts=range(30)), tmp_path / name
    if mask.suffix != ".png":
        make_clip(mask, pts=range(8), pixels=half, size=SIZE)
    for number in range(8):
        Image.fromarray(half(number)).save(tmp_path / f"mask_{number}.png")
    report = painted(film, tmp_path / "out.mkv", stylizer, mask=mask, start="1s")
    for came, found in zip(planes(film)[25:], planes(tmp_path / "out.mkv"), strict=True):
        assert np.array_equal(luma_sides(came)[0], luma_sides(found)[0])
        assert not np.array_equal(luma_sides(came)[1], luma_sides(found)[1])
    note = f"{mask}: ends at 0.32 s; its last frame stays to the end"
    assert note in report.notes
    report = painted(film, tmp_path / "out.mkv", stylizer, mask=mask, end="0.3s")
    assert note not in report.notes


def test_a_damaged_mask_is_noted_and_strict_refuses_it(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    film = clip(pts=range(60))
    mask = make_clip(tmp_path / "mask.mkv", pts=range(60), pixels=half, size=SIZE)
    mask.write_bytes(mask.read_bytes()[: mask.stat().st_size // 2])
    note = f"{mask}: is damaged; where it cannot be read, the frame before stays"
    for piece in (10, 1):
        report = painted(film, tmp_path / "out.mkv", stylizer, mask=mask, segment_seconds=piece)
        assert (report.complete, report.notes.count(note)) == (True, 1)
    with pytest.raises(MediaError, match=r"mask\.mkv: .*without strict"):
        painted(film, tmp_path / "out.mkv", stylizer, mask=mask, strict=True)


def test_every_frame_has_the_last_mask_that_has_come(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    film = clip(pts=range(20))  # 0.8 s
    slow = Fraction(2, 25)  # every other frame, on a clock of milliseconds, and half as long
    mask = make_clip(tmp_path / "mask.mkv", pts=range(5), time_base=slow, pixels=half, size=SIZE)
    report = painted(film, tmp_path / "out.mkv", stylizer, mask=mask)
    assert f"{mask}: ends at 0.40 s; its last frame stays to the end" in report.notes
    before, found = planes(film), planes(tmp_path / "out.mkv")
    for number in range(20):
        white = min(number // 2, 4) % 2
        kept = [
            np.array_equal(*pair)
            for pair in zip(*map(luma_sides, (before[number], found[number])), strict=True)
        ]
        assert kept == [bool(white), not white]


def luma_sides(frame: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return sides(frame[0])


def test_a_part_and_pieces_have_the_masks_of_the_whole(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    film = clip(pts=range(60))
    mask = make_clip(tmp_path / "mask.mp4", pts=range(60), pixels=half, size=SIZE)
    painted(film, tmp_path / "whole.mkv", stylizer, mask=mask)
    painted(film, tmp_path / "part.mkv", stylizer, mask=mask, start="25f", end="40f")
    report = painted(film, tmp_path / "pieces.mkv", stylizer, mask=mask, segment_seconds=1)
    whole, part, pieces = (planes(tmp_path / f"{name}.mkv") for name in ("whole", "part", "pieces"))
    assert report.complete
    assert np.array_equal(flat(whole), flat(pieces))
    assert np.array_equal(flat(whole[25:40]), flat(part))


def flat(frames: list[list[np.ndarray]]) -> np.ndarray:
    return np.concatenate([plane.ravel() for frame in frames for plane in frame])


def test_another_mask_paints_the_pieces_anew(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    film = clip(pts=range(60))
    mask = tmp_path / "mask.png"
    Image.new("L", SIZE, 255).save(mask)
    stops = iter([False] * 40 + [True] * 1000)
    how = {"mask": mask, "segment_seconds": 1}
    first = painted(film, tmp_path / "out.mkv", stylizer, interrupted=lambda: next(stops), **how)
    assert not first.complete
    Image.new("L", SIZE, 0).save(mask)
    painted(film, tmp_path / "out.mkv", stylizer, **how)
    assert np.array_equal(flat(planes(tmp_path / "out.mkv")), flat(planes(film)))


def test_the_reverse_of_a_mask_paints_the_pieces_anew(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    film, mask = clip(pts=range(60)), tmp_path / "mask.png"
    Image.new("L", SIZE, 255).save(mask)
    stops = iter([False] * 40 + [True] * 1000)
    how = {"mask": mask, "segment_seconds": 1}
    painted(film, tmp_path / "out.mkv", stylizer, interrupted=lambda: next(stops), **how)
    painted(film, tmp_path / "out.mkv", stylizer, invert_mask=True, **how)
    assert np.array_equal(flat(planes(tmp_path / "out.mkv")), flat(planes(film)))


def test_numbered_masks_come_at_the_videos_rate(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    film = clip(pts=range(6), time_base=Fraction(1, 50))
    for number in range(6):
        Image.fromarray(half(number)).save(tmp_path / f"mask_{number:02}.png")
    mask = tmp_path / "mask_%02d.png"
    painted(film, tmp_path / "out.mkv", stylizer, mask=mask)
    before, found = planes(film), planes(tmp_path / "out.mkv")
    for number in range(6):
        kept = [
            np.array_equal(came, now)
            for came, now in zip(luma_sides(before[number]), luma_sides(found[number]), strict=True)
        ]
        assert kept == [number % 2 == 1, number % 2 == 0]


@pytest.mark.parametrize("bits", [8, 10])
def test_the_blend_is_the_nearest_number(bits: int) -> None:
    random = np.random.default_rng(0)
    dtype = np.uint8 if bits == 8 else np.uint16
    low, high = (random.integers(0, 1 << bits, (500, 600), dtype) for _ in range(2))
    share = random.integers(0, 256, (500, 600), np.uint8)
    share[:5], share[5:9] = 0, 255
    wanted = low + share / 255 * (high.astype(float) - low)
    blended = high.copy()
    blend_by_mask(low, blended, share)
    assert np.abs(blended - wanted).max() <= 0.5 + 1e-9
    assert np.array_equal(blended[:5], low[:5])
    assert np.array_equal(blended[5:9], high[5:9])


def test_a_mask_that_cannot_be_one_is_refused_in_a_line(
    clip: Clip, tmp_path: Path, stylizer: Stylizer
) -> None:
    film, wide, right = clip(), tmp_path / "wide.png", tmp_path / "mask.mkv"
    Image.new("L", (96, 32)).save(wide)
    make_clip(right, pixels=half, size=SIZE)
    sound, kept = tmp_path / "sound.wav", tmp_path / "out.mkv.segments" / "00000.nut"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    kept.parent.mkdir()
    make_clip(kept, pixels=half, size=SIZE)
    for mask, output, kind, message in (
        (wide, "out.mkv", UsageError, r"96x32 is not the shape of .*, 96x64; a mask lies"),
        (tmp_path, "out.mkv", UsageError, "a mask is a file, or numbered pictures: .*05d.png"),
        (tmp_path / "none.png", "out.mkv", MediaError, "no such file"),
        (right, "mask.mkv", UsageError, "would overwrite .*mask.mkv; choose"),
        (3, "out.mkv", UsageError, "mask is 3; give the name of a file"),
        (sound, "out.mkv", MediaError, r"holds no video .*\(it has: audio\)"),
        (kept, "out.mkv", UsageError, "would overwrite the input"),
    ):
        with pytest.raises(kind, match=message):
            painted(film, tmp_path / output, stylizer, mask=mask)
    with pytest.raises(UsageError, match="invert_mask needs a mask"):
        painted(film, tmp_path / "out.mkv", stylizer, invert_mask=True)
    assert len(planes(right)) == len(planes(kept)) == 10
    assert not (tmp_path / "out.mkv").exists()


def test_the_command_takes_a_mask(
    clip: Clip, tmp_path: Path, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    film, mask = str(clip()), tmp_path / "mask.png"
    Image.new("L", SIZE, 255).save(mask)
    command = ["render", film, "-o", str(tmp_path / "out.mkv"), "--style", "red"]
    command += ["--model", model_file, "--codec", "ffv1"]
    assert main([*command, "--invert-mask"]) == 2
    assert "--invert-mask goes with --mask FILE" in capsys.readouterr().err
    command += ["--mask", str(mask), "--invert-mask"]
    assert main([*command, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["mask"], plan["mask_is_inverted"]) == (str(mask), True)
    assert main(command) == 0
    assert np.array_equal(flat(planes(tmp_path / "out.mkv")), flat(planes(Path(film))))
