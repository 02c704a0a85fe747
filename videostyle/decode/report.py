"""What went wrong while a file was decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from videostyle.wording import counted


@dataclass(slots=True)
class DecodeReport:
    """What went wrong on the way, counted while `decode` runs. cut_short: the file ends before its
    contents do; lost_end: how much of its length that is, in words. ended: it came to the end of
    the file, so there are no frames after those it gave."""

    skipped_packets: int = 0
    damaged_frames: int = 0
    cut_short: bool = False
    lost_end: str = ""
    ended: bool = False
    unreadable: tuple[str, ...] = ()  # numbered pictures, by name
    not_on_gpu: str = ""  # why

    @classmethod
    def of_parts(cls, parts: Iterable[Mapping[str, Any]]) -> DecodeReport:
        """The sum of reports, given as dictionaries."""
        total = cls()
        for part in (cls(**fields) for fields in parts):
            total.skipped_packets += part.skipped_packets
            total.damaged_frames += part.damaged_frames
            total.cut_short |= part.cut_short
            total.lost_end = total.lost_end or part.lost_end
            total.unreadable += tuple(part.unreadable)
            total.not_on_gpu = total.not_on_gpu or part.not_on_gpu
        return total

    def since(self, earlier: DecodeReport) -> DecodeReport:
        """What came after an earlier state of the same report."""
        return replace(
            self,
            skipped_packets=self.skipped_packets - earlier.skipped_packets,
            damaged_frames=self.damaged_frames - earlier.damaged_frames,
            cut_short=self.cut_short and not earlier.cut_short,
            lost_end="" if earlier.lost_end else self.lost_end,
            unreadable=self.unreadable[len(earlier.unreadable) :],
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each kind of fault, and for what was not done as wished."""
        software = f"decoded in software, not by the GPU: {self.not_on_gpu}"
        return (*self.faults, software) if self.not_on_gpu else self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence for each kind of fault of the input."""
        found = []
        if count := self.skipped_packets:
            found.append(f"skipped {counted(count, 'corrupt packet')}")
        if count := self.damaged_frames:
            found.append(f"{count} frame{'s are' if count > 1 else ' is'} damaged in the input")
        if self.unreadable:
            first, others = self.unreadable[0], len(self.unreadable) - 1
            more = f" and {counted(others, 'other picture')}" if others else ""
            found.append(f"left out {first}{more}: cannot be read")
        if self.cut_short:
            lost = f": {self.lost_end}" if self.lost_end else ""
            found.append(f"the input breaks off{lost}")
        return tuple(found)
