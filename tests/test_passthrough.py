"""Sound that a container refuses, that begins late, or that changes on the way."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream
from PIL import Image
from pipeline import copy, faults, mux

from videostyle.decode.probe import inspect
from videostyle.encode.options import EncodeOptions
from videostyle.encode.passthrough import Passthrough
from videostyle.encode.span import Span
from videostyle.encode.stream_plans import Holds, StreamPlan, plan_streams
from videostyle.look import ORIGINAL, Look
from videostyle.media.info import StreamInfo
from videostyle.rendering.render import render
from videostyle.rendering.verify import verify
from videostyle.stylize.stylizer import Stylizer

UNTOUCHED = Look({ORIGINAL: 1})


def packets(
    codec: str, layout: str, begin: int, loudness: float = 0.3, solo: int | None = None
) -> list[av.Packet[AudioStream]]:
    """Half a second of a tone, in one channel if that is given."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = 48_000, layout
    formats = {"pcm_s16le": "s16", "pcm_u8": "u8", "flac": "s16", "libopus": "flt"}
    context.format = formats.get(codec, "fltp")
    channels = context.layout.nb_channels
    tone = np.sin(np.arange(24_576) / 20).astype(np.float32) * loudness
    tones = [tone * (solo in (None, channel)) for channel in range(channels)]
    packed = np.ascontiguousarray(np.stack(tones, axis=1)).reshape(1, -1)
    sound = av.AudioFrame.from_ndarray(packed, "flt", layout)
    sound.sample_rate, sound.pts, sound.time_base = 48_000, begin, Fraction(1, 48_000)
    return [*context.encode(sound), *context.encode(None)]


def film(
    path: Path,
    codec: str,
    *sounds: tuple[str, float],
    begin: float = 0.0,
    cover: str = "",
    loudness: float = 0.3,
    solo: int | None = None,
    joined: int = 1,
) -> Path:
    """Two seconds of picture, and sounds with a layout each, from a time on. cover: its format.
    loudness: of 1. solo: the only channel that sounds. joined: so many packets become one."""
    with av.open(str(path), "w") as container:
        if cover:
            picture = io.BytesIO()
            Image.new("RGB", (32, 32), "red").save(picture, cover)
            container.add_attachment(f"cover.{cover}", f"image/{cover}", picture.getvalue())
        video = container.add_stream("libx264", rate=25)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream(codec, rate=48_000)
        assert isinstance(audio, AudioStream)
        audio.codec_context.layout = sounds[0][0]
        for number in range(50):
            pixels = np.full((64, 64, 3), 5 * number, np.uint8)
            image = av.VideoFrame.from_ndarray(pixels, "rgb24")
            image.pts, image.time_base = number + round(begin * 25), Fraction(1, 25)
            container.mux(video.encode(image))
        container.mux(video.encode(None))
        for layout, seconds in sounds:
            made = packets(codec, layout, round(seconds * 48_000), loudness, solo)
            for first in range(0, len(made), joined):
                packet = made[first]
                if joined > 1:
                    packet = av.Packet(b"".join(map(bytes, made[first : first + joined])))
                    packet.pts = packet.dts = made[first].pts
                packet.stream, packet.time_base = audio, Fraction(1, 48_000)
                container.mux(packet)
    return path


def subtitled(folder: Path, kind: str, *cues: tuple[float, float, str]) -> Path:
    """Two seconds of picture and sound, with subtitles from a file of a kind."""
    plain = film(folder / "plain.mkv", "ac3", ("stereo", 0.0))
    words, path = folder / f"words.{kind}", folder / "in.mkv"
    blocks = [
        f"{number}\n00:00:{begin:06.3f} --> 00:00:{end:06.3f}\n{text}\n"
        for number, (begin, end, text) in enumerate(cues, 1)
    ]
    words.write_text("\n".join(["WEBVTT\n" if kind == "vtt" else "", *blocks]))
    with av.open(str(plain)) as one, av.open(str(words)) as other, av.open(str(path), "w") as out:
        streams = {s: out.add_stream_from_template(s) for s in (*one.streams, *other.streams)}
        mux(out, streams, (*other.demux(), *one.demux()))
    return path


