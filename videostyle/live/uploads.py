"""Files from the browser's side, on their way into the folder: one at a time, whole or not at
all."""

from __future__ import annotations

import asyncio
import filecmp
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from videostyle.decode.probe import probe
from videostyle.errors import MediaError, UsageError
from videostyle.live.library import Library
from videostyle.whole_file import only_writer, part_path, written_whole

# Stays free on the disk, for timelines, renders and the system.
ROOM_BYTES = 200_000_000
# A sender of whom nothing came for so long is given up: a network that sleeps says no goodbye.
SILENT_SECONDS = 30.0


class Uploads:
    """Takes files into a library's folder, in the event loop's thread."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._is_busy = False

    def check(self, name: str, size: int) -> None:
        """Raise VideoStyleError if a file of so many bytes is not taken: it has the ending of no
        video or picture, there is no room, or another is on its way."""
        self._library.places(name)
        if self._is_busy:
            raise UsageError("another file is being copied; wait until it is there, or cancel it")
        room = max(0, shutil.disk_usage(self._library.root).free - ROOM_BYTES)
        if size > room:
            raise MediaError(
                f"the file has {size / 1e9:.1f} GB, and the disk of {self._library.root} room for "
                f"{room / 1e9:.1f} GB; make room there"
            )

    async def receive(
        self,
        name: str,
        size: int,
        chunks: AsyncIterator[bytes],
        is_gone: Callable[[], Awaitable[bool]],
    ) -> str:
        """Write a file under a name that is free and return that, or the name of one with the same
        bytes that has its name already. chunks: none of them empty, but for one at the end.
        is_gone: whether the sender has hung up, asked once all has come.

        Raises VideoStyleError for what is refused or cannot be painted, TimeoutError if nothing
        comes, ConnectionAbortedError if the sender is gone, other OSErrors if it cannot be written.
        Nothing is left behind then.
        """
        self.check(name, size)
        self._is_busy = True
        try:
            taken = []
            for path in self._library.places(name):
                # A part may be that of a render that goes on.
                if not os.path.lexists(path) and not os.path.lexists(part_path(path)):
                    break
                taken.append(path)
            with only_writer(path), written_whole(path) as part:
                with part.open("wb") as file:
                    while chunk := await asyncio.wait_for(anext(chunks), SILENT_SECONDS):
                        await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(_check_painted, part, path.name)
                if await is_gone():
                    raise ConnectionAbortedError
                if os.path.lexists(path):
                    raise UsageError(f"{path.name} has come into the folder meanwhile; try again")
            return await asyncio.to_thread(self._only_one, path, taken)
        finally:
            self._is_busy = False

    def _only_one(self, path: Path, taken: Sequence[Path]) -> str:
        """The name of the first of those with the same bytes; the new file goes if there is one."""
        for other in taken:
            with suppress(MediaError, OSError):
                if filecmp.cmp(self._library.find(other.name), path, shallow=False):
                    path.unlink()
                    return other.name
        return path.name


def _check_painted(part: Path, name: str) -> None:
    try:
        probe(part, "tonemap")
    except MediaError as error:
        raise MediaError(str(error).replace(str(part), name)) from error
