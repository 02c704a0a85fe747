"""Measuring: the reference is what it says, ratios and verdicts follow from the numbers."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from pictures import smooth_picture
from PIL import Image
from safetensors.torch import load_file, save_file

from videostyle.cli import main
from videostyle.cli.evaluate import write_report
from videostyle.errors import MediaError, TrainingError
from videostyle.evaluation.gatys import optimize
from videostyle.evaluation.interpolation import is_monotone
from videostyle.evaluation.lpips import LAYERS, Lpips
from videostyle.evaluation.new_style import read_curve
from videostyle.evaluation.plots import plot_quality
from videostyle.evaluation.quality import (
    SINGLE_STYLE,
    GatysRun,
    QualityReport,
    Spread,
    StyleQuality,
    compare_with_single_styles,
    summarize,
    summarize_gatys,
)
from videostyle.evaluation.ruler import make_ruler, spread
from videostyle.media.picture import write_picture
from videostyle.network.model import Model, save_model
from videostyle.timeline.plot import save_figure
from videostyle.training.dataset import list_paintings, to_pixels
from videostyle.training.loss_network import load_loss_network
from videostyle.training.objective import Objective
from videostyle.training.records import plot_losses, save_sheet

NAMES = ("red", "green", "blue")


SIZE = (64, 64)


def as_photo(seed: int) -> torch.Tensor:
    return to_pixels(smooth_picture(seed, SIZE))[None]


@pytest.fixture(scope="module")
def objective(loss_network_file: Path) -> Objective:
    return Objective(load_loss_network(loss_network_file))


@pytest.fixture(scope="module")
def lpips_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AlexNet as LPIPS uses it, with random weights and a few channels."""
    generator = torch.Generator().manual_seed(0)
    tensors, cin = {}, 3
    for head, (index, *_) in enumerate(LAYERS):
        kernel, cout = {0: 11, 3: 5}.get(index, 3), 4 + head
        weight = torch.randn((cout, cin, kernel, kernel), generator=generator)
        tensors[f"alexnet.features.{index}.weight"] = weight / (cin * kernel**2) ** 0.5
        tensors[f"alexnet.features.{index}.bias"] = torch.zeros(cout)
        tensors[f"alexnet.lin{head}.weight"] = torch.rand((1, cout, 1, 1), generator=generator)
        cin = cout
    path = tmp_path_factory.mktemp("lpips") / "lpips.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture
def gallery(tmp_path: Path, small_model: Model) -> Path:
    """Photos, paintings of the small model's styles, the model, and one with `red` alone."""
    for folder, names in (("photos", "ab"), ("paintings", NAMES)):
        (tmp_path / folder).mkdir()
        for seed, name in enumerate(names):
            smooth_picture(seed + len(names), SIZE).save(tmp_path / folder / f"{name}.png")
    rows = "".join(f"{name}.png,{name},{name},nobody,2000\n" for name in NAMES)
    (tmp_path / "paintings" / "styles.csv").write_text("file,name,title,artist,year\n" + rows)
    recipe = {"style_weight": 5, "paintings": {n: {"size": 64, "weight": 0.5} for n in NAMES}}
    card = replace(small_model.card, recipe=recipe)
    save_model(tmp_path / "many.safetensors", replace(small_model, card=card))
    alone = replace(card, styles=card.styles[:1])
    one = replace(small_model, card=alone, styles=small_model.styles[:1])
    save_model(tmp_path / "one.safetensors", one)
    return tmp_path


def test_gatys_lowers_the_loss_and_keeps_pixels_in_range(objective: Objective) -> None:
    grams = objective.painting_grams([as_photo(1)[0]])
    for start in ("photo", "noise"):
        steps = list(optimize(as_photo(0), grams, objective, steps=8, start=start))
        assert [step.step for step in steps] == list(range(9))
        assert steps[-1].total < 0.7 * steps[0].total
        assert steps[0].seconds == 0 < steps[1].seconds < steps[-1].seconds
        assert all(step.picture.min() >= 0 and step.picture.max() <= 1 for step in steps)
    assert not torch.equal(steps[0].picture, as_photo(0))


def test_gatys_reports_the_loss_training_would_see(objective: Objective) -> None:
    photo, grams = as_photo(0), objective.painting_grams([as_photo(1)[0]])
    *_, last = optimize(photo, grams, objective, steps=3, painting_weight=0.5)
    losses = objective.losses(last.picture, grams, objective.content_features(photo))
    assert last.style == pytest.approx(losses.style.item())
    assert last.content == pytest.approx(losses.content.item())
    assert last.total_variation == pytest.approx(losses.total_variation.item())
    assert last.total == pytest.approx(objective.total(losses, 0.5).item())


