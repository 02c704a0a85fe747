"""Adding a style: the painting is learned, the other styles stay, mistakes cost nothing."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import smooth_picture
from PIL import Image
from pipeline import Clip

from videostyle.cli import main
from videostyle.errors import TrainingError, UsageError
from videostyle.look import Look
from videostyle.network.model import Model, load_model
from videostyle.network.model_card import Style, model_path
from videostyle.stylize.stylizer import Stylizer
from videostyle.training.add_style import (
    StyleTraining,
    content_pictures,
    draw_sample,
    loss_range,
    middle_picture,
)
from videostyle.training.config import PaintingConfig
from videostyle.training.loss_network import load_loss_network
from videostyle.training.vgg16 import _ArrayUnpickler
from videostyle.whole_file import only_writer


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    path = tmp_path / "painting.png"
    smooth_picture(1, tint=(1, 0.4, 0.2)).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        smooth_picture(seed + 10).save(folder / f"{seed}.png")
    return folder


def training(
    model: Model, painting: Path, photos: Path, loss_network_file: Path, steps: int
) -> StyleTraining:
    return StyleTraining(
        model,
        painting,
        Style("ochre", "Ochre", "A. Painter", "1900", "A. Painter, Ochre, 1900"),
        content_pictures(photos),
        load_loss_network(loss_network_file),
        steps=steps,
        settings=PaintingConfig(size=64),
        batch_size=2,
        crop=64,
    )


def test_rows_alone_learn_the_painting(
    small_model: Model, painting: Path, photos: Path, loss_network_file: Path
) -> None:
    learning = training(small_model, painting, photos, loss_network_file, 50)
    losses = [step.style for step in learning.steps()]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    added = learning.model()
    assert added.card.style_names == ("red", "green", "blue", "ochre")
    assert added.styles.shape == (4, *small_model.styles.shape[1:])
    assert added.card.recipe["losses"]["ochre"]["style"] > 0


def test_the_other_styles_and_the_given_model_stay_as_they_were(
    small_model: Model, painting: Path, photos: Path, loss_network_file: Path
) -> None:
    rows = small_model.styles.copy()
    weights = {name: value.clone() for name, value in small_model.network.state_dict().items()}
    learning = training(small_model, painting, photos, loss_network_file, 2)
    list(learning.steps())
    added = learning.model()
    assert np.array_equal(added.styles[:-1], rows)
    assert np.array_equal(small_model.styles, rows)
    after = small_model.network.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    frame = np.asarray(smooth_picture(3))
    before, now = (
        Stylizer(model, device="cpu", precision="fp32")(frame, Look({"green": 1}))
        for model in (small_model, added)
    )
    assert np.array_equal(before, now)


def test_the_command_writes_a_model_and_a_sample(
    model_file: str,
    painting: Path,
    clip: Clip,
    loss_network_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = painting.with_name("new") / "more.safetensors"
    arguments = ["add-style", str(painting), "--name", "ochre", "--artist", "A. Painter"]
    arguments += ["--content", str(clip()), "--loss-network", str(loss_network_file)]
    arguments += ["--model", model_file, "--steps", "2", "--size", "64", "-o", str(output)]
    assert main([*arguments, "--device", "cpu"]) == 0
    assert load_model(output).card.styles[-1].artist == "A. Painter"
    with Image.open(output.with_suffix(".png")) as sample:
        assert sample.width > 2 * sample.height
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "finding the style that is nearest to the painting"
    assert last.startswith("style loss")
    assert main([*arguments, "--device", "cpu"]) == 2
    assert "exists; -y overwrites it" in capsys.readouterr().err


def test_a_very_narrow_painting_has_a_sample(painting: Path) -> None:
    smooth_picture(1).resize((1, 200)).save(painting)
    frame = smooth_picture(2).resize((16, 16))
    assert draw_sample(frame, painting, frame).size == (33, 16)


def test_a_sample_that_cannot_be_drawn_takes_nothing_from_the_model(
    model_file: str,
    painting: Path,
    photos: Path,
    loss_network_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("videostyle.training.add_style.draw_sample", fail)
    output = painting.with_name("more.safetensors")
    arguments = ["add-style", str(painting), "--name", "ochre", "--content", str(photos)]
    arguments += ["--loss-network", str(loss_network_file), "--model", model_file, "--steps", "1"]
    assert main([*arguments, "--size", "64", "-o", str(output), "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{output}\n"
    sample = output.with_suffix(".png")
    why = "not enough memory; smaller pictures need less"
    assert said.err.splitlines()[-1] == f"{sample}: not drawn: {why}; the model is whole"
    assert load_model(output).card.style_names[-1] == "ochre"
    assert not sample.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--name", "No Spaces"], "use lower-case letters"),
        (["--name", "red"], "already has a style 'red'"),
        (["--weight", "0"], "must be above 0"),
        (["--weight", "1e300"], "must be above 0, and 1000 at most"),
        (["--size", "8"], "at least 64"),
        (["-o", "model.bin"], "ends in .safetensors"),
        (["--loss-network", "nowhere.safetensors"], "--loss-network vgg16"),
    ],
)
def test_mistakes_are_named_in_one_line(
    model_file: str,
    painting: Path,
    photos: Path,
    loss_network_file: Path,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    message: str,
) -> None:
    output = painting.with_name("new") / "more.safetensors"
    arguments = ["add-style", str(painting), "--name", "ochre", "--content", str(photos)]
    arguments += ["--loss-network", str(loss_network_file), "--model", model_file]
    arguments += ["-o", str(output), "--device", "cpu", *change]
    assert main(arguments) == (1 if "nowhere" in change[-1] else 2)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not output.parent.exists()


def test_a_loss_that_is_not_finite_is_met_by_less_weight(
    small_model: Model, painting: Path, photos: Path, loss_network_file: Path
) -> None:
    learning = training(small_model, painting, photos, loss_network_file, 1)
    learning.trainer.painting_weights.fill_(torch.inf)
    with pytest.raises(TrainingError, match="step 1; give the painting less weight"):
        next(learning.steps())


def test_a_name_that_is_taken_is_refused_before_anything_is_fetched(
    model_file: str, painting: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = list[str]()
    monkeypatch.setattr("videostyle.cli.add_style.find_loss_network", fetched.append)
    arguments = ["add-style", str(painting), "--name", "red", "--content", str(photos)]
    arguments += ["--loss-network", "vgg16", "--model", model_file, "-o", "more.safetensors"]
    assert main(arguments) == 2
    assert not fetched


def test_content_comes_from_a_folder_a_picture_or_a_video(
    photos: Path, painting: Path, clip: Clip
) -> None:
    assert len(content_pictures(photos)) == 3
    assert content_pictures(painting) == [painting]
    frames = content_pictures(clip())
    assert frames
    assert all(isinstance(frame, Image.Image) for frame in frames)


def test_content_comes_from_numbered_pictures(photos: Path) -> None:
    for number in range(3):
        (photos / f"{number}.png").rename(photos / f"f_{number:02d}.png")
    assert len(content_pictures(photos / "f_%02d.png")) == 3


def test_photos_that_cannot_be_read_and_hidden_files_are_passed_over(
    small_model: Model,
    painting: Path,
    photos: Path,
    loss_network_file: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (photos / "._1.png").write_bytes(b"of another system")
    broken = photos / "1.png"
    broken.write_bytes(broken.read_bytes()[:500])
    content = content_pictures(photos)
    assert broken in content
    assert middle_picture(content).size == (96, 72)
    list(training(small_model, painting, photos, loss_network_file, 4).steps())
    assert [record.getMessage() for record in caplog.records if "left out" in record.msg] == [
        f"left out: {broken}: cannot be read as a picture: image file is truncated"
    ]
    for path in photos.glob("?.png"):
        path.write_bytes(b"none")
    with pytest.raises(TrainingError, match="cannot be read as a picture, nor can any"):
        middle_picture(content)


def test_the_range_of_losses_is_read_from_the_card() -> None:
    losses = {"a": {"style": 0.2}, "b": {"style": 0.1}, "c": {"style": 9, "loss_network": "VGG-16"}}
    card = {"loss_network": "VGG-19", "losses": losses}
    assert loss_range({**card, "losses": {**losses, "new": {"style": 0.5}}}, "new") == (0.1, 0.2)
    assert loss_range(card, "c") is None
    for broken in (float("nan"), 10**400, -1):
        assert loss_range({"losses": {"a": {"style": broken}, "new": {"style": 1}}}, "new") is None


def test_only_arrays_are_unpickled() -> None:
    arrays = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}
    data = pickle.dumps(arrays, protocol=2).replace(b"numpy._core", b"numpy.core")
    assert np.array_equal(_ArrayUnpickler(io.BytesIO(data)).load()["kernel"], arrays["kernel"])
    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system|nt\.system"):
        _ArrayUnpickler(io.BytesIO(pickle.dumps(Evil()))).load()


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("true",)


def test_a_style_with_a_used_name_is_refused(
    small_model: Model, painting: Path, photos: Path, loss_network_file: Path
) -> None:
    style = Style("red", "Red", "B", "1900", "B")
    network = load_loss_network(loss_network_file)
    with pytest.raises(UsageError, match="already has a style"):
        StyleTraining(
            small_model,
            painting,
            style,
            content_pictures(photos),
            network,
            steps=1,
            settings=PaintingConfig(),
        )


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_video_gives_as_many_pictures_in_any_container(clip: Clip, name: str) -> None:
    assert len(content_pictures(clip(name, pts=range(80)))) == 80


def test_a_long_video_gives_pictures_from_all_of_it(clip: Clip) -> None:
    path = clip(pts=range(130), pixels=lambda n: np.full((64, 96, 3), n, np.uint8))
    shades = [np.asarray(picture).mean() for picture in content_pictures(path)]
    assert len(shades) == 65
    assert shades[0] < 4
    assert shades[-1] > 125


def test_nothing_that_is_given_is_overwritten(
    model_file: str,
    painting: Path,
    photos: Path,
    loss_network_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo = next(photos.glob("*.png"))
    paths = (painting, photo, Path(model_file), loss_network_file)
    given = {path: path.read_bytes() for path in paths}
    arguments = ["add-style", str(painting), "--name", "ochre", "--content", str(photos)]
    arguments += ["--loss-network", str(loss_network_file), "--model", model_file]
    for path in given:
        # Of a picture, the sample that is drawn would take its place.
        assert main([*arguments, "-o", str(path.with_suffix(".safetensors")), "-y"]) == 2
        assert "would be overwritten" in capsys.readouterr().err
    part = painting.with_name("keep.part.safetensors")
    given[part] = part.write_bytes(given[Path(model_file)]) and part.read_bytes()
    for model, output in ((part, part.with_name("keep.safetensors")), ("lean", model_path("lean"))):
        assert main([*arguments, "--model", str(model), "-o", str(output), "-y"]) == 2
        assert "would be overwritten" in capsys.readouterr().err
    assert given == {path: path.read_bytes() for path in given}


def test_two_do_not_learn_into_one_model(
    painting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["add-style", str(painting), "--name", "ochre", "--content", str(tmp_path)]
    output = tmp_path / "new.safetensors"
    arguments += ["--loss-network", str(tmp_path / "none"), "-o", str(output)]
    with only_writer(output):
        assert main(arguments) == 2
    assert "new.safetensors: another process is writing it" in capsys.readouterr().err
