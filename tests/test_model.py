"""Model files: what is written comes back, and everything else is refused by name."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from videostyle.errors import ModelError
from videostyle.network.model import Model, load_model, save_model
from videostyle.network.model_card import Style, model_path, read_model_card, shipped_models


@pytest.fixture
def model_file(small_model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_model(path, small_model)
    return path


def rewrite(path: Path, *, metadata: dict[str, object] | None = None, drop: str = "") -> None:
    """Write the file again with fields of its card changed, or a tensor gone."""
    card = json.loads(read_model_card(path).to_metadata()["videostyle"]) | (metadata or {})
    tensors = {name: value for name, value in load_file(path).items() if name != drop}
    save_file(tensors, path, metadata={"videostyle": json.dumps(card)})


def test_a_model_comes_back_as_it_was_saved(small_model: Model, model_file: Path) -> None:
    loaded = load_model(model_file)
    assert loaded.card.to_metadata() == small_model.card.to_metadata()
    np.testing.assert_allclose(loaded.styles, small_model.styles, atol=1e-3, rtol=1e-3)
    frame, rows = torch.rand(1, 3, 64, 64), torch.from_numpy(small_model.rows([{"blue": 1.0}]))
    before, after = small_model.network(frame, rows)[0], loaded.network(frame, rows)[0]
    torch.testing.assert_close(after, before, atol=0.02, rtol=0)


def test_a_mixture_of_one_style_is_its_row(small_model: Model) -> None:
    assert np.array_equal(small_model.rows([{"green": 1.0}])[0], small_model.styles[1])


def test_rows_mix_linearly(small_model: Model) -> None:
    mixed = small_model.rows([{"red": 0.25, "blue": 0.75}])[0]
    expected = 0.25 * small_model.styles[0] + 0.75 * small_model.styles[2]
    np.testing.assert_allclose(mixed, expected, rtol=1e-6)


def test_saving_leaves_no_part_behind(model_file: Path) -> None:
    assert [path.name for path in model_file.parent.iterdir()] == [model_file.name]


def test_a_newer_format_is_named(model_file: Path) -> None:
    rewrite(model_file, metadata={"format_version": 99})
    with pytest.raises(ModelError, match=r"format 99.*Update videostyle"):
        load_model(model_file)


def test_a_truncated_file_is_named(model_file: Path) -> None:
    data = model_file.read_bytes()
    for length in (0, 4, 200, len(data) - 10):
        model_file.write_bytes(data[:length])
        with pytest.raises(ModelError, match=str(model_file)):
            load_model(model_file)


def test_no_length_of_header_is_taken_for_a_pickle(tmp_path: Path, small_model: Model) -> None:
    path = tmp_path / "padded.safetensors"
    lengths = set()
    for padding in range(0, 256, 8):
        card = replace(small_model.card, recipe={"note": "x" * padding})
        save_model(path, replace(small_model, card=card))
        lengths.add(path.read_bytes()[0])
        assert read_model_card(path).recipe["note"] == "x" * padding
    assert 0x80 in lengths


def test_a_pickle_is_refused_unopened(tmp_path: Path) -> None:
    bare, archive = tmp_path / "a.pt", tmp_path / "b.pt"
    bare.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    torch.save({"weights": torch.zeros(2)}, archive)
    for path in (bare, archive):
        with pytest.raises(ModelError, match="pickle"):
            load_model(path)


def test_a_missing_tensor_is_named(model_file: Path) -> None:
    rewrite(model_file, drop="network.convs.0.weight")
    with pytest.raises(ModelError, match=r"network\.convs\.0\.weight"):
        load_model(model_file)


def test_other_shapes_are_named(model_file: Path) -> None:
    card = read_model_card(model_file)
    wider = {**card.architecture, "residual_blocks": 4}
    rewrite(model_file, metadata={"architecture": wider})
    with pytest.raises(ModelError, match="the architecture in the file needs"):
        load_model(model_file)


@pytest.mark.parametrize(
    "change",
    [
        {"skips": 10**6},
        {"skips": "one"},
        {"contract": []},
        {"expand": [{"kernel": 9, "stride": 2, "channels": 3}] * 3},
        {"unshuffle": None},
        {"residual_blocks": 2.5},
        {"unshuffle": 2.0},  # as large as it should be, so only its kind tells
        {"smooth_output": 10**9},
        {"smooth_output": "yes"},
    ],
)
def test_a_broken_architecture_is_a_model_error(
    model_file: Path, change: dict[str, object]
) -> None:
    architecture = {**read_model_card(model_file).architecture, **change}
    rewrite(model_file, metadata={"architecture": architecture})
    with pytest.raises(ModelError, match="broken architecture"):
        load_model(model_file)


def test_numbers_that_are_not_finite_are_refused(model_file: Path) -> None:
    metadata = read_model_card(model_file).to_metadata()
    tensors = load_file(model_file)
    tensors["styles"][0, 0, 0] = float("nan")
    save_file(tensors, model_file, metadata=metadata)
    with pytest.raises(ModelError, match="not finite"):
        load_model(model_file)


@pytest.mark.parametrize(
    ("styles", "message"),
    [
        (lambda styles: styles.to(torch.float8_e4m3fn), "F8_E4M3"),
        (lambda styles: styles.to(torch.int32), "I32"),
        (lambda styles: styles.double() * 1e300, "not finite"),
    ],
)
def test_numbers_that_do_not_become_floats_are_refused(
    model_file: Path, styles: Callable[[torch.Tensor], torch.Tensor], message: str
) -> None:
    metadata = read_model_card(model_file).to_metadata()
    tensors = load_file(model_file)
    save_file({**tensors, "styles": styles(tensors["styles"])}, model_file, metadata=metadata)
    with pytest.raises(ModelError, match=message):
        load_model(model_file)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_every_kind_of_floats_is_read(model_file: Path, dtype: torch.dtype) -> None:
    metadata = read_model_card(model_file).to_metadata()
    tensors = {name: value.to(dtype) for name, value in load_file(model_file).items()}
    save_file(tensors, model_file, metadata=metadata)
    model = load_model(model_file)
    assert np.array_equal(model.styles, tensors["styles"].float())
    for name, weights in model.weights.items():
        assert np.array_equal(weights, tensors[f"network.{name}"].float()), name


@pytest.mark.parametrize("recipe", [{"paintings": []}, {"losses": [1]}, {"losses": {"red": 3}}])
def test_a_recipe_of_another_shape_is_refused(model_file: Path, recipe: dict[str, object]) -> None:
    rewrite(model_file, metadata={"recipe": recipe})
    with pytest.raises(ModelError, match="must be a mapping"):
        load_model(model_file)


def test_another_programs_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="no videostyle metadata"):
        load_model(path)


@pytest.mark.parametrize(
    "header", ["5", "[]", '{"__metadata__": 5}', '{"__metadata__": {"videostyle": "7"}}']
)
def test_a_header_of_another_shape_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    with pytest.raises(ModelError, match=r"safetensors|metadata"):
        load_model(path)


def test_an_unknown_name_lists_what_ships() -> None:
    with pytest.raises(ModelError, match="lean"):
        model_path("no-such-model")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_file_gives_a_model_or_a_model_error(
    small_model: Model, tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("damage") / "small.safetensors"
    save_model(path, small_model)
    data = bytearray(path.read_bytes())
    for position, value in damage:
        data[position % len(data)] = value
    path.write_bytes(data)
    with suppress(ModelError):
        load_model(path)


@pytest.mark.parametrize("name", ["", "Upper", "original", "a b", "x" * 65, "../up"])
def test_style_names_are_plain(name: str) -> None:
    with pytest.raises(ValueError, match="style name"):
        Style(name, "t", "a", "y", "c")


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_is_small_complete_and_paints(name: str) -> None:
    assert model_path(name).stat().st_size < 8_000_000
    model = load_model(name)
    assert len(model.card.styles) >= 8
    assert all(style.title and style.artist and style.credit for style in model.card.styles)
    assert model.card.recipe
    photo = torch.from_numpy(np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32))
    photos, rows = photo.expand(len(model.styles), -1, -1, -1), torch.from_numpy(model.styles)
    pastiches = model.network(photos, rows)[0]
    # Trained styles differ from each other by far more than noise.
    means = pastiches.mean((2, 3))
    assert torch.pdist(means).median() > 0.05


def test_a_full_disk_leaves_no_part(
    small_model: Model, tmp_path: Path, fill_disk: Callable[[], None]
) -> None:
    path = tmp_path / "small.safetensors"
    fill_disk()
    with pytest.raises(OSError, match="No space") as raised:
        save_model(path, small_model)
    assert raised.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_a_recipe_that_is_none_is_refused(model_file: Path) -> None:
    rewrite(model_file, metadata={"recipe": "flour"})
    with pytest.raises(ModelError, match="recipe must be a mapping"):
        read_model_card(model_file)


@pytest.mark.parametrize(
    ("year", "caption"), [("1889", "Irises, V. van Gogh, 1889"), ("", "Irises, V. van Gogh")]
)
def test_a_caption_has_what_is_known_of_a_painting(year: str, caption: str) -> None:
    assert Style("irises", "Irises", "V. van Gogh", year, "").caption == caption


def test_a_model_says_what_it_is_in_a_line(small_model: Model) -> None:
    assert repr(small_model) == "<Model 'small', 3 styles>"


def test_a_model_is_itself_alone(small_model: Model) -> None:
    assert small_model != replace(small_model)
    assert len({small_model, small_model, replace(small_model)}) == 2


def test_a_model_goes_to_another_process_without_pytorch(small_model: Model) -> None:
    assert small_model.network
    sent = pickle.dumps(small_model)
    assert b"torch" not in sent
    assert np.array_equal(pickle.loads(sent).styles, small_model.styles)
