"""How one frame is to be painted: a mixture of styles and what goes with it. Pure Python.

A mixture is {style name: weight}. Weights are non-negative and are normalised to sum 1. The
reserved style `original` is the untouched frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import NamedTuple

from videostyle.checks import Fixed
from videostyle.errors import UsageError
from videostyle.wording import shown

ORIGINAL = "original"


class Scalar(NamedTuple):
    """The range of one of a look's numbers, both ends included, and its value where none is set."""

    low: float
    high: float
    default: float


# What a look has beside its mixture.
SCALARS: Mapping[str, Scalar] = {
    "strength": Scalar(low=0.0, high=1.0, default=1.0),
    "keep_color": Scalar(low=0.0, high=1.0, default=0.0),
    "stroke": Scalar(low=0.25, high=8.0, default=1.0),
}


def normalize_mixture(mixture: Mapping[str, float]) -> dict[str, float]:
    """Divide by the sum, dropping styles of weight 0. Weights become Python's own numbers.

    Raises UsageError for what is no mapping, if a name is no text, if a weight is no number,
    negative or not finite, or if no weight is above 0.
    """
    if not isinstance(mixture, Mapping):
        raise UsageError(f'a mixture is {shown(mixture)}; write {{"starry_night": 1}}')
    weights = {}
    for name, weight in mixture.items():
        if not isinstance(name, str):
            raise UsageError(
                f'a mixture names the style {shown(name)}; names are text, "starry_night"'
            )
        weights[name] = as_float(weight)
        if not 0 <= weights[name] < math.inf:
            raise UsageError(
                f"weight of {name!r} is {shown(weight)}; weights are numbers, finite and not "
                "negative"
            )
    largest = max(weights.values(), default=0.0)
    if largest <= 0:
        raise UsageError("the weights of a mixture must not all be 0")
    # Scaled by the largest first, so that the sum of huge or tiny weights stays finite.
    total = math.fsum(weight / largest for weight in weights.values())
    return {name: weight / largest / total for name, weight in weights.items() if weight > 0}


def as_float(value: object) -> float:
    """A number of any library as Python's float; NaN for what is no number."""
    if type(value) is float:  # asking Real takes longer
        return value
    try:
        return float(value) if isinstance(value, Real) else math.nan
    except OverflowError:
        return math.inf


def fixed_mixture(mixture: Mapping[str, float]) -> Mapping[str, float]:
    """As `normalize_mixture`, but it cannot change, and comes back as it is when given again."""
    is_fixed = isinstance(mixture, _Weights) and mixture
    return mixture if is_fixed else _Weights(normalize_mixture(mixture))


class _Weights(Fixed[float]):
    """A mixture whose weights are divided by their sum."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Look:
    """The state of every track at one time.

    mix: weights that sum to 1. strength: 0 (the original) to 1 (the pastiche).
    keep_color: 0 (the painting's colours) to 1 (the original's chroma).
    stroke: stroke size; 1 is the look of a picture of 512 lines, at any resolution, and 2 that
        of one of 256 lines.
    """

    mix: Mapping[str, float]
    strength: float = SCALARS["strength"].default
    keep_color: float = SCALARS["keep_color"].default
    stroke: float = SCALARS["stroke"].default
    painted: Mapping[str, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mix = fixed_mixture(self.mix)
        for name, scalar in SCALARS.items():
            value = getattr(self, name)
            number = as_float(value)
            if not scalar.low <= number <= scalar.high:
                raise UsageError(
                    f"{name} is {shown(value)}; it must be from {scalar.low:g} to {scalar.high:g}"
                )
            object.__setattr__(self, name, number)
        object.__setattr__(self, "mix", mix)
        styles = {name: weight for name, weight in mix.items() if name != ORIGINAL}
        painted = normalize_mixture(styles) if styles else {}
        object.__setattr__(self, "painted", _Weights(painted))

    def to_dict(self) -> dict[str, object]:
        """Every track by name, for JSON."""
        return {"mix": dict(self.mix), **{name: getattr(self, name) for name in SCALARS}}

    @property
    def opacity(self) -> float:
        """Weight of the pastiche of `painted` over the original frame, in [0, 1]."""
        return self.strength * (1.0 - self.mix.get(ORIGINAL, 0.0)) if self.painted else 0.0
