"""The timeline format as a JSON Schema (draft-07), for editors that complete and check.

A schema cannot say everything the reader says (keys at one time, weights that are all 0); what it
refuses, the reader refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from videostyle.easing import EASINGS
from videostyle.look import ORIGINAL, SCALARS
from videostyle.timecode import FORMS
from videostyle.timeline import TRACKS
from videostyle.timeline_yaml import LOOP_MODES, MAX_EASE, VERSION

# Every form `parse_time` reads and nothing else; [0-9], because some engines' \d is any digit.
TIME_PATTERN = (
    r"^\s*(end"
    r"|-?([0-9]{1,12}(\.[0-9]{0,12})?|\.[0-9]{1,12})[sf]"
    r"|(0{0,9}100(\.0{0,12})?|0{0,10}[0-9]{1,2}(\.[0-9]{0,12})?|\.[0-9]{1,12})%"
    r"|-?([0-9]{1,6}:)?0{0,4}[0-5]?[0-9]:[0-5]?[0-9](\.[0-9]{1,12})?"
    r"|-?[0-9]{1,6}:[0-5]?[0-9](\.[0-9]{1,12})?"
    r"|-?[0-9]{1,6}:[0-5]?[0-9]:[0-5]?[0-9]:[0-9]{1,4}"
    r")\s*$"
)


def timeline_schema(style_names: Sequence[str]) -> dict[str, Any]:
    """The schema for a model with these styles."""
    keyframes = {
        "type": "array",
        "minItems": 1,
        "items": _keyframe([ORIGINAL, *style_names]),
        "contains": {"required": ["mix"]},
    }
    loop = {
        "period": {"$ref": "#/definitions/time"},
        "mode": {"enum": list(LOOP_MODES), "default": LOOP_MODES[0]},
    }
    document = {
        "version": {"const": VERSION},
        "keyframes": keyframes,
        "loop": _object(loop, ["period"]),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "videostyle timeline",
        "definitions": {"time": _time(), "ease": _ease()},
        **_object(document, ["version", "keyframes"]),
    }


def _keyframe(styles: Sequence[str]) -> dict[str, Any]:
    scalars = {
        name: {**_number(low, high), "default": default}
        for name, (low, high, default) in SCALARS.items()
    }
    weights = {name: {"type": "number", "minimum": 0} for name in styles}
    mixture = _object(weights, [], minProperties=1)
    properties = {
        "at": {"$ref": "#/definitions/time"},
        "mix": {"anyOf": [{"enum": list(styles)}, mixture]},
        **scalars,
        "ease": {"$ref": "#/definitions/ease"},
    }
    tracks = [{"required": [track]} for track in TRACKS]
    return _object(properties, ["at"], anyOf=tracks)


def _object(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**schema, "required": required} if required else schema


def _number(low: float, high: float) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high}


def _time() -> dict[str, Any]:
    return {"type": "string", "pattern": TIME_PATTERN, "description": FORMS}


def _ease() -> dict[str, Any]:
    x, y = _number(0, 1), _number(-MAX_EASE, MAX_EASE)
    curve = {"type": "array", "items": [x, y, x, y], "minItems": 4, "maxItems": 4}
    return {"anyOf": [{"enum": list(EASINGS)}, curve], "default": "linear"}
