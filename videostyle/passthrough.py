"""The streams beside the picture: sound and subtitles, from the input to the output.

Knows nothing of frames or styles.
"""

from __future__ import annotations

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Stream

from videostyle.media import MediaInfo, StreamInfo

# Tags that describe the input's encoding and would be wrong of the output's.
_STALE_TAGS = (
    *("encoder", "duration", "bps", "number_of_", "_statistics", "alpha_mode"),
    *("vendor_id", "major_brand", "minor_version", "compatible_brands"),
)
_AAC_LAYOUTS = {1: "mono", 6: "5.1", 8: "7.1"}  # by channels; any other number becomes stereo


class Passthrough:
    """Copies the audio and subtitle streams of `source`, in step with the pictures.

    It reads the input by a handle of its own, so that the frames' stages hold frames only. Audio
    that the container cannot hold is transcoded; what cannot be kept is left out and noted.
    """

    def __init__(
        self, source: InputContainer, output: OutputContainer, info: MediaInfo, audio: str
    ) -> None:
        self.notes: list[str] = []
        self._output = output
        self._known = output.supported_codecs
        self._dropped = 0
        self._targets: dict[int, Stream] = {}
        self._transcoded: dict[int, AudioStream] = {}
        for fact in info.other_streams:
            self._route(source.streams[fact.index], fact, audio)
        kept = [source.streams[index] for index in self._targets]
        self._packets = source.demux(*kept) if kept else iter(())
        self._next = self._read()

    def until(self, seconds: float) -> None:
        """Copy the packets up to a time on the input's clock."""
        while self._next is not None and self._next[0] <= seconds:
            self._copy(self._next[1])
            self._next = self._read()

    def finish(self) -> None:
        """Write what the audio encoders hold back, and note what was lost."""
        if self._dropped:
            self.notes.append(f"dropped {self._dropped} packets of sound or subtitles out of order")
        for index, source in self._transcoded.items():
            target = self._targets[index]
            assert isinstance(target, AudioStream)
            for sound in (*source.decode(None), None):
                self._output.mux(target.encode(sound))

    def _route(self, stream: Stream, fact: StreamInfo, audio: str) -> None:
        if fact.kind not in ("audio", "subtitle"):
            self.notes.append(f"{fact} left out")
            return
        if fact.kind == "audio" and audio == "none":
            return
        if fact.codec in self._known and (fact.kind == "subtitle" or audio == "copy"):
            target = self._output.add_stream_from_template(stream)
        elif isinstance(stream, AudioStream) and stream.codec_context is not None:
            target = self._add_aac(stream)
            self._transcoded[stream.index] = stream
            if audio == "copy":
                self.notes.append(f"{fact} transcoded to AAC: this container cannot hold it")
        else:
            self.notes.append(f"{fact} left out: this container cannot hold it")
            return
        target.metadata.update(kept_tags(stream.metadata))
        target.disposition = stream.disposition
        self._targets[stream.index] = target

    def _add_aac(self, stream: AudioStream) -> AudioStream:
        context = stream.codec_context
        rates = av.Codec("aac", "w").audio_rates or ()
        rate = context.sample_rate if context.sample_rate in rates else 48_000
        target = self._output.add_stream("aac", rate=rate)
        target.codec_context.layout = _AAC_LAYOUTS.get(context.layout.nb_channels, "stereo")
        return target

    def _read(self) -> tuple[float, av.Packet[Stream]] | None:
        """The next packet and its time in seconds."""
        try:
            for packet in self._packets:
                stamp = packet.pts if packet.dts is None else packet.dts
                if packet.size and stamp is not None:
                    return float(stamp * packet.time_base), packet
        except av.FFmpegError:
            self.notes.append("the input's sound or subtitles break off")
        return None

    def _copy(self, packet: av.Packet[Stream]) -> None:
        index = packet.stream.index
        target = self._targets[index]
        if index not in self._transcoded:
            packet.stream = target
            try:
                self._output.mux(packet)
            except av.error.ArgumentError:  # its time is before that of the packet before
                self._dropped += 1
            return
        assert isinstance(target, AudioStream)
        try:
            sounds = packet.decode()
        except av.error.InvalidDataError:
            return
        for sound in sounds:
            assert isinstance(sound, AudioFrame)
            self._output.mux(target.encode(sound))


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """Metadata without what describes the input's own encoding."""
    return {key: tags[key] for key in tags if not key.lower().startswith(_STALE_TAGS)}
