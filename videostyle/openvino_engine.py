"""The network compiled by OpenVINO for a CPU."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch
from torch import Tensor, nn

from videostyle.network import StyleNetwork


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

    def submit(self, frames: Tensor, rows: Tensor) -> Callable[[], Tensor]:
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
        return openvino.convert_model(_Fused(network), example_input=example, input=shapes)


class _Fused(nn.Module):
    """The network between uint8 frames, for a graph compiler."""

    def __init__(self, network: StyleNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, rows: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 and (N, 2, D) -> (N, H, W, 3) uint8."""
        dtype = next(self.network.parameters()).dtype
        pixels = frames.permute(0, 3, 1, 2).to(dtype) * (1 / 255)
        pastiche: Tensor = self.network(pixels, rows, fused=True)[0]
        return (pastiche.float() * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)
