"""Fixtures shared by the tests: clips made on the spot, the awkward real ones, quiet randomness."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Tests run side by side: threads of PyTorch and numpy must not spin while they wait. Read when
# those are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from hypothesis import settings

from videostyle.media.color import convert
from videostyle.media.info import ColorSpec

if TYPE_CHECKING:
    from videostyle.network.model import Model
    from videostyle.stylize.stylizer import Stylizer

# A loaded machine is slow at times; speed is measured in bench/.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
CLIPS = sorted((SHARED_DATA / "clips").glob("*")) if SHARED_DATA.is_dir() else []
# Two HDR files, and one that no program opens.
REFUSED = {"bt2020_10bit.mp4", "testsrc2_hdr.mp4", "truncated_no_index.mp4"}
BT601 = ColorSpec(6, 6, 6, full_range=False)
BT709 = ColorSpec(1, 1, 1, full_range=False)
SPECS = [
    pytest.param(
        ColorSpec(matrix, 1, 1, full_range=full), id=f"{name} {'full' * full or 'limited'}"
    )
    for matrix, name in ((6, "601"), (1, "709"), (9, "2020"))
    for full in (False, True)
]


# These are no tests, but what goes wrong in them is to be said as well as in a test.
pytest.register_assert_rewrite("live_browser", "live_server")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: what plays in a browser waits half of its time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: else one worker is left with them at the end."""
    longest = "test_live_", "test_training"
    items.sort(key=lambda item: not item.path.name.startswith(longest))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none; FAIL_WITHOUT_CUDA=1 lets it fail instead."""
    if item.get_closest_marker("cuda") and "FAIL_WITHOUT_CUDA" not in os.environ:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def _same_randomness() -> Iterator[None]:
    """Give the random state back as it was, so that the order of tests changes nothing."""
    state, numpy_state = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    torch_state = torch.get_rng_state() if torch else None
    yield
    random.setstate(state)
    np.random.set_state(numpy_state)
    if torch and torch_state is not None:
        torch.set_rng_state(torch_state)


def stage_threads() -> list[str]:
    """Threads of pipeline stages that still run; other libraries may keep threads of their own."""
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(2)


@pytest.fixture
def fill_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Fill the disk when it is called: what Path or Pillow write from then on stays empty."""

    from PIL import Image

    write_picture = Image.Image.save

    def write(path: str | Path, *_: object, **__: object) -> None:
        Path(path).touch()
        raise OSError(28, "No space left on device")

    def save(picture: Image.Image, file: Any, *settings: Any, **more: Any) -> None:
        if isinstance(file, str | Path):  # else it is memory
            write(file)
        write_picture(picture, file, *settings, **more)

    def fill() -> None:
        monkeypatch.setattr(Path, "write_text", write)
        monkeypatch.setattr(Path, "write_bytes", write)
        monkeypatch.setattr(Image.Image, "save", save)

    return fill


