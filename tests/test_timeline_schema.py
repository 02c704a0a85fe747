"""The JSON Schema and the reader agree."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from videostyle.errors import TimelineError
from videostyle.timecode import Tempo, parse_time
from videostyle.timeline.reader import DOCUMENT_KEYS, KEYFRAME_KEYS, LOOP_KEYS, parse_timeline
from videostyle.timeline.schema import TIME_PATTERN, timeline_schema

STYLES = ("starry_night", "great_wave")
SCHEMA = timeline_schema(STYLES)
VALIDATOR = Draft7Validator(SCHEMA)


def reads(document: Any) -> bool:
    text = json.dumps(document)  # JSON is YAML
    try:
        parse_timeline(text, STYLES, name="t.yaml").resolve(8.0, Fraction(25))
    except TimelineError:
        return False
    return True


def test_the_schema_is_valid_draft_07() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_the_schema_knows_the_readers_keys() -> None:
    properties = SCHEMA["properties"]
    assert set(properties) == set(DOCUMENT_KEYS)
    assert set(properties["keyframes"]["items"]["properties"]) == set(KEYFRAME_KEYS)
    assert set(properties["loop"]["properties"]) == set(LOOP_KEYS)


def test_every_key_has_a_line_to_show_where_the_mouse_rests() -> None:
    properties = SCHEMA["properties"]
    keyframe = properties["keyframes"]["items"]["properties"]
    for item in (
        *properties.values(),
        *keyframe.values(),
        *properties["loop"]["properties"].values(),
    ):
        assert item["description"].endswith(".")
    assert "12.5s" in keyframe["at"]["patternErrorMessage"]


TIMES = ["0s", "1.5s", "00:01", "1:005:10", "0:00:02.5", "00:00:03:05", "75f", "60%", "-1s", "end"]
TIMES += ["90ms", ".1min", "0.001h", "-30ms"]
BEATS = ["7b", "-0.5b"]
BAD_TIMES = ["1", "", "s", "-5%", "101%", "1m", "x"]
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "mix": (
        ["original", "great_wave", {"original": 1, "great_wave": 0.5}],
        ["nope", {}, {"nope": 1}, {"original": -1}, [], 3, None],
    ),
    "strength": ([0, 0.5, 1], [-0.1, 2, "a", "0.5", True, None, []]),
    "keep_color": ([0, 1], [-1, "x"]),
    "stroke": ([0.25, 1, 8], [0, 9, "big", "1"]),
    "ease": (
        ["hold", "smooth", "ease-in-out", [0.4, -1, 0.6, 2]],
        ["bounce", [0, 0, 1], [2, 0, 1, 1], [0, 1e4, 1, 1], ["0", 0, 1, 1], 3, None],
    ),
}


@st.composite
def documents(draw: st.DrawFn) -> tuple[Any, bool]:
    """A document and whether it was made without a mistake."""
    fine = True

    def pick(good: list[Any], bad: list[Any]) -> Any:
        nonlocal fine
        if draw(st.integers(0, 19)) == 0:
            fine = False
            return draw(st.sampled_from(bad))
        return draw(st.sampled_from(good))

    has_tempo = draw(st.booleans())
    forms = TIMES + BEATS if has_tempo else TIMES
    times = draw(st.lists(st.sampled_from(forms), min_size=1, max_size=4, unique=True))
    keyframes = []
    for index, time in enumerate(times):
        keyframe: dict[str, Any] = {"at": pick([time], BAD_TIMES)}
        tracks = draw(st.sets(st.sampled_from(list(VALUES)), max_size=4))
        for name in sorted(tracks | ({"mix"} if index == 0 else {"stroke"})):
            keyframe[name] = pick(*VALUES[name])
        keyframes.append(keyframe)
    document: dict[str, Any] = {"version": pick([1], [2, "one", "1", None]), "keyframes": keyframes}
    if has_tempo:
        bad = [None, "120", [120], {}, 0, {"bpm": "x"}, {"bpm": {}}]
        document["tempo"] = deepcopy(pick([128, {"bpm": 93.5}], bad))
        if isinstance(document["tempo"], dict) and draw(st.booleans()):
            document["tempo"]["first_beat"] = pick(
                ["0.4s", "1.s", "350ms"], [*BAD_TIMES, "5f", "end", "1b"]
            )
    if draw(st.booleans()) and "first_beat" not in str(document):
        document["loop"] = {"period": pick(["8s", "50%"], BAD_TIMES)}
        if draw(st.booleans()):
            document["loop"]["mode"] = pick(["repeat", "bounce"], ["once", 1])
    if draw(st.integers(0, 19)) == 0:
        fine = False
        spoiled = draw(st.sampled_from([document, *keyframes]))
        if draw(st.booleans()):
            spoiled["extra"] = 1
        else:
            spoiled.clear()
    return document, fine


@settings(max_examples=300, deadline=None)
@given(documents())
def test_the_schema_and_the_reader_agree(made: tuple[Any, bool]) -> None:
    document, fine = made
    assert VALIDATOR.is_valid(document) == fine
    assert reads(document) == fine


@pytest.mark.parametrize("time", TIMES)
def test_every_form_of_time_is_in_the_schema(time: str) -> None:
    assert VALIDATOR.is_valid({"version": 1, "keyframes": [{"at": time, "mix": "original"}]})


@settings(max_examples=500)
@given(st.text("019:;.msinhfb%-ed ", max_size=12) | st.from_regex(TIME_PATTERN, fullmatch=True))
def test_the_schemas_times_are_the_readers(text: str) -> None:
    try:
        parse_time(text, Tempo(Fraction(1)))
    except ValueError:
        assert not re.search(TIME_PATTERN, text)
    else:
        assert re.search(TIME_PATTERN, text)
