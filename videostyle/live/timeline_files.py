"""Which file the timeline on the page is of, whether it is saved there, and when saving asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from videostyle.errors import MediaError
from videostyle.live.library import Library
from videostyle.live.message import integer

# Of a timeline that is saved; and of one that is read, which takes seconds for every megabyte.
MAX_SAVED_BYTES = 4_000_000
MAX_TIMELINE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class TimelineFile:
    """The file that a timeline is of. name: in the folder, empty for none there. held: a digest of
    the text it held when it was last read or saved here, empty if it never was."""

    name: str = ""
    held: str = ""


class TimelineFiles:
    """The files of all timelines opened so far, to which undoing leads back.

    yaml: the text of the timeline that is shown, empty without one. number: of the file it is of.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._files = [TimelineFile()]
        self.number = 0
        self.yaml = ""

    @property
    def name(self) -> str:
        """Of the file that is edited, empty for none in the folder."""
        return self._files[self.number].name

    @property
    def is_saved(self) -> bool:
        return self._files[self.number].held == _digest(self.yaml)

    def note(self, text: str, path: Path | None = None) -> None:
        """Note the file that the timeline is of, and what it holds. path: None, or a file outside
        the folder, for one that the page does not save to."""
        try:
            name = path.resolve().relative_to(self._library.root).as_posix() if path else ""
            self._library.find(name)
        except (ValueError, MediaError):
            name = ""
        self.number = self.opened(name, text)

    def opened(self, name: str, text: str) -> int:
        """Note what a timeline's file holds that was read. The number that is returned says of a
        timeline that it is of this file: it counts as saved while it has this text."""
        self._files.append(TimelineFile(name, _digest(text)))
        return len(self._files) - 1

    def saved(self, name: str, text: str, number: int | None) -> int:
        """Note that a text was saved, and return the number of its file. number: of the file that
        the text was of before, if any."""
        is_shown = _digest(text) == _digest(self.yaml)
        # A text under another name is that of the timeline only if it is the one that is shown.
        if number is None or (self._files[number].name != name and not is_shown):
            number = self.opened(name, text)
            if is_shown:
                self.number = number
        self._files[number] = TimelineFile(name, _digest(text))
        return number

    def why_ask(self, name: str, path: Path, number: int | None) -> str:
        """Why nobody may have meant to save over a file that is there; empty if it is the one of
        that number, as it was left."""
        file = TimelineFile() if number is None else self._files[number]
        if file.name != name or not file.held:
            return f"{name} exists"
        try:
            is_same = _digest(path.read_bytes().decode(errors="replace")) == file.held
        except FileNotFoundError:  # by now there is nothing to save over
            return ""
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        return "" if is_same else f"{name} has been changed by another program"

    def begin(self, name: str = "") -> None:
        """The timeline is from now on of a file that has yet to be saved."""
        self._files.append(TimelineFile(name))
        self.number = len(self._files) - 1

    def number_in(self, message: Mapping[str, Any]) -> int | None:
        """The number of a file, if a message has one."""
        return integer(message, "file", 0, len(self._files) - 1) if "file" in message else None


def _digest(text: str) -> str:
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return sha256(plain.encode(errors="replace")).hexdigest()
