"""Names of numbered pictures, one for every frame: `frame_%05d.png`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from videostyle.media.info import PICTURE_SUFFIXES

_NUMBER = re.compile(r"%(?:0\d)?d")


def is_sequence(path: Path) -> bool:
    """Whether a name means numbered pictures: it ends like a picture and holds one %d or %05d."""
    return path.suffix.lower() in PICTURE_SUFFIXES and count_numbers(path) == 1


def count_numbers(path: Path) -> int:
    """How many %d or %05d a name holds."""
    return len(_NUMBER.findall(path.name))


def numbered(path: Path, number: int) -> Path:
    """The name of one picture of a sequence."""
    return path.with_name(_NUMBER.sub(lambda found: found[0] % number, path.name))


def sequence_numbers(path: Path) -> list[int]:
    """The numbers of a sequence's pictures that are there, in their order."""
    before, after = (re.escape(part) for part in _NUMBER.split(path.name))
    name = re.compile(f"{before}([0-9]+){after}")
    folder = path.absolute().parent
    found = folder.iterdir() if folder.is_dir() else ()
    matches = (match for file in found if (match := name.fullmatch(file.name)))
    numbers = (int(match[1]) for match in matches if numbered(path, int(match[1])).name == match[0])
    return sorted(numbers)


def files_of(path: Path) -> list[Path]:
    """The pictures a name stands for that are there, in their order, or the file of that name."""
    if not is_sequence_input(path):
        return [path]
    return [numbered(path, number) for number in sequence_numbers(path)]


def file_keys(path: Path) -> set[object]:
    """What two names have in common if one file has, or is among the pictures of, both."""
    return {_file_key(file) for file in files_of(path)}


def _file_key(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:  # is not there, or its name is too long
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def sequence_stem(path: Path) -> str:
    """What a sequence is called: its name without the number, or its folder's."""
    folder = path.resolve().parent.name
    return _NUMBER.sub("", path.stem).strip(" ._-") or folder.replace("%", "")


def is_sequence_input(path: Path) -> bool:
    """Whether an input's name stands for numbered pictures, not for a file called so."""
    return is_sequence(path) and not os.path.lexists(path)
