"""What a render is to paint, and by what a later run knows that it is the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from uuid import uuid4

import av

from videostyle import __version__
from videostyle.decode.mask import Mask
from videostyle.encode.plan import EncodingPlan
from videostyle.encode.segments import file_identity
from videostyle.media.frame import Cut
from videostyle.media.info import MediaInfo
from videostyle.network.enlarger import enlarger_weights
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.easing import CubicBezier, hold, linear
from videostyle.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is to be painted, and how. stabilize, strict, hwaccel: as `render` takes them. mask:
    where."""

    info: MediaInfo
    plan: EncodingPlan
    looks: Timeline
    stabilize: bool
    strict: bool
    hwaccel: str
    mask: Mask | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether a later assignment can be known to be the same: two easings that are functions
        of the caller's cannot be told apart."""
        keys = (key for track in self.looks.tracks.values() for key in track.keyframes)
        return all(isinstance(key.ease, CubicBezier) or key.ease in (hold, linear) for key in keys)

    def identity(self, cuts: list[Cut], stylizer: Stylizer) -> dict[str, str]:
        """What decides the pictures, by what a user calls it: equal text for equal pictures.
        What is not repeatable is like nothing else."""
        digest = hashlib.sha256()
        model = stylizer.model
        networks = (model.weights, enlarger_weights())
        digest.update(model.styles.tobytes())
        for weights in networks:  # which a file gives in another order in every process
            for name in sorted(weights):
                digest.update(weights[name].tobytes())
        info = self.info
        plan = {
            **self.plan.to_dict(),
            "hdr": info.hdr,
            "size": [info.width, info.height],
            "bars": info.bars,
            "fps": str(info.frame_rate),
            "cuts": f"{len(cuts)} from {cuts[0]} to {cuts[-1]}",
            "stabilize": self.stabilize,
        }
        if mask := self.mask:
            plan["mask"] = [file_identity(mask.info.path), mask.is_inverted]
        del plan["streams"]  # what is joined to the pictures at the end
        timeline = _as_text(self.looks) if self.is_repeatable else uuid4().hex
        return {
            "input": file_identity(info.path),
            "timeline": hashlib.sha256(timeline.encode()).hexdigest(),
            "model": digest.hexdigest(),
            "options": json.dumps(plan, sort_keys=True),
            "precision or device": stylizer.engine.arithmetic,
            "software": f"{__version__}, av {av.__version__}",
        }


def _as_text(timeline: Timeline) -> str:
    """Text that is equal when timelines of named easings and curves are."""
    keys = {
        name: [
            (key.seconds, str(key.value), getattr(key.ease, "__name__", str(key.ease)))
            for key in track.keyframes
        ]
        for name, track in timeline.tracks.items()
    }
    return f"{keys} {timeline.loop}"
