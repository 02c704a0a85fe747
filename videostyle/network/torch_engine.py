"""The network in PyTorch, on a CPU or on CUDA with streams and graphs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from videostyle.network.architecture import Numbers, Pictures
from videostyle.network.enlarger import enlarger_weights
from videostyle.network.enlarger_network import EnlargerNetwork
from videostyle.network.fused_network import FusedNetwork, Kernels
from videostyle.network.network import StyleNetwork
from videostyle.network.program import Function, Lane, Streams, reason

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Shapes whose buffers and graphs are kept, those used last: a stroke track brings many, and a
# picture of 2160 lines with large strokes needs as many itself.
MOST_LANES = 6


class _Frames(nn.Module):
    """The network from uint8 frames to uint8 pastiches."""

    def __init__(self, network: StyleNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, rows: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 and (N, 2, D) -> (N, H, W, 3) uint8."""
        dtype = next(self.network.parameters()).dtype
        pixels = frames.permute(0, 3, 1, 2).to(dtype) * (1 / 255)
        pastiche: Tensor = self.network(pixels, rows)[0]
        return (pastiche.float() * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)


@torch.inference_mode()
def _fused(network: StyleNetwork, device: torch.device, dtype: torch.dtype) -> FusedNetwork:
    """The network with fused kernels, tried on one frame. Where Triton or its compiler is missing,
    what that raises may be any exception."""
    from videostyle.network import kernels

    fused = FusedNetwork(network, device, dtype, kernels)
    with torch.cuda.device(device):
        side = 8 * network.architecture.multiple
        frame = torch.zeros(1, side, side, 3, dtype=torch.uint8, device=device)
        fused(frame, torch.zeros(1, 2, network.architecture.row_size, device=device))
    return fused


class TorchEngine:
    """The network in PyTorch, with upload, network and download each on a stream of its own.

    `depth` slots of buffers rotate, so on CUDA frame t + 1 is uploaded and frame t - 1 downloaded
    while frame t is painted. CUDA has fused kernels and a graph for each shape of batch; where
    either cannot be had, `description` says why.
    """

    depth = 3

    def __init__(self, network: StyleNetwork, device: str, precision: str) -> None:
        """precision: of DTYPES."""
        self.device = torch.device(device)
        self._precision, dtype = precision, DTYPES[precision]
        self.arithmetic = f"PyTorch {precision} on {self.device.type}"
        self._streams = Streams(self.device)
        self._lanes: dict[Hashable, Lane] = {}
        self.enlarger = EnlargerNetwork.of(enlarger_weights()).to(self.device, dtype)
        self.enlarger.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._painter: Callable[[Tensor, Tensor], Tensor]
        self.kernels: Kernels | None = None
        self._obstacle = ""
        if self.device.type == "cuda":
            try:
                self._painter = fused = _fused(network, self.device, dtype)
                self.kernels = fused.kernels
                self.arithmetic += ", fused kernels"
                return
            except Exception as error:  # no Triton, no compiler for it, a GPU it does not know
                self._obstacle = f", without fused kernels ({reason(error)})"
        elif not find_spec("openvino"):
            self._obstacle = "; with the package openvino up to six times as fast"
        plain = _Frames(copy.deepcopy(network)).to(self.device, dtype)
        self._painter = plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Held by the thread that begins a batch."""
        return self._streams.lock

    @property
    def gpu(self) -> int | None:
        """See `Engine`."""
        return (self.device.index or 0) if self.device.type == "cuda" else None

    @property
    def description(self) -> str:
        """See `Engine`."""
        obstacles = [lane.program.obstacle for lane in list(self._lanes.values())]
        slower = next((f", without CUDA graphs ({each})" for each in obstacles if each), "")
        return f"{self.device}, PyTorch {self._precision}{self._obstacle}{slower}"

    def paint(self, frames: Tensor, rows: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 and (N, 2, D), on the device -> (N, H, W, 3) uint8, on the current
        stream. H and W are multiples of what the network takes."""
        return self._painter(frames, rows)

    def submit(self, frames: Pictures, rows: Numbers) -> Callable[[], Pictures]:
        """See `Engine`."""
        return self._run(frames.shape, self.paint, [frames, rows])

    def is_ready(self, shape: tuple[int, ...]) -> bool:
        """See `Engine`."""
        return True

    def detail(self, luma: Pictures) -> Callable[[], Pictures]:
        """See `Engine`."""
        return self._run(("enlarger", luma.shape), self.enlarger.detail, [luma])

    def _run(
        self, key: Hashable, function: Function, inputs: Sequence[npt.NDArray[Any]]
    ) -> Callable[[], Pictures]:
        batch = [torch.from_numpy(each) for each in inputs]

        def fill(host: list[Tensor]) -> None:
            for target, source in zip(host, batch, strict=True):
                target.copy_(source)

        with self.lock:
            taken = self.lane(key, lambda: (function, batch)).submit(fill)

        def finish() -> Pictures:
            pastiches: Pictures = taken().numpy()
            return pastiches

        return finish

    def lane(self, key: Hashable, make: Callable[[], tuple[Function, Sequence[Tensor]]]) -> Lane:
        """The lane of a key, made anew where it was not among the last MOST_LANES used.

        make: gives the function, and tensors of the shapes and dtypes that a batch has.
        """
        with self.lock:
            lane = self._lanes.pop(key, None)
            if lane is None:
                if len(self._lanes) == MOST_LANES:
                    self._streams.wait()  # for whoever still works in the memory given back
                    del self._lanes[next(iter(self._lanes))]
                lane = Lane(self._streams, *make(), self.depth)
            self._lanes[key] = lane
            return lane
