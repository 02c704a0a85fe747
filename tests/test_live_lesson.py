"""A painting dropped on the page is learned while the picture shows it."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from videostyle.errors import MediaError
from videostyle.live.lesson import Lesson, read_painting
from videostyle.model import Model, load_model
from videostyle.model_card import Style
from videostyle.training.config import TrainConfig

OCHRE = Style("ochre", "Ochre", "", "", "Ochre")


def picture(mode: str = "RGB", size: tuple[int, int] = (96, 72)) -> bytes:
    file = BytesIO()
    Image.effect_mandelbrot(size, (-2, -1, 1, 1), 50).convert(mode).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content.png"
    path.write_bytes(picture(size=(160, 120)))
    return path


def taught(lesson: Lesson, model: Model, content: Path, output: Path) -> None:
    lesson.start(model, OCHRE, read_painting(picture()), content, output)
    lesson.wait()


def test_the_model_has_the_painting_from_early_on_and_is_saved(
    small_model: Model,
    loss_network_file: Path,
    content: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("videostyle.live.lesson.STEPS", 4)
    monkeypatch.setattr("videostyle.live.lesson.SHOW_EVERY", 2)
    small = partial(TrainConfig, batch_size=1, crop=64)
    monkeypatch.setattr("videostyle.training.add_style.TrainConfig", small)
    models: list[Model] = []
    lesson = Lesson(loss_network_file, "cpu", models.append, lambda: None)
    taught(lesson, small_model, content, tmp_path / "taught.safetensors")
    assert lesson.state.status == "done", lesson.state
    assert [len(model.card.styles) for model in models] == [4, 4, 4]
    saved = load_model(tmp_path / "taught.safetensors")
    assert saved.card.style_names == ("red", "green", "blue", "ochre")
    # The network is untouched, so an engine made for it serves the new model too.
    assert models[-1].network is small_model.network


def test_a_lesson_that_fails_leaves_the_model_as_it_was(
    small_model: Model, content: Path, tmp_path: Path
) -> None:
    models: list[Model] = []
    lesson = Lesson(tmp_path / "missing.safetensors", "cpu", models.append, lambda: None)
    taught(lesson, small_model, content, tmp_path / "taught.safetensors")
    assert lesson.state.status == "failed"
    assert models[-1] is small_model
    assert not (tmp_path / "taught.safetensors").exists()


@pytest.mark.parametrize("data", [b"", b"<svg/>", picture()[:200], picture(size=(20, 20))])
def test_what_is_no_painting_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        read_painting(data)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_any_picture_will_do(mode: str) -> None:
    assert read_painting(picture(mode, (3000, 80))).size == (1024, 27)
