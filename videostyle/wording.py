"""How messages say things: on one line, counted, and with the word that may have been meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def counted(count: int, noun: str) -> str:
    """1 key, 2 keys."""
    return f"{count} {noun}{'s' * (count != 1)}"


def visible(text: str) -> str:
    """Text on one line: control characters, which the name of a file may hold, become escapes."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def shown(value: object) -> str:
    """What a caller gave, for a message: of what has several lines, as an array, the first."""
    first, *others = repr(value).splitlines() or [""]
    return f"{first} ..." if others else first


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message on an unknown word; "" if no known one is like it."""
    close = get_close_matches(word[:80], known, 1)
    return f"; did you mean {close[0]}?" if close else ""
