"""Measuring stability: the motion is known exactly, and the error is what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from videostyle.cli import main
from videostyle.errors import TrainingError
from videostyle.evaluation.motion import (
    FRAMES,
    MOTIONS,
    NOISE,
    Moving,
    make_moving,
    read_flows,
    read_pairs,
    warp_still,
)
from videostyle.evaluation.stability import StabilityReport, measure, warping_error
from videostyle.network.model import Model, save_model
from videostyle.stylize.stylizer import Stylizer
from videostyle.training.warp import flow_grid


def photo(height: int = 160, width: int = 200) -> torch.Tensor:
    coarse = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (smooth * 0.6 + 0.2).clamp(0, 1)


@pytest.mark.parametrize("motion", [motion for motion in MOTIONS if motion != "light"])
def test_the_frames_themselves_differ_by_their_noise_alone(motion: str) -> None:
    moving = make_moving(photo(), motion, 96)
    assert len(moving.frames) == FRAMES
    assert moving.frames[0].shape == (96, 96, 3)
    error = warping_error(moving.frames, moving)
    assert 1.5 * NOISE**2 < error < 3.5 * NOISE**2
    if motion != "still":
        frozen = Moving(motion, [moving.frames[0]] * FRAMES, moving.grids, moving.seen)
        assert warping_error(frozen.frames, frozen) > 0.1 * error


def test_a_still_moved_by_a_recorded_flow_matches_itself() -> None:
    flow = np.zeros((120, 150, 2), np.float32)
    flow[..., 0] = np.linspace(-3, 5, 150)
    flow[..., 1] = 2.25
    moving = warp_still(photo(), flow)
    assert warping_error(moving.frames, moving) < 1e-4
    assert moving.seen[0].mean() > 0.85


def test_pairs_are_read_with_their_flow(tmp_path: Path) -> None:
    picture = (photo(96, 128)[0].permute(1, 2, 0) * 255).byte().numpy()
    shift = 6
    # A point at x in the left picture is at x - disparity in the right one.
    Image.fromarray(picture[:, :-shift]).save(tmp_path / "potL.jpg", quality=98)
    Image.fromarray(picture[:, shift:]).save(tmp_path / "potR.jpg", quality=98)
    disparity = np.zeros((96, 128 - shift), np.uint8)
    disparity[20:70] = shift
    Image.fromarray(disparity).save(tmp_path / "potGT.png")
    (pair,) = read_pairs(tmp_path)
    assert warping_error(pair.frames, pair) < 2e-4
    assert pair.seen[0][0, 0, :20].max() == 0  # where the disparity is unknown
    (tmp_path / "nothing").mkdir()
    with pytest.raises(TrainingError, match=r"holds no \*\.npz, no kitti_"):
        read_flows(tmp_path / "nothing", [photo()])
    with pytest.raises(TrainingError, match=r"potL\.jpg: not a folder"):
        read_flows(tmp_path / "potL.jpg", [photo()])


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (np.full((40, 50, 2), np.nan), "holds no flow .it is not finite"),
        (np.zeros((40, 50)), r"holds no flow .it is \(40, 50\), not \(height, width, 2\)"),
        (np.full((40, 50, 2), 999.0), "no point of one frame is seen in the next"),
    ],
)
def test_flow_that_shows_nothing_is_refused(tmp_path: Path, flow: Any, message: str) -> None:
    np.savez(tmp_path / "a.npz", flow=np.zeros((40, 50, 2)))
    assert len(read_flows(tmp_path, [photo(), photo()])) == 2
    np.savez_compressed(tmp_path / "b.npz", flow=flow)
    with pytest.raises(TrainingError, match=message):
        read_flows(tmp_path, [photo()])


def test_damaged_flow_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, flow=np.random.default_rng(0).random((40, 50, 2)))
    whole = path.read_bytes()
    for damaged in (b"", whole[:500], whole[:200] + bytes(range(99)) + whole[299:], b"no zip"):
        path.write_bytes(damaged)
        with pytest.raises(TrainingError, match=r"a\.npz: holds no flow"):
            read_flows(tmp_path, [photo()])


def test_a_cut_off_picture_of_flow_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "kitti_1_gt.png")
    whole = (tmp_path / "kitti_1_gt.png").read_bytes()
    (tmp_path / "kitti_1_gt.png").write_bytes(whole[:40])
    with pytest.raises(TrainingError, match=r"kitti_1_gt\.png: cannot be read as a picture"):
        read_flows(tmp_path, [photo()])


def test_the_real_pairs_have_the_flow_they_claim(shared_data: Path) -> None:
    for pair in read_pairs(shared_data / "flow"):
        height, width = pair.frames[0].shape[:2]
        still = replace(pair, grids=[flow_grid(torch.zeros(1, 2, height, width))])
        # On the points that are compared, so that leaving the wrong ones out cannot help.
        assert warping_error(pair.frames, pair) < warping_error(pair.frames, still) / 8, pair.name


def test_the_report_tells_the_stabilizer_apart(small_model: Model) -> None:
    stylizer = Stylizer(small_model, device="cpu", precision="fp32")
    still = [make_moving(photo(), "still", 96)]
    measures = measure("small", stylizer, still, ["red", "blue"])
    report = StabilityReport(96, ("a.png",), ("red", "blue"), tuple(measures))
    assert {each.stabilized for each in measures} == {False, True}
    held, painted = (report.mean("small", stabilized=on) for on in (True, False))
    assert held < painted / 4
    assert all(each.moving > 0 for each in measures)


def test_the_command_writes_numbers_and_a_plot(
    tmp_path: Path, small_model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    picture = (photo()[0].permute(1, 2, 0) * 255).byte().numpy()
    Image.fromarray(picture).save(tmp_path / "photos" / "a.png")
    for name in ("calm", "wild"):
        path = tmp_path / f"{name}.safetensors"
        save_model(path, small_model)
    models = [f"--model={tmp_path / name}.safetensors" for name in ("calm", "wild")]
    output, plot = tmp_path / "stability.json", tmp_path / "stability.png"
    arguments = [*models, "--photos", str(tmp_path / "photos"), "--size", "96", "--device", "cpu"]
    arguments += ["--styles", "red,blue", "-o", str(output), "--plot", str(plot)]
    assert main(["evaluate", "stability", *arguments]) == 0
    report = json.loads(output.read_text())
    assert {each["motion"] for each in report["measures"]} == set(MOTIONS)
    assert "calm: E_warp" in capsys.readouterr().err
    with Image.open(plot) as drawn:
        assert drawn.width > 500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--styles", "red"], "--styles: give at least two"),
        (["--plot", "photos/a.png"], "would be overwritten"),
        (["--lpips", "lpips.safetensors", "-o", "lpips.safetensors"], "would be overwritten"),
    ],
)
def test_what_would_be_nonsense_or_lost_is_refused_before_the_work(
    tmp_path: Path,
    model_file: str,
    change: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Image.new("RGB", (96, 96)).save("photos/a.png")
    Path("lpips.safetensors").write_bytes(b"weights")
    what = "quality" if "--lpips" in change else "stability"
    given = ["--model", model_file, "--photos", "photos", "-o", "out.json"]
    if what == "quality":
        given += ["--paintings", "photos", "--loss-network", "lpips.safetensors"]
    assert main(["evaluate", what, *given, *change]) == 2
    assert message in capsys.readouterr().err
    assert Path("lpips.safetensors").read_bytes() == b"weights"
