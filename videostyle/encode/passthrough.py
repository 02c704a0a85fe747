"""The streams beside the picture: sound and subtitles, from the input to the output.

Knows nothing of frames or styles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream

from videostyle.decode.stream import packets_of
from videostyle.encode.audio_tracks import PcmTrack, TranscodedTrack, counts_samples
from videostyle.encode.languages import held_language
from videostyle.encode.span import INTERLEAVED_SECONDS, Span
from videostyle.encode.stream_plans import COVERS, StreamPlan
from videostyle.encode.subtitles import TextTrack
from videostyle.encode.tags import held_marks, mark_names, stream_tags
from videostyle.wording import counted

_CONTAINERS = {"mp4": "MP4", "mov": "MOV", "matroska": "Matroska", "webm": "WebM"}


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
        self._transcoded: dict[int, TranscodedTrack] = {}
        self._counted: dict[int, PcmTrack] = {}
        self._heard = set[int]()  # sound that is copied, if there is any
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
        self._packets = packets_of(source, kept) if kept else iter(())
        self._next = self._read()

    @property
    def sounds(self) -> range:
        """How many streams of sound the output may have: MP4 leaves out those without any."""
        every = sum(target.type == "audio" for target in self._targets.values())
        heard = len(self._heard) + sum(track.is_heard for track in self._transcoded.values())
        return range(heard, every + 1)

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
        for track in self._transcoded.values():
            for packet in track.finish():
                self._mux(packet)
        jumps = "out of order: the input's times jump back"
        for count, why in ((self._damaged, "damaged"), (self._dropped - self._damaged, jumps)):
            if count:
                packets = counted(count, "packet")
                self.notes.append(f"dropped {packets} of sound or subtitles, {why}")
        if count := sum(text.overlaps for text in self._texts.values()):
            subtitles = counted(count, "subtitle")
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
            if isinstance(stream, AudioStream) and counts_samples(stream, self._output):
                self._counted[stream.index] = PcmTrack(stream.codec_context)
        elif isinstance(stream, AudioStream):
            track = TranscodedTrack(self._output, stream, plan, self._span)
            self.notes += track.notes
            self._transcoded[stream.index], target = track, track.target
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

    def _read(self) -> tuple[float, av.Packet[Stream]] | None:
        """The next packet and its time in seconds, both on the input's clock."""
        try:
            for packet in self._packets:
                stamp = packet.pts if packet.dts is None else packet.dts
                if stamp is None:
                    continue
                seconds = float(stamp * packet.time_base)
                if seconds > self._span.end + INTERLEAVED_SECONDS:
                    return None
                if self._span.take(packet):
                    return seconds, packet
        except av.FFmpegError:
            self.notes.append("the input's sound or subtitles break off")
        return None

    def _copy(self, packet: av.Packet[Stream]) -> None:
        index = packet.stream.index
        target = self._targets[index]
        if index in self._texts:
            self._place_all(self._texts[index].convert(packet), target)
        elif index in self._transcoded:
            for encoded in self._transcoded[index].transcode(packet):
                self._mux(encoded)
        else:
            if target.type == "audio":
                self._heard.add(index)
            if index in self._counted:
                self._counted[index].place(packet, partial(self._place, target=target))
            else:
                self._place(packet, target)

    def _place_all(self, packets: Iterable[av.Packet[Stream]], target: Stream) -> None:
        for packet in packets:
            self._place(packet, target)

    def _place(self, packet: av.Packet[Stream], target: Stream) -> bool:
        """Write a packet at its time in the output; False if it is dropped."""
        self._span.shift(packet)
        packet.stream = target
        return self._mux(packet)

    def _mux(self, packet: av.Packet[Any]) -> bool:
        try:
            self._output.mux(packet)
        except av.error.ArgumentError:  # its time is before that of the packet before
            self._dropped += 1
            return False
        except (av.error.InvalidDataError, av.error.PatchWelcomeError):  # its framing
            self._dropped += 1
            self._damaged += 1
            return False
        return True
