"""The commands as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import av
import pytest
from PIL import Image

from videostyle.cli import main
from videostyle.model import Model, save_model

TIMELINE = """version: 1
keyframes:
  - {at: 0s, mix: original}
  - {at: 50%, mix: red}
  - {at: end, mix: {green: 1, blue: 3}}
"""


@pytest.fixture(scope="session")
def model_file(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_model(path, small_model.card, small_model.network, small_model.styles)
    return str(path)


@pytest.fixture
def video(clip: Callable[..., Path]) -> Path:
    return clip(pts=list(range(12)), size=(96, 64), audio="aac")


@pytest.fixture
def timeline(tmp_path: Path) -> Path:
    path = tmp_path / "dusk.yaml"
    path.write_text(TIMELINE)
    return path


def test_render_writes_every_frame_and_the_sound(
    video: Path, timeline: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    arguments = ["render", str(video), "-o", str(output), "-t", str(timeline)]
    assert main([*arguments, "--model", model_file, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["output"] == str(output)
    assert report["frames"] == 12
    assert report["limited_by"] in ("decode", "stylize", "encode")
    with av.open(str(output)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
        assert len(container.streams.audio) == 1


def test_a_picture_is_painted_as_a_picture(model_file: str, tmp_path: Path) -> None:
    source, output = tmp_path / "a.png", tmp_path / "b.png"
    Image.effect_mandelbrot((90, 70), (-2, -1, 1, 1), 50).convert("RGB").save(source)
    assert (
        main(["render", str(source), "-o", str(output), "--style", "red", "--model", model_file])
        == 0
    )
    with Image.open(output) as image:
        assert image.size == (90, 70)


def test_a_folder_with_one_bad_file_paints_the_rest_and_exits_3(
    video: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    video.rename(folder / "good.mp4")
    (folder / "bad.mp4").write_bytes(b"not a video")
    command = ["render", str(folder / "*.mp4"), "-o", str(out), "--style", "red"]
    assert main([*command, "--model", model_file, "--dry-run", "--json"]) == 3
    plans = json.loads(capsys.readouterr().out)
    assert ["refused" in plan for plan in plans] == [True, False]
    assert not out.exists()
    assert main([*command, "--model", model_file]) == 3
    assert [path.name for path in out.iterdir()] == ["good_red.mp4"]
    summary = capsys.readouterr().err.splitlines()[-1]
    assert summary == f"videostyle: 1 of 2 files failed: {folder / 'bad.mp4'}"


def test_an_existing_output_is_kept_unless_told(
    video: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    arguments = ["render", str(video), "-o", str(output), "--style", "red", "--model", model_file]
    assert main(arguments) == 2
    assert "-y overwrites it" in capsys.readouterr().err
    assert main([*arguments, "-n"]) == 0
    assert output.read_bytes() == b"precious"
    assert main([*arguments, "-y"]) == 0
    assert output.stat().st_size > 100


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--style", "rad"], 2, "Did you mean red?"),
        (["--mix", "red=x"], 2, "NAME=WEIGHT"),
        (["--mix", "red=-1"], 2, "not negative"),
        (["--style", "red", "--strength", "2"], 2, "strength is 2"),
        (["--style", "red", "--codec", "libx999"], 2, "libx999"),
        (["--style", "red", "-e", "tune=film", "-e", "gg=3"], 2, "libx264 has no option 'gg'"),
        (["--style", "red", "--start", "9s"], 1, "start 9s is not before the end"),
        (["--style", "red", "--end", "1"], 2, "end: '1' has no unit"),
        (["--style", "red", "--device", "abacus"], 2, "abacus"),
    ],
)
def test_wrong_options_are_named_in_one_line(
    video: Path,
    model_file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    output = tmp_path / "out.mp4"
    command = ["render", str(video), "-o", str(output), *arguments, "--model", model_file]
    assert main(command) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not output.exists()


@pytest.mark.parametrize("which", ["input", "output"])
def test_a_name_the_system_refuses_is_one_line(
    video: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    names = {"input": str(video), "output": str(tmp_path / "out.mp4")}
    names[which] = str(tmp_path / f"{'long' * 99}.mp4")
    arguments = ["render", names["input"], "-o", names["output"], "--style", "red"]
    assert main([*arguments, "--model", model_file]) == 1
    said = capsys.readouterr().err.strip()
    assert said.endswith("File name too long")
    assert "\n" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes")
def test_a_name_that_is_no_text_is_printed_all_the_same(
    video: Path, model_file: str, tmp_path: Path
) -> None:
    source = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    video.rename(source)
    command = [sys.executable, "-m", "videostyle", "render", source, "-o", f"{source}.mkv"]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(
        [*command, "--style", "red", "--model", model_file], env=strict, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert b"caf\\udce9.mp4.mkv" in done.stdout


def test_no_answer_is_no(
    video: Path, model_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> str:
        raise EOFError

    output = tmp_path / "out.mp4"
    output.write_text("mine")
    monkeypatch.setattr("builtins.input", nothing)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    arguments = ["render", str(video), "-o", str(output), "--style", "red", "--model", model_file]
    assert main(arguments) == 2
    assert output.read_text() == "mine"


def test_probe_refuses_an_ending_that_is_none(video: Path) -> None:
    assert main(["probe", str(video), "--to", ""]) == 2


def test_the_package_keeps_its_names() -> None:
    code = "import videostyle; from videostyle import render; import videostyle.live.rendering"
    code += "; assert callable(render) and videostyle.render is render is videostyle.render"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_file_fails_with_1(model_file: str, tmp_path: Path) -> None:
    arguments = ["render", str(tmp_path / "gone.mp4"), "-o", str(tmp_path / "out.mp4")]
    assert main([*arguments, "--style", "red", "--model", model_file]) == 1


def test_a_broken_timeline_exits_2_with_its_place(
    timeline: Path, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    timeline.write_text(TIMELINE.replace("green", "grene"))
    assert main(["timeline", "check", str(timeline), "--model", model_file]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{timeline}:5:")
    assert "green" in error


@pytest.mark.parametrize(
    ("at", "given", "needed"),
    [
        ("50%", [], "--duration"),
        ("12f", [], "--fps"),
        ("-12f", [], "--duration and --fps"),
        ("-12f", ["--fps", "25"], "--duration"),
        ("-12f", ["--fps", "25", "--duration", "4"], ""),
    ],
)
def test_check_says_what_it_was_not_told(
    at: str,
    given: list[str],
    needed: str,
    model_file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"version: 1\nkeyframes: [{{at: 0s, mix: red}}, {{at: {at}, mix: green}}]\n")
    assert main(["timeline", "check", str(path), "--model", model_file, *given]) == 0
    told = f"fine as far as it can be told without {needed}" if needed else "fine"
    assert capsys.readouterr().out == f"{path}: {told}\n"


def test_show_prints_the_look_at_given_times(
    timeline: Path, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["timeline", "show", str(timeline), "--model", model_file, "--json"]
    assert main([*command, "--at", "2.5", "--at", "8", "--duration", "10"]) == 0
    looks = json.loads(capsys.readouterr().out)
    assert [look["at"] for look in looks] == [2.5, 8]
    assert looks[0]["mix"] == pytest.approx({"original": 0.5, "red": 0.5})
    assert set(looks[0]) == {"at", "mix", "strength", "keep_color", "stroke"}


def test_plot_draws_a_picture(timeline: Path, model_file: str, tmp_path: Path) -> None:
    output = tmp_path / "plot.png"
    command = ["timeline", "plot", str(timeline), "--model", model_file, "--duration", "8"]
    assert main([*command, "-o", str(output)]) == 0
    with Image.open(output) as image:
        assert image.width > 300


def test_styles_are_listed_as_json(model_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["styles", "--model", model_file, "--json"]) == 0
    styles = json.loads(capsys.readouterr().out)
    assert [style["name"] for style in styles] == ["red", "green", "blue"]
    assert set(styles[0]) == {"name", "title", "artist", "year", "credit"}


def test_the_contact_sheet_has_a_cell_for_every_style(model_file: str, tmp_path: Path) -> None:
    picture, sheet = tmp_path / "a.png", tmp_path / "sheet.png"
    Image.effect_mandelbrot((80, 40), (-2, -1, 1, 1), 50).convert("RGB").save(picture)
    assert main(["styles", "--model", model_file, "--sheet", str(sheet), str(picture)]) == 0
    with Image.open(sheet) as image:
        assert image.width > 4 * 480
        assert image.height > 240


def test_schema_prints_json(model_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--model", model_file]) == 0
    assert "draft-07" in json.loads(capsys.readouterr().out)["$schema"]


def test_a_part_goes_into_numbered_pictures(
    video: Path, timeline: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "f_%02d.png"
    command = ["render", str(video), "-o", str(output), "-t", str(timeline), "--model", model_file]
    assert main([*command, "--start", "2f", "--end=-0.2s", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 5
    assert len(list(tmp_path.glob("f_*.png"))) == 5
    assert main(command) == 2
    assert "exists; -y overwrites it" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(
    video: Path, timeline: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    command = ["render", str(video), "-o", str(output), "-t", str(timeline), "--dry-run", "--json"]
    assert main([*command, "--model", model_file]) == 0
    (plan,) = json.loads(capsys.readouterr().out)
    assert plan["output"] == str(output)
    assert len(plan["looks"]) == 5
    assert (plan["encoding"]["codec"], plan["encoding"]["settings"]["crf"]) == ("libx264", "20")
    assert not output.exists()


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from videostyle.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'av', 'numpy', 'yaml', 'PIL'} & set(sys.modules), sys.modules.keys()"
    )
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert "render" in output


@pytest.fixture
def long_render(
    clip: Callable[..., Path], model_file: str, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begins a render to out.mp4 in pieces of a second, with the options given."""
    command = [sys.executable, "-m", "videostyle", "render", str(clip(pts=range(1500)))]
    command += ["-o", str(tmp_path / "out.mp4"), "--style", "red", "--model", model_file]
    with ExitStack() as processes:

        def begin(*options: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*command, "--segment-seconds", "1", *options],
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            processes.enter_context(process)
            processes.callback(process.kill)
            return process

        yield begin


