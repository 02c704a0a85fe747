"""Which files a command line means: inputs, folders and patterns in, one (source, output) pair
each out."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from videostyle.errors import MediaError, UsageError
from videostyle.media.info import PICTURE_SUFFIXES, missing
from videostyle.media.numbered import file_keys, is_sequence_input, sequence_stem

VIDEO_INPUT_SUFFIXES = {
    *(".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".gif", ".ts", ".mts"),
    *(".m2ts", ".vob", ".wmv", ".flv", ".3gp", ".ogv", ".mxf"),
}
_OTHER_PICTURE_SUFFIXES = (".jfif", ".jpe")  # under which none is written
DEFAULT_TEMPLATE = "{stem}_{timeline}"
_NAMES = ("{stem}", "{timeline}", "{folder}")  # what a template may hold
_IN_BRACES = re.compile(r"\{\w+\}")
_SEPARATORS = (os.sep, os.altsep or os.sep)


def plan_jobs(
    inputs: Iterable[Path],
    output: Path | str,
    timeline: str,
    on_left_out: Callable[[Path], None] = lambda source: None,
) -> list[tuple[Path, Path]]:
    """Pair every source with its output.

    Numbered pictures (`frame_%05d.png`) are one source. One file goes to `output`, or into it if it
    is a folder, has no ending or ends in a slash. A folder (its pictures and videos, not
    recursively), a pattern the shell left alone (`*.mp4`, `**/*.mov`) or several files need a
    folder or a template with {stem} or {folder}, the names of the source and of its folder;
    {timeline} stands for `timeline`. Folders and patterns mean neither hidden files nor what a
    render left: an interrupted one, or one of another of these sources to the same output. The
    latter may be a file of the user's own, so on_left_out is told of each.
    Raises UsageError when outputs would collide or overwrite a source, and for another name in
    braces, MediaError for a missing input.
    """
    for name in _IN_BRACES.findall(str(output)):
        if name not in _NAMES:
            *others, last = _NAMES
            known = f"{', '.join(others)} or {last}"
            raise UsageError(f"{output}: {name} is unknown; write {known}")
    inputs = list(inputs)
    sources = [source for path in inputs for source in _expand(path)]
    first = inputs[0]
    is_one = is_sequence_input(first) or (first.exists() and not first.is_dir())
    several = len(inputs) > 1 or not is_one
    into_folder = str(output).endswith(_SEPARATORS)
    output = Path(output)
    into_folder = into_folder or output.is_dir() or not output.suffix
    one_each = into_folder or "{stem}" in str(output) or "{folder}" in str(output)
    if several and not one_each:
        raise UsageError(
            f"{output}: several inputs need a folder or a template such as "
            f"'out/{DEFAULT_TEMPLATE}.mp4'"
        )
    jobs = [(source, _output(source, output, timeline, into_folder)) for source in sources]
    _check_names(jobs)
    made = _made(jobs) - {*inputs}
    for source in sources:
        if source in made:
            on_left_out(source)
    jobs = [job for job in jobs if job[0] not in made]
    _check_sources(jobs)
    return jobs


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        known = {*PICTURE_SUFFIXES, *_OTHER_PICTURE_SUFFIXES, *VIDEO_INPUT_SUFFIXES}
        children = (child for child in path.iterdir() if child.suffix.lower() in known)
        found = [child for child in children if not child.is_dir()]
    elif path.exists() or is_sequence_input(path):
        return [path]
    else:
        try:
            matches = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
            found = [match for match in matches if not match.is_dir()]
        except ValueError:  # no pattern
            found = []
    found = sorted(
        file for file in found if not file.name.startswith(".") and not file.stem.endswith(".part")
    )
    if not found:
        if not path.is_dir():
            raise missing(path, "file or folder")
        raise MediaError(f"{path}: holds no pictures or videos")
    return found


def _made(jobs: list[tuple[Path, Path]]) -> set[Path]:
    """The sources that are the output of another."""
    makers = defaultdict[object, set[Path]](set)
    for source, output in jobs:
        for key in file_keys(output):
            makers[key].add(source)
    return {
        source for source, _ in jobs if any(makers[key] - {source} for key in file_keys(source))
    }


def _output(source: Path, output: Path, timeline: str, into_folder: bool) -> Path:
    is_numbered = is_sequence_input(source)
    if into_folder:
        from videostyle.media.picture import is_picture  # here, as it loads Pillow

        ending = ".png" if not is_numbered and is_picture(source) else ".mp4"
        output = output / (DEFAULT_TEMPLATE + ending)
    stem = sequence_stem(source) if is_numbered else source.stem
    names = dict(zip(_NAMES, (stem, timeline, _folder(source)), strict=True))
    return Path(_IN_BRACES.sub(lambda found: names[found[0]], str(output)))


def _folder(source: Path) -> str:
    """The name of the folder a source is in; the root has none."""
    # Path.resolve would follow links, and Path.absolute leaves ".." in.
    return Path(os.path.abspath(source)).parent.name or "."  # noqa: PTH100


def _check_names(jobs: list[tuple[Path, Path]]) -> None:
    seen: dict[str, tuple[Path, Path]] = {}
    for source, output in jobs:
        # Many disks tell neither case nor forms of Unicode apart.
        name = unicodedata.normalize("NFC", os.path.realpath(output)).casefold()
        if name in seen:
            other, other_output = seen[name]
            if other == source:
                raise UsageError(f"{source}: given twice")
            hint = ", or put {folder} into the output's name" * (_folder(source) != _folder(other))
            alike = "" if output == other_output else f", which many disks take for {other_output}"
            raise UsageError(
                f"{output}{alike}: both {other} and {source} would be written there; "
                f"rename one, or render one at a time{hint}"
            )
        seen[name] = source, output


def _check_sources(jobs: list[tuple[Path, Path]]) -> None:
    sources = set[object]().union(*(file_keys(source) for source, _ in jobs))
    for _, output in jobs:
        if file_keys(output) & sources:
            raise UsageError(f"{output}: is also an input; choose another output")
