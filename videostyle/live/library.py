"""The folder given on the command line: what may be opened from the page, and where it saves.

A name from the page is used only once it is known to lead to a file inside the folder, or to be
a plain file name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from videostyle.errors import MediaError, UsageError
from videostyle.media.info import PICTURE_SUFFIXES
from videostyle.rendering.jobs import VIDEO_INPUT_SUFFIXES
from videostyle.whole_file import WINDOWS_CHARACTERS, WINDOWS_DEVICE
from videostyle.wording import visible

MOST_FILES = 500
MOST_LOOKED_AT = 20_000
# Of a new file's name: leaves room for the endings of what is written on the way.
MOST_NAME_BYTES = 200
_MEDIA = {*PICTURE_SUFFIXES, *VIDEO_INPUT_SUFFIXES}
_TIMELINES = {".yaml", ".yml"}
# Folders, control characters and halves of characters; on Windows what it writes in no name.
_NOT_PLAIN = rf"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff{WINDOWS_CHARACTERS * (os.name == 'nt')}]"
_NO_FILE = rf"\.|{WINDOWS_DEVICE}"  # hidden, or none
_UNPLAIN = re.compile(rf"^(?={_NO_FILE})|{_NOT_PLAIN}", re.IGNORECASE)


class Library:
    """The pictures, videos and timelines of one folder and the folders in it.

    media, timelines: the names to choose from, relative to the folder, as `look` found them last.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._admitted: list[str] = []
        self.media: list[str] = []
        self.timelines: list[str] = []
        self.look()

    def admit(self, name: str) -> None:
        """Let a file of the folder be opened whatever it is called and wherever it links to: who
        names it on the command line knows it."""
        self._admitted = [name]
        self.media = sorted({*self.media, name})

    def look(self) -> None:
        """See what the folder holds now, but for what is hidden."""
        media: list[str] = []
        timelines: list[str] = []
        for path in islice(_seen(self.root), MOST_LOOKED_AT):
            name = path.relative_to(self.root).as_posix()
            if not _is_part(name) and self._holds(name):
                (timelines if path.suffix.lower() in _TIMELINES else media).append(name)
        self.media = sorted({*sorted(media)[:MOST_FILES], *self._admitted})
        self.timelines = sorted(timelines)[:MOST_FILES]

    def find(self, name: str) -> Path:
        """The picture, video or timeline of a name relative to the folder. Raises MediaError for
        any other."""
        if name not in self._admitted and not self._holds(name):
            raise MediaError(f"{name[:200]!r} is not among the files of {self.root}")
        return self.root / name

    def new(self, name: str, suffixes: set[str]) -> Path:
        """Where a file of a plain name goes. Raises UsageError for names with folders in them, for
        hidden files, for parts, and for endings other than the suffixes."""
        is_plain = not _UNPLAIN.search(name) and Path(name).name == name
        if not is_plain or Path(name).suffix.lower() not in suffixes:
            raise UsageError(
                f"{name[:200]!r}: write a plain file name that ends in "
                f"{', '.join(sorted(suffixes))}"
            )
        if _is_part(name):
            raise UsageError(f"{name[:200]!r}: files not yet whole are called so; choose another")
        if len(name.encode()) > MOST_NAME_BYTES:
            raise UsageError(f"{name[:40]!r}...: too long; write a shorter name")
        return self.root / name

    def places(self, name: str) -> Iterator[Path]:
        """Where a picture or video from elsewhere may go: under its own name, made plain, then with
        2, 3 and so on. Raises UsageError for other endings."""
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        if suffix.lower() not in _MEDIA:
            raise UsageError(
                f"{visible(name[:200])}: neither a video nor a picture by its ending; choose one, "
                "such as a .mp4, .mov, .jpg or .png"
            )
        stem = (
            _UNPLAIN.sub("_", stem)
            .encode()[: MOST_NAME_BYTES - len(suffix)]
            .decode("utf-8", "ignore")
        )
        stem = re.sub(r"\.part$", "_part", stem)
        return (self.root / f"{each}{suffix}" for each in numbered(stem))

    def free(self, stem: str, suffix: str) -> Path:
        """A path in the folder that nothing has: of that name, or with 2, 3 and so on."""
        paths = (self.root / f"{each}{suffix}" for each in numbered(stem))
        return next(path for path in paths if not path.exists())

    def _holds(self, name: str) -> bool:
        path = self.root / name
        if path.suffix.lower() not in _MEDIA | _TIMELINES:
            return False
        if Path(name).is_absolute() or ".." in path.parts:
            return False
        try:
            # A link may lead out of the folder.
            return path.is_file() and path.resolve().is_relative_to(self.root)
        except (OSError, ValueError):  # no name a file can have
            return False


def numbered(name: str) -> Iterator[str]:
    """The name, then with 2, 3 and so on."""
    return (name if number == 1 else f"{name}_{number}" for number in count(1))


def _seen(root: Path) -> Iterator[Path]:
    """All folders and files in a folder that are not hidden."""
    # What comes and goes meanwhile, as the pieces of a render do, does not stop os.walk.
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*folders, *files):
            if not name.startswith("."):
                yield Path(folder, name)


def _is_part(name: str) -> bool:
    """Whether it is called what is written until it is whole."""
    return Path(name).stem.endswith(".part")
