"""What a program that imports videostyle is told of its mistakes."""

from __future__ import annotations

import copy
import math
import operator
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pipeline import Clip

import videostyle
from videostyle.decode.probe import probe
from videostyle.encode.options import EncodeOptions
from videostyle.errors import ModelError, TimelineError, UsageError
from videostyle.look import ORIGINAL, Look
from videostyle.network.model import Model, load_model, save_model
from videostyle.network.model_card import read_model_card
from videostyle.rendering.frames import paint_frames
from videostyle.rendering.render import render
from videostyle.rendering.settle import describe
from videostyle.rendering.verify import verify
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.reader import parse_timeline, read_timeline
from videostyle.timeline.timeline import Keyframe, Loop, Timeline, Track

RED = Look({"red": 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hdr": "Tonemap"}, "hdr is 'Tonemap'; it must be one of refuse, tonemap, pass"),
        ({"hwaccel": "gpu"}, "hwaccel is 'gpu'; it must be one of none, cuda"),
        ({"workers": 0}, "workers is 0; it must be a whole number above 0"),
        ({"workers": -1}, "workers is -1"),
        ({"max_size": 0}, "max_size is 0; it must be a whole number above 0"),
        ({"max_size": 80.5}, r"max_size is 80\.5"),
        ({"segment_seconds": 0}, "segment_seconds is 0; it must be a number of seconds, at least"),
        ({"segment_seconds": 1e-9}, r"segment_seconds is 1e-09; .* at least 0\.1"),
        ({"segment_seconds": -1}, "segment_seconds is -1"),
        ({"segment_seconds": math.nan}, "segment_seconds is nan"),
        ({"options": {"crf": 20}}, "options is {'crf': 20}; give EncodeOptions"),
        ({"max_size": True}, "max_size is True; it must be a whole number above 0"),
        ({"options": 0}, "options is 0; give EncodeOptions"),
        ({"on_warning": None}, "on_warning is None; give a function"),
        ({"on_progress": 5}, "on_progress is 5; give a function"),
        ({"interrupted": None}, "interrupted is None; give a function"),
        ({"timeline": "red"}, r'red: no such timeline; .* Look\(\{"red": 1\}\)'),
        ({"stylizer": "lean"}, r"stylizer is 'lean'; give Stylizer\(load_model\(\)\)"),
        ({"source": 3}, "source is 3; give the name of a file"),
        ({"output": None}, "output is None; give the name of a file"),
        ({"timeline": {"red": 1}}, "timeline is {'red': 1}; give"),
        ({"output": "a\0b.mp4"}, "NUL"),
        ({"timeline": "a\0b.yaml"}, "NUL"),
        ({"fps": 0}, "fps: '0': write frames a second, 25 or 30000/1001"),
        ({"fps": math.inf}, "fps: 'inf': write frames a second"),
        ({"fps": Fraction(1, 10**6)}, "fps: '1/1000000': write frames a second"),
        ({"fps": Fraction(10**9)}, "fps: '1000000000': write frames a second"),
        ({"start": -1}, "start: -1 s is before the start"),
        ({"start": ["1s"]}, r"start: \['1s'\] is not a time"),
        ({"start": math.nan}, "start: nan is not a time; write a finite number of seconds"),
        ({"end": math.inf}, "end: inf is not a time; write a finite number of seconds"),
        ({"end": 10**400}, "end: 10+ is not a time; write a finite number of seconds"),
        pytest.param(
            {"output": "\ud800.mp4"},
            "no file has such a name",
            marks=pytest.mark.skipif(os.name == "nt", reason="has such names"),
        ),
    ],
)
def test_what_render_cannot_use_is_named(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    given = {"source": clip(), "output": tmp_path / "out.mp4", "timeline": RED}
    with pytest.raises(UsageError, match=message):
        render(**{**given, "stylizer": stylizer, **settings})
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_description_refuses_what_render_refuses(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hdr is 'banana'"):
        describe(clip(), tmp_path / "o.mp4", RED, read_model_card("lean"), hdr="banana")


def test_times_may_be_numbers_of_seconds(clip: Clip, stylizer: Stylizer, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    render(clip(pts=range(20)), output, RED, stylizer=stylizer, start=0.2, end=np.float32(0.6))
    assert probe(output).frame_count == 10


def test_whole_numbers_may_be_those_of_numpy(
    clip: Clip, small_model: Model, tmp_path: Path
) -> None:
    one: Any = np.int64(1)
    stylizer = Stylizer(small_model, device="cpu", precision="fp32", threads=one)
    options = EncodeOptions(crf=20 * one)
    output = tmp_path / "out.mp4"
    assert render(clip(), output, RED, stylizer=stylizer, options=options, workers=one).complete


def test_pieces_without_end_are_one(clip: Clip, stylizer: Stylizer, tmp_path: Path) -> None:
    source, output = clip(pts=range(20)), tmp_path / "out.mp4"
    assert render(source, output, RED, stylizer=stylizer, segment_seconds=math.inf).complete


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (np.zeros((64, 96, 3), np.float32), r"\(64, 96, 3\) float32"),
        (np.zeros((64, 96, 3), np.uint16), r"\(64, 96, 3\) uint16"),
        (np.zeros((64, 96, 4), np.uint8), r"\(64, 96, 4\) uint8"),
        (np.zeros((64, 96), np.uint8), r"\(64, 96\) uint8"),
        (np.zeros((1, 64, 96, 3), np.uint8), r"\(1, 64, 96, 3\) uint8"),
        (np.zeros((0, 96, 3), np.uint8), r"\(0, 96, 3\) uint8"),
        ([[[0, 0, 0]]], "list"),
    ],
)
def test_only_a_frame_is_painted(stylizer: Stylizer, frame: Any, found: str) -> None:
    for look in (RED, Look({ORIGINAL: 1})):
        with pytest.raises(UsageError, match=rf"a frame is \(H, W, 3\) uint8, not {found}"):
            stylizer(frame, look)


def test_an_array_in_the_wrong_place_is_told_on_one_line(stylizer: Stylizer) -> None:
    frame: Any = np.zeros((64, 96, 3), np.uint8)
    for use in (
        lambda: render(frame, "out.png", RED),
        lambda: render("photo.jpg", frame, RED),
        lambda: render("photo.jpg", "out.png", frame),
        lambda: render("photo.jpg", "out.png", RED, mask=frame),
        lambda: render("photo.jpg", "out.png", RED, max_size=frame),
        lambda: render("photo.jpg", "out.png", RED, fps=frame),
        lambda: list(paint_frames([frame], frame, stylizer=stylizer)),
        lambda: list(paint_frames([frame], RED, stylizer=frame)),
        lambda: stylizer(RED, frame),  # type: ignore[arg-type]
        lambda: Look(frame),
        lambda: Look({"red": frame}),
        lambda: Look({"red": 1}, strength=frame),
        lambda: Keyframe(frame, "red"),
        lambda: Keyframe(0, frame),
        lambda: Loop(frame),
        lambda: Track(frame),
        lambda: EncodeOptions(crf=frame),
        lambda: EncodeOptions(audio=frame),
        lambda: EncodeOptions(encoder_options={"g": frame}),
        lambda: render("photo.jpg", "out.png", RED, hwaccel=frame),
        lambda: load_model(frame),
        lambda: Stylizer(stylizer.model, precision=frame),
    ):
        with pytest.raises((UsageError, ModelError)) as refused:
            use()
        message = str(refused.value)
        assert "[0, 0, 0]" in message or "[0 0 0]" in message
        assert "\n" not in message
        assert len(message) < 250


def test_a_picture_of_pillow_is_told_how_to_become_a_frame(stylizer: Stylizer) -> None:
    picture: Any = Image.new("RGBA", (96, 64))
    with pytest.raises(UsageError, match=r'give np\.asarray\(image\.convert\("RGB"\)\)') as refused:
        stylizer(picture, RED)
    frame = eval(str(refused.value).partition("give ")[2], {"np": np, "image": picture})
    assert stylizer(frame, RED).shape == (64, 96, 3)


def test_a_stylizer_shows_its_model_device_and_precision(stylizer: Stylizer) -> None:
    name = stylizer.model.card.name
    assert re.fullmatch(rf"<Stylizer '{name}' on cpu, \w+ fp32.*>", repr(stylizer))


def test_a_gpu_that_pytorch_does_not_find_is_told_so(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count, message in (
        (0, "PyTorch finds no NVIDIA GPU; it may be a build without CUDA"),
        (1, "PyTorch finds 1 of NVIDIA's GPUs$"),
    ):
        monkeypatch.setattr("videostyle.device.gpus", lambda count=count: count)
        with pytest.raises(UsageError, match=f"device 'cuda:1': {message}"):
            Stylizer(small_model, device="cuda:1")


def test_a_stylizer_takes_a_model_a_look_and_threads(
    small_model: Model, stylizer: Stylizer
) -> None:
    with pytest.raises(ModelError, match="model is None; give a shipped model's name or a file's"):
        load_model(None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="model is 'lean'; give what load_model returns"):
        Stylizer("lean")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="look is 'red'; write Look"):
        stylizer(np.zeros((64, 96, 3), np.uint8), "red")  # type: ignore[arg-type]
    for threads in (0, -1, "2"):
        with pytest.raises(UsageError, match=r"threads is .*; it must be a whole number above 0"):
            Stylizer(small_model, threads=threads)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", [None, 0, b"cpu", "gpu", "cuda:x", f"cuda:{'9' * 5000}"])
def test_a_device_that_is_none_is_named(small_model: Model, device: Any) -> None:
    with pytest.raises(UsageError, match=r"device .*: use auto, cpu, cuda or cuda:N"):
        Stylizer(small_model, device=device)


def test_a_model_of_an_impossible_name_is_refused_in_a_line() -> None:
    with pytest.raises(ModelError, match=r"too long|no such model file") as refused:
        load_model("x" * 5000)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("period", [0, -1, math.inf, math.nan, "8s", None])
def test_a_loop_without_a_period_is_refused(period: Any) -> None:
    with pytest.raises(UsageError, match="it must be above 0"):
        Loop(period)


def test_a_timeline_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("version: 1\nkeyframes: [{at: 0s, mix: red}]\n")
    assert read_timeline(str(path), ("red",)).keys == read_timeline(path, ("red",)).keys
    assert read_timeline("timelines/demo.yaml").keys
    with pytest.raises(UsageError, match="cannot be read"):
        read_timeline(str(tmp_path / "gone.yaml"), ())


def test_the_errors_are_there_once_videostyle_is_imported() -> None:
    code = "import videostyle; print(videostyle.errors.MediaError.exit_code)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize("styles", ["red", 5, [1]])
def test_styles_that_are_neither_a_models_nor_names_are_refused(styles: Any) -> None:
    message = r"styles is .*; give a model, or a list of names"
    with pytest.raises(UsageError, match=message):
        read_timeline("timelines/demo.yaml", styles)
    with pytest.raises(UsageError, match=message):
        parse_timeline("version: 1", styles)


def test_a_timeline_of_another_model_is_read_with_the_model(
    small_model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("version: 1\nkeyframes: [{at: 0s, mix: red}]\n")
    for read, source in ((read_timeline, path), (parse_timeline, path.read_text())):
        assert read(source, small_model).keys
        assert read(source, small_model.card).keys
        with pytest.raises(TimelineError, match=r"'red'; .*give styles=load_model\(FILE\)"):
            read(source)


def test_text_and_the_name_of_a_file_are_told_apart(clip: Clip, stylizer: Stylizer) -> None:
    text = "version: 1\nkeyframes:\n" + "  - {at: 0s, mix: red}\n"
    in_a_line = "{version: 1, keyframes: [{at: 0s, mix: red}]}"
    for source in (text, text + "# a long one" * 50, text.replace("0s", "0.0s"), in_a_line):
        with pytest.raises(UsageError, match=r"file's name belongs; give parse_timeline\(text\)"):
            read_timeline(source)
        with pytest.raises(UsageError, match=r"file's name belongs; give parse_timeline\(text\)"):
            render(clip(), "out.mp4", source, stylizer=stylizer)
    with pytest.raises(UsageError, match="give YAML, or a file's name to read_timeline"):
        parse_timeline(Path("timelines/demo.yaml"))  # type: ignore[arg-type]


def test_a_timeline_is_made_of_what_videostyle_shows() -> None:
    by_hand = videostyle.Timeline(
        videostyle.Track(
            [
                videostyle.Keyframe(0, "starry_night", "smooth"),
                videostyle.Keyframe(4, {"great_wave": 1, "the_kiss": 3}, [0, 0, 1, 2]),
            ]
        ),
        {"strength": videostyle.Track([videostyle.Keyframe(0, 0.8)])},
        videostyle.Loop(8, bounce=True),
    )
    document = videostyle.parse_timeline(
        "version: 1\nkeyframes:\n"
        "  - {at: 0s, mix: starry_night, ease: smooth}\n"
        "  - {at: 0s, strength: 0.8}\n"
        "  - {at: 4s, mix: {great_wave: 1, the_kiss: 3}, ease: [0, 0, 1, 2]}\n"
        "loop: {period: 8s, mode: bounce}\n"
    )
    assert isinstance(document, videostyle.TimelineDocument)
    read, _ = document.resolve(8, 25)
    assert [read.look_at(t / 4) for t in range(80)] == [by_hand.look_at(t / 4) for t in range(80)]


def test_a_file_is_told_by_its_name_everywhere(
    clip: Clip, small_model: Model, tmp_path: Path
) -> None:
    source, array = str(clip()), np.zeros((64, 96, 3), np.uint8)
    assert probe(source) == probe(Path(source))
    assert verify(source, source) == []
    save_model(str(tmp_path / "a.safetensors"), small_model)
    uses: tuple[Callable[[Any], object], ...] = (
        probe,
        lambda path: verify(path, source),
        lambda path: verify(source, path),
        lambda path: save_model(path, small_model),
    )
    for use in uses:
        for wrong in (array, None, b"clip.mp4"):
            with pytest.raises(UsageError, match=r"^\w+ is .*; give the name of a file$"):
                use(wrong)


def test_what_a_timeline_is_made_of_is_a_value_that_cannot_change() -> None:
    def made() -> tuple[Timeline, EncodeOptions]:
        track = Track([Keyframe(0, "red", "smooth"), Keyframe(2, {"red": 1, "blue": 3})])
        strength = {"strength": Track([Keyframe(0, 0.5)])}
        return Timeline(track, strength, Loop(4)), EncodeOptions(encoder_options={"g": "50"})

    timeline, options = made()
    assert {made(), made(), pickle.loads(pickle.dumps(made())), copy.deepcopy(made())} == {made()}
    for change in (
        lambda: setattr(timeline.mix, "keyframes", ()),
        lambda: timeline.scalars.update(strength=0.5),  # type: ignore[attr-defined]
        lambda: operator.setitem(options.encoder_options, "g", 50),  # type: ignore[call-overload]
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()
    given = {"strength": Track([Keyframe(0, 0.5)])}
    kept = Timeline(timeline.mix, given)
    given.clear()
    assert kept.look_at(0).strength == 0.5
    first, _ = keys = timeline.mix.keyframes
    assert replace(Track(keys), keyframes=[first]) == Track([first])
