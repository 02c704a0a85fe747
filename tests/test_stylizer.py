"""The stylizer and its engines agree with the network in fp32."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from itertools import cycle
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from architectures import PLANS
from PIL import Image

from videostyle.device import choose_precision
from videostyle.errors import ModelError, UsageError, VideoStyleError
from videostyle.look import Look, normalize_mixture
from videostyle.media.pixels import with_detail
from videostyle.network import openvino_engine
from videostyle.network.engine import Engine, make_engine
from videostyle.network.model import Model, load_model
from videostyle.network.network import StyleNetwork
from videostyle.network.openvino_engine import OpenVinoEngine
from videostyle.network.torch_engine import TorchEngine
from videostyle.stylize.flatness import grained
from videostyle.stylize.stylizer import Stylizer, resize

SAMPLES = Path(__file__).parents[1] / "samples"
TORCH_CUDA = pytest.param("torch", "cuda", marks=pytest.mark.cuda)


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random picture: pure noise would measure rounding, not painting."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.random((1, 3, 5, 7), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (smooth[0].clamp(0, 1) * 255).byte().permute(1, 2, 0).contiguous().numpy()


def reference(model: Model, frame: np.ndarray, mixture: dict[str, float]) -> np.ndarray:
    pixels = torch.from_numpy(frame).permute(2, 0, 1)[None] / 255
    pastiche = model.network(pixels, torch.from_numpy(model.rows([mixture])))[0][0]
    return (pastiche * 255 + 0.5).byte().permute(1, 2, 0).numpy()


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b.astype(int))


def test_many_small_sizes_take_no_more_memory_than_a_few_large_ones(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thumbnails, each of a size of its own: what is compiled for a size is never small."""
    monkeypatch.setattr(OpenVinoEngine, "_compile", lambda engine, key: cycle(()))
    engine = OpenVinoEngine(small_model.architecture, small_model.weights, "fp32", 1)
    for width in range(64, 864, 8):
        engine._compiled(("network", (1, 64, width, 3)))
    assert engine.is_ready((1, 64, 856, 3))
    assert len(engine._slots) < 25


