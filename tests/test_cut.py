"""A part of a video: exactly the frames of the whole, with their sound, subtitles and chapters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import BT601, make_clip, write_frames
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pipeline import Clip, copy, joined, mux

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.decode.report import DecodeReport
from videostyle.encode.options import EncodeOptions
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.media.frame import Cut
from videostyle.media.info import MediaInfo
from videostyle.network.model_card import read_model_card
from videostyle.rendering.progress import Progress
from videostyle.rendering.render import render
from videostyle.rendering.settle import cut_for, describe
from videostyle.stylize.stylizer import Stylizer
from videostyle.timecode import parse_part

LOSSLESS = EncodeOptions(codec="ffv1")
TIMELINE = """version: 1
keyframes:
  - {at: 0s, mix: original}
  - {at: 30%, mix: red}
  - {at: end, mix: green}
"""


def still(number: int) -> np.ndarray:
    """Noise over a picture that stands still, so that the stabilizer has something to hold."""
    noise = np.random.default_rng(number).integers(0, 9, (64, 96, 3))
    return (np.mgrid[:64, :96].sum(0)[..., None] + noise).astype(np.uint8)


def frames(path: Path) -> list[tuple[Fraction, np.ndarray]]:
    info = probe(path)
    return [(f.pts * info.time_base, f.image.to_ndarray()) for f in decode(info)]


def part_of(
    info: MediaInfo, start: str | float | None, end: str | float | None
) -> tuple[MediaInfo, Cut]:
    return cut_for(info, parse_part(start, end))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, stylizer: Stylizer) -> Path:
    """Beside it, `whole.mkv` is all of it painted along `t.yaml`."""
    folder = tmp_path_factory.mktemp("film")
    (folder / "t.yaml").write_text(TIMELINE)
    source = make_clip(folder / "film.mp4", pts=range(50), pixels=still, b_frames=2)
    whole = folder / "whole.mkv"
    render(source, whole, folder / "t.yaml", stylizer=stylizer, options=LOSSLESS)
    return source


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("1s", "1.52s", 25, 37),
        ("0.9s", None, 23, 49),
        (None, "3f", 0, 2),
        ("7f", "8f", 7, 7),
        ("50%", "75%", 25, 37),
        ("-10f", "end", 40, 49),
        ("00:00:00:12", "00:01", 12, 24),
        ("2f", "00:00.200", 2, 4),
    ],
)
def test_a_part_is_the_same_stretch_of_the_whole_frame_by_frame(
    film: Path,
    stylizer: Stylizer,
    tmp_path: Path,
    start: str | None,
    end: str | None,
    first: int,
    last: int,
) -> None:
    timeline, part = film.with_name("t.yaml"), tmp_path / "part.mkv"
    report = render(film, part, timeline, stylizer=stylizer, options=LOSSLESS, start=start, end=end)
    assert report.frames == last - first + 1
    expected = frames(film.with_name("whole.mkv"))[first : last + 1]
    for (time, image), (full_time, full_image) in zip(frames(part), expected, strict=True):
        assert time == full_time - Fraction(first, 25)
        assert np.array_equal(image, full_image)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi", "clip.h264"])
def test_seeking_finds_the_frames_that_reading_everything_finds(clip: Clip, name: str) -> None:
    path = clip(name, pts=range(700), size=(32, 32), b_frames=2, pixels=small)
    assert_parts_equal_the_whole(path, (0, 2, 3, 200, 251, 499, 698))


def assert_parts_equal_the_whole(path: Path, starts: Iterable[int]) -> None:
    """Parts of some frames, beginning at these, and the three frames before them."""
    info = probe(path)
    everything = [(frame.pts, frame.image.to_ndarray()) for frame in decode(info)]
    for start in starts:
        seconds = info.seconds(everything[start][0])
        found = list(decode(info, cut=Cut(seconds, seconds + 0.18), lead=3))
        expected = everything[max(0, start - 3) : start + 5]
        assert [frame.pts for frame in found] == [pts for pts, _ in expected]
        for frame, (_, image) in zip(found, expected, strict=True):
            assert np.array_equal(frame.image.to_ndarray(), image)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_seek_into_the_middle_of_a_frame_of_a_program_stream(clip: Clip, b_frames: int) -> None:
    path = clip("clip.mpg", pts=range(75), pixels=noise, b_frames=b_frames, codec="mpeg2video")
    assert_parts_equal_the_whole(path, range(20, 70))


@pytest.mark.parametrize(("ending", "codec"), [(".ts", "libx264"), (".mpg", "mpeg2video")])
def test_a_part_of_recordings_that_were_joined_byte_by_byte(
    clip: Clip, ending: str, codec: str
) -> None:
    parts = [
        clip(f"{count}{ending}", pts=range(count), pixels=noise, codec=codec)
        for count in (120, 90)  # each with a clock of its own
    ]
    assert_parts_equal_the_whole(joined(*parts), (60, 110, 121, 150, 199))


def test_a_picture_that_is_renewed_bit_by_bit_is_whole(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=20"}
    path = write_x264(tmp_path / "clip.mp4", options, "yuv420p")
    assert_parts_equal_the_whole(path, range(30, 95))


def test_a_part_is_read_by_the_rules_of_the_x264_that_wrote_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_x264(tmp_path / "clip.mkv", {"g": "1"}, "yuv444p")
    # Wrong rules make damage, and more threads than one do not conceal it in one way.
    monkeypatch.setattr("videostyle.decode.stream.MAX_THREADS", 1)
    path.write_bytes(re.sub(rb"x264 - core \d{3}", b"x264 - core 142", path.read_bytes()))
    report = DecodeReport()
    assert len(list(decode(probe(path), report=report))) == 100
    assert report.damaged_frames > 50
    assert_parts_equal_the_whole(path, (40, 80))


def write_x264(path: Path, options: dict[str, str], pix_fmt: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
        stream.codec_context.time_base = Fraction(1, 25)
        write_frames(container, stream, range(100), noise, BT601)
    return path


def noise(number: int) -> np.ndarray:
    """Coarse and fine, that moves."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 180, (16, 24, 3), np.uint8)).resize((96, 64))
    return np.roll(coarse + random.integers(0, 75, (64, 96, 3), np.uint8), 2 * number, 1)


