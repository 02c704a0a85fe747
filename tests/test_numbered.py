"""Numbered pictures: read as a video, written as one picture of every frame."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from pipeline import copy, seconds

from videostyle.cli import main
from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.decode.report import DecodeReport
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import plan_output
from videostyle.encode.segments import file_identity
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.media.frame import Cut
from videostyle.media.numbered import is_sequence, sequence_stem
from videostyle.media.picture import load_picture
from videostyle.rendering.jobs import plan_jobs
from videostyle.rendering.render import render
from videostyle.rendering.verify import verify
from videostyle.stylize.stylizer import Stylizer
from videostyle.timecode import parse_rate

SIZE = (72, 56)


def paint(number: int, mode: str = "RGB") -> Image.Image:
    ramp = np.linspace(0, 200, SIZE[0] * SIZE[1]).reshape(SIZE[::-1]).astype(np.uint8)
    picture = Image.fromarray(np.dstack([ramp, ramp[::-1], np.full_like(ramp, 9 * number % 250)]))
    if mode == "RGBA":
        picture.putalpha(Image.fromarray(np.full(SIZE[::-1], 100 + number, np.uint8)))
    return picture


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Writes pictures of these numbers; returns the name that stands for them."""

    def write(
        numbers: Iterable[int], name: str = "100% wool/f_%04d.png", mode: str = "RGB"
    ) -> Path:
        pattern = tmp_path / name
        pattern.parent.mkdir(exist_ok=True)
        for number in numbers:
            paint(number, mode).save(pattern.parent / (pattern.name % number))
        return pattern

    return write


