"""`videostyle bench` measures real renders and says what they are held against."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pipeline import Clip

from videostyle.cli import main
from videostyle.cli.bench import print_row
from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.errors import MediaError
from videostyle.evaluation.floor import MachineFloor, NetworkFloor, network_floor
from videostyle.evaluation.throughput import STAGES, Rate, Throughput, scaled_clip
from videostyle.media.info import ColorSpec
from videostyle.media.pixels import plane_array
from videostyle.network.architecture import ARCHITECTURES
from videostyle.network.network import StyleNetwork

SAMPLE = Path(__file__).parents[1] / "samples" / "bigbuckbunny.mp4"
CPU = torch.device("cpu")


def test_every_stage_is_measured(
    model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, plot = tmp_path / "figures.json", tmp_path / "plot.png"
    model = shutil.copy(model_file, tmp_path / "mine.safetensors")
    arguments = ["bench", str(SAMPLE), "--model", str(model), "--lines", "64", "--frames", "6"]
    arguments += ["--threads", "1"]
    assert main([*arguments, "--repeats", "1", "--json", str(figures), "--plot", str(plot)]) == 0
    found = json.loads(figures.read_text(encoding="utf-8"))
    (row,) = found["results"]
    assert (row["model"], row["size"]) == ("mine", [64, 114])
    stages = ("decode", "stylize", "network", "network at full size", "encode", "end to end")
    assert tuple(row["rates"]) == stages
    for rate in row["rates"].values():
        assert 0 < rate["slowest"] <= rate["median"] <= rate["fastest"]
    assert row["limited_by"] in ("decode", "stylize", "encode")
    assert row["start_seconds"] > 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "end to end" in said
    assert "1 threads" not in said


def test_a_short_video_is_shown_again(tmp_path: Path) -> None:
    clip = scaled_clip(SAMPLE, 64, 140, tmp_path)
    shown = np.stack([plane_array(frame.image, 0).astype(float) for frame in decode(probe(clip))])
    assert len(shown) == 140
    again, elsewhere = np.abs(shown[132:] - shown[:8]), np.abs(shown[66:74] - shown[:8])
    assert again.mean() < elsewhere.mean() / 4


def test_a_file_that_is_named_like_an_address_is_measured(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(pts=range(3)).rename(tmp_path / "http:x.mp4")
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    scaled = probe(scaled_clip(Path("http:x.mp4"), 64, 5, Path("out")))
    assert (scaled.height, scaled.frame_count) == (64, 5)


def test_a_video_is_measured_upright(clip: Clip, tmp_path: Path) -> None:
    video = clip(pts=range(3), size=(96, 64), rotation=(90, False, False))
    scaled = probe(scaled_clip(video, 48, 2, tmp_path))
    assert (scaled.width, scaled.height) == (32, 48)


def test_a_very_narrow_video_keeps_a_width(clip: Clip, tmp_path: Path) -> None:
    video = clip(pts=range(2), size=(18, 1022))
    assert probe(scaled_clip(video, 16, 2, tmp_path)).width == 16


def test_frames_too_large_to_measure_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(SAMPLE), "--lines", "20000", "--precision", "fp32"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{SAMPLE}: its frames are 35556x20000 at --lines 20000" in said


def test_what_the_encoder_refuses_names_the_video(
    clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = clip(pts=range(2), size=(1022, 18))
    assert main(["bench", str(video), "--lines", "720", "--precision", "fp32"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{video}: cannot be scaled to 40880x720" in said


@pytest.mark.parametrize("stage", ["scaled_clip", "measure_throughput"])
def test_memory_that_runs_out_names_the_video_and_what_helps(
    stage: str, model_file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        try:
            raise MemoryError
        except MemoryError as error:
            if stage == "scaled_clip":
                raise
            raise MediaError("/tmp/a/64.mp4: not enough memory to paint; see max_size") from error

    monkeypatch.setattr(f"videostyle.evaluation.throughput.{stage}", fail)
    floor = MachineFloor(conv_tflops=1.0, copy_gb_per_second=1.0)
    monkeypatch.setattr("videostyle.evaluation.floor.machine_floor", lambda *_: floor)
    arguments = ["bench", str(SAMPLE), "--model", model_file, "--lines", "64", "--frames", "2"]
    assert main([*arguments, "--precision", "fp32"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    expected = "not enough memory to measure 64 lines; fewer --lines need less"
    assert said == f"videostyle: {SAMPLE}: {expected}"


def test_what_is_no_video_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "note.txt"
    text.write_text("hello\n" * 99)
    assert main(["bench", str(text), "--precision", "fp32"]) == 1
    assert "is text" in capsys.readouterr().err


def test_a_model_that_is_none_is_named_before_the_machine_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["bench", str(SAMPLE), "--lines", "64", "--frames", "2", "--precision", "fp32"]
    assert main([*arguments, "--model", "nothing"]) == 1
    said = capsys.readouterr().err
    assert "no shipped model of that name" in said
    assert "TFLOP/s" not in said


def test_two_models_of_one_name_are_not_measured_as_one(
    model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copy(model_file, tmp_path)
    arguments = ["bench", str(SAMPLE), "--lines", "64", "--frames", "2", "--precision", "fp32"]
    assert main([*arguments, "--model", model_file, "--model", str(other)]) == 2
    assert f"two of the same name ({model_file}, {other})" in capsys.readouterr().err


def test_an_hdr_video_is_measured_by_its_values(
    clip: Clip, capsys: pytest.CaptureFixture[str]
) -> None:
    video = clip(color=ColorSpec(9, 9, 16, full_range=False), pix_fmt="yuv420p10le")
    arguments = ["bench", str(video), "--lines", "64", "--frames", "2", "--precision", "fp32"]
    assert main([*arguments, "--model", "nothing"]) == 1
    said = capsys.readouterr().err
    assert "--hdr" not in said
    assert "no shipped model of that name" in said  # what comes after its clip


@pytest.mark.parametrize(
    ("conv_ms", "said"),
    [
        (8.0, "alone 8.0 ms at full size: it reaches 80% of that floor"),
        (260.0, "alone 260.0 ms at full size: no floor for its 10.0 ms, "),
    ],
)
def test_a_floor_that_is_none_is_not_held_against_the_network(
    conv_ms: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = Rate(median=100, slowest=100, fastest=100, cpu_ms=10)
    stages = (*STAGES, "network", "network at full size", "end to end")
    floor = NetworkFloor(gflop=1, conv_ms=conv_ms, compute_ms=1, bytes_ms=1)
    size, rates = (64, 96), dict.fromkeys(stages, rate)
    print_row(Throughput("lean", "cpu", size, size, rates, floor, "decode", 1.0, None))
    assert said in capsys.readouterr().out


def test_a_number_of_lines_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", str(SAMPLE), "--lines", "720,x"])
    assert stopped.value.code == 2
    assert "720,x" in capsys.readouterr().err


def test_photos_that_are_too_few_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "one.png")
    script = Path(__file__).parents[1] / "bench" / "shift.py"
    monkeypatch.setattr("sys.argv", [str(script), str(tmp_path), "--model", "lean"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(script), run_name="__main__")
    assert f"{tmp_path}: holds 1 of the 8 photos needed" in capsys.readouterr().err


def test_the_floor_counts_the_papers_operations() -> None:
    """Appendix A: 153.8 k multiply-adds a pixel with up-scaled maps; folded into small kernels,
    the two up-scaling layers need 4/9 of theirs."""
    network = StyleNetwork(ARCHITECTURES["paper"])
    machine = MachineFloor(conv_tflops=1.0, copy_gb_per_second=1.0)
    side = 128
    floor = network_floor(network, side, side, CPU, "fp32", machine)
    upscaling = (128 * 64 * 9 / 4 + 64 * 32 * 9) * 5 / 9
    expected = 2 * (153_800 - upscaling) * side**2 / 1e9
    assert floor.gflop == pytest.approx(expected, rel=0.03)
    assert floor.compute_ms == pytest.approx(floor.gflop, rel=1e-6)
    assert floor.conv_ms > 0
