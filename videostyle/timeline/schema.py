"""The timeline format as a JSON Schema (draft-07), for editors that complete and check.

A schema cannot say everything the reader says (keys at one time, weights that are all 0); what it
refuses, the reader refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from videostyle.look import ORIGINAL, SCALARS
from videostyle.timecode import FORMS
from videostyle.timeline.document import VERSION
from videostyle.timeline.easing import EASINGS, MAX_EASE
from videostyle.timeline.reader import BPM, LOOP_MODES, SECONDS
from videostyle.timeline.timeline import TRACKS

# Every form `parse_time` reads and nothing else; [0-9], because some engines' \d is any digit.
TIME_PATTERN = (
    r"^\s*(end"
    r"|-?([0-9]{1,12}(\.[0-9]{0,12})?|\.[0-9]{1,12})(ms|s|min|h|f|b)"
    r"|(0{0,9}100(\.0{0,12})?|0{0,10}[0-9]{1,2}(\.[0-9]{0,12})?|\.[0-9]{1,12})%"
    r"|-?([0-9]{1,6}:)?0{0,4}[0-5]?[0-9]:[0-5]?[0-9](\.[0-9]{1,12})?"
    r"|-?[0-9]{1,6}:[0-5]?[0-9](\.[0-9]{1,12})?"
    r"|-?[0-9]{1,6}:[0-5]?[0-9]:[0-5]?[0-9][:;][0-9]{1,4}"
    r"|-?[0-9]{1,6};[0-5]?[0-9];[0-5]?[0-9];[0-9]{1,4}"
    r")\s*$"
)


# What an editor shows where the mouse rests.
_MEANING = {
    "version": "The version of this format.",
    "keyframes": "What the video looks like at some times; between them the tracks move.",
    "loop": "Play the beginning of the timeline again and again.",
    "tempo": "Beats a minute, or {bpm, first_beat}: times may then count in beats, 16b.",
    "bpm": "Beats a minute.",
    "first_beat": "The time of beat 0 in seconds, 0.35s; at the start, if it is left out.",
    "at": f"The time of this keyframe: {FORMS}; 16b, in beats, where there is a tempo.",
    "mix": "A style's name, or {style: weight}; `original` is the untouched frame. Weights are "
    "divided by their sum.",
    "strength": "From 0 (the original) to 1 (the pastiche).",
    "keep_color": "From 0 (the painting's colours) to 1 (the original's chroma).",
    "stroke": "Stroke size. 1 is the look of a picture of 512 lines, 2 that of one of 256 lines.",
    "ease": "How the curve leaves this keyframe: a name, or [x1, y1, x2, y2] as CSS's "
    "cubic-bezier.",
    "period": f"The time after which the timeline begins again: {FORMS}; or 16b, in beats.",
    "mode": "repeat, or bounce: every other round runs backwards.",
}


def timeline_schema(style_names: Sequence[str]) -> dict[str, Any]:
    """The schema for a model with these styles."""
    keyframes = {
        "type": "array",
        "minItems": 1,
        "items": _keyframe([ORIGINAL, *style_names]),
        "contains": {"required": ["mix"]},
    }
    loop = {
        "period": _time(),
        "mode": {"enum": list(LOOP_MODES), "default": LOOP_MODES[0]},
    }
    bpm, first = _number(*BPM), {"type": "string", "pattern": f"^{SECONDS}$"}
    tempo = _object(_told({"bpm": bpm, "first_beat": first}), ["bpm"])
    document = {
        "version": {"const": VERSION},
        "tempo": {"anyOf": [bpm, tempo]},
        "keyframes": keyframes,
        "loop": _object(_told(loop), ["period"]),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "videostyle timeline",
        **_object(_told(document), ["version", "keyframes"]),
    }


def _keyframe(styles: Sequence[str]) -> dict[str, Any]:
    scalars = {
        name: {**_number(scalar.low, scalar.high), "default": scalar.default}
        for name, scalar in SCALARS.items()
    }
    weights = {name: {"type": "number", "minimum": 0} for name in styles}
    mixture = _object(weights, [], minProperties=1)
    properties = {
        "at": _time(),
        "mix": {"anyOf": [{"enum": list(styles)}, mixture]},
        **scalars,
        "ease": _ease(),
    }
    tracks = [{"required": [track]} for track in TRACKS]
    return _object(_told(properties), ["at"], anyOf=tracks)


def _told(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: {"description": _MEANING[name], **item} for name, item in properties.items()}


def _object(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**schema, "required": required} if required else schema


def _number(low: float, high: float) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high}


def _time() -> dict[str, Any]:
    message = f"Not a time; write {FORMS}, or 16b where there is a tempo"
    return {"type": "string", "pattern": TIME_PATTERN, "patternErrorMessage": message}


def _ease() -> dict[str, Any]:
    x, y = _number(0, 1), _number(-MAX_EASE, MAX_EASE)
    curve = {"type": "array", "items": [x, y, x, y], "minItems": 4, "maxItems": 4}
    return {"anyOf": [{"enum": list(EASINGS)}, curve], "default": "linear"}
