"""Reads timelines in YAML, version 1.

The reader walks YAML's node tree and never builds objects from it, so scalars keep the text a
person wrote (1:30 is a time, not 90) and every mistake has its line and column. All mistakes are
collected; a `TimelineError` lists the first of them, in the order of the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from videostyle.checks import given_path
from videostyle.errors import TimelineError, UsageError
from videostyle.look import ORIGINAL, SCALARS, normalize_mixture
from videostyle.network.model_card import DEFAULT_MODEL, ModelCard, near_styles, read_model_card
from videostyle.timecode import Tempo, Time, parse_time
from videostyle.timeline.document import VERSION, ReadKey, TimelineDocument
from videostyle.timeline.easing import EASINGS, MAX_EASE, CubicBezier, Easing
from videostyle.timeline.mistakes import Mistakes, Place
from videostyle.timeline.timeline import TRACKS, Mixture
from videostyle.wording import did_you_mean, shown, visible

if TYPE_CHECKING:
    from videostyle.network.model import Model

MAX_BYTES = 16 << 20

MAX_DEPTH = 16

DOCUMENT_KEYS = ("version", "tempo", "keyframes", "loop")

TEMPO_KEYS = ("bpm", "first_beat")

BPM = (1, 1000)

# A time in seconds, or ms, from the start; [0-9], because some engines' \d is any digit.
SECONDS = r"([0-9]{1,12}(\.[0-9]{0,12})?|\.[0-9]{1,12})m?s"

KEYFRAME_KEYS = ("at", *TRACKS, "ease")

LOOP_KEYS = ("period", "mode")

LOOP_MODES = ("repeat", "bounce")

_NUMBER = re.compile(r"[-+]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,3})?", re.ASCII)

_CSS_CURVE = "cubic-bezier("

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_timeline(
    path: str | Path, styles: Model | ModelCard | Sequence[str] | None = None
) -> TimelineDocument:
    """Read a file. styles: those it may mix beside `original`, as a model, its card or a list of
    names; None for the default model's. Only a model or card lets mistakes hint at a style by
    its title.

    Raises TimelineError: one line a mistake, starting with file:line:column. Raises UsageError for
    what is no file that can be read, and for styles that are neither a model's nor names.
    """
    try:
        with given_path("path", path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        if "\n" in str(path) or "keyframes:" in str(path):
            raise UsageError(
                "a timeline's text stands where a file's name belongs; give parse_timeline(text)"
            ) from error
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise TimelineError(
            f"{visible(str(path))}:1:1: larger than {MAX_BYTES >> 20} MB; not a timeline"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _end_of(error.object[: error.start].decode())  # without a BOM
        where = f"{visible(str(path))}:{place.line}:{place.column}"
        raise TimelineError(f"{where}: not UTF-8 text; save the file as UTF-8") from error
    return replace(parse_timeline(text, styles, name=str(path)), path=Path(path))


def parse_timeline(
    text: str, styles: Model | ModelCard | Sequence[str] | None = None, *, name: str = "timeline"
) -> TimelineDocument:
    """Read a timeline from text; `name` stands in messages where a file's name would. styles: as in
    `read_timeline`.

    Raises TimelineError, UsageError for what is no text and for styles that are neither a model's
    nor names.
    """
    if not isinstance(text, str):
        raise UsageError(f"text is {shown(text):.80}; give YAML, or a file's name to read_timeline")
    titles = _titles(read_model_card(DEFAULT_MODEL) if styles is None else styles)
    mistakes = Mistakes(name, text.splitlines())
    reader = _Reader(mistakes, titles, is_default=styles is None)
    document = reader.document(_compose(text, mistakes))
    if mistakes.found:
        document.check(None, None)  # mistakes in times are told together with these
    return document


def _titles(styles: Model | ModelCard | Sequence[str]) -> Mapping[str, str]:
    """Titles of the styles by their names; empty where names alone are given."""
    card = getattr(styles, "card", styles)
    if isinstance(card, ModelCard):
        return card.titles
    names: tuple[Any, ...] = tuple(styles) if isinstance(styles, Iterable) else (None,)
    if isinstance(styles, str) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"styles is {shown(styles):.80}; give a model, or a list of names")
    return dict.fromkeys(names, "")


def _compose(text: str, mistakes: Mistakes) -> yaml.Node:
    """YAML's node tree, with anchors, tags and deep nesting refused before anything is built."""
    if bad := yaml.reader.Reader.NON_PRINTABLE.search(text):
        place = _end_of(text[: bad.start()])
        mistakes.stop(place, f"not YAML: the character {bad[0]!a} is not text; delete it")
    try:
        _check_events(text, mistakes)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        place, message = _syntax_mistake(error, mistakes.lines)
        mistakes.stop(place, f"not YAML: {message}")
    except (yaml.YAMLError, ValueError) as error:
        mistakes.stop(Place(1, 1), f"not YAML: {str(error).splitlines()[0]}")
    if root is None:
        mistakes.stop(Place(1, 1), "empty; a timeline has 'version: 1' and 'keyframes:'")
    return root


