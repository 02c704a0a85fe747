"""Easings: how a curve leaves a key. Each maps [0, 1] to a fraction with f(0) = 0.

Names and curves are those of CSS (CSS Easing Functions Level 1); `smooth` is ease-in-out, and
`hold` keeps the key's value until the next key. CSS's steps are left out: step-end is `hold`, and
step-start would jump at the key itself, which then has no value of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

from videostyle.errors import UsageError
from videostyle.look import as_float
from videostyle.wording import did_you_mean, shown

Easing = Callable[[float], float]


def hold(x: float) -> float:
    """0 before 1."""
    return 1.0 if x >= 1 else 0.0


def linear(x: float) -> float:
    """x itself."""
    return x


@dataclass(frozen=True, slots=True)
class CubicBezier:
    """The curve through (0, 0), (x1, y1), (x2, y2), (1, 1). y may leave [0, 1] and overshoot.

    Raises ValueError unless x1 and x2 are in [0, 1]: elsewhere x would not rise steadily.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        if not (0 <= self.x1 <= 1 and 0 <= self.x2 <= 1):
            raise ValueError(
                f"the first and third number must be from 0 to 1, not {self.x1:g} and {self.x2:g}"
            )

    def __call__(self, x: float) -> float:
        if x <= 0 or x >= 1:
            return min(max(x, 0.0), 1.0)
        low, high = 0.0, 1.0
        # x(t) rises steadily, so halving always converges; 50 halvings exhaust a double.
        for _ in range(50):
            t = (low + high) / 2
            if _bernstein(t, self.x1, self.x2) < x:
                low = t
            else:
                high = t
        return _bernstein((low + high) / 2, self.y1, self.y2)


def _bernstein(t: float, a: float, b: float) -> float:
    return 3 * (1 - t) ** 2 * t * a + 3 * (1 - t) * t**2 * b + t**3


# Far past any curve one can see, and far from overflow.
MAX_EASE = 1000.0

EASINGS: Mapping[str, Easing] = {
    "hold": hold,
    "linear": linear,
    "smooth": CubicBezier(0.42, 0, 0.58, 1),
    "ease": CubicBezier(0.25, 0.1, 0.25, 1),
    "ease-in": CubicBezier(0.42, 0, 1, 1),
    "ease-out": CubicBezier(0, 0, 0.58, 1),
    "ease-in-out": CubicBezier(0.42, 0, 0.58, 1),
}


def easing(ease: str | Sequence[float] | Easing) -> Easing:
    """The easing of a name in EASINGS, of the four numbers of a CubicBezier, or a function itself.

    Raises UsageError for anything else.
    """
    if isinstance(ease, str) and ease in EASINGS:
        return EASINGS[ease]
    if callable(ease):
        return ease
    if isinstance(ease, Sequence) and len(ease) == 4 and all(isinstance(x, Real) for x in ease):
        numbers = [as_float(x) for x in ease]
        try:
            if not all(abs(number) <= MAX_EASE for number in numbers):
                raise ValueError(f"its numbers go from {-MAX_EASE:g} to {MAX_EASE:g}")
            return CubicBezier(*numbers)
        except ValueError as error:
            raise UsageError(f"ease is {shown(ease):.80}; {error}") from error
    hint = did_you_mean(ease, EASINGS) if isinstance(ease, str) else ""
    names = ", ".join(EASINGS)
    raise UsageError(
        f"ease is {shown(ease):.80}; it must be one of {names}, four numbers or a function{hint}"
    )


def name_of(ease: Easing) -> str | None:
    """The first name in EASINGS of an easing, None for one that has none."""
    return next((name for name, known in EASINGS.items() if known == ease), None)