def shown(path: Path) -> list[tuple[float, float, str]]:
    """When each subtitle begins and ends, and what it says."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        head = 2 if stream.codec_context.name == "mov_text" else 0
        for packet in container.demux(stream):
            if text := bytes(packet)[head:].decode():
                begin = float(packet.pts * packet.time_base)
                end = begin + float(packet.duration * packet.time_base)
                found.append((round(begin, 3), round(end, 3), text))
    return found


def heard(path: Path) -> tuple[str, float]:
    """The codec of the sound, and how many seconds there are of it."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        length = sum(sound.samples / sound.sample_rate for sound in container.decode(stream))
        return stream.codec_context.name, length


@pytest.mark.parametrize(
    ("codec", "suffix", "becomes"),
    [
        ("pcm_s16le", ".mp4", "aac"),  # of an unknown layout, which MP4 has no words for
        ("pcm_s16le", ".mov", "pcm_s16le"),
        ("libopus", ".mov", "aac"),
        ("libopus", ".mp4", "opus"),
        ("flac", ".mov", "aac"),
        ("ac3", ".mp4", "ac3"),
    ],
)
def test_sound_the_container_refuses_is_transcoded(
    tmp_path: Path, stylizer: Stylizer, codec: str, suffix: str, becomes: str
) -> None:
    output = tmp_path / f"out{suffix}"
    clip = film(tmp_path / "in.mkv", codec, ("stereo", 0.0))
    report = render(clip, output, UNTOUCHED, stylizer=stylizer)
    name, seconds = heard(output)
    assert name.removeprefix("lib").removesuffix("float") == becomes
    assert seconds == pytest.approx(24_576 / 48_000, abs=0.06)
    transcoded = any("transcoded to AAC" in note for note in report.notes)
    assert transcoded == (becomes == "aac")


@pytest.mark.parametrize(
    ("suffix", "becomes"),
    [
        (".mkv", "deu ger nld swe zho de-CH en-US hrv gsw cym"),
        (".mp4", "deu ger nld swe zho deu eng hrv gsw cym"),
        (".mov", "ger ger dut sve chi ger eng hr_ und wel"),
    ],
)
def test_languages_get_the_names_that_the_container_has(
    tmp_path: Path, stylizer: Stylizer, suffix: str, becomes: str
) -> None:
    plain, clip = film(tmp_path / "plain.mkv", "ac3", ("stereo", 0.0)), tmp_path / "in.mkv"
    with av.open(str(plain)) as one, av.open(str(clip), "w") as out:
        picture, sound = one.streams
        streams = {picture: out.add_stream_from_template(picture)}
        streams[picture].metadata["language"] = "de"
        sounds = []
        for tag in ("deu", "ger", "nld", "swe", "zho", "de-CH", "en-US", "hrv", "gsw", "cym"):
            sounds.append(out.add_stream_from_template(sound))
            sounds[-1].metadata["language"] = tag
        for packet in one.demux():
            if packet.size and packet.stream is picture:
                mux(out, streams, [packet])
            elif packet.size:
                for target in sounds:
                    packet.stream = target
                    out.mux(packet)
    output = tmp_path / f"out{suffix}"
    report = render(clip, output, UNTOUCHED, stylizer=stylizer)
    with av.open(str(output)) as container:
        found = [stream.language or "und" for stream in container.streams.audio]
        picture_language = container.streams.video[0].language
    assert picture_language == {".mkv": "de", ".mp4": "deu", ".mov": "ger"}[suffix]
    assert found == [tag.replace("_", " ") for tag in becomes.split()]
    lost = "languages that are lost, as MOV has no code for them: gsw"
    assert [note for note in report.notes if "language" in note] == [lost] * (suffix == ".mov")
    assert faults(clip, output) == []


MARKS = Disposition.original | Disposition.visual_impaired | Disposition.comment


