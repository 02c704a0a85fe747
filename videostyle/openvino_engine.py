"""Runs the network compiled by OpenVINO for a CPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from videostyle.network import StyleNetwork
from videostyle.openvino_graph import import_openvino, openvino_graph

# Frame sizes kept compiled: a stroke track passes through many, a video has one.
SIZES_KEPT = 4


class OpenVinoEngine:
    """Compiles the network for each size of frames that comes, in a tenth of a second.

    One frame is painted on all threads while the next one waits, so the network never does.
    """

    depth = 2

    def __init__(self, network: StyleNetwork, precision: str, threads: int) -> None:
        self._network, self._core = network, import_openvino().Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(precision, precision),
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
        }
        self._requests: OrderedDict[tuple[int, ...], cycle[Any]] = OrderedDict()
        self.arithmetic = f"OpenVINO {precision}"
        self.description = f"cpu, {self.arithmetic}, {threads} threads"

    def submit(self, frames: Tensor, rows: Tensor) -> Callable[[], Tensor]:
        request = next(self._compiled(tuple(frames.shape)))
        request.wait()  # for a frame that was given up before it was finished
        inputs = [frames.numpy(), rows.numpy()]
        request.start_async(inputs, share_inputs=True)

        def finish() -> Tensor:
            request.wait()
            inputs.clear()  # shared with the request until here
            return torch.from_numpy(request.get_output_tensor(0).data.copy())

        return finish

    def _compiled(self, shape: tuple[int, ...]) -> cycle[Any]:
        if shape in self._requests:
            self._requests.move_to_end(shape)
            return self._requests[shape]
        graph = openvino_graph(self._network, shape)
        compiled = self._core.compile_model(graph, "CPU", self._settings)
        requests = cycle([compiled.create_infer_request() for _ in range(self.depth)])
        self._requests[shape] = requests
        if len(self._requests) > SIZES_KEPT:
            self._requests.popitem(last=False)
        return requests