def test_lpips_is_zero_for_equals_symmetric_and_grows(lpips_file: Path) -> None:
    lpips, photos = Lpips(lpips_file), torch.cat((as_photo(0), as_photo(1)))
    noise = torch.randn(photos.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(lpips(photos, photos), torch.zeros(2))
    distances = [lpips(photos, photos + sigma * noise) for sigma in (0.01, 0.05, 0.2)]
    assert (distances[0] < distances[1]).all()
    assert (distances[1] < distances[2]).all()
    torch.testing.assert_close(lpips(photos, photos.flip(0)), lpips(photos.flip(0), photos))


def test_lpips_weighs_squared_differences_of_unit_features(tmp_path: Path) -> None:
    """Only the first layer counts, and shows red and green: equal pictures but for the hue have
    orthogonal unit features, so the distance is the sum of the two weights."""
    tensors, cin = {}, 3
    for head, (index, *_) in enumerate(LAYERS):
        tensors[f"alexnet.features.{index}.weight"] = torch.zeros(2, cin, 3, 3)
        tensors[f"alexnet.features.{index}.bias"] = torch.zeros(2)
        tensors[f"alexnet.lin{head}.weight"] = torch.tensor((0.25, 0.5))[None, :, None, None]
        cin = 2
    first = torch.zeros(2, 3, 5, 5)
    first[0, 0, 2:, 2:], first[1, 1, 2:, 2:] = 1, 1
    tensors["alexnet.features.0.weight"] = first
    path = tmp_path / "lpips.safetensors"
    save_file(tensors, path)
    red, green = torch.zeros(2, 1, 3, 64, 64)
    red[:, 0], green[:, 1] = 1, 1
    assert Lpips(path)(red, green).item() == pytest.approx(0.75)


@pytest.mark.parametrize("key", ["lin1.weight", "features.3.weight", "features.3.bias"])
def test_lpips_of_other_shapes_is_refused(lpips_file: Path, tmp_path: Path, key: str) -> None:
    tensors = load_file(lpips_file)
    whole = tensors[f"alexnet.{key}"]
    for broken in (whole.flatten()[1:], whole.expand(2, *whole.shape), whole * torch.nan):
        path = tmp_path / "lpips.safetensors"
        save_file({**tensors, f"alexnet.{key}": broken.contiguous()}, path)
        with pytest.raises(TrainingError, match=r"not LPIPS on AlexNet \("):
            Lpips(path)


def quality(
    model: str, style: str, style_loss: tuple[float, ...], content: tuple[float, ...]
) -> StyleQuality:
    total = tuple(10 * s + c for s, c in zip(style_loss, content, strict=True))
    lpips, seconds = (0.4,) * len(total), (0.5,) * len(total)
    series = SINGLE_STYLE if model.startswith("one") else model
    return StyleQuality(
        model, series, style, lpips, style_loss, content, (0.0,) * len(total), total, seconds
    )


def test_many_styles_are_compared_with_one_by_ratios_of_photo_means() -> None:
    rows = [
        quality("many", "red", (0.1, 0.3), (1.0, 1.0)),
        quality("many", "green", (0.2, 0.2), (2.0, 2.0)),
        quality("many", "blue", (9.0, 9.0), (9.0, 9.0)),
        quality("one_red", "red", (0.1, 0.1), (1.0, 1.0)),
        quality("one_green", "green", (0.2, 0.2), (1.0, 1.0)),
    ]
    (comparison,) = compare_with_single_styles(rows)
    assert comparison.styles == ("red", "green")
    assert comparison.style_ratio.mean == pytest.approx((2 + 1) / 2)
    assert comparison.style_ratio.sd == pytest.approx(0.5**0.5)
    assert comparison.content_ratio.mean == pytest.approx((1 + 2) / 2)
    many, single = summarize(rows)
    assert (many.styles, single.series, single.styles) == (3, SINGLE_STYLE, 2)
    assert single.style_loss.mean == pytest.approx(0.15)


def test_gatys_is_late_where_it_never_comes_as_low() -> None:
    rows = [quality("many", "red", (0.1, 0.1), (1.0, 1.0))]

    def run(photo: str, step: int | None) -> GatysRun:
        curve = (3.0, 2.0, 1.0)
        numbers = (curve, curve, curve, (0, 5, 10))
        return GatysRun("red", photo, "photo", {"many": step}, {2: 0.2}, *numbers)

    (summary,) = summarize_gatys([run("a", 2), run("b", 2)], rows, ["a", "b"])
    assert (summary.runs, summary.met, summary.steps, summary.speedup) == (2, 2, 2, 20)
    assert (summary.gatys_lpips, summary.series_lpips) == (0.2, 0.4)
    (summary,) = summarize_gatys([run("a", 2), run("b", None)], rows, ["a", "b"])
    assert (summary.met, summary.steps, summary.speedup) == (1, None, None)


def test_monotone_means_no_wrong_way_beyond_noise() -> None:
    rising = np.linspace(0, 1, 11)
    steady = np.stack([rising, rising + 0.5])
    assert is_monotone(steady, rising=True)
    assert not is_monotone(steady, rising=False)
    dip = rising.copy()
    dip[5] = dip[4] - 0.05
    assert not is_monotone(np.stack([dip, dip]), rising=True)
    assert is_monotone(np.stack([rising, dip]), rising=True)  # one photo's dip is noise
    dip[5] = dip[4] - 0.005
    assert is_monotone(dip[None], rising=True)
    slide = np.concatenate([rising, 1 - 0.009 * np.arange(1, 8)])
    assert not is_monotone(np.stack([slide, slide]), rising=True)  # small steps add up


def test_the_first_models_recipe_is_the_ruler(
    gallery: Path, small_model: Model, loss_network_file: Path
) -> None:
    recipe = {"style_weight": 5, "tv_weight": 0.5, "paintings": {"red": {"weight": 0.25}}}
    first = replace(small_model.card, recipe=recipe)
    second = replace(
        first, recipe={"style_weight": 9, "paintings": {n: {"weight": 0.75} for n in NAMES}}
    )
    paintings, network = list_paintings(gallery / "paintings"), load_loss_network(loss_network_file)
    ruler = make_ruler([first, second], paintings, ("red", "green"), network)
    assert (ruler.objective.style_weight, ruler.objective.tv_weight) == (5, 0.5)
    assert ruler.painting_weights == {"red": 0.25, "green": 0.75}
    rough = replace(second, architecture={**second.architecture, "smooth_output": False})
    with pytest.raises(TrainingError, match="smooths what it makes: measure them apart"):
        make_ruler([first, rough], paintings, ("red",), network)


@pytest.mark.parametrize("weight", ["much", [1], 10**400, float("nan"), -1])
def test_a_recipes_weight_that_is_none_is_refused(loss_network_file: Path, weight: object) -> None:
    with pytest.raises(TrainingError, match="the model's recipe has a"):
        Objective.from_recipe(load_loss_network(loss_network_file), {"style_weight": weight})


def test_photos_are_taken_evenly() -> None:
    assert spread("abcdef", 3) == ["a", "c", "e"]
    assert spread("abc", 7) == spread("abc", None) == ["a", "b", "c"]


def data(gallery: Path, loss_network_file: Path, output: str) -> list[str]:
    arguments = ["--photos", str(gallery / "photos"), "--paintings", str(gallery / "paintings")]
    arguments += ["--loss-network", str(loss_network_file), "--size", "64", "--device", "cpu"]
    return [*arguments, "-o", str(gallery / output), "--plot", str(gallery / "plot.png")]


def test_quality_writes_every_number_and_a_plot(
    gallery: Path, loss_network_file: Path, lpips_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [f"--model={gallery / name}.safetensors" for name in ("many", "one")]
    gatys = ["--gatys-styles", "red", "--gatys-photos", "1", "--gatys-steps", "3"]
    arguments = [*models, *gatys, "--lpips", str(lpips_file)]
    arguments += data(gallery, loss_network_file, "quality.json")
    assert main(["evaluate", "quality", *arguments]) == 0
    report = json.loads((gallery / "quality.json").read_text())
    assert report["style_weight"] == 5
    assert report["photos"] == ["a.png", "b.png"]
    assert [(row["model"], row["style"]) for row in report["qualities"]] == [
        *(("many", name) for name in NAMES),
        ("one", "red"),
    ]
    (comparison,) = report["comparisons"]
    assert comparison["style_ratio"] == {"mean": pytest.approx(1), "sd": 0}
    (run,) = report["gatys_runs"]
    assert len(run["total"]) == len(run["seconds"]) == 4
    assert set(run["met"]) == {"many", "one"}
    assert {"1", "2", "3"} <= set(run["lpips"])
    with Image.open(gallery / "plot.png") as plot:
        assert plot.width > 1000
    assert "many against one network a style: style loss +0.0%" in capsys.readouterr().err


def test_two_models_of_one_painting_are_not_one_series(
    gallery: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(gallery / "one.safetensors", gallery / "two.safetensors")
    models = [f"--model={gallery / name}.safetensors" for name in ("one", "two")]
    rest = data(gallery, loss_network_file, "quality.json")
    assert main(["evaluate", "quality", *models, *rest]) == 2
    assert "--model: one and two have red alone; give one" in capsys.readouterr().err


def test_interpolation_ends_at_the_styles_themselves(
    gallery: Path, loss_network_file: Path
) -> None:
    model = ["--model", str(gallery / "many.safetensors")]
    rest = data(gallery, loss_network_file, "interpolation.json")
    assert main(["evaluate", "interpolation", *model, *rest]) == 0
    report = json.loads((gallery / "interpolation.json").read_text())
    assert [(pair["start"], pair["end"]) for pair in report["pairs"]] == [
        ("red", "green"),
        ("green", "blue"),
    ]
    rest = data(gallery, loss_network_file, "quality.json")
    assert main(["evaluate", "quality", *model, *rest]) == 0
    qualities = json.loads((gallery / "quality.json").read_text())["qualities"]
    own = {row["style"]: sum(row["style_loss"]) / 2 for row in qualities}
    for pair in report["pairs"]:
        assert pair["to_start"]["mean"][0] == pytest.approx(own[pair["start"]], rel=1e-4)
        assert pair["to_end"]["mean"][-1] == pytest.approx(own[pair["end"]], rel=1e-4)


def test_a_new_style_is_held_against_one_from_scratch(
    gallery: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["--added", str(gallery / "many.safetensors")]
    models += ["--from-scratch", str(gallery / "one.safetensors")]
    rest = data(gallery, loss_network_file, "new.json")
    assert main(["evaluate", "new-style", "red", *models, *rest]) == 1
    assert "there is no many.csv or losses.csv beside it" in capsys.readouterr().err
    for name, steps in (("many.csv", 5), ("losses.csv", 400)):
        lines = [f"{step},{1 / step}" for step in range(1, steps + 1)]
        (gallery / name).write_text("\n".join(["step,style", *lines]))
    plot = gallery / "new.png"
    assert main(["evaluate", "new-style", "red", *models, *rest, "--plot", str(plot)]) == 0
    report = json.loads((gallery / "new.json").read_text())
    assert report["ratio"] == pytest.approx(1)  # the same network and row
    assert report["added_curve"]["style"] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert report["from_scratch_curve"]["step"][-1] == 400
    with Image.open(plot) as drawn:
        assert drawn.width > 500


@pytest.mark.parametrize(
    "text", ["step,style\n1\n", "step,style\n1,nan\n", "step,style\n", "a\n1\n"]
)
def test_a_broken_table_of_losses_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "losses.csv").write_text(text)
    with pytest.raises(TrainingError, match=r"losses\.csv: not a table of losses"):
        read_curve(tmp_path / "a.safetensors")


def test_reference_paints_a_picture_and_records_its_losses(
    gallery: Path, loss_network_file: Path
) -> None:
    photo, painting = gallery / "photos" / "a.png", gallery / "paintings" / "red.png"
    output, losses = gallery / "out.png", gallery / "losses.csv"
    arguments = ["reference", "gatys", str(photo), str(painting), "-o", str(output)]
    arguments += ["--loss-network", str(loss_network_file), "--losses", str(losses)]
    sizes = ["--steps", "3", "--size", "72", "--painting-size", "64", "--device", "cpu"]
    assert main([*arguments, *sizes]) == 0
    with Image.open(output) as picture:
        assert picture.size == (72, 72)
    with losses.open() as file:
        totals = [float(row["total"]) for row in csv.DictReader(file)]
    assert len(totals) == 4
    assert totals[-1] < totals[0]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, fill_disk: Callable[[], None]) -> None:
    kept = [tmp_path / name for name in ("report.json", "plot.png", "losses.png", "sheet.png")]
    for path in kept:
        path.write_bytes(b"of yesterday")
    (tmp_path / "losses.csv").write_text("step,style\n1,2\n2,1\n")
    pixels = [torch.zeros(3, 8, 8)]
    fill_disk()
    with pytest.raises(MediaError, match=r"report\.json: cannot be written \(No space"):
        write_report(kept[0], Spread(1, 0))
    with pytest.raises(MediaError, match=r"plot\.png: cannot be written"):
        save_figure(Figure(), kept[1])
    with pytest.raises(OSError, match=r"No space left on device: '.*losses\.png'"):
        plot_losses(tmp_path / "losses.csv", kept[2])
    with pytest.raises(OSError, match=r"No space left on device: '.*sheet\.png'"):
        save_sheet(kept[3], [Image.new("RGB", (8, 8))], [pixels], ["red"])
    assert {path.read_bytes() for path in kept} == {b"of yesterday"}
    assert not list(tmp_path.glob("*.part.*"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit to set")
def test_half_a_jpeg_is_no_picture(tmp_path: Path) -> None:
    """Pillow writes one itself without looking at how much the disk has taken."""
    import resource

    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(MediaError, match="cannot be written"):
            write_picture(Image.fromarray(noise), tmp_path / "a.jpg")
        with pytest.raises(MediaError, match="cannot be written"):
            save_figure(Figure(), tmp_path / "b.jpg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_link_to_a_report_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link, report = tmp_path / "report.json", tmp_path / "elsewhere" / "today.json"
    link.symlink_to(report)
    write_report(link, Spread(1, 0))
    assert link.is_symlink()
    assert json.loads(report.read_text()) == {"mean": 1, "sd": 0}


def test_one_step_of_gatys_is_drawn_without_a_warning(tmp_path: Path) -> None:
    rows = (quality("many", "red", (0.1, 0.1), (1.0, 1.0)),)
    curve = (3.0, 2.0)
    run = GatysRun("red", "a", "noise", {"many": None}, {}, curve, curve, curve, (0, 1))
    report = QualityReport("VGG", 1, 1, 1, "cpu", 64, ("a", "b"), (), (), (), rows, (run,))
    with warnings.catch_warnings(action="error"):
        plot_quality(report, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").exists()


def test_numbers_that_json_does_not_have_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="not written, for a measure is not finite"):
        write_report(tmp_path / "report.json", Spread(float("nan"), 0))
    assert not list(tmp_path.iterdir())


def test_gatys_losses_are_kept_where_the_picture_cannot_be_written(
    gallery: Path, loss_network_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MediaError("the disk is full")

    photo, losses = str(gallery / "photos" / "a.png"), gallery / "losses.csv"
    arguments = ["reference", "gatys", photo, photo, "-o", str(gallery / "out.png")]
    arguments += ["--loss-network", str(loss_network_file), "--losses", str(losses)]
    sizes = ["--steps", "1", "--size", "64", "--painting-size", "64", "--device", "cpu"]
    monkeypatch.setattr("videostyle.media.picture.save_picture", full)
    assert main([*arguments, *sizes]) == 1
    assert len(losses.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--styles", "red,mauve"], "no style 'mauve' to measure (have: red, green, blue)"),
        (["--gatys-styles", "mauve"], "no style 'mauve' to measure"),
        (["--size", "32"], "at least 64"),
        (["--size", "99999"], "--size is 99999; it must be at most 8192"),
        (["--lpips", "nowhere.safetensors"], "not LPIPS on AlexNet"),
        (["--model", "many.safetensors"], "no such model file"),
        (["-o", "nowhere/result.json"], "no such folder"),
    ],
)
def test_mistakes_are_named_in_one_line(
    gallery: Path,
    loss_network_file: Path,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    message: str,
) -> None:
    model = f"--model={gallery / 'many.safetensors'}"
    arguments = [*data(gallery, loss_network_file, "result.json"), *change]
    assert main(["evaluate", "quality", model, *arguments]) in (1, 2)
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not (gallery / "result.json").exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory")])
def test_too_little_memory_is_told_in_one_line(
    gallery: Path,
    loss_network_file: Path,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def grow(*_: object) -> None:
        raise error

    monkeypatch.setattr("videostyle.cli.evaluate_quality.ruler_and_photos", grow)
    model = f"--model={gallery / 'many.safetensors'}"
    assert main(["evaluate", "quality", model, *data(gallery, loss_network_file, "r.json")]) == 1
    assert capsys.readouterr().err == (
        "videostyle: not enough memory; a smaller --size needs less\n"
    )


@pytest.mark.parametrize(
    ("painting", "message"),
    [
        ({"siz": 3}, "red: unknown key 'siz'; did you mean size?"),
        (5, "red: expected a mapping, found 5"),
        ({"size": 3}, "red: size must be at least"),
        ({"weight": "much"}, "red: weight must be of type float"),
    ],
)
def test_a_card_with_broken_settings_of_a_painting_is_named(
    gallery: Path, loss_network_file: Path, small_model: Model, painting: object, message: str
) -> None:
    card = replace(small_model.card, recipe={"paintings": {"red": painting}})
    paintings = list_paintings(gallery / "paintings")
    with pytest.raises(TrainingError, match=rf"small: its recipe's paintings: {message}"):
        make_ruler([card], paintings, ("red",), load_loss_network(loss_network_file))