@pytest.mark.parametrize(
    ("suffix", "lost"),
    [
        (".mkv", ""),
        (".mp4", "MP4 has no such: original"),
        (".mov", "MOV has no such: original, comment, visual_impaired"),
        (".webm", "WebM has no such: original, comment, visual_impaired"),
    ],
)
def test_marks_of_streams_are_kept_or_said_to_be_lost(
    tmp_path: Path, suffix: str, lost: str
) -> None:
    plain, clip = film(tmp_path / "plain.mkv", "libopus", ("stereo", 0.0)), tmp_path / "in.mkv"
    with av.open(str(plain)) as one, av.open(str(clip), "w") as out:
        streams = {stream: out.add_stream_from_template(stream) for stream in one.streams}
        streams[one.streams.audio[0]].disposition = MARKS
        mux(out, streams, one.demux())
    output = tmp_path / f"out{suffix}"
    report = copy(clip, output, EncodeOptions())
    assert faults(clip, output) == []
    found = [note for note in report.notes if "marks" in note]
    assert found == [f"marks of streams that are lost, as {lost}"] * bool(lost)
    with av.open(str(output)) as container:
        kept = MARKS & container.streams.audio[0].disposition
    assert all((mark.name or "") in lost for mark in MARKS & ~kept)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_tags_are_kept_or_said_to_be_lost(tmp_path: Path, name: str) -> None:
    tags = {"title": "T", "description": "D", "make": "M", "own": "O", "comment": "C"}
    plain, clip = film(tmp_path / "plain.mkv", "ac3", ("stereo", 0.0)), tmp_path / "in.mkv"
    with av.open(str(plain)) as one, av.open(str(clip), "w") as out:
        streams = {stream: out.add_stream_from_template(stream) for stream in one.streams}
        out.metadata.update(tags)
        mux(out, streams, one.demux())
    report = copy(clip, tmp_path / name, EncodeOptions(preset="ultrafast"))
    assert faults(clip, tmp_path / name) == []
    with av.open(str(tmp_path / name)) as container:
        kept = {key.lower(): text for key, text in container.metadata.items()}
    lost = {key for key in tags if key not in kept}
    assert lost == {"out.mp4": {"make", "own"}, "out.mov": {"description", "own"}}.get(name, set())
    notes = [note for note in report.notes if note.startswith("tags left out")]
    assert len(notes) == bool(lost)
    if notes:
        assert set(re.findall(r"\((.*)\)", notes[0])[0].lower().split(", ")) == lost


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_part_without_any_sound_is_no_fault(
    tmp_path: Path, stylizer: Stylizer, suffix: str
) -> None:
    clip = film(tmp_path / "in.mp4", "ac3", ("stereo", 0.0))
    report = render(clip, tmp_path / f"out{suffix}", UNTOUCHED, stylizer=stylizer, start="1.5s")
    assert report.frames == 12


@pytest.mark.parametrize("pieces", [10.0, 0.5])
def test_a_part_that_ends_before_the_sound_begins_is_kept(
    tmp_path: Path, stylizer: Stylizer, pieces: float
) -> None:
    clip = film(tmp_path / "in.mp4", "ac3", ("stereo", 1.4))
    seen: list[int] = []
    report = render(
        clip,
        tmp_path / "out.mp4",
        UNTOUCHED,
        stylizer=stylizer,
        segment_seconds=pieces,
        on_progress=lambda progress: seen.append(progress.frame),
        interrupted=lambda: len(seen) > 8,
    )
    assert not report.complete
    assert report.output.exists()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_an_edit_list_hides_does_not_come_back(
    tmp_path: Path, stylizer: Stylizer, suffix: str
) -> None:
    clip, output = film(tmp_path / "in.mp4", "ac3", ("stereo", -0.4)), tmp_path / f"out{suffix}"
    render(clip, output, UNTOUCHED, stylizer=stylizer)
    with av.open(str(output)) as container:
        kept = sum(packet.size > 0 for packet in container.demux(audio=0))
    assert kept * 0.032 == pytest.approx(24_576 / 48_000 - 0.4 + 0.1, abs=0.04)
    info = inspect(output)
    assert info.start_pts * info.time_base < 0.15


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_u8"])
def test_a_gap_in_pcm_is_silence_where_samples_are_counted(
    tmp_path: Path, stylizer: Stylizer, codec: str
) -> None:
    clip = film(tmp_path / "in.mkv", codec, ("mono", 0.0), ("mono", 1.4))
    output = tmp_path / "out.mov"
    render(clip, output, UNTOUCHED, stylizer=stylizer)
    assert heard(output) == (codec, pytest.approx(1.4 + 24_576 / 48_000, abs=0.002))
    with av.open(str(output)) as container:
        sounds = [sound.to_ndarray()[0] for sound in container.decode(audio=0)]
    loud = np.concatenate(sounds) != (128 if codec == "pcm_u8" else 0)
    first, gap, second = (
        loud[begin * 48 : end * 48].mean() for begin, end in ((0, 510), (514, 1398), (1402, 1910))
    )
    assert gap == 0
    assert min(first, second) > 0.9