def test_where_openvino_may_make_no_code_it_is_said_what_paints(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a service with MemoryDenyWriteExecute."""
    stylizer = Stylizer(small_model, device="cpu", precision="fp32")

    def refuse(*_: object) -> None:
        raise RuntimeError("Exception from src/core.cpp:117:\ncan't protect\n\n")

    monkeypatch.setattr(stylizer.engine, "_core", SimpleNamespace(compile_model=refuse))
    with pytest.raises(VideoStyleError, match=r"here \(can't protect\); with precision fp16 \(--p"):
        stylizer(photo(72, 104), Look({"red": 1.0}))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_the_default_engine_paints_as_the_network_does(small_model: Model, precision: str) -> None:
    stylizer = Stylizer(small_model, device="cpu", precision=precision)
    mixture = {"red": 0.3, "blue": 0.7}
    frame = photo(72, 104)
    off = difference(
        stylizer(frame, Look(mixture)), reference(small_model, grained(frame), mixture)
    )
    assert off.max() <= {"fp32": 1, "bf16": 24, "int8": 32}[precision]
    assert off.mean() <= {"fp32": 0.1, "bf16": 2.5, "int8": 4}[precision]


def test_a_call_paints_all_of_a_look(stylizer: Stylizer) -> None:
    frame = photo(64, 80)
    pastiche = stylizer(frame, Look({"red": 1}))
    assert np.array_equal(stylizer(frame, Look({"original": 1})), frame)
    assert np.array_equal(stylizer(frame, Look({"red": 1}, strength=0)), frame)
    half = stylizer(frame, Look({"red": 1}, strength=0.5))
    assert difference(half, (pastiche.astype(int) + frame) / 2).max() <= 1
    assert np.array_equal(stylizer(frame, Look({"red": 1, "original": 1})), half)
    # A grey frame has no colour to keep.
    grey = frame[..., :1].repeat(3, axis=2)
    kept = stylizer(grey, Look({"red": 1}, keep_color=1)).astype(int)
    assert np.ptp(kept, axis=2).max() <= 1


def test_a_frame_seen_backwards_is_painted(stylizer: Stylizer) -> None:
    frame = photo(64, 80)
    look = Look({"red": 1}, stroke=0.5)
    backwards = stylizer(frame[..., ::-1], look)
    assert np.array_equal(backwards, stylizer(frame[..., ::-1].copy(), look))


def engine_of(model: Model, name: str, device: str = "cpu") -> Engine:
    """In fp32."""
    if name == "openvino":
        return OpenVinoEngine(model.architecture, model.weights, "fp32", 2)
    return TorchEngine(model.network, device, "fp32")


def test_the_engines_agree_on_batches(small_model: Model) -> None:
    frames = np.stack([photo(64, 80, seed) for seed in range(3)])
    rows = small_model.rows([{"red": 1.0}, {"green": 1.0}, {"red": 0.5, "blue": 0.5}])
    engines = engine_of(small_model, "openvino"), engine_of(small_model, "torch")
    first, second = (engine.submit(frames, rows)() for engine in engines)
    assert difference(first, second).max() <= 1


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("name", PLANS)
def test_openvino_paints_every_architecture_as_the_network_does(name: str, precision: str) -> None:
    torch.manual_seed(0)
    plan = PLANS[name]
    network = StyleNetwork(plan).eval().requires_grad_(False)
    rows = torch.stack((torch.rand(2, plan.row_size) + 0.5, torch.randn(2, plan.row_size)), 1)
    frames = torch.from_numpy(np.stack([photo(64, 88, seed) for seed in range(2)]))
    expected = network(frames.permute(0, 3, 1, 2) / 255, rows)[0].permute(0, 2, 3, 1)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    engine = OpenVinoEngine(plan, weights, precision, 1)
    painted = engine.submit(frames.numpy(), rows.numpy())()
    off = difference(painted, (expected * 255 + 0.5).byte().numpy())
    assert off.mean() <= {"fp32": 0.1, "bf16": 3, "int8": 4}[precision]
    assert precision != "fp32" or off.max() <= 1


def test_openvino_paints_the_same_where_norms_are_slow(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, rows = photo(64, 80)[None], small_model.rows([{"red": 1.0}])
    painted = engine_of(small_model, "openvino").submit(frames, rows)()
    monkeypatch.setattr("videostyle.network.openvino_graph.is_x86", lambda: False)
    elsewhere = engine_of(small_model, "openvino").submit(frames, rows)()
    assert difference(painted, elsewhere).max() <= 1


@cache
def load_shipped() -> Model:
    return load_model()


@cache
def shipped_engine(precision: str) -> Engine:
    """One for all pictures of a size: to compile takes longer than to paint."""
    model = load_shipped()
    return OpenVinoEngine(model.architecture, model.weights, precision, 1)


def sky() -> Any:
    return 220 + np.random.default_rng(0).normal(0, 1.5, (128, 160, 3))


def pattern(lit: Callable[[Any, Any], Any]) -> Any:
    return np.where(lit(*np.mgrid[:128, :160])[..., None], 255, np.array((40, 20, 0)))


@pytest.mark.parametrize(
    ("picture", "bound"),
    [
        (sky(), 1.0),
        # Maps of what repeats with the network's lattice are all but constant.
        (pattern(lambda y, x: (y % 8 < 2) & (x % 8 < 2)), 2.0),
        (pattern(lambda y, x: (y % 16 == 0) & (x % 16 == 0)), 2.0),
        (pattern(lambda y, x: y % 12 < 6), 2.0),
    ],
    ids=["sky", "dots", "points", "stripes"],
)
def test_what_differs_a_little_or_repeats_is_painted_as_in_fp32(picture: Any, bound: float) -> None:
    frame = picture.round().astype(np.uint8)
    model = load_shipped()
    mixtures = [{name: 1.0} for name in model.card.style_names[:8]]
    expected = np.stack([reference(model, frame, mixture) for mixture in mixtures])
    for precision, most in (("fp32", 0.1), ("bf16", bound), ("int8", 3.0)):
        frames = np.stack([frame] * len(mixtures))
        painted = shipped_engine(precision).submit(frames, model.rows(mixtures))()
        assert difference(painted, expected).mean() <= most, precision


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_the_number_of_threads_changes_no_pixel(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "LARGE_MAP", 0)  # above, all threads paint one frame
    model = load_shipped()
    frames = photo(256, 320)[None]
    rows = model.rows([{model.card.style_names[0]: 1.0}])
    one, three = (
        OpenVinoEngine(model.architecture, model.weights, precision, threads).submit(frames, rows)()
        for threads in (1, 3)
    )
    assert np.array_equal(one, three)


@pytest.mark.parametrize(("name", "device"), [("openvino", "cpu"), ("torch", "cpu"), TORCH_CUDA])
def test_frames_in_flight_keep_their_pictures_in_whatever_order_they_are_taken(
    small_model: Model, name: str, device: str
) -> None:
    engine = engine_of(small_model, name, device)
    frames = [photo(64, 64, seed)[None] for seed in range(9)]
    rows = small_model.rows([{"green": 1.0}])
    expected = [engine.submit(frame, rows)() for frame in frames]
    pending = [engine.submit(frame, rows) for frame in frames]  # more than it is deep
    for number in (3, 8, 0, 5, 1, 7, 2, 6, 4):
        assert np.array_equal(pending[number](), expected[number])


@pytest.mark.parametrize(("name", "device"), [("openvino", "cpu"), ("torch", "cpu"), TORCH_CUDA])
def test_threads_that_share_an_engine_get_their_own_pictures(
    small_model: Model, name: str, device: str
) -> None:
    engine = engine_of(small_model, name, device)
    frames = [photo(64, 64, seed)[None] for seed in range(9)]
    rows = small_model.rows([{"green": 1.0}])
    expected = [engine.submit(frame, rows)() for frame in frames]

    def is_painted(number: int) -> bool:
        number %= len(frames)
        return np.array_equal(engine.submit(frames[number], rows)(), expected[number])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(is_painted, range(200)))


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_cuda_paints_as_the_cpu_does(small_model: Model, precision: str) -> None:
    stylizer = Stylizer(small_model, device="cuda", precision=precision)
    frame = photo(72, 104)
    off = difference(stylizer(frame, Look({"red": 1})), reference(small_model, frame, {"red": 1.0}))
    assert off.mean() <= {"fp32": 0.5, "fp16": 1.0, "bf16": 2.5}[precision]


@pytest.mark.cuda
@pytest.mark.parametrize("size", [(512, 912), (333, 517)])
def test_cuda_paints_a_photo_as_the_reference_does(size: tuple[int, int]) -> None:
    model = load_model()
    frame = resize(np.array(Image.open(SAMPLES / "chelsea.jpg").convert("RGB")), *size)
    random = np.random.default_rng(0)
    names = random.choice(model.card.style_names, 3, replace=False)
    mixture = normalize_mixture(dict(zip(names, random.random(3), strict=True)))
    painted = Stylizer(model, device="cuda").submit(frame, mixture)()
    bottom, right = (-side % model.network.architecture.multiple for side in size)
    padded = np.pad(grained(frame), ((0, bottom), (0, right), (0, 0)), mode="reflect")
    expected = reference(model, padded, mixture)[: size[0], : size[1]]
    off = difference(painted, expected)
    assert off.mean() <= 1
    assert np.quantile(off, 0.999) <= 16


@pytest.mark.parametrize("size", [(1, 1), (33, 65), (64, 64), (71, 131), (200, 7)])
def test_any_size_comes_back_at_its_size(stylizer: Stylizer, size: tuple[int, int]) -> None:
    for stroke in (0.5, 1, 1.7):
        pastiche = stylizer(photo(*size), Look({"green": 1}, stroke=stroke))
        assert pastiche.shape == (*size, 3)
        assert pastiche.dtype == np.uint8


@pytest.mark.parametrize("opacity", [0, 0.5, 1])
def test_a_pastiche_can_be_written_to_a_pipe_as_it_is(stylizer: Stylizer, opacity: float) -> None:
    """The network takes other widths and heights than this."""
    for frame in (photo(67, 101), photo(67, 101)[::-1, ::-1, ::-1]):
        pastiche = stylizer(frame, Look({"red": 1}, strength=opacity))
        assert memoryview(pastiche).c_contiguous


@pytest.mark.parametrize(
    ("size", "stroke", "expected"),
    [
        ((360, 640), 1, (360, 640)),
        ((720, 1280), 1, (512, 912)),
        ((1920, 1080), 1, (912, 512)),
        ((2160, 3840), 0.5, (1024, 1824)),
        ((2160, 3840), 2, (256, 456)),
        ((360, 640), 2, (184, 320)),
        ((90, 90), 8, (64, 64)),
    ],
)
def test_strokes_follow_the_frame(
    stylizer: Stylizer, size: tuple[int, int], stroke: float, expected: tuple[int, int]
) -> None:
    assert stylizer.model.architecture.multiple == 8
    assert stylizer.working_size(*size, stroke) == expected


def test_a_moving_stroke_passes_through_few_sizes(stylizer: Stylizer) -> None:
    """An engine gets ready for each, so a frame must not bring another every time."""
    sizes = [stylizer.working_size(720, 1280, 1 + step / 250) for step in range(251)]
    assert len(set(sizes)) == 13
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == ((512, 912), (256, 456))


@pytest.mark.parametrize("size", [(270, 480), (480, 270), (256, 1024), (64, 256), (40, 90)])
def test_large_strokes_in_small_frames_are_not_stretched(
    stylizer: Stylizer, size: tuple[int, int]
) -> None:
    height, width = stylizer.working_size(*size, stroke=8)
    assert height / width == pytest.approx(size[0] / size[1], rel=0.15)


def test_a_picture_looks_the_same_at_twice_the_resolution(stylizer: Stylizer) -> None:
    small = photo(512, 520)
    small_pastiche = stylizer(small, Look({"red": 1}))
    large_pastiche = stylizer(resize(small, 1024, 1040), Look({"red": 1}))
    assert large_pastiche.shape == (1024, 1040, 3)
    assert difference(resize(large_pastiche, 512, 520), small_pastiche).mean() < 2


def painted_over(model: Model, coarse: np.ndarray) -> np.ndarray:
    """The pastiche doubled, with what is finer than it could show in a painting of that."""
    height, width = coarse.shape[:2]
    doubled = resize(coarse, 2 * height, 2 * width)
    layer = reference(model, doubled, {"red": 1})
    below = resize(np.asarray(Image.fromarray(layer).reduce(2)), 2 * height, 2 * width)
    return (doubled + (layer.astype(float) - below)).clip(0, 255)


def test_large_frames_are_painted_over_so_that_no_stroke_is_blurred(
    small_model: Model, stylizer: Stylizer
) -> None:
    coarse = stylizer(photo(64, 80), Look({"red": 1}))
    enough = stylizer.refine(coarse, {"red": 1}, 140)()
    assert enough is coarse
    refined = stylizer.refine(coarse, {"red": 1}, 250)()
    assert refined.shape == (128, 160, 3)
    assert difference(refined, painted_over(small_model, coarse)).max() <= 3
    assert stylizer.refine(coarse, {"red": 1}, 640)().shape == (512, 640, 3)


def test_painting_over_fades_in(small_model: Model, stylizer: Stylizer) -> None:
    coarse = stylizer(photo(64, 80), Look({"red": 1}))
    heights = (145, 160, 175, 192)
    refined = [stylizer.refine(coarse, {"red": 1}, height)() for height in heights]
    # What 144 lines, which are not painted over, are scaled from.
    doubled = with_detail(resize(coarse, 128, 160), stylizer.detail(coarse)(), 1)
    amounts = [difference(each, doubled).mean() for each in refined]
    assert amounts == sorted(amounts)
    assert amounts[0] < 0.1 * amounts[-1]
    assert difference(refined[-1], painted_over(small_model, coarse)).max() <= 3


def test_stones_are_as_large_as_asked_for_at_any_size() -> None:
    """Painted over with fine ones or not."""
    stroke_size = run_path(str(SAMPLES.parent / "bench" / "strokes.py"))["stroke_size"]
    stones = partial(stroke_size, Stylizer(load_model("lean"), device="cpu"), "duck_mosaic")
    sizes = [stones(720, stroke) for stroke in (1, 2, 3, 4)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]
    assert stones(1440, 1) == pytest.approx(sizes[0], rel=0.1)


def test_padding_leaves_the_rest_of_the_picture_alone(
    small_model: Model, stylizer: Stylizer
) -> None:
    frame = photo(77, 101)
    padded = np.pad(grained(frame), ((0, 3), (0, 3), (0, 0)), mode="reflect")
    expected = reference(small_model, padded, {"red": 1.0})[:77, :101]
    assert difference(stylizer(frame, Look({"red": 1})), expected).max() <= 1


def test_a_style_the_model_lacks_is_named(stylizer: Stylizer) -> None:
    with pytest.raises(ModelError, match=r"'gren'. Did you mean green\? .*style_names"):
        stylizer(photo(64, 64), Look({"gren": 1}))


@pytest.mark.parametrize(
    ("device", "precision"), [("quantum", "auto"), ("cuda:99", "auto"), ("cpu", "fp8")]
)
def test_what_the_machine_lacks_is_refused(small_model: Model, device: str, precision: str) -> None:
    with pytest.raises(UsageError):
        make_engine(small_model, device, precision)


@pytest.mark.parametrize(
    ("instructions", "package", "chosen"),
    [
        ({"avx2"}, True, "int8"),
        ({"avx2"}, False, "fp32"),
        ({"avx2", "avx512_bf16", "AMD's"}, True, "int8"),
        ({"avx2", "avx512_bf16", "AMD's"}, False, "bf16"),
        ({"avx2", "avx512_bf16", "amx_bf16"}, True, "bf16"),
        ({"avx2", "avx512_bf16"}, True, "int8"),
        ({"avx2", "avx512_bf16"}, False, "fp32"),
        ({"neon"}, True, "fp32"),
    ],
)
def test_the_precision_is_what_the_processor_is_fastest_in(
    monkeypatch: pytest.MonkeyPatch, instructions: set[str], package: bool, chosen: str
) -> None:
    monkeypatch.setattr("videostyle.device.cpu_has", instructions.__contains__)
    monkeypatch.setattr("videostyle.device._is_amd", lambda: "AMD's" in instructions)
    monkeypatch.setattr("videostyle.device.find_spec", lambda name: package or None)
    assert choose_precision("auto", "cpu") == chosen
    assert choose_precision("auto", "cuda:0") == "fp16"
    for device in ("cuda:0", *(() if package else ("cpu",))):
        with pytest.raises(UsageError, match="int8: needs the package openvino"):
            choose_precision("int8", device)


def test_a_stylizer_takes_other_styles_but_no_other_network(small_model: Model) -> None:
    stylizer = Stylizer(small_model, device="cpu", precision="fp32", threads=1)
    frame, look = photo(64, 64), Look({"red": 1})
    before = stylizer(frame, look)
    stylizer.model = replace(small_model, styles=small_model.styles[::-1])
    assert not np.array_equal(stylizer(frame, look), before)
    same_shapes = {name: numbers / 2 for name, numbers in small_model.weights.items()}
    for model in (replace(small_model, weights=same_shapes), "lean"):
        with pytest.raises(UsageError, match="make another Stylizer"):
            stylizer.model = model  # type: ignore[assignment]


def test_a_stylizer_can_be_sent_to_another_process(small_model: Model) -> None:
    stylizer = Stylizer(small_model, device="cpu", precision="fp32", threads=1)
    sent = pickle.loads(pickle.dumps(stylizer))
    assert sent.settings == stylizer.settings
    frame, look = photo(64, 64), Look({"red": 1})
    assert np.array_equal(sent(frame, look), stylizer(frame, look))


@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="no processes are forked here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("threads", [None, 1])
def test_a_stylizer_paints_in_a_forked_process(small_model: Model, threads: int | None) -> None:
    """The threads of its engine stay behind."""
    stylizer = Stylizer(small_model, device="cpu", precision="fp32", threads=threads)
    frame, look = photo(64, 64), Look({"red": 1})
    expected = stylizer(frame, look)
    forking = get_context("fork")
    answers = forking.SimpleQueue()
    child = forking.Process(target=lambda: answers.put(stylizer(frame, look)), daemon=True)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert np.array_equal(answers.get(), expected)


def test_a_frame_given_up_does_not_hold_up_the_next(small_model: Model) -> None:
    stylizer = Stylizer(small_model, device="cpu")
    frame, mixture = photo(256, 512), {"red": 1.0}
    expected = stylizer.submit(frame, mixture)()
    for _ in range(2 * stylizer.depth):
        stylizer.submit(photo(256, 512, seed=1), mixture)
    assert np.array_equal(stylizer.submit(frame, mixture)(), expected)


def test_without_openvino_pytorch_paints_and_says_what_is_faster(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("engine", "torch_engine"):
        monkeypatch.setattr(f"videostyle.network.{module}.find_spec", lambda name: None)
    stylizer = Stylizer(small_model, device="cpu", precision="fp32")
    assert "PyTorch" in stylizer.engine.description
    assert "openvino" in stylizer.engine.description
    frame, mixture = photo(64, 64), {"red": 1.0}
    expected = reference(small_model, grained(frame), mixture)
    assert difference(stylizer(frame, Look(mixture)), expected).max() <= 1


def test_painting_reports_to_nobody(tmp_path: Path) -> None:
    program = (
        "import sys, threading\n"
        "import numpy\n"
        "from videostyle import Look, Stylizer, load_model\n"
        "stylizer = Stylizer(load_model(), device='cpu')\n"
        "stylizer(numpy.zeros((64, 64, 3), numpy.uint8), Look({'starry_night': 1}))\n"
        "assert sys.modules.get('openvino_telemetry') is None\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []
