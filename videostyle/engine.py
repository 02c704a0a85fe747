"""Runs the network on one device: uint8 frames in, uint8 pastiches out.

An engine accepts a frame before it has finished the one before, so that upload, network and
download overlap where the device can. It knows nothing of looks, timelines or files, and keeps
no memory of earlier frames.
"""

from __future__ import annotations

import copy
import importlib
import os
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from itertools import cycle
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from videostyle.errors import UsageError
from videostyle.network import StyleNetwork

Result = Callable[[], Tensor]
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Engine(Protocol):
    """`submit` takes frames (N, H, W, 3) uint8 RGB and rows (N, 2, D), and returns a function that
    waits for the pastiches (N, H, W, 3) uint8. At most `depth` results may be outstanding.
    arithmetic: what decides the last bit of a pastiche, in words; the number of threads does not.
    """

    arithmetic: str
    description: str
    depth: int

    def submit(self, frames: Tensor, rows: Tensor) -> Result: ...


def make_engine(
    network: StyleNetwork, device: str = "auto", precision: str = "auto", threads: int | None = None
) -> Engine:
    """Choose the fastest engine for the device.

    device: auto, cpu, cuda or cuda:N. precision: auto, fp32, bf16 or fp16; auto takes bf16 on a
    CPU with bf16 instructions, fp16 on CUDA, else fp32. threads: CPU threads of the network.
    Raises UsageError for what does not exist here.
    """
    if precision not in ("auto", *PRECISIONS):
        raise UsageError(f"precision {precision!r}: use auto, {', '.join(PRECISIONS)}")
    chosen = choose_device(device)
    if precision == "auto":
        precision = "fp16" if chosen.type == "cuda" else "bf16" if cpu_has_bf16() else "fp32"
    if chosen.type == "cpu":
        threads = threads or cores()
        if find_spec("openvino") and precision != "fp16":
            return OpenVinoEngine(network, precision, threads)
        torch.set_num_threads(threads)
    return TorchEngine(network, chosen, PRECISIONS[precision])


def cores() -> int:
    """Cores this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bf16 natively (AVX512-BF16 or AMX)."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def choose_device(name: str) -> torch.device:
    """Resolve auto, cpu, cuda or cuda:N. Raises UsageError for what this machine lacks."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device {name!r}: use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r}: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name!r}: this machine has {torch.cuda.device_count()} GPUs")
    return device


