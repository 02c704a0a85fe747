"""`verify` sees what was lost, and `render` loses nothing: over awkward files, real and made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import BT601, BT709, CLIPS, REFUSED, make_clip
from PIL import Image
from pipeline import FAST, Clip, add_to_video, copy, element, faults, mux

from videostyle.cli import main
from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.encode.options import EncodeOptions
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.rendering.render import render
from videostyle.rendering.verify import verify
from videostyle.stylize.stylizer import Stylizer


def remux(
    source: Path,
    output: Path,
    *,
    without: str | None = None,
    keep: Callable[[int], bool] = lambda _: True,
    shift: int = 0,
    move: Callable[[float], float | None] = lambda _: 0.0,
    language: str | None = None,
    chapters: bool = True,
) -> Path:
    """A copy of a file with something wrong. move: by how many seconds what sounds at a time is
    late, None where it is lost."""
    with av.open(str(source)) as old, av.open(str(output), "w") as new:
        streams = {}
        for stream in old.streams:
            if stream.type in (without, "data"):
                continue
            streams[stream] = new.add_stream_from_template(stream)
            streams[stream].metadata.update(stream.metadata)
            if language and stream.type == "audio":
                streams[stream].metadata["language"] = language
        if chapters:
            new.set_chapters(old.chapters())
        number = 0
        for packet in old.demux():
            if not packet.size or packet.stream not in streams:
                continue
            if packet.stream.type == "video":
                number += 1
                if not keep(number):
                    continue
                if number > 5:
                    packet.pts += shift
                    packet.dts += shift
            if packet.stream.type == "audio":
                late = move(float(packet.pts * packet.time_base))
                if late is None:
                    continue
                packet.pts += round(late / packet.time_base)
                packet.dts = packet.pts
            packet.stream = streams[packet.stream]
            new.mux(packet)
    return output


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound in Italian and two chapters."""
    folder = tmp_path_factory.mktemp("film")
    plain, path = make_clip(folder / "clip.mp4", pts=range(30), audio="aac"), folder / "film.mkv"
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        streams = {stream: new.add_stream_from_template(stream) for stream in old.streams}
        streams[old.streams.audio[0]].metadata.update({"language": "ita", "title": "Voce"})
        tick = Fraction(1, 1000)
        chapters = [("A", 0, 500), ("B", 500, 1200)]
        new.set_chapters(
            [
                {"id": id_, "start": a, "end": b, "time_base": tick, "metadata": {"title": name}}
                for id_, (name, a, b) in enumerate(chapters)
            ]
        )
        mux(new, streams, old.demux())
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_what_was_kept_agrees(film: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    copy(film, output, FAST if suffix != ".webm" else type(FAST)())
    assert faults(film, output) == []


@pytest.mark.parametrize("name", ["out.webm", "out.gif"])
@pytest.mark.parametrize(
    ("pts", "time_base"), [(range(24), Fraction(1, 120)), ([0, 40, 44, 500], Fraction(1, 1000))]
)
def test_what_the_container_cannot_hold_is_expected_and_noted(
    clip: Clip, tmp_path: Path, name: str, pts: list[int], time_base: Fraction
) -> None:
    plain = clip(pts=pts, time_base=time_base, sample_aspect_ratio=Fraction(16, 15))
    source, output = tmp_path / "in.mp4", tmp_path / name
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        streams = {stream: new.add_stream_from_template(stream) for stream in old.streams}
        new.metadata.update({"title": "T", "artist": "A"})
        chapter = {"id": 1, "start": 0, "end": 100, "time_base": Fraction(1, 1000)}
        new.set_chapters([{**chapter, "metadata": {"title": "One"}}])  # type: ignore[typeddict-item]
        mux(new, streams, old.demux())
    notes = copy(source, output, EncodeOptions()).notes
    assert faults(source, output) == []
    left_out = [item.message for item in verify(source, output) if item.what == "frames"]
    assert left_out == [note for note in notes if "left out: GIF counts" in note]
    is_gif = name == "out.gif"
    assert ("1 chapter left out: GIF holds none" in notes) == is_gif
    assert ("tags left out (title, artist): GIF holds none" in notes) == is_gif
    assert bool(left_out) == is_gif


@pytest.mark.parametrize(
    ("pts", "shown"),
    [([0, 1, 1000, 1001], [0, 1, 656.35, 657.35, 658.35]), ([0, 700], [0, 655.35, 1310.7])],
)
def test_a_frame_that_a_gif_cannot_show_for_so_long_is_cut_short_and_noted(
    clip: Clip, tmp_path: Path, pts: list[int], shown: list[float]
) -> None:
    """Sixteen bits count hundredths of a second; `shown` ends with the end of the last frame."""
    source, output = clip(pts=pts, time_base=Fraction(1)), tmp_path / "out.gif"
    notes = copy(source, output, EncodeOptions()).notes
    assert notes == ("frames cut short to 655.35 s: GIF cannot show one for longer",)
    info = probe(output)
    frames = list(decode(info))
    end = frames[-1].seconds + float((frames[-1].duration or 0) * info.time_base)
    assert [*(frame.seconds for frame in frames), end] == pytest.approx(shown)
    assert faults(source, output) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ({"without": "audio"}, "streams: stream 1 (audio, aac, ita) is missing"),
        ({"language": "fin"}, "language of stream 1 (audio, aac, ita): ita is fin"),
        ({"keep": lambda number: number != 30}, "frames: 29 frames, where the input has 30"),
        ({"shift": 20}, "times: frame"),
        ({"chapters": False}, "chapters: ('A', 0.0) is None"),
    ],
)
def test_what_was_lost_is_named(
    film: Path, tmp_path: Path, damage: dict[str, object], fault: str
) -> None:
    copy(film, tmp_path / "whole.mkv")
    damaged = remux(tmp_path / "whole.mkv", tmp_path / "damaged.mkv", **damage)  # type: ignore[arg-type]
    assert any(fault in found for found in faults(film, damaged)), faults(film, damaged)


