"""A long render in pieces: what is finished survives whatever ends the program.

The pieces of a video are a function of the video and the part wanted alone. Each is encoded to a
file of its own in a folder beside the output, checked, and noted in a manifest; the same command
finds the manifest and goes on. What else decides the pictures is in the manifest too, so that
nothing is joined that does not belong together.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from typing import Any

from videostyle.errors import MediaError
from videostyle.media.frame import Cut
from videostyle.media.info import MediaInfo
from videostyle.media.numbered import files_of, is_sequence_input
from videostyle.whole_file import written_whole
from videostyle.wording import counted

SEGMENT_SECONDS = 10.0
# A piece is a file of its own: shorter ones cost more than the painting of them.
LEAST_SEGMENT_SECONDS = 0.1
_FORMAT = 3
_HASHED_BYTES = 1 << 20
_OWN = re.compile(r"manifest(\.part)?\.json|\d+(\.part)?\.nut")
_MOST_SEGMENTS = 100_000  # eleven days in pieces of ten seconds


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """What a finished segment holds. Times in ticks of the input's time_base.

    durations: of its frames, or one for all. bytes, checksum: of its file. notes: what a user
    should know of its painting. faults: of its input, as `DecodeReport` counts them. ends: the
    input has no frames after it.
    """

    frames: int
    first_pts: int
    durations: list[int]
    bytes: int
    notes: tuple[str, ...] = ()
    faults: dict[str, Any] = field(default_factory=dict)
    ends: bool = False
    checksum: int | None = None

    def duration(self, frame: int) -> int:
        return self.durations[frame if len(self.durations) > 1 else 0]


NO_FRAMES = SegmentRecord(frames=0, first_pts=0, durations=[], bytes=0)


def segment_cuts(info: MediaInfo, cut: Cut, seconds: float) -> list[Cut]:
    """The pieces of a part, each of so many seconds. One piece where the length is unknown.

    Of a damaged length that would make millions of pieces, the last piece takes the rest.
    """
    end = min(cut.end, info.duration_seconds or 0.0)
    count = max(1, min(_MOST_SEGMENTS, math.ceil((end - cut.start) / seconds - 0.5)))
    starts = [cut.start + number * seconds for number in range(count)]
    return [Cut(*ends) for ends in zip(starts, [*starts[1:], cut.end], strict=True)]


def file_identity(path: Path) -> str:
    """A hash of a file's size and time and of its first and last megabyte; of numbered pictures,
    of the sizes and times of all."""
    if is_sequence_input(path):
        states = [(file.name, file.stat()) for file in files_of(path)]
        facts = [(name, state.st_size, state.st_mtime_ns) for name, state in states]
        return hashlib.sha256(repr(facts).encode()).hexdigest()
    status = path.stat()
    digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    with path.open("rb") as file:
        digest.update(file.read(_HASHED_BYTES))
        file.seek(max(0, status.st_size - _HASHED_BYTES))
        digest.update(file.read(_HASHED_BYTES))
    return digest.hexdigest()


class SegmentFolder:
    """The folder of a render in pieces. Raises MediaError if it cannot be used."""

    def __init__(self, output: Path, identity: Mapping[str, str]) -> None:
        """identity: what decides the pictures, by what a user calls it."""
        self.path = segment_folder(output)
        self._identity = dict(identity)
        self._records: dict[int, SegmentRecord] = {}

    def open(self) -> list[str]:
        """Make the folder, or find what an earlier run finished; say in words what was found."""
        found = self._read()
        if found is not None:
            changed = [
                name
                for name in {**self._identity, **found["identity"]}
                if self._identity.get(name) != found["identity"].get(name)
            ]
            if not changed:
                self._records = found["records"]
                count = len(self._records)
                note = f"went on after {counted(count, 'finished segment')}"
                return [note] if count else []
            shutil.rmtree(self.path, ignore_errors=True)
        elif others := [path.name for path in self._files() if not _OWN.fullmatch(path.name)]:
            raise MediaError(f"{self.path}: holds {others[0]}; its name is needed, move it away")
        self._write()
        if found is None:
            return []
        return [f"started over: the {' and '.join(changed)} changed since the last run"]

    def file(self, number: int) -> Path:
        return self.path / f"{number:05d}.nut"

    def record(self, number: int) -> SegmentRecord | None:
        """What a segment holds, None if it is not finished."""
        return self._records.get(number)

    def finish(self, number: int, record: SegmentRecord) -> None:
        """Note a segment whose file is written and checked, or that holds no frame. The latter goes
        to the disk with the next that holds one; until then there is nothing to lose."""
        self._records[number] = record
        if record.frames or record.ends:
            self._write()

    def count(self, planned: int) -> int:
        """How many segments there are: fewer than planned where the input ended before the length
        it declares."""
        ends = (number + 1 for number, record in self._records.items() if record.ends)
        return min((planned, *ends))

    @property
    def frames(self) -> int:
        """How many frames the finished segments hold."""
        return sum(record.frames for record in self._records.values())

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def remove_unfinished(self) -> None:
        """Leave only what the next run can use."""
        kept = {self.file(number) for number in self._records}
        for file in set(self.path.glob("*.nut")) - kept:
            file.unlink(missing_ok=True)

    def _write(self) -> None:
        manifest = {
            "format": _FORMAT,
            "identity": self._identity,
            "segments": self._records,
        }
        # In one go: `json.dump` takes several times as long.
        text = json.dumps(manifest, default=_fields)
        try:
            self.path.mkdir(exist_ok=True)
            with (
                written_whole(self.path / "manifest.json") as part,
                part.open("w", encoding="utf-8") as file,
            ):
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MediaError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _files(self) -> list[Path]:
        return list(self.path.iterdir()) if self.path.is_dir() else []

    def _read(self) -> dict[str, Any] | None:
        """The manifest with the segments whose files are whole; None if it cannot be used."""
        try:
            manifest = json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
            if manifest["format"] != _FORMAT:
                return None
            records = {
                int(number): SegmentRecord(**fields)
                for number, fields in manifest["segments"].items()
            }
            whole = {
                number: record
                for number, record in records.items()
                if not record.frames or _is_whole(self.file(number), record)
            }
            return {"identity": dict(manifest["identity"]), "records": whole}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _fields(record: SegmentRecord) -> dict[str, Any]:
    """As `asdict`, without copying what the fields hold: all are written again with every piece."""
    return {name: getattr(record, name) for name in SegmentRecord.__slots__}


def _is_whole(file: Path, record: SegmentRecord) -> bool:
    """Whether a file is there as it was written, whatever befell the disk since."""
    try:
        return file.stat().st_size == record.bytes and record.checksum in (None, checksum(file))
    except OSError:
        return False


def checksum(path: Path) -> int:
    """CRC-32 of a file. Raises OSError."""
    with path.open("rb") as file:
        blocks = iter(partial(file.read, _HASHED_BYTES), b"")
        return reduce(lambda before, block: zlib.crc32(block, before), blocks, 0)


def segment_folder(output: Path) -> Path:
    """Where the segments of an output lie until it is whole."""
    return output.with_name(f"{output.name}.segments")


def remove_segments(output: Path) -> list[str]:
    """Remove what an interrupted render left of an output that is whole now, and say so where
    that could have gone on; a folder of another kind stays."""
    folder = SegmentFolder(output, {})
    if (found := folder._read()) is None:
        return []
    folder.remove()
    count = counted(len(found["records"]), "finished segment")
    return [f"{count} of an interrupted render removed"] if found["records"] else []