def display_p3() -> bytes:
    """A profile of other primaries than sRGB's."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    colorants = {
        b"rXYZ": (0.51512, 0.2412, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.1571, 0.06657, 0.78407),
    }
    for name, values in colorants.items():
        entry = profile.index(name)  # name, offset, size; there a head of eight bytes
        offset = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        profile[offset : offset + 12] = struct.pack(">3i", *(round(v * 65536) for v in values))
    return bytes(profile)


@pytest.mark.parametrize("is_wide", [True, False])
def test_the_colour_profile_is_kept_or_said_to_be_lost(
    pictures: Callable[..., Path], tmp_path: Path, is_wide: bool
) -> None:
    sources = pictures(range(1, 3))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = display_p3() if is_wide else profile
    for number in (1, 2):
        paint(number).save(sources.parent / (sources.name % number), icc_profile=profile)
    copy(sources, tmp_path / "out_%d.png", EncodeOptions())
    for number in (1, 2):
        with Image.open(tmp_path / f"out_{number}.png") as picture:
            assert picture.info["icc_profile"] == profile
    notes = copy(sources, tmp_path / "out.mp4").notes
    lost = [note for note in notes if "look pale: MP4 does not hold the pictures' profile" in note]
    assert len(lost) == is_wide


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("f_%05d.png", True), ("%d.JPG", True), ("f_%05d.mp4", False), ("f_%s.png", False)),
        *(("f_%d_%d.png", False), ("100%.png", False), ("f.png", False), ("%3d.png", False)),
        ("50% off_%03d.png", True),
    ],
)
def test_a_sequence_is_a_pictures_ending_and_one_number(name: str, expected: bool) -> None:
    assert is_sequence(Path(name)) == expected


def test_pictures_become_a_video_of_their_rate(
    pictures: Callable[..., Path], stylizer: Stylizer, tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    report = render(
        *(pictures(range(8, 13)), output, Look({"original": 1})),
        stylizer=stylizer,
        options=EncodeOptions(codec="ffv1"),
        fps="24000/1001",
    )
    assert report.frames == 5
    assert probe(output).frame_rate == Fraction(24000, 1001)
    expected = [number * 1001 / 24000 for number in range(5)]
    np.testing.assert_allclose(np.array(seconds(output), float), expected, atol=0.001)
    shown = [frame.image.to_ndarray(format="rgb24") for frame in decode(probe(output))]
    for number, picture in zip(range(8, 13), shown, strict=True):
        assert np.abs(picture - np.asarray(paint(number), int)).mean() < 4  # chroma is halved


def test_without_a_rate_they_are_shown_at_25(pictures: Callable[..., Path]) -> None:
    info = probe(pictures([1, 2, 3]))
    assert (info.frame_rate, info.duration_seconds) == (25, pytest.approx(0.12))
    assert [frame.seconds for frame in decode(info)] == pytest.approx([0, 0.04, 0.08])


def test_what_a_gpu_does_not_decode_is_said(pictures: Callable[..., Path]) -> None:
    report = DecodeReport()
    assert len(list(decode(probe(pictures([1, 2])), gpu=0, report=report))) == 2
    assert report.notes == (
        "decoded in software, not by the GPU: numbered pictures are read by the CPU",
    )


def test_a_high_rate_is_believed(pictures: Callable[..., Path]) -> None:
    info = probe(pictures([1, 2, 3]), fps=Fraction(1000))
    assert (info.frame_rate, info.duration_seconds) == (1000, pytest.approx(0.003))


def test_pictures_become_pictures_of_the_same_numbers(
    pictures: Callable[..., Path], stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = pictures(range(98, 104), "in/%d.png", "RGBA"), tmp_path / "out" / "p_%03d.png"
    render(source, output, Look({"original": 1}), stylizer=stylizer, start="1f", end="5f")
    assert names(output.parent) == ["p_099.png", "p_100.png", "p_101.png", "p_102.png"]
    for number in (99, 102):
        with Image.open(output.parent / f"p_{number:03d}.png") as picture:
            change = np.asarray(picture, int) - np.asarray(paint(number, "RGBA"))
            assert np.abs(change).max() <= 1


def test_a_folder_at_a_pictures_name_is_named_before_the_run(
    clip: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "k_0002.png").mkdir()
    with pytest.raises(MediaError, match=r"k_0002\.png: is a folder; its name is needed"):
        plan_output(probe(clip(pts=range(3))), tmp_path / "k_%04d.png", EncodeOptions())


def test_a_percent_sign_beside_the_number_stays(clip: Callable[..., Path], tmp_path: Path) -> None:
    source = clip("50% off.mp4", pts=range(3))
    ((_, output),) = plan_jobs([source], tmp_path / "new" / "{stem}_%03d.png", "dusk")
    (tmp_path / "new").mkdir()
    copy(source, output, EncodeOptions())
    assert names(tmp_path / "new") == [f"50% off_00{number}.png" for number in (1, 2, 3)]
    assert probe(output).frame_count == 3
    with pytest.raises(UsageError, match="leave one number in the name"):
        plan_output(probe(source), tmp_path / "%d_%d.png", EncodeOptions())


def test_pictures_of_an_earlier_run_are_counted(
    pictures: Callable[..., Path], tmp_path: Path
) -> None:
    output = pictures([3, 7], "out/%d.png")
    report = copy(pictures([6, 7]), output, EncodeOptions())
    assert names(output.parent) == ["3.png", "6.png", "7.png"]
    assert report.notes == ("1 other picture of that name was there, and still is",)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([], "there are no such pictures"),
        ([3, 4, 6, 9], "f_0005.png is missing among the .* 3 to 9"),
    ],
)
def test_what_is_missing_is_named(
    pictures: Callable[..., Path], numbers: list[int], message: str
) -> None:
    with pytest.raises(MediaError, match=message):
        probe(pictures(numbers))


def test_a_stray_number_costs_nothing(pictures: Callable[..., Path]) -> None:
    with pytest.raises(MediaError, match=r"f_2.png is missing among .* 1 to 1764000000000"):
        probe(pictures([1, 1_764_000_000_000], "in/f_%d.png"))


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp", "bmp"])
def test_pictures_are_read_as_still_ones_are(tmp_path: Path, ending: str) -> None:
    """Upright, too, whatever else of EXIF is in them."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "a camera"
    for number in (1, 2):
        paint(number).save(tmp_path / f"{number}.{ending}", exif=exif)
    info = probe(tmp_path / f"%d.{ending}")
    for number, frame in enumerate(decode(info), 1):
        alone = load_picture(tmp_path / f"{number}.{ending}")
        assert alone
        assert (info.width, info.height) == alone.size
        assert np.array_equal(frame.image.to_ndarray(), np.asarray(alone))


def test_the_first_picture_tells_the_profile(tmp_path: Path) -> None:
    for number in (1, 2):
        paint(number).save(tmp_path / f"{number}.png", icc_profile=b"profile %d" % number)
    assert probe(tmp_path / "%d.png").icc_profile == b"profile 1"
    assert probe(tmp_path / "2.png").icc_profile == b"profile 2"


def test_a_palette_may_be_transparent(tmp_path: Path) -> None:
    picture = paint(1).quantize(16)
    for number in (1, 2):
        picture.save(tmp_path / f"in_{number}.png", transparency=0)
    copy(tmp_path / "in_%d.png", tmp_path / "out_%d.png", EncodeOptions())
    with Image.open(tmp_path / "in_2.png") as before, Image.open(tmp_path / "out_2.png") as after:
        assert np.array_equal(np.asarray(before.convert("RGBA")), np.asarray(after))
    (frame, *_) = decode(probe(tmp_path / "in_%d.png"))
    assert (frame.image.to_ndarray()[np.asarray(picture) == 0] == 0).all()


def test_an_empty_picture_is_named_before_the_run(pictures: Callable[..., Path]) -> None:
    source = pictures(range(4))
    source.with_name("f_0002.png").write_bytes(b"")
    with pytest.raises(MediaError, match=r"f_0002\.png: is empty"):
        probe(source)


