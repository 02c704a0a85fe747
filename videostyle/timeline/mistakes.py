"""Mistakes of a timeline's text, each with its line and column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from videostyle.errors import TimelineError
from videostyle.wording import visible

MAX_MISTAKES = 20
EXCERPT = 160


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a node begins, counted from 1."""

    line: int
    column: int


class Mistakes:
    """Collects mistakes and raises them together. name: of the file; lines: its text."""

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        self.name, self.lines = name, lines
        self.found: list[tuple[Place, str]] = []

    def copy(self) -> Mistakes:
        """With the same mistakes, to which others may be added without changing these."""
        copied = Mistakes(self.name, self.lines)
        copied.found = list(self.found)
        return copied

    def add(self, place: Place, message: str) -> None:
        """Note a mistake after which reading goes on."""
        self.found.append((place, message))

    def stop(self, place: Place, message: str) -> NoReturn:
        """Raise a mistake, as TimelineError, after which nothing more can be read."""
        raise TimelineError(self.describe(place, message))

    def check(self) -> None:
        """Raises TimelineError if there are mistakes: the first of them, in the file's order."""
        if self.found:
            self.found.sort(key=lambda mistake: mistake[0])
            raise TimelineError("\n".join(first_of(self.describe_all(self.found))))

    def describe_all(self, found: Sequence[tuple[Place, str]]) -> list[str]:
        """`describe` for each."""
        return [self.describe(*mistake) for mistake in found]

    def describe(self, place: Place, message: str) -> str:
        """The message with its place, the line it is about and a caret below."""
        head = f"{visible(self.name)}:{place.line}:{place.column}: {message}"
        if place.line > len(self.lines):
            return head
        line, column = self.lines[place.line - 1], place.column - 1
        start = max(0, column - EXCERPT // 2) if len(line) > EXCERPT else 0
        # A tab or a control character becomes one space, so that the caret stays in its column.
        shown = "".join(c if c.isprintable() else " " for c in line[start : start + EXCERPT])
        return f"{head}\n    {shown}\n    {' ' * (column - start)}^"


def first_of(messages: Sequence[str]) -> list[str]:
    """As many messages as can be read, and how many more there are."""
    more = len(messages) - MAX_MISTAKES
    tail = [f"... and {more} more"] if more > 0 else []
    return [*messages[:MAX_MISTAKES], *tail]
