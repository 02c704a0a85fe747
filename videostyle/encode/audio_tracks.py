"""Tracks of sound that are more than copied: encoded anew, or counted sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream

from videostyle.encode.span import Span
from videostyle.encode.stream_plans import StreamPlan

_SHORTEST_GAP_SECONDS = 0.05  # less is the rounding of times
_LONGEST_GAP_SECONDS = 3600  # of PCM; more is damage, and would fill the disk
_BESIDE_GAP_SECONDS = Fraction(1)  # of silence, which is longer than an encoder's frame
_SILENCE = {"pcm_u8": 0x80, "pcm_alaw": 0xD5, "pcm_mulaw": 0xFF}  # of other PCM it is 0
_ENCODERS = {"aac": "aac", "opus": "libopus"}
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


class TranscodedTrack:
    """A track of sound that is decoded and encoded anew."""

    def __init__(
        self, output: OutputContainer, source: AudioStream, plan: StreamPlan, span: Span
    ) -> None:
        """Add `target`, the track, to an output."""
        encoder, context = _ENCODERS[plan.codec or ""], source.codec_context
        rates = av.Codec(encoder, "w").audio_rates or ()
        rate = context.sample_rate if context.sample_rate in rates else 48_000
        target = output.add_stream(encoder, rate=rate)
        assert isinstance(target, AudioStream)
        self.target, self._source, self._span = target, source, span
        self._resampler: AudioResampler | None = None
        self._takes: tuple[str, str, int] | None = None  # the format, layout and rate it is for
        self._end: Fraction | None = None  # of the sound so far, in seconds
        self.is_heard = False  # whether there has been any sound
        self.notes = list[str]()
        channels, layout = context.layout.nb_channels, context.layout.name
        wanted = layout.replace("(side)", "")
        if layout == f"{channels} channels" or channels <= 2:
            wanted = _GUESSED_LAYOUTS.get(channels, layout)
        taken = wanted
        if wanted not in _LAYOUTS[encoder]:
            taken = "5.1" if channels <= 6 else "7.1" if channels <= 8 else "stereo"
            self.notes.append(f"{plan.stream}: its {channels} channels ({wanted}) become {taken}")
        target.codec_context.layout = taken

    def transcode(self, packet: av.Packet[Stream]) -> Iterator[av.Packet[Any]]:
        """What can be written once a packet of the input is read."""
        for sound in _decoded(packet.decode):
            yield from self._encode(sound)

    def finish(self) -> Iterator[av.Packet[Any]]:
        """What is left to be written."""
        for sound in _decoded(partial(self._source.decode, None)):
            yield from self._encode(sound)
        yield from self._flush()
        yield from self.target.encode(None)

    def _encode(self, sound: AudioFrame) -> Iterator[av.Packet[Any]]:
        self._span.shift(sound)
        self.is_heard = True
        for part in (*self._silence_before(sound), sound):
            takes = (part.format.name, part.layout.name, part.sample_rate)
            if self._resampler is None or self._takes != takes:  # it may change on the way
                yield from self._flush()
                context = self.target.codec_context
                self._takes = takes
                self._resampler = AudioResampler(
                    context.format, context.layout, context.sample_rate, options=_NEVER_CLIPS
                )
            for resampled in self._resampler.resample(part):
                yield from self.target.encode(resampled)

    def _silence_before(self, sound: AudioFrame) -> Iterator[AudioFrame]:
        """Silence on both sides of a gap before a sound: an encoder joins what it still holds back
        to what comes after a gap, which would be heard before it. Of a short gap, all of it."""
        begin, end = self._end, self._end
        if sound.pts is not None and sound.time_base:
            begin = sound.pts * sound.time_base
        if begin is None:
            return
        if end is None:
            end = begin
        self._end = max(end, begin + Fraction(sound.samples, sound.sample_rate))
        gap = begin - end
        beside = _BESIDE_GAP_SECONDS
        if gap > 2 * beside:
            yield _silence(sound, end, beside)
            yield _silence(sound, begin - beside, beside)
        elif gap >= _SHORTEST_GAP_SECONDS:
            yield _silence(sound, end, gap)

    def _flush(self) -> Iterator[av.Packet[Any]]:
        """Encode what the resampler holds back."""
        if self._resampler:
            for part in self._resampler.resample(None):
                yield from self.target.encode(part)
            self._resampler = None


def _silence(like: AudioFrame, begin: Fraction, seconds: Fraction) -> AudioFrame:
    """Silence from a time on, of the format, layout and rate of a sound that has a time."""
    samples = max(1, round(seconds * like.sample_rate))
    silence = AudioFrame(like.format.name, like.layout.name, samples)
    # PyAV lists planes behind the last one where there are more than seven channels.
    planes = silence.planes[: like.layout.nb_channels if like.format.is_planar else 1]
    for plane in planes:
        plane.update((b"\x80" if like.format.bytes == 1 else b"\0") * plane.buffer_size)
    silence.sample_rate = like.sample_rate
    if like.time_base:
        silence.pts, silence.time_base = round(begin / like.time_base), like.time_base
    return silence


def counts_samples(stream: AudioStream, output: OutputContainer) -> bool:
    """Whether the time of a copied sound is the number of the samples before it."""
    is_pcm = stream.codec_context.name.startswith("pcm_")
    return is_pcm and output.format.name in ("mp4", "mov")


class PcmTrack:
    """A track of copied PCM where `counts_samples`, so that a gap must be silence."""

    def __init__(self, context: AudioCodecContext) -> None:
        bits = int("".join(filter(str.isdigit, context.name)) or 8)
        self._rate = context.sample_rate
        self._sample_bytes = max(1, context.layout.nb_channels * bits // 8)  # of all channels
        self._silent_sample = bytes([_SILENCE.get(context.name, 0)]) * self._sample_bytes
        self._end: Fraction | None = None  # of what is written, in seconds

    def place(self, packet: av.Packet[Stream], write: Callable[[av.Packet[Stream]], bool]) -> None:
        """Write a packet, after the silence before it. write: False if it drops a packet."""
        begin = ((packet.dts if packet.pts is None else packet.pts) or 0) * packet.time_base
        end = begin if self._end is None else self._end
        if begin - end >= _SHORTEST_GAP_SECONDS:
            if begin - end <= _LONGEST_GAP_SECONDS:
                for silence in self._silence(begin, round((begin - end) * self._rate)):
                    write(silence)
            end = begin
        end += Fraction(packet.size // self._sample_bytes, self._rate)
        if write(packet):
            self._end = end

    def _silence(self, end: Fraction, samples: int) -> Iterator[av.Packet[Stream]]:
        """So many samples up to a time, in packets of at most a second."""
        for first in range(-samples, 0, self._rate):
            count = min(self._rate, -first)
            silence: av.Packet[Stream] = av.Packet(self._silent_sample * count)
            silence.time_base, silence.duration = Fraction(1, self._rate), count
            silence.pts = silence.dts = round(end * self._rate) + first
            yield silence


def _decoded(decode: Callable[[], Sequence[Any]]) -> Sequence[AudioFrame]:
    """What `decode` gives; nothing where the sound is damaged."""
    try:
        return decode()
    except MemoryError:
        raise
    except av.FFmpegError:
        return ()