def with_chapters(source: Path, output: Path, chapters: list[tuple[str | None, int, int]]) -> Path:
    """A copy of a film with chapters of these titles, from and to so many milliseconds."""
    with av.open(str(source)) as old, av.open(str(output), "w") as new:
        streams = {stream: new.add_stream_from_template(stream) for stream in old.streams}
        facts = [
            {"start": begin, "end": end, "metadata": {} if title is None else {"title": title}}
            for title, begin, end in chapters
        ]
        tick = Fraction(1, 1000)
        new.set_chapters([{"id": n, "time_base": tick, **one} for n, one in enumerate(facts)])  # type: ignore[typeddict-item]
        mux(new, streams, old.demux())
    return output


def chapters_of(path: Path) -> list[tuple[str, float]]:
    with av.open(str(path)) as container:
        return [
            (one["metadata"].get("title", ""), float(one["start"] * (one["time_base"] or 0)))
            for one in container.chapters()
        ]


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_chapters_without_a_title_and_late_ones_are_kept(
    clip: Clip, tmp_path: Path, name: str
) -> None:
    """MP4 and MOV have one without a title before a first one that is late, which is no fault."""
    plain = clip(pts=range(50))
    some = [(None, 0, 500), ("B", 500, 900), (None, 900, 1200), ("D", 1200, 2000)]
    source = with_chapters(plain, tmp_path / "some.mkv", some)
    copy(source, tmp_path / name)
    assert chapters_of(tmp_path / name) == [("", 0.0), ("B", 0.5), ("", 0.9), ("D", 1.2)]
    assert faults(source, tmp_path / name) == []
    late = [("A", 800, 1200), ("B", 1200, 2000)]
    source = with_chapters(plain, tmp_path / "late.mkv", late)
    copy(source, tmp_path / name)
    before = [] if name == "out.mkv" else [("", 0.0)]
    assert chapters_of(tmp_path / name) == [*before, ("A", 0.8), ("B", 1.2)]
    assert faults(source, tmp_path / name) == []


@pytest.mark.parametrize(
    ("chapters", "found"),
    [
        (
            [("A", 0, 500), ("A", 500, 1000), ("B", 1000, 2000)],
            ["('C', 1.5) is None", "None is ('A', 0.5)"],
        ),
        (
            [("A", 0, 1200), ("B", 1200, 1500), ("c", 1500, 2000)],
            ["('B', 1.0) is ('B', 1.2)", "('C', 1.5) is ('c', 1.5)"],
        ),
    ],
)
def test_every_fault_of_the_chapters_is_one(
    clip: Clip, tmp_path: Path, chapters: list[tuple[str | None, int, int]], found: list[str]
) -> None:
    plain = clip(pts=range(50))
    wanted = [("A", 0, 1000), ("B", 1000, 1500), ("C", 1500, 2000)]
    source = with_chapters(plain, tmp_path / "source.mkv", wanted)
    other = with_chapters(plain, tmp_path / "other.mkv", chapters)
    assert faults(source, other) == [f"chapters: {message}" for message in found]


def moved_from(begin: float, late: float | None) -> Callable[[float], float | None]:
    return lambda seconds: late if seconds >= begin else 0.0


