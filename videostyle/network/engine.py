"""Chooses what runs the network: uint8 frames in, uint8 pastiches out, on one device.

An engine accepts a frame before it has finished the one before, so that upload, network and
download overlap where the device can. It knows nothing of looks, timelines or files, and keeps
no memory of earlier frames.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

from videostyle.device import choose_device, choose_precision, cores
from videostyle.network.architecture import Numbers, Pictures
from videostyle.network.model import Model


class Engine(Protocol):
    """The network, ready to paint on one device.

    depth: so many frames of one size are in work at once; one more waits until the first of them
    is painted. arithmetic: what decides the last bit of a pastiche, in words; the number of
    threads does not.
    """

    arithmetic: str
    depth: int

    @property
    def gpu(self) -> int | None:
        """Number of the NVIDIA GPU it paints on, None on a CPU."""

    @property
    def description(self) -> str:
        """Device, library and precision, in words for people."""

    def submit(self, frames: Pictures, rows: Numbers) -> Callable[[], Pictures]:
        """Begin to paint RGB frames (N, H, W, 3) uint8 with rows (N, 2, D) of gammas and betas.
        Returns a function that waits for the pastiches (N, H, W, 3) uint8."""

    def detail(self, luma: Pictures) -> Callable[[], Pictures]:
        """Begin on luma (N, H, W) uint8, H and W even. Returns a function that waits for what is
        to be added to it doubled, (N, 2 H, 2 W) uint8, in which MIDDLE is 0 (`enlarger`)."""

    def is_ready(self, shape: tuple[int, ...]) -> bool:
        """Whether frames of a shape (N, H, W, 3) are painted at once, or first something is
        compiled for them."""


def make_engine(
    model: Model, device: str = "auto", precision: str = "auto", threads: int | None = None
) -> Engine:
    """Choose the fastest engine for the device.

    device, precision: as `choose_device` and `choose_precision` take them. threads: CPU threads
    of the network. Raises UsageError for what does not exist here.
    """
    chosen = choose_device(device)
    precision = choose_precision(precision, chosen)
    threads = threads or cores()
    if chosen == "cpu" and find_spec("openvino") and precision != "fp16":
        from videostyle.network.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(model.architecture, model.weights, precision, threads)
    import torch

    from videostyle.network.torch_engine import TorchEngine

    if chosen == "cpu":
        torch.set_num_threads(threads)
    return TorchEngine(model.network, chosen, precision)