@pytest.mark.parametrize("beside", [1.0, 0.2])  # of the gap's 0.9 s
@pytest.mark.parametrize(
    ("codec", "layout"), [("pcm_s16le", "mono"), ("pcm_u8", "stereo"), ("aac", "7.1")]
)
def test_nothing_is_heard_in_a_gap_of_transcoded_sound(
    tmp_path: Path,
    stylizer: Stylizer,
    codec: str,
    layout: str,
    beside: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An encoder's frame may begin before the gap and end behind it."""
    monkeypatch.setattr("videostyle.encode.audio_tracks._BESIDE_GAP_SECONDS", Fraction(beside))
    clip = film(tmp_path / "in.mkv", codec, (layout, 0.0), (layout, 1.4))
    output, options = tmp_path / "out.webm", EncodeOptions(audio="opus")
    render(clip, output, UNTOUCHED, stylizer=stylizer, options=options)
    loud, mono = np.zeros(96_000), av.AudioResampler("flt", "mono", 48_000)
    with av.open(str(output)) as container:
        for sound in container.decode(audio=0):
            for part in mono.resample(sound):
                assert part.time is not None
                begin = max(0, round(part.time * 48_000))
                samples = np.abs(part.to_ndarray()[0][: len(loud) - begin])
                loud[begin : begin + len(samples)] = samples
    first, gap, second = (
        loud[begin * 48 : end * 48].max() for begin, end in ((20, 500), (516, 1375), (1425, 1890))
    )
    assert gap < 0.02 * min(first, second)


def test_packets_of_several_frames_have_no_gaps(tmp_path: Path, stylizer: Stylizer) -> None:
    """Only the first of them says when it is."""
    clip = film(tmp_path / "in.mkv", "ac3", ("stereo", 0.0), ("stereo", 0.512), joined=4)
    output, options = tmp_path / "out.mp4", EncodeOptions(audio="aac")
    report = render(clip, output, UNTOUCHED, stylizer=stylizer, options=options)
    assert not any("dropped" in note for note in report.notes)
    assert heard(output)[1] == pytest.approx(1.024, abs=0.08)


def test_sound_whose_layout_changes_is_transcoded_to_one(
    tmp_path: Path, stylizer: Stylizer
) -> None:
    clip = film(tmp_path / "in.mkv", "ac3", ("5.1", 0.0), ("stereo", 24_576 / 48_000))
    output, options = tmp_path / "out.mp4", EncodeOptions(audio="aac")
    render(clip, output, UNTOUCHED, stylizer=stylizer, options=options)
    name, seconds = heard(output)
    assert name == "aac"
    assert seconds == pytest.approx(2 * 24_576 / 48_000, abs=0.08)


@pytest.mark.parametrize(
    ("layout", "audio", "becomes"),
    [
        ("3.0", "aac", "3.0"),
        ("5.0(side)", "aac", "5.0"),
        ("6.1", "aac", "7.1"),
        ("quad", "opus", "quad"),
        ("2.1", "opus", "5.1"),
        ("5.0", "opus", "5.1"),
    ],
)
def test_sound_that_is_transcoded_keeps_its_channels(
    tmp_path: Path, layout: str, audio: str, becomes: str
) -> None:
    clip, output = film(tmp_path / "in.mkv", "flac", (layout, 0.0)), tmp_path / "out.mp4"
    report = copy(clip, output, EncodeOptions(audio=audio, preset="ultrafast"))
    plain = layout.replace("(side)", "")
    notes = [note for note in report.notes if "channels" in note]
    lost = f"({plain}) become {becomes}"
    assert [note.endswith(lost) for note in notes] == [True] * (plain != becomes)
    with av.open(str(output)) as container:
        sound = container.streams.audio[0]
        assert sound.codec_context.layout.name == becomes


@pytest.mark.parametrize("name", ["in.avi", "in.mkv"])
def test_stereo_stays_stereo_where_the_file_does_not_say_it(tmp_path: Path, name: str) -> None:
    clip, output = film(tmp_path / name, "pcm_s16le", ("stereo", 0.0)), tmp_path / "out.mp4"
    with av.open(str(clip)) as container:
        assert container.streams.audio[0].codec_context.layout.name == "2 channels"
    copy(clip, output, EncodeOptions(audio="aac", preset="ultrafast"))
    with av.open(str(output)) as container:
        assert container.streams.audio[0].codec_context.layout.name == "stereo"


def channels(path: Path) -> np.ndarray:
    """Samples (channels, time)."""
    with av.open(str(path)) as container:
        sounds = container.decode(audio=0)
        resampler = av.AudioResampler("flt", rate=48_000)
        parts = [part for sound in sounds for part in resampler.resample(sound)]
    return np.concatenate(
        [part.to_ndarray().reshape(-1, part.layout.nb_channels) for part in parts]
    ).T


@pytest.mark.parametrize("audio", ["aac", "opus"])
def test_every_channel_comes_out_where_it_was(tmp_path: Path, audio: str) -> None:
    """In 5.0 and 6.1 FFmpeg's Opus would swap them."""
    clip, output = tmp_path / "in.mov", tmp_path / "out.mp4"
    film(clip, "pcm_s16le", ("5.0", 0.0), solo=2)
    copy(clip, output, EncodeOptions(audio=audio, preset="ultrafast"))
    loud = np.abs(channels(output)).mean(axis=1)
    assert loud.argmax() == 2
    assert loud[2] > 10 * np.delete(loud, 2).max()


def test_what_is_mixed_down_does_not_clip(tmp_path: Path) -> None:
    begins = (("stereo", 0.0), ("5.1", 24_576 / 48_000))
    clip = film(tmp_path / "in.mkv", "ac3", *begins, loudness=0.9)
    copy(clip, tmp_path / "out.mp4", EncodeOptions(audio="aac", preset="ultrafast"))
    assert np.abs(channels(tmp_path / "out.mp4")[:, 30_000:]).max() < 0.99


@pytest.mark.parametrize("cover", ["jpeg", "png", "gif"])
def test_a_cover_is_kept_and_costs_no_sound_before_the_first_picture(
    tmp_path: Path, stylizer: Stylizer, cover: str
) -> None:
    clip = film(tmp_path / "in.mkv", "ac3", ("stereo", 0.0), begin=0.4, cover=cover)
    output = tmp_path / "out.mkv"
    render(clip, output, UNTOUCHED, stylizer=stylizer)
    assert heard(output) == heard(clip)
    kept = [[str(stream) for stream in inspect(path).streams("cover")] for path in (clip, output)]
    assert len(kept[0]) == 1
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("kind", "codec", "says"),
    [
        ("data", "unknown", "data is not copied"),
        ("cover", "bmp", "this container cannot hold it"),
        ("unknown", "unknown", "its kind is unknown"),
    ],
)
def test_what_is_left_out_says_why(kind: str, codec: str, says: str) -> None:
    holds = Holds(codecs=(), refused=(), audio=None, text=None, attachments=True)
    (plan,) = plan_streams([StreamInfo(1, kind, codec, None)], "copy", holds)
    assert f"left out: {says}" in str(plan)


