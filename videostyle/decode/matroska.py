"""What a Matroska file (RFC 9559) says and FFmpeg does not hand on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from videostyle.media.info import Crop

_HEADER, _SEGMENT, _TRACKS, _TRACK, _VIDEO = (
    bytes.fromhex(identity) for identity in ("1a45dfa3", "18538067", "1654ae6b", "ae", "e0")
)
_CROPS = {  # PixelCropTop, -Bottom, -Left and -Right
    bytes.fromhex(identity): side for side, identity in enumerate(("54bb", "54aa", "54cc", "54dd"))
}
_MOST_DIGITS = 8


def is_shorter_than_it_says(path: Path) -> bool:
    """Whether a Matroska file, or WebM, ends before its contents do."""
    with suppress(OSError), path.open("rb") as file:
        length = _open_segment(file)
        return length is not None and file.tell() + length > path.stat().st_size
    return False


def hidden_by(path: Path, number: int) -> Crop:
    """What a Matroska file hides of its videos, the first of which is 0. Nothing of other files,
    nor where a file names its videos behind a live stream."""
    crop = [0, 0, 0, 0]
    with suppress(OSError), path.open("rb") as file:
        _open_segment(file)
        end = path.stat().st_size
        videos = (
            video
            for tracks in _inside(file, end, _TRACKS)
            for track in _inside(file, tracks, _TRACK)
            for video in _inside(file, track, _VIDEO)
        )
        for index, video in enumerate(videos):
            if index == number:
                for identity, stop in _elements(file, video):
                    if identity in _CROPS:
                        digits = file.read(min(stop - file.tell(), _MOST_DIGITS))
                        crop[_CROPS[identity]] = int.from_bytes(digits)
                break
    return Crop(*crop)


def _open_segment(file: BinaryIO) -> int | None:
    """Go to what the segment holds; how much that is, None of a live stream and of other files."""
    if file.read(4) != _HEADER:
        file.seek(0, os.SEEK_END)
        return None
    file.seek(_size(file) or 0, os.SEEK_CUR)
    return _size(file) if file.read(4) == _SEGMENT else None


def _inside(file: BinaryIO, end: int, wanted: bytes) -> Iterator[int]:
    """Go into each element of a kind before a place; where it ends."""
    return (stop for identity, stop in _elements(file, end) if identity == wanted)


def _elements(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int]]:
    """The elements (RFC 8794) before a place: what they are, and where they end."""
    while file.tell() < end:
        first = file.read(1)
        identity = first + file.read(8 - (first or b"\xff")[0].bit_length())
        size = _size(file)
        if size is None:
            return
        stop = file.tell() + size
        yield identity, min(stop, end)
        file.seek(stop)


def _size(file: BinaryIO) -> int | None:
    """The size of an element, read from behind its ID; None where it is unknown, as in a live
    stream."""
    first = (file.read(1) or b"\xff")[0]
    more = 8 - first.bit_length()
    bits = 7 * (more + 1)
    size = int.from_bytes(bytes([first]) + file.read(more)) & (1 << bits) - 1
    return None if size == (1 << bits) - 1 else size
