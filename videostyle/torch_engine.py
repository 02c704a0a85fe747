"""The network in PyTorch, on a CPU or on CUDA with streams."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from videostyle.device import PRECISIONS
from videostyle.network import StyleNetwork


class _Frames(nn.Module):
    """The network between uint8 frames."""

    def __init__(self, network: StyleNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, rows: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 and (N, 2, D) -> (N, H, W, 3) uint8."""
        dtype = next(self.network.parameters()).dtype
        pixels = frames.permute(0, 3, 1, 2).to(dtype) * (1 / 255)
        pastiche: Tensor = self.network(pixels, rows)[0]
        return (pastiche.float() * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)


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
        painter = _Frames(copy.deepcopy(network)).to(device, dtype)
        self._painter = painter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def submit(self, frames: Tensor, rows: Tensor) -> Callable[[], Tensor]:
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