class _Frames(nn.Module):
    """The network between uint8 frames: what every engine computes."""

    def __init__(self, network: StyleNetwork, *, fused: bool) -> None:
        super().__init__()
        self.network, self.fused = network, fused

    def forward(self, frames: Tensor, rows: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 and (N, 2, D) -> (N, H, W, 3) uint8."""
        dtype = next(self.network.parameters()).dtype
        pixels = frames.permute(0, 3, 1, 2).to(dtype) * (1 / 255)
        pastiche: Tensor = self.network(pixels, rows, fused=self.fused)[0]
        return (pastiche.float() * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)


class OpenVinoEngine:
    """The network compiled by OpenVINO for this CPU, for frames of any size.

    Gammas and betas are inputs of the compiled graph, so a new mixture costs nothing. Two frames
    are in flight, each on half of the threads: fewer threads wait for each other, and one frame
    goes on while the decoder or encoder holds up the other.
    """

    def __init__(self, network: StyleNetwork, precision: str, threads: int) -> None:
        openvino = _import_openvino()
        hints = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(precision, precision),
            "NUM_STREAMS": min(2, threads),
            "INFERENCE_NUM_THREADS": threads,
        }
        self.arithmetic = f"OpenVINO {precision}"
        self.description = f"cpu, {self.arithmetic}, {threads} threads"
        compiled = openvino.Core().compile_model(_openvino_graph(network), "CPU", hints)
        self.depth = min(2, threads)
        self._requests = cycle([compiled.create_infer_request() for _ in range(self.depth)])

    def submit(self, frames: Tensor, rows: Tensor) -> Result:
        request = next(self._requests)
        inputs = [frames.numpy(), rows.numpy()]
        request.start_async(inputs, share_inputs=True)

        def finish() -> Tensor:
            request.wait()
            inputs.clear()  # shared with the request until here
            return torch.from_numpy(request.get_output_tensor(0).data.copy())

        return finish


def _import_openvino() -> Any:
    """Import OpenVINO without its telemetry package, which would report the import to a server
    and leave files in the home folder. OpenVINO has a stub for where that package is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


def _openvino_graph(network: StyleNetwork) -> Any:
    """Trace the network on a small frame, then leave the frame size open."""
    openvino = _import_openvino()
    side, numbers = 8 * network.architecture.multiple, network.architecture.row_size
    example = (torch.zeros(1, side, side, 3, dtype=torch.uint8), torch.ones(1, 2, numbers))
    shapes = [openvino.PartialShape([-1, -1, -1, 3]), openvino.PartialShape([-1, 2, numbers])]
    with torch.no_grad(), warnings.catch_warnings():
        # The only Python condition traced is the check that sides are multiples.
        warnings.simplefilter("ignore")
        return openvino.convert_model(
            _Frames(network, fused=True), example_input=example, input=shapes
        )


class _Slot:
    """Buffers of one batch in flight. Host buffers are pinned on CUDA so that copies overlap."""

    def __init__(self, frames: Tensor, rows: Tensor, device: torch.device, done: Any) -> None:
        pin = device.type == "cuda"
        self.host_frames = torch.empty(frames.shape, dtype=torch.uint8, pin_memory=pin)
        self.host_rows = torch.empty(rows.shape, pin_memory=pin)
        self.host_pastiches = torch.empty(frames.shape, dtype=torch.uint8, pin_memory=pin)
        self.frames = torch.empty_like(self.host_frames, device=device)
        self.rows = torch.empty_like(self.host_rows, device=device)
        self.pastiches = torch.empty_like(self.frames)
        self.done = done


class TorchEngine:
    """The network in PyTorch, with upload, network and download each on a stream of its own.

    Events order the three streams, and `depth` slots of buffers rotate, so on CUDA frame t + 1
    is uploaded and frame t - 1 downloaded while frame t is painted. On a CPU the same code runs
    in sequence.
    """

    depth = 3

    def __init__(self, network: StyleNetwork, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self._module = torch.get_device_module(device)
        # Without its device a CUDA stream belongs to the current GPU, whichever that is.
        where = {"device": device} if device.type == "cuda" else {}
        self._streams = [self._module.Stream(**where) for _ in range(3)]
        self._slots: list[_Slot] = []
        self._next = 0
        precision = next(name for name, value in PRECISIONS.items() if value == dtype)
        self.arithmetic = f"PyTorch {precision} on {device.type}"
        self.description = f"{device}, PyTorch {precision}"
        painter = _Frames(copy.deepcopy(network), fused=False).to(device, dtype)
        self._painter = painter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def submit(self, frames: Tensor, rows: Tensor) -> Result:
        upload, compute, download = self._streams
        slot = self._free_slot(frames, rows)
        slot.host_frames.copy_(frames)
        slot.host_rows.copy_(rows)
        with self._module.stream(upload):
            slot.frames.copy_(slot.host_frames, non_blocking=True)
            slot.rows.copy_(slot.host_rows, non_blocking=True)
        self._after(upload, compute)
        with self._module.stream(compute):
            slot.pastiches.copy_(self._painter(slot.frames, slot.rows))
        self._after(compute, download)
        with self._module.stream(download):
            slot.host_pastiches.copy_(slot.pastiches, non_blocking=True)
        slot.done.record(download)
        return lambda: self._finish(slot)

    def _finish(self, slot: _Slot) -> Tensor:
        slot.done.synchronize()
        return slot.host_pastiches.clone()

    def _after(self, first: Any, second: Any) -> None:
        event = self._module.Event()
        event.record(first)
        event.wait(second)

    def _free_slot(self, frames: Tensor, rows: Tensor) -> _Slot:
        if not self._slots or self._slots[0].host_frames.shape != frames.shape:
            for slot in self._slots:
                slot.done.synchronize()
            self._slots = [
                _Slot(frames, rows, self.device, self._module.Event()) for _ in range(self.depth)
            ]
        self._next = (self._next + 1) % self.depth
        return self._slots[self._next]
