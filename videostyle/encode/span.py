"""The part of an input that becomes an output, on the clock of each."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.stream import Stream

INTERLEAVED_SECONDS = 10  # packets of one time are at most so far apart in a file
_LONGEST_SUBTITLE_SECONDS = 60
_WARM_UP_SECONDS = 0.1  # of sound before its first sample; Opus wants the most, 0.08


@dataclass(frozen=True, slots=True)
class Span:
    """The part of the input that is wanted, in seconds on the input's clock, and by how much its
    times are less in the output."""

    begin: float = -math.inf
    end: float = math.inf
    earlier: Fraction = Fraction(0)

    @property
    def is_whole(self) -> bool:
        return (self.begin, self.end) == (-math.inf, math.inf)

    def seek(self, source: InputContainer, subtitles: bool) -> None:
        """Go to before the part; a subtitle still on show may have begun well before."""
        if self.begin == -math.inf:
            return
        margin = _LONGEST_SUBTITLE_SECONDS if subtitles else INTERLEAVED_SECONDS
        # A file that cannot seek is read from its start.
        with suppress(av.FFmpegError):
            source.seek(int((self.begin - margin) * av.time_base))

    def take(self, packet: av.Packet[Stream]) -> bool:
        """Whether a packet begins in the part; subtitles are shortened to it."""
        if packet.pts is None or packet.time_base is None:
            return True
        begin = float(packet.pts * packet.time_base)
        end = begin + float((packet.duration or 0) * packet.time_base)
        if is_hidden(packet):
            return False
        if self.is_whole:
            return True
        if packet.stream.type != "subtitle" or not packet.duration:
            return self.begin <= begin < self.end
        begin, end = max(begin, self.begin), min(end, self.end)
        packet.pts = packet.dts = round(begin / packet.time_base)
        packet.duration = max(0, round(end / packet.time_base) - packet.pts)
        return begin < end

    def shift(self, item: av.Packet[Stream] | AudioFrame) -> None:
        """Move a packet or sound to its time in the output."""
        if not self.earlier or not item.time_base:
            return
        ticks = round(self.earlier / item.time_base)
        if item.pts is not None:
            item.pts -= ticks
        if isinstance(item, av.Packet) and item.dts is not None:
            item.dts -= ticks


def is_hidden(packet: av.Packet[Stream]) -> bool:
    """Whether an edit list cuts a packet off, which would be back where the output has no list."""
    if not packet.is_discard or packet.pts is None:
        return False
    return float((packet.pts + (packet.duration or 0)) * packet.time_base) < -_WARM_UP_SECONDS