def test_an_empty_cover_is_left_out_and_noted(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        container.add_mux_stream("mjpeg", width=32, height=32)
        audio = container.add_mux_stream("ac3", rate=48_000)
        for packet in packets("ac3", "stereo", 0):
            packet.stream = audio
            container.mux(packet)
    plan = StreamPlan(StreamInfo(0, "cover", "mjpeg", None), "attach")
    with av.open(str(source)) as container, av.open(str(tmp_path / "out.mkv"), "w") as output:
        others = Passthrough(container, output, [plan], Span())
    assert others.notes == ["stream 0 (cover, mjpeg) left out: it is empty"]


class Overrun:
    """A file in which a stream appeared on the way: at its end PyAV trips over that."""

    def __init__(self, source: InputContainer) -> None:
        self._source = source

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def demux(self, *streams: Stream) -> Iterator[av.Packet[Stream]]:
        yield from self._source.demux(*streams)
        raise IndexError


def test_a_stream_that_appears_on_the_way_stops_nothing(tmp_path: Path) -> None:
    clip, copy = film(tmp_path / "in.mkv", "ac3", ("stereo", 0.0)), tmp_path / "out.mkv"
    plan = StreamPlan(StreamInfo(1, "audio", "ac3", None), "copy")
    with av.open(str(clip)) as source, av.open(str(copy), "w") as output:
        others = Passthrough(Overrun(source), output, [plan], Span())  # type: ignore[arg-type]
        others.until(math.inf)
        others.finish()
    assert heard(copy) == heard(clip)


def test_sound_that_jumps_back_is_transcoded_from_where_it_goes_on(
    tmp_path: Path, stylizer: Stylizer
) -> None:
    parts = [film(tmp_path / f"{at}.ts", "ac3", ("stereo", at)) for at in (0.0, 0.25)]
    clip, output = tmp_path / "in.ts", tmp_path / "out.mp4"
    clip.write_bytes(b"".join(part.read_bytes() for part in parts))
    options = EncodeOptions(audio="aac")
    report = render(clip, output, UNTOUCHED, stylizer=stylizer, options=options)
    assert any("out of order" in note for note in report.notes)
    assert heard(output) == ("aac", pytest.approx(0.25 + 24_576 / 48_000, abs=0.06))
    assert [fault for fault in faults(clip, output) if fault.startswith("times: stream")] == []
    lost = r"0\.[23] s of stream 1 \(audio, ac3\) are left out, where its times jump back"
    assert any(re.match(lost, item.message) for item in verify(clip, output))


def test_transcoded_sound_whose_packets_do_not_say_their_length_is_no_fault(
    tmp_path: Path,
) -> None:
    clip = film(tmp_path / "in.mkv", "wavpack", ("stereo", 0.0), ("stereo", 24_576 / 48_000))
    copy(clip, tmp_path / "out.mp4", EncodeOptions(preset="ultrafast"))
    assert faults(clip, tmp_path / "out.mp4") == []


@pytest.mark.parametrize("audio", ["copy", "aac", "opus"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("codec", "container", "begins"),
    [
        ("pcm_s16le", ".mkv", (0.0, 1.4)),
        ("flac", ".mkv", (0.0, 1.4)),
        ("aac", ".mp4", (0.0, 1.4)),
        ("ac3", ".mp4", (-0.4,)),
        ("ac3", ".ts", (0.6,)),
    ],
)
def test_a_gap_or_another_beginning_of_sound_is_kept_and_no_fault(
    tmp_path: Path, codec: str, container: str, begins: tuple[float, ...], suffix: str, audio: str
) -> None:
    clip = film(tmp_path / f"in{container}", codec, *(("stereo", begin) for begin in begins))
    output = tmp_path / f"out{suffix}"
    copy(clip, output, EncodeOptions(audio=audio, preset="ultrafast"))
    assert faults(clip, output) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_damaged_packet_of_sound_is_dropped_and_counted(
    tmp_path: Path, stylizer: Stylizer, suffix: str
) -> None:
    clip = film(tmp_path / "in.ts", "aac", ("stereo", 0.0))
    data = bytearray(clip.read_bytes())
    second = data.index(b"\xff\xf1", data.index(b"\xff\xf1") + 1)
    data[second + 3] |= 3  # it says that it is longer
    clip.write_bytes(data)
    report = render(clip, tmp_path / f"out{suffix}", UNTOUCHED, stylizer=stylizer)
    assert report.frames == 50
    assert any("dropped 1 packet of sound or subtitles, damaged" in note for note in report.notes)


@pytest.mark.parametrize(
    ("kind", "suffix", "becomes"),
    [
        ("srt", ".mp4", ["Hello\nworld", "A & B < C <3 &amp;"]),
        ("srt", ".webm", ["<i>Hello</i>\nworld", "A &amp; B &lt; C &lt;3 &amp;amp;"]),
        ("vtt", ".mp4", ["Hi there", "Tom & Jerry"]),
    ],
)
def test_the_markup_of_subtitles_becomes_the_containers_own(
    tmp_path: Path, stylizer: Stylizer, kind: str, suffix: str, becomes: list[str]
) -> None:
    texts = {
        "srt": ['{\\an8}<I>Hello</I>\n<font color="#ff0000">world</font>', "A & B < C <3 &amp;"],
        "vtt": ["<v Anna>Hi <i.loud>there</i>", "Tom &amp; <c.yellow>Jerry</c>"],
    }[kind]
    clip = subtitled(tmp_path, kind, (0.1, 0.5, texts[0]), (1.0, 1.5, texts[1]))
    output = tmp_path / f"out{suffix}"
    render(clip, output, UNTOUCHED, stylizer=stylizer)
    assert [text for _, _, text in shown(output)] == becomes


ASS = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Bold
Style: Default,Arial,20,&H00FFFFFF,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.10,0:00:00.50,Default,Anna,0,0,0,,{\an8\b1}Well{\b0}, you\hknow\N\N{to him}A < B
Dialogue: 0,0:00:00.60,0:00:00.80,Default,,0,0,0,,{\p1}m 0 0 l 9 0 9 9{\p0}
Dialogue: 0,0:00:01.00,0:00:01.50,Default,,0,0,0,,{\p2\bord0}m 0 0 l 9 0{\p0}Sign
"""


@pytest.mark.parametrize(
    ("suffix", "less"), [(".mp4", "<"), (".mov", "<"), (".webm", "&lt;"), (".mkv", None)]
)
def test_styled_subtitles_become_text_where_the_container_has_no_styles(
    tmp_path: Path, suffix: str, less: str | None
) -> None:
    plain = film(tmp_path / "plain.mkv", "ac3", ("stereo", 0.0))
    words, source, output = tmp_path / "w.ass", tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    words.write_text(ASS)
    with av.open(str(plain)) as one, av.open(str(words)) as other, av.open(str(source), "w") as out:
        streams = {s: out.add_stream_from_template(s) for s in (*one.streams, *other.streams)}
        mux(out, streams, (*other.demux(), *one.demux()))
    report = copy(source, output, EncodeOptions())
    assert faults(source, output) == []
    if less is None:
        assert len(shown(output)) == 3  # as they are
        return
    assert any("ssa) transcoded to" in note for note in report.notes)
    assert shown(output) == [(0.1, 0.5, f"Well, you know\nA {less} B"), (1.0, 1.5, "Sign")]


@pytest.mark.parametrize(
    ("suffix", "second", "becomes"),
    [
        (".mp4", (0.5, 1.5, "B"), [(0.1, 0.5, "A"), (0.5, 1.5, "B")]),
        (".mp4", (0.1, 1.5, "B"), [(0.1, 1.5, "A\nB")]),
        (".mp4", (0.9, 1.5, "B"), [(0.1, 0.9, "A"), (0.9, 1.5, "B")]),
        (".webm", (0.5, 1.5, "B"), [(0.1, 0.9, "A"), (0.5, 1.5, "B")]),
    ],
)
def test_subtitles_that_overlap_begin_in_time(
    tmp_path: Path,
    stylizer: Stylizer,
    suffix: str,
    second: tuple[float, float, str],
    becomes: list[tuple[float, float, str]],
) -> None:
    clip, output = subtitled(tmp_path, "srt", (0.1, 0.9, "A"), second), tmp_path / f"out{suffix}"
    report = render(clip, output, UNTOUCHED, stylizer=stylizer)
    assert shown(output) == becomes
    noted = any("1 subtitle cut short or joined" in note for note in report.notes)
    assert noted == (suffix == ".mp4" and second[0] < 0.9)


def test_a_subtitle_longer_than_mp4_can_say_is_cut(tmp_path: Path, stylizer: Stylizer) -> None:
    text, output = "\n".join(["A" * 999] * 70), tmp_path / "out.mp4"
    render(subtitled(tmp_path, "srt", (0.1, 0.9, text)), output, UNTOUCHED, stylizer=stylizer)
    assert shown(output) == [(0.1, 0.9, text[:65_535])]


def test_a_subtitle_is_not_held_until_a_far_one(tmp_path: Path) -> None:
    words, written = tmp_path / "words.srt", io.BytesIO()
    words.write_text("1\n00:00:01,0 --> 00:00:02,0\nHello\n\n2\n00:09:00,0 --> 00:09:01,0\nBye\n")
    plan = StreamPlan(StreamInfo(0, "subtitle", "srt", None), "transcode", "mov_text")
    at_once = {"flush_packets": "1"}
    with (
        av.open(str(words)) as source,
        av.open(written, "w", format="mp4", options=at_once) as output,
    ):
        others = Passthrough(source, output, [plan], Span())
        others.until(60.0)
        assert b"Hello" in written.getvalue()
        others.finish()