def _end_of(text: str) -> Place:
    """Where what comes after the text stands."""
    lines = f"{text}^".splitlines()
    return Place(len(lines), len(lines[-1]))


def _last_with_text(lines: Sequence[str]) -> tuple[int, str]:
    """The last line with text, and its number. Where it lacks a space, it is text that goes on to
    YAML, which finds the mistake on the line below."""
    texts = [(n, line) for n, line in enumerate(lines, 1) if line.split("#")[0].strip()]
    return texts[-1] if texts else (0, "")


def _syntax_mistake(error: yaml.MarkedYAMLError, lines: Sequence[str]) -> tuple[Place, str]:
    """Where a mistake in YAML itself is, and what it says, with what was meant where that shows."""
    problem, begun = str(error.problem or error.context), error.context_mark
    mark = error.problem_mark or begun
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if begun and "quoted scalar" in str(error.context) and "end of stream" in problem:
        return Place(begun.line + 1, begun.column + 1), "this quote is never closed"
    above = _last_with_text(lines[: place.line - 1])
    for number, text in ((place.line, line), above):
        if dash := re.match(r" *-(?=[^ \t\d.-])", text):
            return Place(number, dash.end() + 1), "a dash needs a space after it"
    if colon := re.match(r"[\s-]*[A-Za-z_]+(?=:\S)", above[1]):
        return Place(above[0], colon.end() + 1), "a colon needs a space after it"
    if "cannot start any token" in problem or "tab character" in problem:
        problem += "; indent with spaces, not tabs, and quote text with @, ` or %"
    elif "mapping values" in problem and ": " in line[: place.column - 1]:
        problem = "a second key on one line; give it its own, or put all of them into { }"
    elif "mapping values" in problem:
        problem += "; keys of one mapping begin in the same column"
    elif begun and "',' or" in problem and begun.line + 1 < place.line:
        problem += f"; the bracket of line {begun.line + 1} is not closed"
    return place, problem


def _check_events(text: str, mistakes: Mistakes) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        problem = _refused(event)
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if documents > 1:
            problem = "a second document begins; a timeline is one"
        if depth > MAX_DEPTH:
            problem = f"nested more than {MAX_DEPTH} deep"
        if problem:
            mistakes.stop(_place(event), problem)


def _refused(event: Any) -> str | None:
    if isinstance(event, yaml.AliasEvent):
        return "aliases (*name) are not part of a timeline; write the value out"
    if getattr(event, "anchor", None):
        return "anchors (&name) are not part of a timeline; write the value out"
    if getattr(event, "tag", None):
        return f"tags ({event.tag}) are not part of a timeline"
    return None


