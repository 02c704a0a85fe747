"""The standard streams, made so that work goes on where nobody can be told of it."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn


def settle_streams() -> None:
    """Messages that cannot be written are dropped, results that cannot are an OSError, once."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None and name == "stdout":  # closed, as in `>&-`
            output: Any = _Output(_Closed(os.devnull, "w"), name)
            sys.stdout = io.TextIOWrapper(io.BufferedWriter(output), errors="backslashreplace")
        elif stream is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            if stream is getattr(sys, f"__{name}__"):  # else it is a program's that called us
                setattr(sys, name, stream := _settled(stream, name))
            stream.reconfigure(errors="backslashreplace")  # a name of a file need not be text


def _settled(stream: io.TextIOWrapper, name: str) -> io.TextIOWrapper:
    with suppress(OSError):  # what a program printed before comes first
        stream.flush()
    file: Any = stream.buffer
    is_buffered = isinstance(file, io.BufferedWriter)  # PYTHONUNBUFFERED has it otherwise
    output: Any = _Output(file.raw if is_buffered else file, name)
    settled = io.TextIOWrapper(
        io.BufferedWriter(output) if is_buffered else output,
        stream.encoding,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    settled.mode = stream.mode  # type: ignore[misc]
    return settled


class _Closed(io.FileIO):
    """Takes the place of a stream that is not there, and its number, but takes nothing else."""

    def write(self, _: Any) -> NoReturn:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


class _Output(io.RawIOBase):
    """A stream's file. Once it cannot be written, the rest goes nowhere."""

    def __init__(self, file: Any, name: str) -> None:
        self._file, self._is_result = file, name == "stdout"
        self._is_lost = False
        self.name, self.mode = file.name, file.mode

    def write(self, data: Any) -> int | None:
        if not self._is_lost:
            try:
                written: int | None = self._file.write(data)
                return written
            except OSError as error:
                self._is_lost = True
                # A reader that leaves (`| head`) has what it wanted.
                if self._is_result and not isinstance(error, BrokenPipeError):
                    raise OSError(error.errno, error.strerror, "standard output") from error
        return memoryview(data).nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._file.fileno())

    def isatty(self) -> bool:
        return bool(self._file.isatty())
