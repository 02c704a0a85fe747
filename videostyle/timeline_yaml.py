"""Reads and writes timelines as YAML, version 1.

The reader walks YAML's node tree and never builds objects from it, so scalars keep the text a
person wrote (1:30 is a time, not 90) and every mistake has its line and column. All mistakes are
collected; a `TimelineError` lists them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from videostyle.easing import EASINGS, CubicBezier, Easing
from videostyle.errors import TimelineError, UsageError
from videostyle.look import ORIGINAL, normalize_mixture
from videostyle.timecode import Time, format_seconds, parse_time
from videostyle.timeline import SCALAR_TRACKS, Keyframe, Loop, Mixture, Timeline, Track

VERSION = 1
MAX_BYTES = 16 << 20
MAX_DEPTH = 16
MAX_MISTAKES = 20
DOCUMENT_KEYS = ("version", "keyframes", "loop")
KEYFRAME_KEYS = ("at", "mix", *SCALAR_TRACKS, "ease")
LOOP_KEYS = ("period", "mode")
LOOP_MODES = ("repeat", "bounce")
_NUMBER = re.compile(r"[-+]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,3})?", re.ASCII)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node begins, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Key:
    """One item of `keyframes`, read but with its time not yet settled."""

    at: Time
    values: Mapping[str, Any]
    ease: Easing
    place: _Place


class _Mistakes:
    """Collects mistakes and raises them together."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.lines = name, text.splitlines()
        self.found: list[str] = []

    def add(self, place: _Place, message: str) -> None:
        self.found.append(self.describe(place, message))

    def describe(self, place: _Place, message: str) -> str:
        head = f"{self.name}:{place.line}:{place.column}: {message}"
        if not 1 <= place.line <= len(self.lines):
            return head
        line = self.lines[place.line - 1]
        if len(line) > 200 or not line.isprintable():
            return head
        return f"{head}\n    {line}\n    {' ' * (place.column - 1)}^"

    def check(self) -> None:
        if self.found:
            more = len(self.found) - MAX_MISTAKES
            tail = [f"... and {more} more"] if more > 0 else []
            raise TimelineError("\n".join([*self.found[:MAX_MISTAKES], *tail]))


@dataclass(frozen=True, slots=True)
class TimelineDocument:
    """A timeline that has been read; its times wait for the video's length and rate."""

    keys: tuple[_Key, ...]
    loop: tuple[Time, bool, _Place] | None
    mistakes: _Mistakes

    @property
    def needs_duration(self) -> bool:
        """Whether some time counts in percent or from the end."""
        times = [key.at for key in self.keys] + ([self.loop[0]] if self.loop else [])
        return any(time.needs_duration for time in times)

    def resolve(self, duration: float | None, rate: Fraction | None) -> tuple[Timeline, list[str]]:
        """Settle every time. duration in seconds and rate in frames a second may be None when no
        time needs them. Returns the timeline and warnings. Raises TimelineError."""
        report = _Mistakes(self.mistakes.name, "")
        report.lines = self.mistakes.lines
        timed: list[tuple[float, _Key]] = []
        for key in self.keys:
            seconds = _settle(key.at, key.place, duration, rate, report)
            timed.append((0.0 if seconds is None else seconds, key))
        loop = None
        if self.loop:
            time, bounce, place = self.loop
            period = _settle(time, place, duration, rate, report)
            if period is not None and period <= 0:
                report.add(place, f"the period {time} is {period:g} s; it must be above 0")
            elif period is not None:
                loop = Loop(period, bounce)
        report.check()
        warnings = _warnings(timed, duration, report)
        timed.sort(key=lambda item: item[0])
        tracks = _tracks(timed, report)
        report.check()
        mix = tracks.pop("mix")
        return Timeline(mix, tracks, loop), warnings


