"""Painting from planes to planes on the device: the pictures of the path on the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from pipeline import Clip

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.encode.options import EncodeOptions
from videostyle.look import ORIGINAL, Look
from videostyle.media.color import ColorConverter
from videostyle.media.frame import Frame
from videostyle.media.info import MediaInfo
from videostyle.media.pixels import plane_array
from videostyle.network.model import Model
from videostyle.network.torch_engine import TorchEngine
from videostyle.rendering.render import render
from videostyle.stylize.device_painter import DevicePainter
from videostyle.stylize.planes import PlaneLayout
from videostyle.stylize.stylize import stylize
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.timeline import Timeline

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
RED = Look({"red": 1})


def torch_stylizer(model: Model, device: str) -> Stylizer:
    """fp32, so that what differs is not the precision; without OpenVINO on a CPU."""
    engine = TorchEngine(model.network, device, "fp32")
    with patch("videostyle.stylize.stylizer.make_engine", return_value=engine):
        return Stylizer(model)


@pytest.fixture(params=DEVICES, scope="module")
def stylizer(small_model: Model, request: pytest.FixtureRequest) -> Iterator[Stylizer]:
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield torch_stylizer(small_model, request.param)


@pytest.fixture(scope="module")
def reference(small_model: Model) -> Stylizer:
    return torch_stylizer(small_model, "cpu")


@pytest.fixture
def info(clip: Clip) -> MediaInfo:
    return probe(clip(pts=range(7), pixels=still_and_moving))


def still_and_moving(number: int) -> np.ndarray:
    """A resting picture, with sensor noise, and a bright square that crosses it."""
    random = np.random.default_rng(9)
    coarse = torch.from_numpy(random.random((1, 3, 5, 7), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(coarse, (64, 96), mode="bicubic")[0]
    pixels = (smooth.permute(1, 2, 0) * 160 + 40).numpy()
    pixels += np.random.default_rng(number).normal(0, 2, pixels.shape)
    pixels[16:32, 8 * number : 8 * number + 16] = 230
    return pixels.clip(0, 255).astype(np.uint8)


def on_device(
    frames: list[Frame],
    looks: list[Look],
    stylizer: Stylizer,
    converter: ColorConverter,
    batch: int | None = 3,
    *,
    stabilize: bool = True,
) -> list[Frame]:
    painter = DevicePainter(stylizer, converter, stabilize=stabilize, batch=batch)
    takes = [painter.paint(*pair) for pair in zip(frames, looks, strict=True)]
    return [take() for take in takes]


def samples(frame: Frame) -> np.ndarray:
    """Y, U and V in one row, in units of 8 bits."""
    scale = 4 if frame.image.format.name.endswith("10le") else 1
    planes = [plane_array(frame.image, index).astype(float).ravel() for index in range(3)]
    return np.concatenate(planes) / scale


def differences(some: list[Frame], others: list[Frame]) -> np.ndarray:
    pairs = zip(some, others, strict=True)
    return np.abs([samples(a) - samples(b) for a, b in pairs])


TIMELINES = {
    "one style": lambda _: RED,
    "a moving mixture": lambda t: Look({"red": 1 - 2 * t, "blue": 2 * t}),
    "strength and colour": lambda t: Look({"green": 1}, strength=1 - 2 * t, keep_color=2 * t),
    "other sizes": lambda t: Look({"red": 1}, stroke=1 + (round(t * 25) // 2 % 2) / 4),
    "original between": lambda t: Look({ORIGINAL: 1} if round(t * 25) == 3 else {"red": 1}),
}


@pytest.mark.parametrize("name", TIMELINES)
def test_the_device_paints_as_the_host_does(
    info: MediaInfo, stylizer: Stylizer, reference: Stylizer, name: str
) -> None:
    frames = list(decode(info))
    looks = [TIMELINES[name](frame.seconds) for frame in frames]
    converter = ColorConverter(info, "yuv420p")

    timeline = SimpleNamespace(look_at=TIMELINES[name])
    expected = list(stylize(frames, reference, timeline, converter))
    painted = on_device(frames, looks, stylizer, converter)
    assert [frame.pts for frame in painted] == [frame.pts for frame in expected]
    off = differences(painted, expected)
    # The host puts the pastiche's chroma half a pixel to the right of where it took the frame's.
    assert off.mean() < 1
    assert np.quantile(off, 0.999) <= 16


def test_black_frames_stay_black(clip: Clip, stylizer: Stylizer, reference: Stylizer) -> None:
    black = np.zeros((64, 96, 3), np.uint8)
    info = probe(clip(pts=range(5), pixels=lambda n: black if n in (1, 3) else still_and_moving(n)))
    frames, converter = list(decode(info)), ColorConverter(info, "yuv420p")
    # Of a large stroke there are more layers than one.
    for look in (RED, replace(RED, stroke=4.0)):
        painted = on_device(frames, [look] * 5, stylizer, converter, stabilize=False)
        assert differences(painted[1::2], frames[1::2]).max() == 0
        assert differences(painted[::2], frames[::2]).mean() > 10
        looks = Timeline.constant(look)
        expected = list(stylize(frames, reference, looks, converter, stabilize=False))
        assert differences(painted, expected).mean() < 1


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_bars_stay_black_there_too(
    clip: Clip, stylizer: Stylizer, reference: Stylizer, pix_fmt: str
) -> None:
    def pixels(number: int) -> np.ndarray:
        """Bars all round, with a subtitle, and scenes without those above and below, or any."""
        picture = still_and_moving(number)
        if number != 3:
            picture[:, :12] = picture[:, -16:] = 0
        if number not in (1, 3):
            picture[:10] = picture[-8:] = 0
        if number == 2:
            picture[-5:-2, 30:50:2] = 255
        return picture

    path = clip(pts=range(5), pixels=pixels, pix_fmt=pix_fmt)
    info = replace(probe(path), bars=(10, 8, 12, 16))
    frames, converter = list(decode(info)), ColorConverter(info, pix_fmt)
    expected = list(stylize(frames, reference, Timeline.constant(RED), converter))
    painted = on_device(frames, [RED] * 5, stylizer, converter)
    assert differences(painted, expected).mean() < 1
    for number, (frame, original) in enumerate(zip(painted, frames, strict=True)):
        for index, unit in enumerate((2, 1, 1)):
            above, below = (plane_array(each.image, index) for each in (frame, original))
            same = above == below
            lines = [same[: 5 * unit], same[-4 * unit :]]
            columns = [same[:, : 6 * unit], same[:, -8 * unit :]]
            assert [part.all() for part in lines] == [number not in (1, 3)] * 2
            assert [part.all() for part in columns] == [number != 3] * 2


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_light_in_bars_is_painted_there_too(
    clip: Clip, stylizer: Stylizer, reference: Stylizer, pix_fmt: str
) -> None:
    def pixels(number: int) -> np.ndarray:
        picture = still_and_moving(number)
        picture[:, :16] = picture[:, -16:] = picture[:12] = picture[-12:] = 0
        picture[20 + number : 60, 4:12] = 120
        return picture

    path = clip(pts=range(5), pixels=pixels, pix_fmt=pix_fmt)
    info = replace(probe(path), bars=(12, 12, 16, 16))
    frames, converter = list(decode(info)), ColorConverter(info, pix_fmt)
    expected = list(stylize(frames, reference, Timeline.constant(RED), converter))
    painted = on_device(frames, [RED] * 5, stylizer, converter)
    assert differences(painted, expected).mean() < 1
    for frame, original in zip(painted, frames, strict=True):
        same = plane_array(frame.image, 0) == plane_array(original.image, 0)
        assert same[:12].all()
        assert same[:, -16:].all()
        assert same[28:58, 4:12].mean() < 0.2


def test_batches_paint_what_single_frames_do(info: MediaInfo, stylizer: Stylizer) -> None:
    frames, converter = list(decode(info)), ColorConverter(info, "yuv420p")
    looks = [Look({"red": 1 - i / 9, "blue": i / 9}, strength=1 - i / 20) for i in range(7)]
    single = on_device(frames, looks, stylizer, converter, 1)
    for batch in (2, 4, None):
        together = on_device(frames, looks, stylizer, converter, batch)
        assert differences(together, single).max() <= 1
    assert "without" not in stylizer.engine.description  # graphs, kernels


def test_where_the_original_shows_alone_it_comes_back_untouched(
    info: MediaInfo, stylizer: Stylizer
) -> None:
    frames, converter = list(decode(info)), ColorConverter(info, "yuv420p")
    looks = [Look({"red": 1}, strength=number % 2) for number in range(7)]
    painted = on_device(frames, looks, stylizer, converter)
    for frame, original, look in zip(painted, frames, looks, strict=True):
        assert (frame.image is original.image) == (look.strength == 0)
    kept = on_device(frames, [Look({"red": 1}, keep_color=1)] * 7, stylizer, converter)
    luma = 64 * 96
    for frame, original in zip(kept, frames, strict=True):
        assert np.array_equal(samples(frame)[luma:], samples(original)[luma:])


@pytest.mark.parametrize("pix_fmt", ["yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
def test_every_format_of_planes_is_painted(
    clip: Clip, stylizer: Stylizer, reference: Stylizer, pix_fmt: str
) -> None:
    info = probe(clip(pts=range(2), pix_fmt=pix_fmt, size=(66, 46)))
    converter = ColorConverter(info, pix_fmt)
    expected = list(stylize(decode(info), reference, Timeline.constant(RED), converter))
    painted = on_device(list(decode(info)), [RED] * 2, stylizer, converter)
    assert differences(painted, expected).mean() < 1


def test_another_format_is_brought_to_the_outputs_first(
    clip: Clip, stylizer: Stylizer, reference: Stylizer
) -> None:
    info = probe(clip(pts=range(2), pix_fmt="yuv444p10le", pixels=still_and_moving))
    converter = ColorConverter(info, "yuv420p")
    frames = list(decode(info))
    brought = [replace(frame, image=converter.to_output(frame.image)) for frame in frames]
    expected = list(stylize(brought, reference, Timeline.constant(RED), converter))
    painted = on_device(frames, [RED] * 2, stylizer, converter)
    assert differences(painted, expected).mean() < 1


def test_a_large_frame_is_painted_over(stylizer: Stylizer, reference: Stylizer, clip: Clip) -> None:
    # At this stroke 64 lines are painted, then 128 of them.
    large = still_and_moving(0).repeat(3, 0).repeat(3, 1)[:160, :240]
    look = Look({"red": 1}, stroke=4)
    info = probe(clip(pts=[0], size=(240, 160), pixels=lambda _: large))
    converter = ColorConverter(info, "yuv420p")
    expected = list(stylize(decode(info), reference, Timeline.constant(look), converter))
    painted = on_device(list(decode(info)), [look], stylizer, converter)
    assert differences(painted, expected).mean() < 1


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
@pytest.mark.parametrize("full_range", [False, True])
def test_detail_is_added_there_as_on_the_host(
    stylizer: Stylizer,
    reference: Stylizer,
    clip: Clip,
    pix_fmt: str,
    full_range: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # At this stroke 64 lines are painted, for 128: as 512 are for 1080.
    large = still_and_moving(0).repeat(2, 0).repeat(2, 1)
    look = Look({"red": 1}, stroke=2)
    info = probe(clip(pts=[0], size=(192, 128), pixels=lambda _: large, pix_fmt=pix_fmt))
    info = replace(info, color=replace(info.color, full_range=full_range))
    converter = ColorConverter(info, pix_fmt)
    frames = list(decode(info))

    def painted(batch: int) -> np.ndarray:
        (host,) = stylize(frames, reference, Timeline.constant(look), converter)
        (device,) = on_device(frames, [look], stylizer, converter, batch)
        return np.stack([samples(host), samples(device)])

    detailed = painted(batch=1)
    monkeypatch.setattr(type(stylizer), "adds_detail", False)
    host, device = detailed - painted(batch=2)  # of another size, as a course keeps what it does
    assert np.abs(host[: 192 * 128]).mean() > 1
    assert np.abs(host - device).mean() < 0.3 * np.abs(host).mean()


def test_a_second_video_remembers_nothing_of_the_first(info: MediaInfo, stylizer: Stylizer) -> None:
    frames, converter = list(decode(info)), ColorConverter(info, "yuv420p")
    first = on_device(frames, [RED] * 7, stylizer, converter)
    on_device(frames[3:], [RED] * 4, stylizer, converter)
    again = on_device(frames, [RED] * 7, stylizer, converter)
    assert differences(first, again).max() == 0
    unstabilized = on_device(frames, [RED] * 7, stylizer, converter, stabilize=False)
    assert differences(first, unstabilized)[0].max() == 0
    assert differences(first, unstabilized)[3:].max() > 0


def test_planes_on_the_device_are_painted_where_they_are(
    info: MediaInfo, stylizer: Stylizer
) -> None:
    frames, converter = list(decode(info))[:3], ColorConverter(info, "yuv420p")
    layout = PlaneLayout("yuv420p", 64, 96)
    assert isinstance(stylizer.engine, TorchEngine)
    rows = torch.zeros(3, layout.samples, dtype=layout.dtype)
    for row, frame in zip(rows, frames, strict=True):
        layout.pack(frame.image, row)
    painter = DevicePainter(stylizer, converter, batch=4)
    painted = painter.paint_planes(layout, list(rows.to(stylizer.engine.device)), RED)()
    assert painted.device.type == stylizer.engine.device.type
    expected = on_device(frames, [RED] * 3, stylizer, converter)
    for row, frame in zip(painted.cpu(), expected, strict=True):
        image = layout.frame(row, converter.color)
        assert np.array_equal(samples(Frame(image, 0, None, 0.0)), samples(frame))


def test_a_render_by_the_device_is_the_render_by_the_host(
    clip: Clip,
    stylizer: Stylizer,
    reference: Stylizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = clip(pts=range(30), pixels=still_and_moving)
    options = EncodeOptions(codec="ffv1")
    expected, painted = tmp_path / "host.mkv", tmp_path / "device.mkv"
    render(source, expected, RED, stylizer=reference, options=options)
    monkeypatch.setattr(type(stylizer), "gpu", 0)
    report = render(source, painted, RED, stylizer=stylizer, options=options, segment_seconds=0.4)
    assert report.frames == 30
    pairs = [[samples(frame) for frame in decode(probe(path))] for path in (expected, painted)]
    assert np.abs(np.array(pairs[0]) - pairs[1]).mean() < 1


@pytest.mark.cuda
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_what_the_gpu_decodes_is_painted_where_it_is(
    clip: Clip, small_model: Model, pix_fmt: str
) -> None:
    stylizer = torch_stylizer(small_model, "cuda")
    source = clip("clip.mkv", pts=range(7), pix_fmt=pix_fmt, codec="libx265", size=(256, 192))
    info = probe(source)
    converter = ColorConverter(info, pix_fmt)
    frames = list(decode(info, gpu=0))
    assert {frame.image.format.name for frame in frames} == {"cuda"}
    looks = [Look({"red": 1}, strength=number / 6) for number in range(7)]
    painted = on_device(frames, looks, stylizer, converter)
    expected = on_device(list(decode(info)), looks, stylizer, converter)
    assert differences(painted, expected).max() <= 1


def test_larger_frames_make_smaller_batches(info: MediaInfo, stylizer: Stylizer) -> None:
    painter = DevicePainter(stylizer, ColorConverter(info, "yuv420p"))
    sizes = [(360, 640), (720, 1280), (1080, 1920), (1440, 2560), (2160, 3840), (4320, 7680)]
    batches = [painter.batch_size(PlaneLayout("yuv420p", *size)) for size in sizes]
    assert batches == [8, 8, 4, 2, 1, 1]


@pytest.mark.parametrize(("gpu", "pix_fmt"), [(None, "yuv420p"), (0, "rgb24")])
def test_the_host_paints_what_the_device_does_not(
    info: MediaInfo,
    reference: Stylizer,
    monkeypatch: pytest.MonkeyPatch,
    gpu: int | None,
    pix_fmt: str,
) -> None:
    monkeypatch.setattr(type(reference), "gpu", gpu)
    monkeypatch.setattr(DevicePainter, "paint", None)
    looks = Timeline.constant(RED)
    assert list(stylize(decode(info), reference, looks, ColorConverter(info, pix_fmt)))
