"""The timeline format as a JSON Schema (draft-07), for editors that complete and check.

A schema cannot say everything the reader says (keys at one time, weights that are all 0); what it
refuses, the reader refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from videostyle.easing import EASINGS
from videostyle.look import ORIGINAL
from videostyle.timecode import FORMS
from videostyle.timeline import SCALAR_TRACKS
from videostyle.timeline_yaml import LOOP_MODES, VERSION

# One pattern for every form `parse_time` reads.
TIME_PATTERN = (
    r"^\s*(end|-?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})[sf]"
    r"|(100(\.0{0,12})?|\d{1,2}(\.\d{0,12})?|\.\d{1,12})%"
    r"|-?(\d{1,6}:)?\d{1,6}:\d{1,2}(\.\d{1,12})?|-?\d{1,6}:\d{1,2}:\d{1,2}:\d{1,4})\s*$"
)


def timeline_schema(style_names: Sequence[str]) -> dict[str, Any]:
    """The schema for a model with these styles."""
    styles = [ORIGINAL, *style_names]
    scalars = {
        name: {"type": "number", "minimum": low, "maximum": high, "default": default}
        for name, (low, high, default) in SCALAR_TRACKS.items()
    }
    weights = {name: {"type": "number", "minimum": 0} for name in styles}
    mixture = _object(weights, [], minProperties=1)
    keyframe = {
        "at": {"$ref": "#/definitions/time"},
        "mix": {"anyOf": [{"enum": styles}, mixture]},
        **scalars,
        "ease": {"$ref": "#/definitions/ease"},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "videostyle timeline",
        "definitions": {"time": _time(), "ease": _ease()},
        **_object(
            {
                "version": {"const": VERSION},
                "keyframes": {
                    "type": "array",
                    "minItems": 1,
                    "items": _object(
                        keyframe,
                        ["at"],
                        anyOf=[{"required": [track]} for track in ("mix", *SCALAR_TRACKS)],
                    ),
                    "contains": {"required": ["mix"]},
                },
                "loop": _object(
                    {
                        "period": {"$ref": "#/definitions/time"},
                        "mode": {"enum": list(LOOP_MODES), "default": LOOP_MODES[0]},
                    },
                    ["period"],
                ),
            },
            ["version", "keyframes"],
        ),
    }


def _object(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**schema, "required": required} if required else schema


def _time() -> dict[str, Any]:
    return {"type": "string", "pattern": TIME_PATTERN, "description": FORMS}


def _ease() -> dict[str, Any]:
    x, y = {"type": "number", "minimum": 0, "maximum": 1}, {"type": "number"}
    curve = {"type": "array", "items": [x, y, x, y], "minItems": 4, "maxItems": 4}
    return {"anyOf": [{"enum": list(EASINGS)}, curve], "default": "linear"}
