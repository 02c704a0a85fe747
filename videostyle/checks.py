"""What callers give, checked and kept from change: errors say what is wrong, and what is right."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import TypeGuard, TypeVar

from videostyle.errors import UsageError
from videostyle.wording import shown

V = TypeVar("V", covariant=True)


class Fixed(Mapping[str, V]):
    """A mapping that cannot change, so it can be hashed. It can be copied and pickled, too."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, V]) -> None:
        self._items = dict(items)

    def __getitem__(self, name: str) -> V:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


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


def given_path(name: str, path: object) -> Path:
    """The path of a file that is given by its name. Raises UsageError for what names none."""
    if not isinstance(path, str | PathLike):
        raise UsageError(f"{name} is {shown(path)}; give the name of a file")
    if "\0" in str(path):
        raise UsageError(f"{name} is {str(path)!r}; no name of a file has a NUL character")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:  # half of a character
        raise UsageError(f"{name} is {str(path)!r}; no file has such a name") from error
    return Path(path)
