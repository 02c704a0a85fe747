"""Text subtitles of one format in another's."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from fractions import Fraction

import av
from av.stream import Stream

from videostyle.encode.span import INTERLEAVED_SECONDS

# What stands in the text and is not shown; the group is what SubRip and WebVTT both know.
_SUBRIP = re.compile(r"<(/?[biu])\b[^>]*>|</?(?:s|font)\b[^>]*>|\{\\[^}]*\}", re.IGNORECASE)
_MARKUP = {"srt": _SUBRIP, "subrip": _SUBRIP}
_MARKUP |= {"webvtt": re.compile(r"<(/?[biu])\b[^>]*>|<[^>]*>")}
# Before its text an event of ASS has eight fields. What stands in braces is not shown, and what
# comes after \p1 or more is drawn.
_ASS_FIELDS = 8
_ASS_DRAWING = re.compile(r"\{[^}]*\\p[1-9][^}]*\}.*?(?=\{[^}]*\\p0|$)", re.DOTALL)
_ASS_BRACES = re.compile(r"\{[^}]*\}")
_ASS_BREAK = re.compile(r"\s*\\[Nn]\s*")


@dataclass(slots=True)
class _Cue:
    """A text subtitle of the output, from begin to end on the input's clock, in ticks."""

    text: str
    begin: int
    end: int
    time_base: Fraction


class TextTrack:
    """A track of text subtitles in another format than the input's.

    MP4 text shows one at a time, so that its last waits for the next: which begins before it ends
    cuts it short, and which begins with it is joined to it.
    """

    def __init__(self, source: str, target: str) -> None:
        """source: the name of the decoder. target: mov_text, subrip or webvtt."""
        self._source, self._target = source, target
        self._last: _Cue | None = None
        self.overlaps = 0  # how many were cut short or joined

    def convert(self, packet: av.Packet[Stream]) -> list[av.Packet[Stream]]:
        """What can be written once a packet of the input is read, on the input's clock."""
        text = _retold(bytes(packet), self._source, self._target)
        if not text or packet.pts is None:
            return []
        cue = _Cue(text, packet.pts, packet.pts + (packet.duration or 0), packet.time_base)
        if self._target != "mov_text":
            return [self._packet(cue)]
        last, self._last = self._last, cue
        if last is None:
            return []
        if last.begin == cue.begin:
            cue.text, cue.end = f"{last.text}\n{cue.text}", max(last.end, cue.end)
            self.overlaps += 1
            return []
        if last.begin < cue.begin < last.end:
            last.end = cue.begin
            self.overlaps += 1
        return [self._packet(last)]

    def until(self, seconds: float) -> list[av.Packet[Stream]]:
        """What can be written once the input is read up to a time."""
        last = self._last
        if last is None or last.end * last.time_base + INTERLEAVED_SECONDS >= seconds:
            return []  # another may overlap it
        return self.finish()

    def finish(self) -> list[av.Packet[Stream]]:
        """What is left to be written."""
        last, self._last = self._last, None
        return [self._packet(last)] if last else []

    def _packet(self, cue: _Cue) -> av.Packet[Stream]:
        text = cue.text.encode(errors="surrogateescape")
        if self._target == "mov_text":  # which holds the length of the text before it
            text = text[:0xFFFF]  # more than its length can say is no subtitle
            text = len(text).to_bytes(2, "big") + text
        packet: av.Packet[Stream] = av.Packet(text)
        packet.pts = packet.dts = cue.begin
        packet.duration, packet.time_base = cue.end - cue.begin, cue.time_base
        return packet


def _retold(packet: bytes, source: str, target: str) -> str:
    """A subtitle's text in another format's markup; none for MP4's packets of silence."""
    if source == "mov_text":
        packet = packet[2 : 2 + int.from_bytes(packet[:2], "big")]
    text = packet.decode(errors="surrogateescape")
    if source in ("ass", "ssa"):
        text = _words_of_ass(text)
    # Words, and between them the name of a tag that may stay, or None.
    parts = _MARKUP[source].split(text) if source in _MARKUP else [text]
    if source == "webvtt":
        parts[::2] = map(html.unescape, parts[::2])
    if target == "webvtt":
        parts[::2] = [html.escape(words, quote=False) for words in parts[::2]]
    keeps_tags = target in _MARKUP
    parts[1::2] = [f"<{tag.lower()}>" if tag and keeps_tags else "" for tag in parts[1::2]]
    return "".join(parts)


def _words_of_ass(packet: str) -> str:
    """What an event of ASS or SSA says, without its looks, and without empty lines, which would end
    a cue of WebVTT."""
    text = packet.split(",", _ASS_FIELDS)[-1]
    text = _ASS_BRACES.sub("", _ASS_DRAWING.sub("", text)).replace("\\h", " ")
    return "\n".join(filter(None, _ASS_BREAK.split(text.strip())))
