"""Files that are there complete or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from videostyle.errors import UsageError

# What Windows keeps for itself, in regular expressions: characters, inside brackets, and the names
# of devices, whatever their ending.
WINDOWS_CHARACTERS = r'<>:"/\\|?*'
WINDOWS_DEVICE = r"(con|prn|aux|nul|(com|lpt)[0-9]) *(\.|$)"
_GATE_SECONDS = 10  # a process that was stopped may stand in it


def part_path(path: Path) -> Path:
    """Where a file, or a folder of pictures, is written until it is whole."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield the part of `path` to write to: it becomes `path` (the file it is a link to) at the
    end, and is gone if the writing fails."""
    target = Path(os.path.realpath(path)) if os.path.islink(path) else path  # noqa: PTH114
    part = part_path(target)
    try:
        part.unlink(missing_ok=True)  # it may be a link, which would be written through
        yield part
        part.replace(target)
    except BaseException as error:
        part.unlink(missing_ok=True)
        # A full disk names no file, and one that a program has open, which Windows lets nobody
        # replace, the part. Pillow's errors have no number, and their text would be lost.
        named = getattr(error, "filename", None)
        if isinstance(error, OSError) and error.errno and named in (None, str(part)):
            error.filename = str(path)
        raise


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keep every other process and thread of this user and machine from writing `path` meanwhile:
    two would write into one part. Raises UsageError if one is at it."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else ""
    folder = Path(tempfile.gettempdir(), f"videostyle-{user}")
    lock = FileLock(folder / f"{name}.lock")
    # Held while a lock is taken or removed, so that nobody takes one that is being removed.
    gate = FileLock(folder / "gate.lock", timeout=_GATE_SECONDS)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with gate:
            lock.acquire(blocking=False)
    except OSError as error:
        # Without a place for locks it goes on unguarded. Who had this one may have removed it.
        is_taken = isinstance(error, Timeout) and (
            error.lock_file == lock.lock_file or Path(lock.lock_file).is_file()
        )
        if is_taken:
            raise UsageError(
                f"{path}: another process is writing it; let that end, or choose another name"
            ) from error
    try:
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError), gate:
                lock.release()
                Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
