"""Text subtitles of one format in another's."""

from __future__ import annotations

import html
import re

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


def retold(packet: bytes, source: str, target: str) -> str:
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