@pytest.mark.parametrize("piece", [math.inf, 0.1])
def test_damaged_pictures_are_left_out_and_named(
    pictures: Callable[..., Path], stylizer: Stylizer, tmp_path: Path, piece: float
) -> None:
    source, output = pictures(range(6)), tmp_path / "out.mkv"
    for number in (0, 3, 5):
        source.with_name(f"f_{number:04d}.png").write_bytes(b"no picture" * 20)
    with pytest.raises(MediaError, match=r"f_0000\.png: is no still picture"):
        probe(source)
    paint(0).save(source.with_name("f_0000.png"))
    report = render(source, output, Look({"original": 1}), stylizer=stylizer, segment_seconds=piece)
    assert [float(at) for at in seconds(output)] == pytest.approx([0, 0.04, 0.08, 0.16], abs=0.001)
    assert "left out f_0003.png and 1 other picture: cannot be read" in report.notes
    with pytest.raises(MediaError, match=r"left out f_0003\.png: cannot be read after 0\.080 s"):
        render(source, output, Look({"original": 1}), stylizer=stylizer, strict=True)


def test_a_part_reads_its_pictures_alone(
    pictures: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    info, read = probe(pictures(range(30))), []
    monkeypatch.setattr(
        "videostyle.decode.decode.load_picture",
        lambda file: read.append(file.stem) or load_picture(file),
    )
    found = [frame.pts for frame in decode(info, cut=Cut(0.8, 0.84), lead=3)]
    assert found == [17, 18, 19, 20]
    assert read == ["f_0017", "f_0018", "f_0019", "f_0020"]


def test_no_job_writes_over_the_pictures_of_another(
    pictures: Callable[..., Path], clip: Callable[..., Path], tmp_path: Path
) -> None:
    source, film = pictures([1, 2], "in/clip_0%04d.png"), clip()
    with pytest.raises(UsageError, match="is also an input"):
        plan_jobs([film, source], tmp_path / "in" / "{stem}_%05d.png", "dusk")


def test_a_video_keeps_its_own_rate(clip: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"fps is for numbered pictures, such as frame_%05d\.png"):
        probe(clip(pts=[0, 1]), fps=Fraction(24))


@pytest.mark.parametrize("name", ["in/f_%04d.png", "in/f_0%03d.png", "in/../in/f_%04d.png"])
def test_no_picture_is_overwritten_by_what_is_made_of_it(
    pictures: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    source = pictures([1, 2], "in/f_%04d.png")
    with pytest.raises(UsageError, match="would overwrite the input"):
        plan_output(probe(source), tmp_path / name, EncodeOptions())


def test_a_file_called_like_numbered_pictures_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "%05d.png"
    paint(1).save(path)
    assert probe(path).is_image


@pytest.mark.parametrize("name", ["p%d.png", "d%d/p.png", "p{1}.png"])
def test_an_animation_called_like_numbered_pictures_has_all_its_frames(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    first, *others = (Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in (0, 90, 180))
    first.save(path, save_all=True, append_images=others)
    assert len(list(decode(probe(path)))) == 3


def test_they_are_one_job_with_the_name_before_the_number(pictures: Callable[..., Path]) -> None:
    source = pictures([1, 2])
    output = source.parent / "out"
    assert plan_jobs([source], output, "dusk") == [(source, output / "f_dusk.mp4")]
    assert sequence_stem(source.with_name("%05d.png")) == "100 wool"


def test_another_picture_is_another_input(pictures: Callable[..., Path]) -> None:
    source = pictures([1, 2, 3])
    before = file_identity(source)
    assert file_identity(source) == before
    pictures([4])
    assert file_identity(source) != before


def test_verify_says_that_it_reads_videos(pictures: Callable[..., Path], tmp_path: Path) -> None:
    source = pictures([1, 2])
    copy(source, tmp_path / "out.mp4")
    with pytest.raises(UsageError, match="is no video; only videos can be verified"):
        verify(source, tmp_path / "out.mp4")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        *(("25", "25"), ("30000/1001", "30000/1001"), ("29.97", "30000/1001"), ("12.5", "12.5")),
        *(
            ("23.976", "24000/1001"),
            ("23.98", "24000/1001"),
            ("59.94", "60000/1001"),
            ("24.0", "24"),
            ("2.0", "2"),
            ("0.5", "1/2"),
        ),
    ],
)
def test_the_rates_of_television_are_meant_exactly(text: str, rate: str) -> None:
    assert parse_rate(text) == Fraction(rate)


def test_the_rate_is_that_of_the_numbered_pictures_of_a_batch(
    pictures: Callable[..., Path],
    clip: Callable[..., Path],
    model_file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, film = pictures([1, 2]), clip(pts=range(2))
    end = ["-o", str(tmp_path / "out/"), "--style", "red", "--model", model_file]
    end += ["--fps", "10", "--dry-run", "--json"]
    assert main(["render", str(film), *end]) == 2
    assert "--fps is for numbered pictures" in capsys.readouterr().err
    assert main(["render", str(source), str(film), *end]) == 0
    plans = json.loads(capsys.readouterr().out)["files"]
    assert [plan["frame_rate"] for plan in plans] == ["10", "25"]