@pytest.fixture(
    scope="module",
    params=[(suffix, audio) for suffix in (".mkv", ".mp4") for audio in ("copy", "aac", "opus")],
    ids=" ".join,
)
def whole(request: pytest.FixtureRequest, film: Path) -> Path:
    """The film as it should come out."""
    suffix, audio = request.param
    path = film.with_name(f"{audio}{suffix}")
    copy(film, path, replace(FAST, audio=audio))
    assert faults(film, path) == []
    return path


@pytest.mark.parametrize(
    ("move", "fault"),
    [
        (moved_from(-1, 0.5), r"comes \+0\.[45]\d s off the picture"),
        (moved_from(0.7, None), r"ends at 0\.\d\d s, where the input's ends at 1\.2\d"),
        (moved_from(0.7, 0.5), r"has a gap of 0\.5\d s at 0\.\d\d s"),
        (lambda seconds: None if 0.3 < seconds < 0.8 else 0.0, r"a gap of 0\.[45]\d s at 0\.[23]"),
        (lambda seconds: None, "is (missing|silent)"),
    ],
    ids=["late", "cut off", "pushed on", "hole", "none"],
)
def test_sound_that_is_moved_lost_or_torn_is_named(
    film: Path, whole: Path, tmp_path: Path, move: Callable[[float], float | None], fault: str
) -> None:
    damaged = remux(whole, tmp_path / f"damaged{whole.suffix}", move=move)
    found = faults(film, damaged)
    assert any(re.search(fault, text) for text in found), found


def test_a_picture_that_comes_late_to_its_sound_is_named(film: Path, tmp_path: Path) -> None:
    copy(film, tmp_path / "whole.mkv")
    early = remux(tmp_path / "whole.mkv", tmp_path / "early.mkv", move=lambda seconds: -0.4)
    assert any("comes -0.40 s off the picture" in text for text in faults(film, early))


def test_other_colors_and_sizes_are_seen(clip: Clip, tmp_path: Path) -> None:
    one, other = tmp_path / "one.mp4", tmp_path / "other.mp4"
    make_clip(one, pts=range(5), size=(96, 64), color=BT709)
    make_clip(other, pts=range(5), size=(64, 64), color=BT601)
    found = faults(one, other)
    assert any(text.startswith("size: 96x64 is 64x64") for text in found)
    assert any(text.startswith("color: matrix") for text in found)


