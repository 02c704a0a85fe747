"""Where an output is written: what cannot be is refused before the run; the name comes last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import av.error

from videostyle.encode.options import EncodeOptions
from videostyle.encode.plan import EncodingPlan
from videostyle.encode.planner import plan_encoding
from videostyle.encode.segments import segment_folder
from videostyle.errors import MediaError, UsageError
from videostyle.media.info import MediaInfo
from videostyle.media.numbered import file_keys, is_sequence, numbered, sequence_numbers
from videostyle.whole_file import part_path


def exists(output: Path) -> bool:
    """Whether a file, or a picture of a sequence, is there already."""
    if is_sequence(output) and sequence_numbers(output):
        return True
    # Path.exists raises for a name that is too long. A link that leads nowhere is there too.
    return os.path.lexists(output)


def behind_link(output: Path) -> Path:
    """The file to write: what a link points at, so that the link stays one. Raises MediaError for
    links that lead round in a circle."""
    # Path.is_symlink raises for a name that is too long.
    if not os.path.islink(output):  # noqa: PTH114
        return output
    target = Path(os.path.realpath(output))
    if target.is_symlink():
        raise MediaError(f"{output}: is a link that leads back to itself; choose another output")
    return target


def plan_output(
    info: MediaInfo, output: Path, options: EncodeOptions, *others: Path
) -> EncodingPlan:
    """The plan of `plan_encoding`, for an output that can be written. others: are read, too.

    Raises UsageError or MediaError for what would fail later, without touching any file.
    """
    plan = plan_encoding(info, output, options)
    part = part_path(output)
    segments = [segment_folder(output)] if plan.joins_segments else []
    given = {path: file_keys(path) for path in (info.path, *others)}
    folders = {path.resolve().parent for path in given}
    for path in (output, part, *segments):
        try:
            path.exists()
        except OSError as error:  # its name may be too long
            raise MediaError(f"{path}: cannot be written: {error.strerror}") from error
        keys = file_keys(path)
        lost = next((each for each in given if keys & given[each]), None)
        if lost or (path in segments and path.resolve() in folders):
            what = "the input" if lost in (None, info.path) else str(lost)
            raise UsageError(f"{output}: would overwrite {what}; choose another output")
    if output.exists() and not output.is_file():
        raise MediaError(f"{output}: is a folder or device; name a file")
    if is_sequence(output):
        pictures = (numbered(output, number) for number in sequence_numbers(output))
        if taken := next((path for path in pictures if path.is_dir()), None):
            raise MediaError(f"{taken}: is a folder; its name is needed, move it away")
    if part.is_dir():  # it would be removed
        own = len(sequence_numbers(part / output.name)) if is_sequence(output) else -1
        if own < len(list(part.iterdir())):
            raise MediaError(f"{part}: its name is needed; move this folder away")
    # Path.exists raises where it may not look.
    folder = next((p for p in output.absolute().parents if os.path.exists(p)), None)  # noqa: PTH110
    if folder is None:
        raise MediaError(f"{output.absolute().anchor}: no such drive")
    if not folder.is_dir():
        raise MediaError(f"{folder}: is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MediaError(f"{folder}: cannot be written to")
    return plan


def make_folder(output: Path) -> None:
    """Make the folder an output goes to, where it is missing. Raises MediaError."""
    folder = output.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{folder}: cannot be made: {error.strerror}") from error


def remove(part: Path) -> None:
    with suppress(OSError):  # what went wrong before says more
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink()


def sync(part: Path) -> None:
    """So that even a power cut leaves the output with all of it or with what was there."""
    if not part.is_dir():
        with writing(part), part.open("rb+") as file:
            os.fsync(file.fileno())


def give_name(part: Path, output: Path) -> None:
    """Raises MediaError where the output cannot be replaced: Windows lets nobody replace a file
    that a player has open."""
    try:
        if not part.is_dir():
            part.replace(output)
            return
        for path in part.iterdir():
            path.replace(output.with_name(path.name))
        part.rmdir()
    except OSError as error:
        raise MediaError(
            f"{output}: cannot be replaced, perhaps because a program has it open "
            f"({error.strerror}); what was painted is in {part}"
        ) from error


@contextmanager
def writing(part: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError:  # FFmpeg's is one of its errors too; the painter says what helps
        raise
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{part}: cannot be written: {error.strerror or error}") from error