def wait_for_a_piece(process: subprocess.Popen[str], folder: Path) -> None:
    while process.poll() is None and not (folder / "out.mp4.segments/00000.nut").exists():
        time.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_leaves_a_playable_part(
    long_render: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: int
) -> None:
    process = long_render()
    wait_for_a_piece(process, tmp_path)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "holds the first" in error
    assert "Go on with the same command: videostyle render" in error
    assert not (tmp_path / "out.mp4").exists()
    with av.open(str(tmp_path / "out.part.mp4")) as container:
        assert 0 < sum(1 for _ in container.decode(video=0)) < 1500


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_the_second_interrupt_ends_all_processes_at_once(
    long_render: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = long_render("--workers", "2")
    wait_for_a_piece(process, tmp_path)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # two of one kind may arrive as one
    _, error = process.communicate(timeout=60)  # until nobody holds the other end of the pipe
    assert process.returncode == 130, error
    assert error.endswith("videostyle: interrupted\n")
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.glob("out*")] == ["out.mp4.segments"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupt_while_workers_start_is_no_accident(
    long_render: Callable[..., subprocess.Popen[str]],
) -> None:
    process = long_render("--workers", "2")
    assert process.stderr
    process.stderr.readline()  # "small on cpu ...", just before the workers start
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells every process
    _, error = process.communicate(timeout=120)  # they finish starting first
    assert process.returncode == 130, error
    assert "stopped: " in error
    assert "Traceback" not in error