def test_the_commands_speak_and_exit(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    copy(film, output)
    assert main(["verify", str(film), str(output)]) == 0
    lost = remux(output, tmp_path / "lost.mp4", without="audio")
    capsys.readouterr()
    assert main(["verify", str(film), str(lost), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["agrees"]
    assert main(["probe", str(film), "--json", "--to", "webm"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["width"], facts["render"]["container"]) == (96, "WebM")
    assert facts["render"]["streams"][0]["action"] == "transcode"
    assert main(["probe", str(film)]) == 0
    assert "stream 1 (audio, aac, ita) copied" in capsys.readouterr().out
    with pytest.raises(UsageError):
        verify(film, still(tmp_path))
    with pytest.raises(UsageError, match=r"still\.png: is no video"):
        verify(still(tmp_path), film)


def still(folder: Path) -> Path:
    path = folder / "still.png"
    Image.new("RGB", (8, 8)).save(path)
    return path


def pictures(size: tuple[int, int], count: int) -> Iterator[av.VideoFrame]:
    for number in range(count):
        pixels = np.full((size[1], size[0], 3), 20 + 200 * number // count, np.uint8)
        pixels[: size[1] // 2] = 128
        yield av.VideoFrame.from_ndarray(pixels, "rgb24")


def write(
    path: Path,
    pts: list[int],
    *,
    time_base: Fraction = Fraction(1, 25),
    size: tuple[int, int] = (64, 48),
    b_frames: int = 0,
    interlaced: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        context = stream.codec_context
        context.width, context.height = size
        context.pix_fmt, context.time_base = "yuv420p", time_base
        context.max_b_frames = b_frames
        if interlaced:
            stream.options = {"flags": "+ildct+ilme"}
        for image, at in zip(pictures(size, len(pts)), pts, strict=True):
            image.pts, image.time_base = at, time_base
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


def rotated(path: Path, folder: Path, degrees: int, *, mirror: bool = False) -> Path:
    output = folder / f"rotated_{degrees}_{mirror}.mp4"
    with av.open(str(path)) as old, av.open(str(output), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.set_display_rotation(degrees, hflip=mirror)
        mux(new, {old.streams.video[0]: stream}, old.demux(video=0))
    return output


MS = Fraction(1, 1000)


def awkward(name: str, folder: Path) -> Path:
    plain = list(range(12))
    if name == "vfr_b_frames":
        uneven = [0, 33, 100, 140, 300, 310, 500, 900, 940, 1000, 1500, 1501]
        return write(folder / "a.mp4", uneven, time_base=MS, b_frames=2)
    if name == "b_frames":
        return write(folder / "a.mp4", plain, b_frames=3)
    if name == "interlaced":
        return write(folder / "a.mp4", plain, interlaced=True)
    if name == "mkv_b_frames":
        return write(folder / "a.mkv", plain, b_frames=2)
    if name == "late_start":
        return write(folder / "a.mkv", [1000 + 40 * n for n in plain], time_base=MS)
    if name == "negative_start":
        kept = {"avoid_negative_ts": "disabled"}
        return write(folder / "a.ts", [n - 5 for n in plain], options=kept)
    if name == "hidden_start":  # by an edit list, as phones cut
        return write(folder / "a.mp4", [n - 5 for n in plain])
    if name == "no_durations":
        return write(folder / "a.mkv", plain, options={"live": "1"})
    if name == "ts":
        return write(folder / "a.ts", plain)
    if name == "slow":  # three hours, a frame every ten minutes
        return write(folder / "a.mp4", [600 * n for n in range(18)], time_base=Fraction(1, 1))
    if name == "one_frame":
        return write(folder / "a.mp4", [0])
    if name == "tiny":
        return write(folder / "a.mp4", plain, size=(16, 16))
    if name == "huge":
        return write(folder / "a.mp4", [0], size=(7680, 4320))
    degrees, mirror = name.removeprefix("rotated_").split("_")
    return rotated(write(folder / "a.mp4", plain), folder, int(degrees), mirror=mirror == "mirror")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "name",
    [
        *("vfr_b_frames", "b_frames", "mkv_b_frames", "interlaced", "late_start", "ts"),
        *("negative_start", "hidden_start", "no_durations"),
        *("slow", "one_frame", "tiny", "huge"),
        *(f"rotated_{degrees}_{way}" for degrees in (90, 180, 270) for way in ("plain", "mirror")),
    ],
)
def test_awkward_files_come_out_whole(
    name: str, suffix: str, stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = awkward(name, tmp_path), tmp_path / f"out{suffix}"
    look = Look({"original": 1} if name == "huge" else {"red": 1, "original": 1})
    render(source, output, look, stylizer=stylizer, options=FAST, segment_seconds=1e4)
    assert faults(source, output) == []


def test_interlacing_that_is_lost_is_noted(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", list(range(5)), interlaced=True)
    assert any("interlaced" in note for note in copy(source, tmp_path / "out.mp4").notes)


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_no_output_says_that_it_is_interlaced(tmp_path: Path, codec: str) -> None:
    source, output = write(tmp_path / "a.mp4", list(range(5)), interlaced=True), tmp_path / "o.mkv"
    copy(source, output, EncodeOptions(codec=codec))
    for path, says in ((source, True), (output, False)):
        with av.open(str(path)) as container:
            assert {image.interlaced_frame for image in container.decode(video=0)} == {says}
    frames = zip(decode(probe(source)), decode(probe(output)), strict=True)
    if codec == "ffv1":
        assert all(np.array_equal(a.image.to_ndarray(), b.image.to_ndarray()) for a, b in frames)


def test_a_broken_packet_costs_no_sync(tmp_path: Path) -> None:
    source, output = write(tmp_path / "a.ts", list(range(50)), size=(320, 240)), tmp_path / "o.mp4"
    data = bytearray(source.read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle + 10 : middle + 180] = bytes(170)
    source.write_bytes(bytes(data))
    copy(source, output)
    assert [text for text in faults(source, output) if not text.startswith("frames")] == []


@pytest.mark.parametrize("source", CLIPS, ids=[path.name for path in CLIPS])
def test_every_awkward_clip_agrees_or_is_refused(
    source: Path, stylizer: Stylizer, tmp_path: Path
) -> None:
    output, look = tmp_path / "out.mkv", Look({"original": 1})
    if source.name in REFUSED:
        with pytest.raises(MediaError) as refusal:
            render(source, output, look, stylizer=stylizer, options=FAST)
        assert "\n" not in str(refusal.value)
        return
    # At their own size they are copied to MP4, in tests/test_encode.py.
    render(source, output, look, stylizer=stylizer, options=FAST, max_size=64)
    assert [fault for fault in faults(source, output) if not fault.startswith("size: ")] == []


def test_a_projection_of_all_around_is_not_lost_without_a_word(clip: Clip, tmp_path: Path) -> None:
    source, output = clip("all_around.mkv"), tmp_path / "out.mkv"
    equirectangular = element(b"\x76\x71", b"\1"), element(b"\x76\x72", bytes(20))
    add_to_video(source, element(b"\x76\x70", *equirectangular))
    assert any("360 degrees" in note for note in copy(source, output).notes)
    assert any("360 degrees" in item.message for item in verify(source, output) if item.expected)
