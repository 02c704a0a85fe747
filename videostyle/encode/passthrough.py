"""The streams beside the picture: sound and subtitles, from the input to the output.

Knows nothing of frames or styles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream

from videostyle.encode.languages import held_language
from videostyle.encode.span import INTERLEAVED_SECONDS, Span
from videostyle.encode.stream_plans import COVERS, StreamPlan
from videostyle.encode.subtitles import TextTrack
from videostyle.encode.tags import held_marks, mark_names, stream_tags

_SHORTEST_GAP_SECONDS = 0.05  # of PCM; less is the rounding of its times
_LONGEST_GAP_SECONDS = 3600  # more is damage, and would fill the disk
_SILENCE = {"pcm_u8": 0x80, "pcm_alaw": 0xD5, "pcm_mulaw": 0xFF}  # of other PCM it is 0
_ENCODERS = {"aac": "aac", "opus": "libopus"}
_CONTAINERS = {"mp4": "MP4", "mov": "MOV", "matroska": "Matroska", "webm": "WebM"}
_NEVER_CLIPS = {"rematrix_maxval": "1"}
# What FFmpeg takes sound without a layout for, by channels.
_GUESSED_LAYOUTS = {
    1: "mono",
    2: "stereo",
    3: "2.1",
    4: "4.0",
    5: "5.0",
    6: "5.1",
    7: "6.1",
    8: "7.1",
}
# Those that come back as they went in: FFmpeg's Opus swaps the channels of others, its AAC loses
# which is which.
_LAYOUTS = {
    "aac": ("mono", "stereo", "2.1", "3.0", "4.0", "quad", "5.0", "5.1", "7.1"),
    "libopus": ("mono", "stereo", "3.0", "quad", "5.1", "7.1"),
}


class Passthrough:
    """Copies the streams of `source` beside its main video, in step with the pictures.

    It reads the input by a handle of its own, so that the frames' stages hold frames only.
    """

    def __init__(
        self,
        source: InputContainer,
        output: OutputContainer,
        plans: Iterable[StreamPlan],
        span: Span,
    ) -> None:
        self.notes: list[str] = []
        self._lost_languages: list[str] = []
        self._lost_marks = Disposition(0)
        self._span = span
        self._output = output
        self._dropped = self._damaged = 0
        self._source = source
        self._targets: dict[int, Stream] = {}
        self._texts: dict[int, TextTrack] = {}
        self._transcoded: dict[int, AudioStream] = {}
        self._resamplers: dict[int, tuple[Any, AudioResampler]] = {}  # with what they take
        self._heard = set[int]()  # targets of sound that have some
        self._pcm_ends: dict[int, Fraction | None] = {}  # in seconds, where MP4 and MOV count it
        for plan in plans:
            self._route(source.streams[plan.stream.index], plan)
        if self._lost_languages:
            lost = ", ".join(dict.fromkeys(self._lost_languages))
            name = output.format.name.upper()
            self.notes.append(f"languages that are lost, as {name} has no code for them: {lost}")
        if self._lost_marks:
            name, lost = _CONTAINERS[output.format.name], mark_names(self._lost_marks)
            self.notes.append(f"marks of streams that are lost, as {name} has no such: {lost}")
        kept = [source.streams[index] for index in self._targets]
        span.seek(source, any(stream.type == "subtitle" for stream in kept))
        self._packets = source.demux(*kept) if kept else iter(())
        self._next = self._read()

    @property
    def sounds(self) -> range:
        """How many streams of sound the output may have: MP4 leaves out those without any."""
        every = sum(target.type == "audio" for target in self._targets.values())
        return range(len(self._heard), every + 1)

    def until(self, seconds: float) -> None:
        """Copy the packets up to a time on the input's clock."""
        while self._next is not None and self._next[0] <= seconds:
            self._copy(self._next[1])
            self._next = self._read()
        for index, text in self._texts.items():
            self._place_all(text.until(seconds), self._targets[index])

    def finish(self) -> None:
        """Write what is held back, and note what was lost."""
        for index, text in self._texts.items():
            self._place_all(text.finish(), self._targets[index])
        for index, source in self._transcoded.items():
            target = self._targets[index]
            assert isinstance(target, AudioStream)
            for sound in _decoded(partial(source.decode, None)):
                self._encode(target, sound)
            self._flush(target)
            self._mux(target.encode(None))
        jumps = "out of order: the input's times jump back"
        for count, why in ((self._damaged, "damaged"), (self._dropped - self._damaged, jumps)):
            if count:
                packets = f"{count} packet{'s' * (count > 1)}"
                self.notes.append(f"dropped {packets} of sound or subtitles, {why}")
        if count := sum(text.overlaps for text in self._texts.values()):
            subtitles = f"{count} subtitle{'s' * (count > 1)}"
            self.notes.append(f"{subtitles} cut short or joined: MP4 text shows one at a time")

    def _route(self, stream: Stream, plan: StreamPlan) -> None:
        if plan.reason:
            self.notes.append(str(plan))
        if plan.action == "leave out":
            return
        if plan.action == "attach":
            self._attach(stream, plan)
            return
        target: Stream
        if plan.action == "copy":
            target = self._output.add_stream_from_template(stream)
            if plan.stream.codec.startswith("pcm_") and self._output.format.name in ("mp4", "mov"):
                self._pcm_ends[stream.index] = None
        elif isinstance(stream, AudioStream):
            target = self._add_audio(stream, plan)
            self._transcoded[stream.index] = stream
        else:
            target = self._output.add_mux_stream(plan.codec or "")
            target.time_base = Fraction(1, 1000)
            self._texts[stream.index] = TextTrack(plan.stream.codec, plan.codec or "")
        muxer = self._output.format.name
        target.metadata.update(stream_tags(stream, muxer))
        if stream.language and not held_language(stream.language, muxer):
            self._lost_languages.append(stream.language)
        if plan.stream.title and self._output.format.name in ("mp4", "mov"):
            target.metadata["handler_name"] = plan.stream.title  # MP4 and MOV have no other place
        target.disposition = held_marks(stream.disposition, stream.type, muxer)
        self._lost_marks |= stream.disposition & ~target.disposition
        self._targets[stream.index] = target

    def _attach(self, stream: Stream, plan: StreamPlan) -> None:
        if isinstance(stream, AttachmentStream):
            name = stream.name or f"attachment_{stream.index}"
            mime = stream.mimetype or "application/octet-stream"
            self._output.add_attachment(name, mime, stream.data or b"")
            return
        name, mime = COVERS[stream.codec_context.name]
        name = stream.metadata.get("filename", name)
        # By another handle: from this one the sound that comes before could not be read any more.
        with av.open(self._source.name, metadata_errors="replace") as source:
            packets = source.demux(source.streams[stream.index])
            picture = next((bytes(packet) for packet in packets if packet.size), None)
        if picture is None:
            self.notes.append(str(replace(plan, action="leave out", reason="it is empty")))
            return
        self._output.add_attachment(name, mime, picture)

    def _add_audio(self, stream: AudioStream, plan: StreamPlan) -> AudioStream:
        encoder, context = _ENCODERS[plan.codec or ""], stream.codec_context
        rates = av.Codec(encoder, "w").audio_rates or ()
        rate = context.sample_rate if context.sample_rate in rates else 48_000
        target = self._output.add_stream(encoder, rate=rate)
        assert isinstance(target, AudioStream)
        channels, layout = context.layout.nb_channels, context.layout.name
        wanted = layout.replace("(side)", "")
        if layout == f"{channels} channels" or channels <= 2:
            wanted = _GUESSED_LAYOUTS.get(channels, layout)
        taken = wanted
        if wanted not in _LAYOUTS[encoder]:
            taken = "5.1" if channels <= 6 else "7.1" if channels <= 8 else "stereo"
            self.notes.append(f"{plan.stream}: its {channels} channels ({wanted}) become {taken}")
        target.codec_context.layout = taken
        return target

    def _read(self) -> tuple[float, av.Packet[Stream]] | None:
        """The next packet and its time in seconds, both on the input's clock."""
        try:
            for packet in self._packets:
                stamp = packet.pts if packet.dts is None else packet.dts
                if not packet.size or stamp is None:
                    continue
                seconds = float(stamp * packet.time_base)
                if seconds > self._span.end + INTERLEAVED_SECONDS:
                    return None
                if self._span.take(packet):
                    return seconds, packet
        except av.FFmpegError:
            self.notes.append("the input's sound or subtitles break off")
        except IndexError:  # PyAV's, at the end of a file in which streams appeared on the way
            pass
        return None

    def _copy(self, packet: av.Packet[Stream]) -> None:
        index = packet.stream.index
        target = self._targets[index]
        if index in self._texts:
            self._place_all(self._texts[index].convert(packet), target)
        elif index in self._transcoded:
            assert isinstance(target, AudioStream)
            for sound in _decoded(packet.decode):
                self._encode(target, sound)
        else:
            if target.type == "audio":
                self._heard.add(target.index)
            place = self._place_samples if index in self._pcm_ends else self._place
            place(packet, target)

    def _place_samples(self, packet: av.Packet[Stream], target: Stream) -> None:
        """Write PCM where its time is its number of samples, so that a gap must be silence."""
        index, context = packet.stream.index, packet.stream.codec_context
        assert isinstance(context, AudioCodecContext)
        name, rate = context.name, context.sample_rate
        silent = bytes([_SILENCE.get(name, 0)])
        bits = int("".join(filter(str.isdigit, name)) or 8)
        size = max(1, context.layout.nb_channels * bits // 8)
        begin = ((packet.dts if packet.pts is None else packet.pts) or 0) * packet.time_base
        end = self._pcm_ends[index]
        if end is None:
            end = begin
        if begin - end >= _SHORTEST_GAP_SECONDS:
            gap = round((begin - end) * rate) if begin - end <= _LONGEST_GAP_SECONDS else 0
            for first in range(-gap, 0, rate):
                count = min(rate, -first)
                silence: av.Packet[Stream] = av.Packet(silent * size * count)
                silence.time_base, silence.duration = Fraction(1, rate), count
                silence.pts = silence.dts = round(begin * rate) + first
                self._place(silence, target)
            end = begin
        end += Fraction(packet.size // size, rate)
        dropped = self._dropped
        self._place(packet, target)
        if self._dropped == dropped:
            self._pcm_ends[index] = end

    def _place_all(self, packets: Iterable[av.Packet[Stream]], target: Stream) -> None:
        for packet in packets:
            self._place(packet, target)

    def _place(self, packet: av.Packet[Stream], target: Stream) -> None:
        self._span.shift(packet)
        packet.stream = target
        self._mux([packet])

    def _encode(self, target: AudioStream, sound: AudioFrame) -> None:
        self._span.shift(sound)
        self._heard.add(target.index)
        takes = (sound.format.name, sound.layout.name, sound.sample_rate)
        if self._resamplers.get(target.index, (None,))[0] != takes:  # it may change on the way
            self._flush(target)
            context = target.codec_context
            resampler = AudioResampler(
                context.format, context.layout, context.sample_rate, options=_NEVER_CLIPS
            )
            self._resamplers[target.index] = (takes, resampler)
        for part in self._resamplers[target.index][1].resample(sound):
            self._mux(target.encode(part))

    def _flush(self, target: AudioStream) -> None:
        """Encode what a resampler holds back."""
        if target.index in self._resamplers:
            for part in self._resamplers.pop(target.index)[1].resample(None):
                self._mux(target.encode(part))

    def _mux(self, packets: Iterable[av.Packet[Any]]) -> None:
        for packet in packets:
            try:
                self._output.mux(packet)
            except av.error.ArgumentError:  # its time is before that of the packet before
                self._dropped += 1
            except (av.error.InvalidDataError, av.error.PatchWelcomeError):  # its framing
                self._dropped += 1
                self._damaged += 1


def _decoded(decode: Callable[[], Sequence[Any]]) -> Sequence[AudioFrame]:
    """What `decode` gives; nothing where the sound is damaged."""
    try:
        return decode()
    except MemoryError:
        raise
    except av.FFmpegError:
        return ()