class _Reader:
    """Turns nodes into keys, noting every mistake and going on. titles: of the styles, by name;
    is_default: whether they are DEFAULT_MODEL's, because none were given."""

    def __init__(self, mistakes: Mistakes, titles: Mapping[str, str], *, is_default: bool) -> None:
        self.mistakes = mistakes
        self.titles = titles
        self.is_default = is_default
        self.tempo: Tempo | None = None

    def document(self, root: yaml.Node) -> TimelineDocument:
        required = {"version": f"which is {VERSION}", "keyframes": "a list"}
        fields = self.mapping(root, DOCUMENT_KEYS, "a timeline", required)
        if "version" in fields and self.plain(fields["version"]) != str(VERSION):
            message = f"version must be {VERSION}, without quotes; others need another videostyle"
            self.wrong(fields["version"], message)
        if "tempo" in fields:
            self.tempo = self.read_tempo(fields["tempo"])
        loop = self.loop(fields["loop"]) if "loop" in fields else None
        keys = self.keyframes(fields["keyframes"]) if "keyframes" in fields else []
        if not self.mistakes.found and not any("mix" in key.values for key in keys):
            self.wrong(root, "no keyframe has a 'mix'; at least one must")
        return TimelineDocument(tuple(keys), loop, self.mistakes, self.tempo)

    def read_tempo(self, node: yaml.Node) -> Tempo:
        """A tempo that is wrong is noted and replaced, so that not every time in beats is a mistake
        too."""
        fields = {"bpm": node}
        if isinstance(node, yaml.MappingNode):
            fields = self.mapping(node, TEMPO_KEYS, "tempo", {"bpm": "beats a minute"})
        bpm = self.number(fields["bpm"], "bpm, beats a minute,", *BPM) if "bpm" in fields else None
        first = Fraction(0)
        if at := fields.get("first_beat"):
            text = self.text(at) or ""
            if re.fullmatch(SECONDS, text):
                first = parse_time(text).seconds
            else:
                found = f"{text!r:.80}" if text else "no time"
                self.wrong(at, f"first_beat is {found}; write seconds, such as 0.35s")
        return Tempo(60 / Fraction(bpm or 60), first)

    def keyframes(self, node: yaml.Node) -> list[ReadKey]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            items = "at least one item; each begins with a dash and a space"
            self.wrong(node, f"keyframes must be a list with {items}")
            return []
        keys = [self.keyframe(item) for item in node.value]
        return [key for key in keys if key]

    def keyframe(self, node: yaml.Node) -> ReadKey | None:
        before = len(self.mistakes.found)
        fields = self.mapping(node, KEYFRAME_KEYS, "a keyframe", {"at": "a time such as 1.5s"})
        if not set(fields) & set(TRACKS) and len(self.mistakes.found) == before:
            self.wrong(node, f"a keyframe sets at least one of {', '.join(TRACKS)}")
        time = self.time(fields["at"], self.tempo) if "at" in fields else None
        values: dict[str, Any] = {}
        if "mix" in fields:
            values["mix"] = self.mixture(fields["mix"])
        for track, scalar in SCALARS.items():
            if track in fields:
                values[track] = self.number(fields[track], track, scalar.low, scalar.high)
        ease = self.ease(fields["ease"]) if "ease" in fields else EASINGS["linear"]
        if time is None or ease is None or len(self.mistakes.found) > before:
            return None
        return ReadKey(time, values, ease, _place(node))

    def mapping(
        self, node: yaml.Node, known: Sequence[str], what: str, required: Mapping[str, str]
    ) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{what} must be a mapping with the keys {', '.join(known)}")
            return {}
        before = len(self.mistakes.found)
        fields = {}
        for key, name, value in self.pairs(node):
            if name in known:
                fields[name] = value
            elif name.partition(":")[0] in known:
                self.wrong(key, f"unknown key {name!r:.80}; a colon needs a space after it")
            else:
                hint = did_you_mean(name, known) or f" (have: {', '.join(known)})"
                self.wrong(key, f"unknown key {name!r:.80}{hint}")
        # A key that is missing beside an unknown one is most likely the same mistake.
        if len(self.mistakes.found) == before:
            for name in (name for name in required if name not in fields):
                self.wrong(node, f"{what} needs {name!r}, {required[name]}")
        return fields

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, str, yaml.Node]]:
        seen = set()
        is_cut = False  # YAML cuts cubic-bezier(0, 0, 1, 1) at its commas, and 0,5
        for (key, value), after in pairwise([*node.value, (None, None)]):
            name = self.text(key)
            if is_cut and name and not self.text(value):
                is_cut = not name.endswith(")")
                continue
            is_cut = (self.text(value) or "").startswith(_CSS_CURVE)
            if name is None:
                self.wrong(key, "a key must be plain text")
            elif name in seen:
                self.wrong(key, f"key {name!r:.80} stands twice")
            elif _is_cut_number(value, *after):
                is_cut = True
                point = f"{value.value}.{after[0].value}"
                self.wrong(value, f"a comma ends a value here; write {point:.80}, with a point")
            else:
                seen.add(name)
                yield key, name, value

    def mixture(self, node: yaml.Node) -> Mixture | None:
        if isinstance(node, yaml.ScalarNode) and node.value:
            return {node.value: 1.0} if self.style(node) else None
        if not isinstance(node, yaml.MappingNode) or not node.value:
            what = "mix" if node.value else "mix is empty; it"
            self.wrong(node, f"{what} must be a style name or a mapping {{style: weight}}")
            return None
        before = len(self.mistakes.found)
        weights: dict[str, float] = {}
        for key, name, value in self.pairs(node):
            self.style(key)
            weight = self.number(value, f"the weight of {name!r:.80}", 0.0, math.inf)
            weights[name] = 0.0 if weight is None else weight
        if len(self.mistakes.found) > before:
            return None
        try:
            return normalize_mixture(weights)
        except UsageError as error:
            self.wrong(node, str(error))
            return None

    @cached_property
    def lists_styles(self) -> str:
        """The command that lists the styles. A card does not know its file."""
        is_shipped = self.titles == read_model_card(DEFAULT_MODEL).titles
        return "videostyle styles" if is_shipped else "videostyle styles --model FILE"

    def style(self, node: yaml.ScalarNode) -> bool:
        if node.value in self.titles or node.value == ORIGINAL:
            return True
        hint = f"`{self.lists_styles}` lists them"
        if meant := near_styles(node.value, self.titles):
            hint = f"did you mean {' or '.join(meant)}?"
        if self.is_default:
            hint += f" (for another model than {DEFAULT_MODEL} give styles=load_model(FILE))"
        self.wrong(node, f"unknown style {node.value!r:.80}; {hint}")
        return False

    def time(self, node: yaml.Node, tempo: Tempo | None = None) -> Time | None:
        text = self.text(node)
        if text is None:
            self.wrong(node, "a time must be text such as 2.5s")
            return None
        try:
            return parse_time(text, tempo)
        except ValueError as error:
            self.wrong(node, str(error))
            return None

    def number(self, node: yaml.Node, what: str, low: float, high: float) -> float | None:
        text = self.plain(node)
        if text is None or not _NUMBER.fullmatch(text):
            self.wrong(node, f"{what} must be a number such as {max(low, 0.5):g}, without quotes")
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
            numbers = [
                self.number(item, "a number of ease", -MAX_EASE, MAX_EASE) for item in node.value
            ]
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
        if text and text.startswith(_CSS_CURVE):
            self.wrong(node, "a curve is written [x1, y1, x2, y2], without cubic-bezier")
            return None
        plain = re.sub("_|(?<=[a-z])(?=[A-Z])", "-", text or "").lower()
        hint = did_you_mean({"step-end": "hold"}.get(plain, plain), names)
        self.wrong(node, f"ease must be one of {', '.join(names)} or four numbers{hint}")
        return None

    def loop(self, node: yaml.Node) -> tuple[Time, bool, Place] | None:
        fields = self.mapping(node, LOOP_KEYS, "loop", {"period": "a time such as 8s"})
        beat = Tempo(self.tempo.beat) if self.tempo else None  # a length has no first beat
        time = self.time(fields["period"], beat) if "period" in fields else None
        if self.tempo and self.tempo.first:
            self.wrong(
                node,
                "a loop begins at 0 s, so its rounds would leave the beats after first_beat; leave "
                "one of the two out",
            )
        mode = self.text(fields["mode"]) if "mode" in fields else LOOP_MODES[0]
        if mode not in LOOP_MODES:
            self.wrong(fields["mode"], f"mode must be {' or '.join(LOOP_MODES)}")
        return (time, mode == "bounce", _place(fields["period"])) if time else None

    def text(self, node: yaml.Node) -> str | None:
        """A scalar as it was written."""
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def plain(self, node: yaml.Node) -> str | None:
        """A scalar written without quotes: YAML's text "1" is not its number 1."""
        return None if getattr(node, "style", None) else self.text(node)

    def wrong(self, node: yaml.Node, message: str) -> None:
        self.mistakes.add(_place(node), message)


def _is_cut_number(value: yaml.Node, after: yaml.Node | None, rest: yaml.Node | None) -> bool:
    """Whether 0,5 became a value and a key, `after`, that has none; a style may be called 1907."""
    return (
        isinstance(value, yaml.ScalarNode)
        and isinstance(after, yaml.ScalarNode)
        and getattr(rest, "value", None) == ""
        and value.end_mark.index + 1 == after.start_mark.index
        and value.value[-1:].isdigit()
        and after.value[:1].isdigit()
    )


def _place(node: yaml.Node | yaml.Event) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
