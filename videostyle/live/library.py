"""The folder given on the command line: what may be opened from the page, and where it saves.

A name from the page is never used as a path: it is looked up among the files found here, or
checked to be a plain file name.
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from videostyle.errors import MediaError, UsageError
from videostyle.jobs import VIDEO_INPUT_SUFFIXES
from videostyle.media import PICTURE_SUFFIXES

MOST_FILES = 500
MOST_LOOKED_AT = 20_000
_MEDIA = {*PICTURE_SUFFIXES, *VIDEO_INPUT_SUFFIXES}
_PLAIN_NAME = re.compile(r"[\w][\w .()+-]{0,99}")


class Library:
    """The pictures, videos and timelines of one folder and the folders in it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def media(self) -> list[str]:
        """Names of the pictures and videos, relative to the folder."""
        return self._names(_MEDIA)

    def timelines(self) -> list[str]:
        """Names of the YAML files, relative to the folder."""
        return self._names({".yaml", ".yml"})

    def find(self, name: str) -> Path:
        """The file of a name that `media` or `timelines` lists. Raises MediaError for any other."""
        if name not in self._names({*_MEDIA, ".yaml", ".yml"}):
            raise MediaError(f"{name[:200]!r} is not among the files of {self.root}")
        return self.root / name

    def new(self, name: str, suffixes: set[str]) -> Path:
        """Where a file of a plain name goes. Raises UsageError for names with folders in them, for
        unusual characters, and for endings other than the suffixes."""
        if not _PLAIN_NAME.fullmatch(name) or Path(name).suffix.lower() not in suffixes:
            raise UsageError(
                f"{name[:200]!r}: write a plain file name that ends in "
                f"{', '.join(sorted(suffixes))}"
            )
        return self.root / name

    def _names(self, suffixes: set[str]) -> list[str]:
        names = []
        for path in islice(self.root.rglob("*"), MOST_LOOKED_AT):
            if path.suffix.lower() not in suffixes or ".part" in path.suffixes:
                continue
            # A link may lead out of the folder.
            if path.is_file() and path.resolve().is_relative_to(self.root):
                names.append(path.relative_to(self.root).as_posix())
        return sorted(names)[:MOST_FILES]