def read_timeline(path: Path, style_names: Sequence[str]) -> TimelineDocument:
    """Read a file. Raises TimelineError: one line a mistake, starting with file:line:column."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TimelineError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise TimelineError(f"{path}:1:1: larger than {MAX_BYTES >> 20} MB; not a timeline")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TimelineError(f"{path}:{line}:1: not UTF-8 text; save the file as UTF-8") from error
    return parse_timeline(text, str(path), style_names)


def parse_timeline(text: str, name: str, style_names: Sequence[str]) -> TimelineDocument:
    """Read a timeline from text; `name` stands in messages where a file's name would."""
    mistakes = _Mistakes(name, text)
    root = _compose(text, mistakes)
    mistakes.check()
    assert root is not None
    document = _Reader(mistakes, style_names).document(root)
    mistakes.check()
    return document


def _compose(text: str, mistakes: _Mistakes) -> yaml.Node | None:
    """YAML's node tree, with anchors, tags and deep nesting refused before anything is built."""
    start = _Place(1, 1)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            problem = _refused(event)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                problem = f"nested more than {MAX_DEPTH} deep"
            if problem:
                mark = event.start_mark
                mistakes.add(_Place(mark.line + 1, mark.column + 1), problem)
                return None
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _Place(mark.line + 1, mark.column + 1) if mark else start
        mistakes.add(place, f"not YAML: {error.problem or error.context}")
        return None
    except (yaml.YAMLError, ValueError) as error:
        mistakes.add(start, f"not YAML: {str(error).splitlines()[0]}")
        return None
    if root is None:
        mistakes.add(start, "empty; a timeline has 'version: 1' and 'keyframes:'")
    return root


def _refused(event: Any) -> str | None:
    if isinstance(event, yaml.AliasEvent):
        return "aliases (*name) are not part of a timeline; write the value out"
    if getattr(event, "anchor", None):
        return "anchors (&name) are not part of a timeline; write the value out"
    if getattr(event, "tag", None):
        return f"tags ({event.tag}) are not part of a timeline"
    return None


