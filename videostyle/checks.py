"""What callers give, checked: an error names what is wrong, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TypeGuard

from videostyle.errors import UsageError
from videostyle.wording import shown


def check_one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raises UsageError."""
    if not (isinstance(value, str) and value in allowed):
        raise UsageError(f"{name} is {shown(value)}; it must be one of {', '.join(allowed)}")


def check_whole(name: str, value: object) -> None:
    """Raises UsageError for what is no whole number above 0."""
    if not (is_whole(value) and value > 0):
        raise UsageError(f"{name} is {shown(value)}; it must be a whole number above 0")


def is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_yes_or_no(name: str, value: object) -> None:
    """Raises UsageError; numpy's bool is one too."""
    if not (isinstance(value, bool) or type(value).__name__ == "bool"):
        raise UsageError(f"{name} is {shown(value)}; it must be True or False")


def check_function(name: str, value: object) -> None:
    """Raises UsageError."""
    if not callable(value):
        raise UsageError(f"{name} is {shown(value)}; give a function")
