"""Looks and mixtures: the rule that weights sum to 1."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videostyle.errors import UsageError
from videostyle.look import ORIGINAL, SCALARS, Look, normalize_mixture

weights = st.floats(0, 1e300, allow_nan=False)
mixtures = st.dictionaries(st.sampled_from(["a", "b", "c", ORIGINAL]), weights, min_size=1)


@given(mixtures)
def test_normalised_weights_are_a_convex_combination(mixture: dict[str, float]) -> None:
    if not any(mixture.values()):
        with pytest.raises(UsageError, match="must not all be 0"):
            normalize_mixture(mixture)
        return
    normal = normalize_mixture(mixture)
    assert math.isclose(math.fsum(normal.values()), 1, rel_tol=1e-12)
    assert all(weight >= 0 for weight in normal.values())


@pytest.mark.parametrize("mix", ["a", ["a"], None])
def test_what_is_no_mixture_is_refused_with_the_way_to_write_one(mix: Any) -> None:
    with pytest.raises(UsageError, match=r'write \{"starry_night": 1\}'):
        Look(mix)


@pytest.mark.parametrize("name", [1, None, Path("a")])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(UsageError, match="names are text"):
        Look({name: 1, "b": 1})


@pytest.mark.filterwarnings("error")
def test_numbers_of_numpy_become_pythons_own() -> None:
    scalars = {name: np.float32(0.5) for name in SCALARS}
    look = Look({"a": np.float32(1), "b": np.int64(3)}, **scalars)
    same = Look({"a": 1, "b": 3}, **dict.fromkeys(SCALARS, 0.5))
    assert json.loads(json.dumps(look.to_dict())) == same.to_dict()


@pytest.mark.parametrize("track", SCALARS)
@pytest.mark.parametrize("value", ["0.5", None, math.nan, -1, 10**400])
def test_a_track_out_of_its_range_is_named(track: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{track} is {value!r}; it must be from"):
        Look({"a": 1}, **{track: value})


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, 10**400, "1", None])
def test_a_weight_that_is_no_weight_is_refused(weight: Any) -> None:
    with pytest.raises(UsageError, match="weight of 'a'"):
        normalize_mixture({"a": weight, "b": 1})


def test_original_takes_its_share_of_the_opacity() -> None:
    look = Look({"a": 3, "b": 1, ORIGINAL: 4}, strength=0.5)
    assert look.opacity == 0.25
    assert dict(look.painted) == {"a": 0.75, "b": 0.25}


def test_original_alone_is_not_painted() -> None:
    look = Look({ORIGINAL: 2})
    assert look.opacity == 0
    assert dict(look.painted) == {}


@pytest.mark.parametrize("track", ["strength", "keep_color"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_tracks_stay_in_their_range(track: str, value: float) -> None:
    with pytest.raises(UsageError, match=track):
        Look({"a": 1}, **{track: value})


@pytest.mark.parametrize("value", [0, -1, 1e9, math.nan])
def test_strokes_stay_in_their_range(value: float) -> None:
    with pytest.raises(UsageError, match="stroke"):
        Look({"a": 1}, stroke=value)


def test_a_look_is_a_value_like_any_other() -> None:
    look = Look({"a": 3, "b": 1, ORIGINAL: 4}, strength=0.5)
    same = Look({"b": 1, ORIGINAL: 4, "a": 3}, strength=0.5)
    assert hash(look) == hash(same)
    assert look == same == copy.deepcopy(look)
    assert asdict(look)["painted"] == {"a": 0.75, "b": 0.25}
    with pytest.raises(TypeError):
        look.mix["a"] = 1.0  # type: ignore[index]


def test_a_look_is_pickled_without_help() -> None:
    """In a process of its own, where nothing else has taught pickle anything."""
    code = "import pickle; from videostyle.look import Look; look = Look({'a': 1, 'b': 1})"
    code += "; assert pickle.loads(pickle.dumps(look)) == look"
    subprocess.run([sys.executable, "-c", code], check=True)