def small(number: int) -> np.ndarray:
    return np.full((32, 32, 3), (number * 7 % 256, number // 3, 255 - number % 256), np.uint8)


def test_a_variable_rate_part_has_its_frames_and_their_times(clip: Clip) -> None:
    pts = [0, 40, 41, 200, 1000, 9000, 9040, 9300]
    info = probe(clip(pts=pts, time_base=Fraction(1, 1000)))
    found = list(decode(info, cut=Cut(1.0, 9.3), lead=2))
    assert [round(frame.pts * info.time_base * 1000) for frame in found] == [
        41,
        200,
        1000,
        9000,
        9040,
    ]
    assert [round(frame.seconds * 1000) for frame in found] == [41, 200, 1000, 9000, 9040]


def test_decoding_a_part_reads_little_of_what_comes_before(
    clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(clip(pts=range(2000), size=(32, 32), pixels=small))
    read = []
    monkeypatch.setattr(
        "videostyle.decode.stream.read_packets",
        lambda stream, report: (
            read.append(packet) or packet
            for packet in stream.container.demux(stream)
            if packet.size
        ),
    )
    list(decode(info, cut=Cut(60.0, 60.2)))
    assert len(read) < 500


@pytest.fixture
def talkie(clip: Clip, tmp_path: Path) -> Path:
    """Four seconds with sound, a subtitle from 0.5 s to 2.5 s, and two chapters."""
    plain, path = clip(pts=range(100), audio="aac"), tmp_path / "talkie.mkv"
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,500 --> 00:00:02,500\nHello\n")
    tick = Fraction(1, 1000)
    chapters = [("A", 0, 1500), ("B", 1500, 4000)]
    with av.open(str(plain)) as film, av.open(str(words)) as text, av.open(str(path), "w") as out:
        streams = {s: out.add_stream_from_template(s) for s in (*film.streams, *text.streams)}
        out.set_chapters(
            [
                {"id": id_, "start": a, "end": b, "time_base": tick, "metadata": {"title": name}}
                for id_, (name, a, b) in enumerate(chapters)
            ]
        )
        mux(out, streams, (*text.demux(), *film.demux()))
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
def test_sound_subtitles_and_chapters_are_cut_to_match(
    talkie: Path, stylizer: Stylizer, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / f"out{suffix}"
    render(talkie, output, Look({"red": 1}), stylizer=stylizer, start="2s", end="3s")
    with av.open(str(output)) as container:
        times: dict[str, list[float]] = {}
        words = []
        for packet in container.demux():
            if packet.size:
                times.setdefault(packet.stream.type, []).append(
                    float(packet.pts * packet.time_base)
                )
                if packet.stream.type == "subtitle" and b"Hello" in bytes(packet):
                    words.append((packet.pts, packet.duration))
        assert len(times["video"]) == 25
        assert abs(times["audio"][0] - times["video"][0]) < 0.03
        assert 0.95 < times["audio"][-1] < 1.03
        (chapter,) = container.chapters()
        assert chapter["time_base"]
        begin, end = (float(chapter[side] * chapter["time_base"]) for side in ("start", "end"))
    # The encoder's lead-in of the sound makes the pictures begin a little after 0.
    begin_of_video = times["video"][0]
    assert chapter["metadata"]["title"] == "B"
    assert begin == pytest.approx(begin_of_video, abs=0.025)
    assert end == pytest.approx(begin_of_video + 1, abs=0.025)
    if suffix == ".mkv":
        assert words == [(round(begin_of_video * 1000), 500)]


def test_a_flash_and_its_click_stay_together(
    tmp_path: Path, stylizer: Stylizer, clip: Clip
) -> None:
    """A white frame and a click at 2.0 s, looked for in a part that begins at 1.2 s."""
    source, output = tmp_path / "clap.mkv", tmp_path / "out.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("flac", rate=48_000, layout="mono")
        for number in range(75):
            image = np.full((64, 64, 3), 255 if number == 50 else 20, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
            samples = np.zeros((1, 1920), np.int16)
            samples[0, :50] = 30_000 if number == 50 else 0
            noise = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            noise.sample_rate, noise.pts = 48_000, number * 1920
            noise.time_base = Fraction(1, 48_000)
            container.mux(sound.encode(noise))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    for audio in ("copy", "aac", "opus"):
        options = EncodeOptions(audio=audio)
        look = Look({"original": 1})
        render(source, output, look, stylizer=stylizer, options=options, start="1.2s")
        with av.open(str(output)) as container:
            flash = next(
                frame.time for frame in container.decode(video=0) if frame.to_ndarray()[32, 32] > 99
            )
        with av.open(str(output)) as container:
            click = next(
                frame.time + np.abs(frame.to_ndarray()[0]).argmax() / 48_000
                for frame in container.decode(audio=0)
                if np.abs(frame.to_ndarray().astype(float)).max()
                > (9000 if audio == "copy" else 0.3)
            )
        assert flash == pytest.approx(0.8, abs=0.03)
        assert click == pytest.approx(flash, abs=0.015)


def test_a_part_has_no_timecode_of_the_whole(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    plain, source = clip(pts=range(50)), tmp_path / "source.mov"
    with av.open(str(plain)) as film, av.open(str(source), "w") as out:
        stream = out.add_stream_from_template(film.streams.video[0])
        stream.metadata["timecode"] = "01:00:00:00"
        mux(out, {film.streams.video[0]: stream}, film.demux(video=0))

    def timecode(name: str, start: str | None) -> tuple[str | None, tuple[str, ...]]:
        look, output = Look({"original": 1}), tmp_path / name
        report = render(source, output, look, stylizer=stylizer, start=start)
        with av.open(str(output)) as container:
            return container.streams.video[0].metadata.get("timecode"), report.notes

    assert timecode("whole.mov", None)[0] == "01:00:00:00"
    found, notes = timecode("part.mov", "1s")
    assert found is None
    assert any("timecode" in note for note in notes)


@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        ("2", None, UsageError, "start: '2' has no unit"),
        (None, "soon", UsageError, "end: 'soon' is not a time"),
        ("3s", None, MediaError, "start 3s is not before the end, 2.000 s"),
        ("1s", "1s", UsageError, "start 1s is not before end 1s"),
        ("50%", "20%", UsageError, "start 50% is not before end 20%"),
        ("-1s", "-2s", UsageError, "start -1s is not before end -2s"),
        ("50%", "0.5s", MediaError, r"start 50% is not before end 0\.5s"),
        ("-3s", None, MediaError, "start -3s lies before its start"),
        (None, "0.00001s", MediaError, "start 0s is not before end 0.00001s"),
    ],
)
def test_a_part_that_is_none_is_refused(
    clip: Clip, start: str | None, end: str | None, error: type[Exception], message: str
) -> None:
    info = probe(clip(pts=range(50)))
    with pytest.raises(error, match=message):
        part_of(info, start, end)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_the_frames_of_a_part_are_counted_before_they_are_read(
    clip: Clip, name: str, rate: Fraction
) -> None:
    info = probe(clip(name, pts=range(60), time_base=1 / rate))
    assert info.frame_rate == rate
    times = [frame.seconds for frame in decode(info)]
    # Not within a millisecond of a frame, where Matroska rounds its time.
    fractions = st.floats(0.1, 0.9).map(lambda part: Fraction(part))
    frames = st.integers(0, 59)

    @given(frames, frames, fractions, st.booleans(), st.booleans(), st.booleans())
    def check(
        one: int, other: int, part: Fraction, on_start: bool, on_end: bool, is_open: bool
    ) -> None:
        first, last = sorted((one, other))
        start = (first + (0 if on_start else part)) / rate
        end = (last + 1 + (0 if on_end else part)) / rate
        told, cut = part_of(info, float(start), None if is_open else float(end))
        assert told.frame_count == sum(cut.start <= seconds < cut.end for seconds in times)

    check()


@pytest.mark.parametrize(("start", "end", "count"), [("1s", "1.5s", 13), (None, "0.05s", 2)])
def test_progress_ends_at_its_total(
    clip: Clip,
    stylizer: Stylizer,
    tmp_path: Path,
    start: str | None,
    end: str,
    count: int,
) -> None:
    told: list[Progress] = []
    render(
        clip(pts=range(50)),
        tmp_path / "out.mp4",
        Look({"original": 1}),
        stylizer=stylizer,
        start=start,
        end=end,
        on_progress=told.append,
    )
    assert (told[-1].frame, {each.total for each in told}) == (count, {count})


def test_frames_that_an_edit_list_hides_are_not_counted(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    """A telephone that trims a video keeps all of it, and hides what was cut off."""
    source, told = clip(pts=range(-30, 20)), list[Progress]()
    untouched = Look({"original": 1})
    render(source, tmp_path / "a.mp4", untouched, stylizer=stylizer, on_progress=told.append)
    assert probe(source).frame_count == 20
    assert (told[-1].frame, {each.total for each in told}) == (20, {20})


def test_frames_without_a_rate_are_not_counted(clip: Clip) -> None:
    info = replace(probe(clip(pts=range(50))), frame_rate=None)
    assert part_of(info, "1s", "1.5s")[0].frame_count is None


@pytest.mark.parametrize(("end", "count"), [("end", 50), ("100%", 50), ("1.96s", 49)])
def test_the_end_is_that_of_the_frames_not_of_the_length_declared(
    clip: Clip, end: str, count: int
) -> None:
    info = replace(probe(clip(pts=range(50))), duration_seconds=1.9)
    settled, cut = part_of(info, "1s", end)
    found = [round(frame.seconds * 25) for frame in decode(settled, cut=cut)]
    assert found == [*range(25, count)]


def test_frames_count_exactly_where_the_container_rounds_their_times(clip: Clip) -> None:
    info = probe(clip("clip.mkv", pts=range(90), time_base=Fraction(1, 30)))
    for first in range(0, 80, 7):
        _, cut = part_of(info, f"{first}f", f"{first + 2}f")
        stamps = [round(frame.seconds * 30) for frame in decode(info, cut=cut)]
        assert stamps == [first, first + 1]


@pytest.mark.parametrize("rate", [12, 15, 24, 30])
def test_frames_of_a_gif_are_counted_as_they_are(clip: Clip, tmp_path: Path, rate: int) -> None:
    """A GIF rounds its times to hundredths of a second."""
    source = clip(pts=range(40), time_base=Fraction(1, rate))
    copy(source, gif := tmp_path / "copy.gif", EncodeOptions())
    info = probe(gif)
    times = [frame.seconds for frame in decode(info)]
    for number in range(1, 39):
        cut = part_of(info, f"{number}f", None)[1]
        assert sum(time < cut.start for time in times) == number


@pytest.mark.parametrize(("end", "seconds"), [(None, 1.6), ("1.2s", 0.8)])
def test_a_description_tells_of_a_part_of_a_file_that_does_not_say_its_length(
    clip: Clip, tmp_path: Path, end: str | None, seconds: float
) -> None:
    source, look = clip("clip.h264", pts=range(50)), Look({"the_kiss": 1})
    card = read_model_card("lean")
    plan = describe(source, tmp_path / "out.mp4", look, card, start="0.4s", end=end)
    times = [0.4 + seconds * part / 4 for part in range(5)]
    assert [each["at"] for each in plan["looks"]] == pytest.approx(times, abs=0.002)
    assert plan["duration_seconds"] == pytest.approx(seconds)
