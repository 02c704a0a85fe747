"""How still a painted video stands: the warping error of pastiches of pictures that move in a known
way, with a frozen mixture and with one that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch

from videostyle.evaluation.motion import Moving
from videostyle.media.pixels import Picture
from videostyle.stylize.stabilizer import Stabilizer
from videostyle.stylize.stylizer import Stylizer
from videostyle.training.warp import warp

# A moving mixture goes from one style to the next in this many frames: two seconds of film.
MORPH_FRAMES = 50


@dataclass(frozen=True, slots=True)
class Stability:
    """E_warp of one model on one kind of motion: mean over sequences and styles, in [0, 1] RGB
    squared. `frozen`: one style throughout. `moving`: between two styles."""

    model: str
    stabilized: bool
    motion: str
    frozen: float
    moving: float

    @property
    def excess(self) -> float:
        """What the moving mixture adds."""
        return self.moving - self.frozen


@dataclass(frozen=True, slots=True)
class StabilityReport:
    """What was measured, and by what. Frames of made sequences are `side` pixels square."""

    side: int
    photos: tuple[str, ...]
    styles: tuple[str, ...]
    measures: tuple[Stability, ...]

    def mean(self, model: str, *, stabilized: bool) -> float:
        """Mean of the frozen E_warp over the kinds of motion."""
        return fmean(
            each.frozen
            for each in self.measures
            if each.model == model and each.stabilized == stabilized
        )

    def excess(self, model: str) -> float:
        """What a moving mixture adds to the stabilized mean."""
        return fmean(
            each.excess for each in self.measures if each.model == model and each.stabilized
        )


@torch.no_grad()
def warping_error(pastiches: Sequence[Picture], moving: Moving) -> float:
    """E_warp (Lai et al., ECCV 2018, section 3.2): mean over the points both frames show of
    (warp(O_t+1) - O_t)^2, in [0, 1] RGB; mean over the pairs of frames."""
    shown = [torch.from_numpy(each).permute(2, 0, 1)[None].float() / 255 for each in pastiches]
    errors = []
    for earlier, later, grid, seen in zip(
        shown, shown[1:], moving.grids, moving.seen, strict=False
    ):
        squared = (warp(later, grid) - earlier).square().mean(1, keepdim=True)
        errors.append((squared * seen).sum().item() / seen.sum().item())
    return fmean(errors)


def measure(
    name: str,
    stylizer: Stylizer,
    sequences: Sequence[Moving],
    styles: Sequence[str],
    on_progress: Callable[[], None] = lambda: None,
) -> list[Stability]:
    """Paint every sequence in every style, with and without the stabilizer.

    on_progress is called after each of len(sequences) * len(styles) parts.
    """
    found: dict[tuple[bool, str], list[tuple[float, float]]] = {}
    for sequence in sequences:
        for style, following in zip(styles, [*styles[1:], styles[0]], strict=True):
            shares = [number / MORPH_FRAMES for number in range(len(sequence.frames))]
            frozen = [{style: 1.0}] * len(shares)
            moving = [{style: 1 - share, following: share} for share in shares]
            errors = [_errors(stylizer, sequence, mixtures) for mixtures in (frozen, moving)]
            for stabilized in (False, True):
                pair = (errors[0][stabilized], errors[1][stabilized])
                found.setdefault((stabilized, sequence.name), []).append(pair)
            on_progress()
    return [
        Stability(name, stabilized, motion, *map(fmean, zip(*pairs, strict=True)))
        for (stabilized, motion), pairs in found.items()
    ]


def _errors(
    stylizer: Stylizer, sequence: Moving, mixtures: Sequence[Mapping[str, float]]
) -> tuple[float, float]:
    """E_warp of the pastiches as painted, and as the stabilizer holds them."""
    painted = [
        stylizer.submit(frame, mixture)()
        for frame, mixture in zip(sequence.frames, mixtures, strict=True)
    ]
    stabilizer = Stabilizer()
    held = [
        stabilizer(frame, pastiche, mixture)
        for frame, pastiche, mixture in zip(sequence.frames, painted, mixtures, strict=True)
    ]
    return warping_error(painted, sequence), warping_error(held, sequence)
