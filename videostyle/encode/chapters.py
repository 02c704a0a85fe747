"""Chapters of a part of an input, and as MP4 and MOV keep them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.container import InputContainer

from videostyle.encode.span import Span

if TYPE_CHECKING:
    from av.container.core import Chapter

CHAPTER_SECONDS = 0.05  # by so much, MP4 and MOV may move a chapter


def chapters_within(span: Span, source: InputContainer) -> list[Chapter]:
    """The chapters of a part, at their times in the output."""
    if span.is_whole and not span.earlier:
        return source.chapters()
    found = []
    for chapter in source.chapters():
        tick = chapter["time_base"] or Fraction(1, av.time_base)
        begin = max(float(chapter["start"] * tick), span.begin)
        end = min(float(chapter["end"] * tick), span.end)
        if begin < end:
            found.append(chapter)
            chapter["start"] = round((begin - float(span.earlier)) / tick)
            chapter["end"] = round((end - float(span.earlier)) / tick)
    return found


def in_text_track(chapters: list[Chapter]) -> list[Chapter]:
    """Chapters as MP4 and MOV keep them: in a track of titles that begins at 0, so that one without
    a title would be lost, and a first one that begins later would begin at 0."""
    for chapter in chapters:
        chapter["metadata"].setdefault("title", "")
    if not chapters:
        return []
    begin, tick = chapters[0]["start"], chapters[0]["time_base"] or Fraction(1, av.time_base)
    before: Chapter = {
        "id": 0,  # which neither keeps
        "start": 0,
        "end": begin,
        "time_base": tick,
        "metadata": {"title": ""},
    }
    return [before, *chapters] if begin * tick > CHAPTER_SECONDS else chapters
