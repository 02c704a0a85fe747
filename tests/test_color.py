"""Colours: the arithmetic against its definition, and the blend at its ends and between."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from conftest import BT601, BT709, SPECS
from hypothesis import given
from hypothesis import strategies as st
from pipeline import Clip, joined

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.media.color import OUTPUT_PIX_FMTS, ColorConverter, split_alpha
from videostyle.media.info import ColorSpec, MediaInfo
from videostyle.media.pixels import blend_planes, plane_array

KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
EIGHT_BIT = ("yuv420p", "yuv422p", "yuv444p")


def info(
    color: ColorSpec, *, size: tuple[int, int] = (64, 48), is_image: bool = False
) -> MediaInfo:
    return MediaInfo(Path("x.mp4"), is_image, 0, *size, "yuv420p", color, Fraction(1, 25))


def patches(size: tuple[int, int] = (128, 96)) -> np.ndarray:
    """RGB squares of 16 pixels a side, among them black, white and the primaries."""
    width, height = size
    corners = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)])
    grid = np.random.default_rng(3).integers(0, 256, (height // 16, width // 16, 3))
    grid.reshape(-1, 3)[: len(corners)] = corners
    return grid.repeat(16, 0).repeat(16, 1).astype(np.uint8)


def defined_yuv(rgb: np.ndarray, color: ColorSpec) -> list[np.ndarray]:
    """Y, Cb and Cr in code values, by the definition of the matrix."""
    kr, kb = KR_KB[color.matrix]
    red, green, blue = np.moveaxis(rgb / 255.0, -1, 0)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    if color.full_range:
        return [255 * y, 128 + 255 * cb, 128 + 255 * cr]
    return [16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr]


def centres(plane: np.ndarray, height: int) -> np.ndarray:
    """One value from the middle of each patch, whatever the plane's subsampling."""
    step_y, step_x = 16 * plane.shape[0] // height, 16 * plane.shape[1] // 128
    return plane[step_y // 2 :: step_y, step_x // 2 :: step_x].astype(float)


@pytest.mark.parametrize("pix_fmt", OUTPUT_PIX_FMTS)
@pytest.mark.parametrize("color", SPECS)
def test_rgb_becomes_yuv_as_the_matrix_defines(color: ColorSpec, pix_fmt: str) -> None:
    rgb = patches()
    image = ColorConverter(info(color), pix_fmt).from_rgb(rgb)
    scale = 4 if pix_fmt.endswith("10le") else 1
    for index, expected in enumerate(defined_yuv(rgb, color)):
        plane = centres(plane_array(image, index), 96)
        assert np.abs(plane / scale - centres(expected, 96)).max() <= 1.1


@pytest.mark.parametrize("pix_fmt", EIGHT_BIT)
@pytest.mark.parametrize("color", SPECS)
def test_rgb_there_and_back_is_within_2(color: ColorSpec, pix_fmt: str) -> None:
    converter, rgb = ColorConverter(info(color), pix_fmt), patches()
    back = converter.to_rgb(converter.from_rgb(rgb))
    middle = np.s_[8::16, 8::16]
    assert np.abs(back[middle].astype(int) - rgb[middle]).max() <= 2


def test_a_frame_in_the_output_format_is_not_copied() -> None:
    image = av.VideoFrame(64, 48, "yuv420p")
    assert ColorConverter(info(ColorSpec(6, 6, 6, False)), "yuv420p").to_output(image) is image


def test_full_range_frames_keep_their_values() -> None:
    converter = ColorConverter(info(ColorSpec(6, 6, 6, full_range=True)), "yuv420p")
    image = converter.from_rgb(patches())
    camera = av.VideoFrame(128, 96, "yuvj420p")
    for index in range(3):
        plane_array(camera, index)[...] = plane_array(image, index)
    output = converter.to_output(camera)
    assert output.format.name == "yuv420p"
    for index in range(3):
        assert np.array_equal(plane_array(output, index), plane_array(image, index))


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
def test_grey_of_limited_range_keeps_its_black_and_white(pix_fmt: str) -> None:
    image, scale = av.VideoFrame(64, 48, pix_fmt), 4 if pix_fmt.endswith("10le") else 1
    plane_array(image, 0)[:, :32], plane_array(image, 0)[:, 32:] = 16 * scale, 235 * scale
    converter = ColorConverter(info(ColorSpec(1, 1, 1, full_range=False)), "yuv420p")
    luma, *chroma = values(converter.to_output(image))
    assert np.array_equal(np.unique(luma), [16, 235])
    assert all((plane == 128).all() for plane in chroma)
    assert np.array_equal(np.unique(converter.to_rgb(image)), [0, 255])


@pytest.mark.parametrize("size", [(64, 96), (24, 36)])
def test_interlaced_frames_are_seen_as_progressive_ones(clip: Clip, size: tuple[int, int]) -> None:
    """As they are painted and written; apart, fields would be scaled and get colours as such."""
    path = clip("a.mkv", codec="ffv1", pixels=lambda _: patches((96, 64)), pts=range(1))
    fields = path.with_name("fields.mkv")
    with av.open(str(path)) as source, av.open(str(fields), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        graph = Graph()
        nodes = graph.add_buffer(source.streams.video[0]), graph.add("setfield", "tff")
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        for image in source.decode(video=0):
            graph.push(image)
            output.mux(stream.encode(graph.pull()))
        output.mux(stream.encode(None))
    with av.open(str(fields)) as written:
        assert next(written.decode(video=0)).interlaced_frame
    facts = probe(path)
    expected, found = (
        ColorConverter(facts, "yuv420p").to_rgb(next(iter(decode(info))).image, size)
        for info in (facts, probe(fields))
    )
    assert np.array_equal(found, expected)


def test_rgb_video_becomes_limited_yuv_of_its_height() -> None:
    for height, matrix in ((480, 6), (720, 1)):
        rgb = ColorSpec.resolve(2, 2, 2, full_range=None, is_rgb=True, height=height)
        converter = ColorConverter(info(rgb, size=(64, height)), "yuv420p")
        assert (converter.color.matrix, converter.color.full_range) == (matrix, False)


@pytest.mark.parametrize(("height", "matrix"), [(576, 6), (720, 1), (1080, 1)])
def test_untagged_colour_is_guessed_by_height(height: int, matrix: int) -> None:
    color = ColorSpec.resolve(2, 2, 2, full_range=None, is_rgb=False, height=height)
    assert color == ColorSpec(matrix, matrix, matrix, full_range=False, guessed=True)


def test_tags_are_not_guessed_over() -> None:
    color = ColorSpec.resolve(9, 9, 14, full_range=True, is_rgb=False, height=240)
    assert color == ColorSpec(9, 9, 14, full_range=True)


def test_a_picture_loses_nothing() -> None:
    rgb = ColorSpec(0, 1, 13, full_range=True)
    converter = ColorConverter(info(rgb, is_image=True), "yuv420p")
    pixels = np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)
    image = converter.to_output(converter.from_rgb(pixels))
    assert np.array_equal(converter.to_rgb(image), pixels)


def random_frame(pix_fmt: str, size: tuple[int, int], seed: int) -> av.VideoFrame:
    image = av.VideoFrame(*size, pix_fmt)
    top = 1024 if pix_fmt.endswith("10le") else 256
    for index in range(len(image.planes)):
        plane = plane_array(image, index)
        plane[...] = np.random.default_rng(seed + index).integers(0, top, plane.shape)
    return image


def values(image: av.VideoFrame) -> list[np.ndarray]:
    return [plane_array(image, index).astype(int) for index in range(len(image.planes))]


def test_the_order_of_bytes_changes_neither_colours_nor_alpha() -> None:
    usual = random_frame("yuva420p10le", (48, 32), seed=1)
    swapped = av.VideoFrame(48, 32, "yuva420p10be")
    for source, target in zip(usual.planes, swapped.planes, strict=True):
        target.update(np.frombuffer(memoryview(source), np.uint16).byteswap().tobytes())
    (expected, alpha), (found, found_alpha) = (
        split_alpha(VideoReformatter(), image, BT601) for image in (usual, swapped)
    )
    for one, other in zip(values(found), values(expected), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(found_alpha, alpha)


@pytest.mark.parametrize("pix_fmt", [*OUTPUT_PIX_FMTS, "rgb24"])
@pytest.mark.parametrize("size", [(64, 48), (97, 35)])
def test_a_blend_is_exact_at_0_and_1(pix_fmt: str, size: tuple[int, int]) -> None:
    original = random_frame(pix_fmt, size, 0)
    for opacity, winner in ((0.0, original), (1.0, random_frame(pix_fmt, size, 9))):
        blended = blend_planes(
            original, random_frame(pix_fmt, size, 9), luma=opacity, chroma=opacity
        )
        for plane, expected in zip(values(blended), values(winner), strict=True):
            assert np.array_equal(plane, expected)


@given(
    st.sampled_from(["yuv420p", "yuv444p10le", "rgb24"]),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
    st.integers(0, 99),
)
def test_a_blend_moves_one_way_and_close_to_the_line(
    pix_fmt: str, opacities: list[float], seed: int
) -> None:
    original, pastiche = (random_frame(pix_fmt, (18, 10), seed + offset) for offset in (0, 50))
    low, high = (
        values(blend_planes(original, random_frame(pix_fmt, (18, 10), seed + 50), luma=w, chroma=w))
        for w in sorted(opacities)
    )
    for o, p, a, b in zip(values(original), values(pastiche), low, high, strict=True):
        assert ((b - a) * np.sign(p - o) >= 0).all()
        assert np.abs(b - (o + max(opacities) * (p - o))).max() <= 1.1


def test_luma_and_chroma_blend_apart() -> None:
    original, pastiche = random_frame("yuv420p", (64, 48), 0), random_frame("yuv420p", (64, 48), 9)
    painted = values(pastiche)
    blended = values(blend_planes(original, pastiche, luma=1, chroma=0))
    assert np.array_equal(blended[0], painted[0])
    for index in (1, 2):
        assert np.array_equal(blended[index], values(original)[index])


def test_a_pictures_chroma_can_be_kept_too() -> None:
    grey = av.VideoFrame.from_ndarray(np.full((8, 8, 3), 100, np.uint8), "rgb24")
    red = av.VideoFrame.from_ndarray(np.full((8, 8, 3), (200, 50, 50), np.uint8), "rgb24")
    kept = blend_planes(grey, red, luma=1, chroma=0).to_ndarray()
    brightness = round(0.299 * 200 + 0.701 * 50)
    assert np.abs(kept.astype(int) - brightness).max() <= 1


def test_frames_of_different_kinds_do_not_blend() -> None:
    with pytest.raises(ValueError, match="cannot blend"):
        blend_planes(
            av.VideoFrame(8, 8, "yuv420p"), av.VideoFrame(8, 8, "yuv444p"), luma=1, chroma=1
        )


def test_the_output_keeps_the_inputs_primaries() -> None:
    color = ColorSpec(1, 9, 14, full_range=False)
    assert ColorConverter(info(color), "yuv420p").color == color


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
@pytest.mark.parametrize("color", SPECS)
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_detail_is_added_to_luma_alone(pix_fmt: str, color: ColorSpec, weight: float) -> None:
    converter = ColorConverter(info(color), pix_fmt)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    detail = random.integers(0, 256, (16, 24), dtype=np.uint8)
    plain, detailed = converter.from_rgb(pixels), converter.from_rgb(pixels)
    converter.add_detail(detailed, detail, weight)
    top = 4 * 255 + 3 if "10" in pix_fmt else 255
    step = (4 if "10" in pix_fmt else 1) * (1 if color.full_range else 219 / 255)
    added = weight * step * (detail.astype(float) - 128)
    expected = (plane_array(plain, 0) + added).clip(0, top)
    assert np.abs(plane_array(detailed, 0) - expected).max() <= 1
    for index in (1, 2):
        assert np.array_equal(plane_array(detailed, index), plane_array(plain, index))


def test_detail_of_another_size_is_scaled_and_moves_rgb_together() -> None:
    converter = ColorConverter(info(ColorSpec(1, 1, 1, full_range=False)), "rgb24")
    image = converter.from_rgb(np.full((32, 48, 3), (90, 120, 150), np.uint8))
    detail = np.full((60, 90), 128, np.uint8)
    detail[:, 45:] = 148
    converter.add_detail(image, detail, 0.5)
    added = image.to_ndarray(format="rgb24").astype(int) - (90, 120, 150)
    assert np.array_equal(added[:, :20], np.zeros((32, 20, 3)))
    assert np.array_equal(added[:, 28:], np.full((32, 20, 3), 10))


@pytest.mark.parametrize(
    ("first", "second", "pix_fmt"),
    [
        (BT601, BT709, "yuv444p"),
        (BT709, BT601, "yuv420p10le"),
        (BT601, ColorSpec(6, 6, 6, full_range=True), "yuvj420p"),
    ],
    ids=["matrix", "matrix and bits", "range"],
)
def test_a_file_that_changes_its_colour_on_the_way_keeps_its_colours(
    clip: Clip, first: ColorSpec, second: ColorSpec, pix_fmt: str
) -> None:
    orange = np.full((64, 96, 3), (200, 90, 40), np.uint8)
    one = clip("one.ts", pixels=lambda _: orange, color=first)
    two = clip("two.ts", pts=range(10, 20), pixels=lambda _: orange, color=second, pix_fmt=pix_fmt)
    for order in ((one, two), (two, one)):
        facts = probe(joined(*order))
        converter = ColorConverter(facts, "yuv420p")
        frames = list(decode(facts))
        assert len(frames) == 20
        for frame in frames:
            shown = ColorConverter(facts, "yuv420p").to_rgb(converter.to_output(frame.image))
            assert np.abs(shown.astype(int) - orange).max() <= 4