class _Reader:
    """Turns nodes into keys, noting every mistake and going on."""

    def __init__(self, mistakes: _Mistakes, style_names: Sequence[str]) -> None:
        self.mistakes = mistakes
        self.styles = (*style_names, ORIGINAL)

    def document(self, root: yaml.Node) -> TimelineDocument:
        fields = self.mapping(root, DOCUMENT_KEYS, "a timeline")
        self.version(fields.get("version"), root)
        loop = self.loop(fields["loop"]) if "loop" in fields else None
        keys = self.keyframes(fields.get("keyframes"), root)
        if keys and not any("mix" in key.values for key in keys) and not self.mistakes.found:
            self.wrong(root, "no keyframe has a 'mix'; at least one must")
        return TimelineDocument(tuple(keys), loop, self.mistakes)

    def version(self, node: yaml.Node | None, root: yaml.Node) -> None:
        if node is None:
            self.wrong(root, f"'version' is missing; write 'version: {VERSION}'")
        elif self.text(node) != str(VERSION):
            self.wrong(node, f"version must be {VERSION}; another one needs another videostyle")

    def keyframes(self, node: yaml.Node | None, root: yaml.Node) -> list[_Key]:
        if node is None:
            self.wrong(root, "'keyframes' is missing")
            return []
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.wrong(node, "keyframes must be a list with at least one item")
            return []
        keys = [self.keyframe(item) for item in node.value]
        return [key for key in keys if key]

    def keyframe(self, node: yaml.Node) -> _Key | None:
        fields = self.mapping(node, KEYFRAME_KEYS, "a keyframe")
        if not fields:
            return None
        time = self.time(fields["at"]) if "at" in fields else None
        if "at" not in fields:
            self.wrong(node, "a keyframe needs 'at', its time")
        values: dict[str, Any] = {}
        if "mix" in fields:
            values["mix"] = self.mixture(fields["mix"])
        for track, (low, high, _) in SCALAR_TRACKS.items():
            if track in fields:
                values[track] = self.number(fields[track], track, low, high)
        if not values:
            self.wrong(node, f"a keyframe sets at least one of mix, {', '.join(SCALAR_TRACKS)}")
        ease = self.ease(fields["ease"]) if "ease" in fields else EASINGS["linear"]
        if time is None or ease is None or not values or None in values.values():
            return None
        return _Key(time, values, ease, _place(node))

    def mapping(self, node: yaml.Node, known: Sequence[str], what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{what} must be a mapping with the keys {', '.join(known)}")
            return {}
        fields = dict(self.pairs(node))
        for key, _ in node.value:
            name = self.text(key)
            if name is not None and name not in known:
                self.wrong(key, f"unknown key {name!r}{_hint(name, known)}")
                fields.pop(name, None)
        return fields

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
        seen = set()
        for key, value in node.value:
            name = self.text(key)
            if name is None:
                self.wrong(key, "a key must be plain text")
            elif name in seen:
                self.wrong(key, f"key {name!r} stands twice")
            else:
                seen.add(name)
                yield name, value

    def mixture(self, node: yaml.Node) -> Mixture | None:
        if isinstance(node, yaml.ScalarNode):
            return {node.value: 1.0} if self.style(node) else None
        if not isinstance(node, yaml.MappingNode) or not node.value:
            self.wrong(node, "mix must be a style name or a mapping {style: weight}")
            return None
        weights: dict[str, float] = {}
        before = len(self.mistakes.found)
        for name, value in self.pairs(node):
            weight = self.number(value, f"the weight of {name!r}", 0.0, math.inf)
            weights[name] = 0.0 if weight is None else weight
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                self.style(key)
        if len(self.mistakes.found) > before:
            return None
        try:
            return normalize_mixture(weights)
        except UsageError as error:
            self.wrong(node, str(error))
            return None

    def style(self, node: yaml.ScalarNode) -> bool:
        if node.value in self.styles:
            return True
        self.wrong(node, f"unknown style {node.value!r}{_hint(node.value, self.styles)}")
        return False

    def time(self, node: yaml.Node) -> Time | None:
        text = self.text(node)
        if text is None:
            self.wrong(node, "a time must be text such as 2.5s")
            return None
        try:
            return parse_time(text)
        except ValueError as error:
            self.wrong(node, str(error))
            return None

    def number(self, node: yaml.Node, what: str, low: float, high: float) -> float | None:
        text = self.text(node)
        if text is None or not _NUMBER.fullmatch(text):
            self.wrong(node, f"{what} must be a number")
            return None
        value = float(text)
        if not (low <= value <= high) or math.isinf(value):
            limits = f"from {low:g} to {high:g}" if math.isfinite(high) else "finite, not negative"
            self.wrong(node, f"{what} is {text}; it must be {limits}")
            return None
        return value

    def ease(self, node: yaml.Node) -> Easing | None:
        names = tuple(EASINGS)
        if isinstance(node, yaml.SequenceNode) and len(node.value) == 4:
            numbers = [self.number(n, "a number of ease", -1e6, 1e6) for n in node.value]
            if None in numbers:
                return None
            try:
                return CubicBezier(*numbers)  # type: ignore[arg-type]
            except ValueError as error:
                self.wrong(node, f"ease: {error}")
                return None
        text = self.text(node)
        if text is not None and text in EASINGS:
            return EASINGS[text]
        hint = _hint(text, names) if text is not None else ""
        self.wrong(node, f"ease must be one of {', '.join(names)} or four numbers{hint}")
        return None

    def loop(self, node: yaml.Node) -> tuple[Time, bool, _Place] | None:
        fields = self.mapping(node, LOOP_KEYS, "loop")
        if "period" not in fields:
            if isinstance(node, yaml.MappingNode):
                self.wrong(node, "loop needs a 'period' such as 8s")
            return None
        time = self.time(fields["period"])
        mode = self.text(fields["mode"]) if "mode" in fields else "repeat"
        if mode not in LOOP_MODES:
            self.wrong(fields["mode"], f"mode must be {' or '.join(LOOP_MODES)}")
            return None
        return (time, mode == "bounce", _place(fields["period"])) if time else None

    def text(self, node: yaml.Node) -> str | None:
        """A scalar as it was written."""
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def wrong(self, node: yaml.Node, message: str) -> None:
        self.mistakes.add(_place(node), message)


def dump_timeline(timeline: Timeline) -> str:
    """YAML that reads back as the same timeline."""
    merged: dict[tuple[float, str], dict[str, Any]] = {}
    for track, keyframes in _dumped_tracks(timeline):
        for keyframe in keyframes:
            ease = _ease_text(keyframe.ease)
            key = merged.setdefault((keyframe.seconds, ease), {})
            key[track] = keyframe.value
    lines = [f"version: {VERSION}", "keyframes:"]
    for (seconds, ease), values in sorted(merged.items()):
        parts = [f"at: {format_seconds(seconds)}"]
        parts += [f"{track}: {_value_text(value)}" for track, value in values.items()]
        parts += [f"ease: {ease}"] if ease != "linear" else []
        lines.append(f"  - {{{', '.join(parts)}}}")
    if timeline.loop:
        mode = "bounce" if timeline.loop.bounce else "repeat"
        period = format_seconds(timeline.loop.period)
        lines.append(f"loop: {{period: {period}, mode: {mode}}}")
    return "\n".join(lines) + "\n"


def _dumped_tracks(timeline: Timeline) -> Iterator[tuple[str, Sequence[Keyframe[Any]]]]:
    yield "mix", timeline.mix.keyframes
    for name, track in timeline.scalars.items():
        yield name, track.keyframes


def _value_text(value: Any) -> str:
    if isinstance(value, (int, float)):
        return repr(float(value))
    if len(value) == 1:
        return str(next(iter(value)))
    return "{" + ", ".join(f"{name}: {weight!r}" for name, weight in value.items()) + "}"


def _ease_text(ease: Easing) -> str:
    for name, known in EASINGS.items():
        if known == ease:
            return name
    if isinstance(ease, CubicBezier):
        return f"[{ease.x1!r}, {ease.y1!r}, {ease.x2!r}, {ease.y2!r}]"
    raise ValueError(f"{ease} is not an easing a timeline can hold")


def _settle(
    time: Time, place: _Place, duration: float | None, rate: Fraction | None, report: _Mistakes
) -> float | None:
    try:
        return time.resolve(duration, rate)
    except ValueError as error:
        report.add(place, str(error))
        return None


def _warnings(
    timed: list[tuple[float, _Key]], duration: float | None, report: _Mistakes
) -> list[str]:
    warnings = []
    latest = -math.inf
    for seconds, key in timed:
        if seconds < latest:
            message = f"warning: the key at {key.at} comes after a later one; sorted"
            warnings.append(report.describe(key.place, message))
        if duration is not None and seconds > duration:
            message = f"warning: the key at {key.at} lies past the end ({duration:.3f} s)"
            warnings.append(report.describe(key.place, message))
        if seconds < 0:
            message = f"warning: the key at {key.at} lies before the start"
            warnings.append(report.describe(key.place, message))
        latest = max(latest, seconds)
    return warnings


def _tracks(timed: list[tuple[float, _Key]], report: _Mistakes) -> dict[str, Track[Any]]:
    keyframes: dict[str, list[Keyframe[Any]]] = {}
    for seconds, key in timed:
        for track, value in key.values.items():
            keys = keyframes.setdefault(track, [])
            if keys and keys[-1].seconds == seconds:
                report.add(key.place, f"two keys of {track} at {seconds:g} s; keep one")
            else:
                keys.append(Keyframe(seconds, value, key.ease))
    return {track: Track(keys) for track, keys in keyframes.items()}


def _place(node: yaml.Node) -> _Place:
    return _Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _hint(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name[:80], known, 1)
    return f"; did you mean {close[0]}?" if close else f" (have: {', '.join(known)})"