@pytest.fixture(scope="session")
def small_model() -> Model:
    """Three made-up styles in a network of a quarter of the lean width, with random weights."""
    import torch

    from videostyle.network.architecture import ARCHITECTURES
    from videostyle.network.model import Model
    from videostyle.network.model_card import ModelCard, Style
    from videostyle.network.network import StyleNetwork

    architecture = ARCHITECTURES["lean"].scaled(0.25)
    shape = (3, architecture.row_size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = StyleNetwork(architecture).eval().requires_grad_(False)
        styles = torch.stack((torch.rand(shape) + 0.5, torch.randn(shape) * 0.3), dim=1)
    names = ("red", "green", "blue")
    cards = tuple(Style(name, name.title(), "nobody", "2000", "made for tests") for name in names)
    card = ModelCard("small", architecture.to_dict(), cards, "Apache-2.0")
    return Model.of(card, network, styles)


@pytest.fixture(scope="session")
def model_file(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    from videostyle.network.model import save_model

    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_model(path, small_model)
    return str(path)


@pytest.fixture(scope="session")
def stylizer(small_model: Model) -> Stylizer:
    from videostyle.stylize.stylizer import Stylizer

    return Stylizer(small_model, device="cpu", precision="fp32", threads=1)


@pytest.fixture(scope="session")
def loss_network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the distilled network's format, four times narrower."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    tensors = {}

    def add(name: str, cin: int, cout: int, kernel: int) -> None:
        shape = (cout, cin, kernel, kernel)
        scale = (2 / (cin * kernel**2)) ** 0.5
        tensors[f"{name}.weight"] = torch.randn(shape, generator=generator) * scale
        tensors[f"{name}.bias"] = torch.zeros(cout)

    add("conv0", 3, 3, 1)
    cin = 3
    for block, (layers, width) in enumerate(((2, 4), (2, 8), (4, 16), (4, 32), (1, 32)), 1):
        for layer in range(1, layers + 1):
            add(f"conv{block}{layer}", cin, width, 3)
            cin = width
        add(f"conv{block}1_aux", width, 2 * width, 1)
    path = tmp_path_factory.mktemp("loss") / "distilled.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture
def shared_data() -> Path:
    """The folder of awkward files beside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Make a small clip: see `make_clip`."""

    def make(name: str = "clip.mp4", **facts: object) -> Path:
        return make_clip(tmp_path / name, **facts)  # type: ignore[arg-type]

    return make


def make_clip(
    path: Path,
    *,
    pts: Sequence[int] = range(10),
    time_base: Fraction = Fraction(1, 25),
    size: tuple[int, int] = (96, 64),
    pixels: Callable[[int], np.ndarray] | None = None,
    pix_fmt: str = "yuv420p",
    color: ColorSpec = BT601,
    tagged: bool = True,
    rotation: tuple[int, bool, bool] = (0, False, False),
    b_frames: int = 0,
    sample_aspect_ratio: Fraction | None = None,
    audio: str | None = None,
    codec: str = "libx264",
) -> Path:
    """Write a clip with a frame at each pts (ticks of time_base), lossless without b_frames.

    pixels: RGB (H, W, 3) uint8 of a frame by its number; by default a moving gradient. rotation:
    degrees counter-clockwise a player turns it by, and whether it mirrors it left to right, top
    to bottom. audio: the codec of a tone as long as the picture.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=1 / time_base if pts else 25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if codec == "libx264":
            # Without any loss x264 makes no B-frames.
            stream.options = {"qp": "1" if b_frames else "0", "preset": "ultrafast"}
        context = stream.codec_context
        context.time_base = time_base
        context.max_b_frames = b_frames
        context.flags |= Flags.frame_duration
        if sample_aspect_ratio:
            context.sample_aspect_ratio = sample_aspect_ratio
        if tagged:
            context.colorspace, context.color_range = color.matrix, 2 if color.full_range else 1
            context.color_primaries, context.color_trc = color.primaries, color.transfer
        if any(rotation):
            stream.set_display_rotation(*rotation)
        sound = add_tone(container, audio) if audio else None
        write_frames(container, stream, pts, pixels or gradient(size), color)
        if sound:
            write_tone(container, sound, float((pts[-1] + 1) * time_base))
    return path


def write_frames(
    container: OutputContainer,
    stream: VideoStream,
    pts: Sequence[int],
    pixels: Callable[[int], np.ndarray],
    color: ColorSpec,
) -> None:
    rgb = ColorSpec(0, 1, 13, full_range=True)
    reformatter = VideoReformatter()
    gaps = [after - before for before, after in pairwise(pts)] or [1]
    for number, stamp in enumerate(pts):
        source = av.VideoFrame.from_ndarray(pixels(number), "rgb24")
        image = convert(reformatter, source, stream.pix_fmt or "", rgb, color)
        image.pts, image.time_base = stamp, stream.codec_context.time_base
        image.duration = (gaps + gaps[-1:])[number]
        container.mux(stream.encode(image))
    container.mux(stream.encode(None))


def gradient(size: tuple[int, int]) -> Callable[[int], np.ndarray]:
    """A picture that moves a little from frame to frame and has no two quarters alike."""
    width, height = size
    still = np.zeros((height, width, 3), np.uint8)
    still[..., 0] = np.arange(width) * 255 // max(1, width - 1)
    still[..., 1] = (np.arange(height) * 255 // max(1, height - 1))[:, None]

    def pixels(number: int) -> np.ndarray:
        picture = still.copy()
        picture[..., 2] = number * 9 % 256
        return picture

    return pixels


def add_tone(container: OutputContainer, codec: str) -> AudioStream:
    stream = container.add_stream(codec, rate=48_000)
    assert isinstance(stream, AudioStream)
    stream.layout = "mono"
    stream.metadata.update(language="deu", title="Ton")
    return stream


def write_tone(container: OutputContainer, stream: AudioStream, seconds: float) -> None:
    times = np.arange(round(48_000 * seconds)) / 48_000
    samples = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)[None]
    for begin in range(0, samples.shape[1], 4800):
        sound = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, begin : begin + 4800]), "s16", "mono"
        )
        sound.sample_rate, sound.pts, sound.time_base = 48_000, begin, Fraction(1, 48_000)
        container.mux(stream.encode(sound))
    container.mux(stream.encode(None))
