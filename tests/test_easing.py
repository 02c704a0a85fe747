"""Easings start at 0, end at 1, and match CSS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videostyle.timeline.easing import EASINGS, CubicBezier, hold

unit = st.floats(0, 1)


@pytest.mark.parametrize("name", EASINGS)
def test_every_easing_runs_from_0_to_1(name: str) -> None:
    ease = EASINGS[name]
    assert ease(0.0) == 0
    assert ease(1.0) == 1


def test_hold_waits_for_the_next_key() -> None:
    assert hold(0.999) == 0


@pytest.mark.parametrize(
    ("name", "x", "y"),
    # Values of the CSS curves, from the Bernstein form solved to 6 digits.
    [("ease-in-out", 0.5, 0.5), ("ease", 0.5, 0.802403), ("ease-in", 0.5, 0.315357)],
)
def test_the_css_names_are_the_css_curves(name: str, x: float, y: float) -> None:
    assert EASINGS[name](x) == pytest.approx(y, abs=1e-5)


@given(unit, unit, unit, unit, unit)
def test_a_bezier_inside_the_unit_square_rises(
    x1: float, y1: float, x2: float, a: float, b: float
) -> None:
    ease = CubicBezier(x1, 0.0 if y1 < 0.5 else y1, x2, 1.0)
    low, high = sorted((a, b))
    assert -1e-9 <= ease(low) <= 1 + 1e-9
    if y1 < 0.5:
        assert ease(low) <= ease(high) + 1e-9


@given(unit, unit, unit)
def test_a_bezier_on_the_diagonal_is_linear(x1: float, x2: float, x: float) -> None:
    assert CubicBezier(x1, x1, x2, x2)(x) == pytest.approx(x, abs=1e-6)


@pytest.mark.parametrize(("x1", "x2"), [(-0.1, 0.5), (0.5, 1.1), (float("nan"), 0.5)])
def test_a_curve_that_turns_back_in_time_is_refused(x1: float, x2: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        CubicBezier(x1, 0, x2, 1)
