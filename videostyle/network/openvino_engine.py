"""Runs the network compiled by OpenVINO for a CPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from videostyle.device import INT8, best_float
from videostyle.errors import VideoStyleError, ran_out_of_memory
from videostyle.network.architecture import Architecture, Numbers, Pictures
from videostyle.network.openvino_enlarger import detail_from, enlarger_graph, luma_for
from videostyle.network.openvino_graph import (
    frames_for,
    import_openvino,
    openvino_graph,
    pastiches_from,
)
from videostyle.wording import counted

# What is compiled, and the shape it takes.
_Key = tuple[str, tuple[int, ...]]
_NETWORK, _ENLARGER = "network", "enlarger"
# Of the sizes kept compiled, of each: a stroke track passes through many, and often back again.
# They take some 200 bytes a pixel, so it is 1 GB; 40 MB each, as so many pixels, take even the
# smallest.
PIXELS_KEPT = 5_000_000
PIXELS_BESIDES = 200_000
SIZES_KEPT = 3  # in any case: what a frame of 4320 lines needs of the network
# Values in the first feature map, above which a frame counts as large: 1080 lines of `lean`, or 380
# of the paper's network.
LARGE_MAP = 1 << 23


@dataclass(slots=True)
class _Slot:
    """A request, and the memory that it reads and writes."""

    request: Any  # openvino.InferRequest
    shared: Any = None


class OpenVinoEngine:
    """Compiles the network for each size of frames that comes: in a fifth of a second, or, with
    integers on a slow CPU, in the time of about four frames.

    Two frames are painted at once, each on half of the threads, while two more wait: fewer
    threads wait for each other (on two cores 7 % less time from file to file at 360 lines, as much
    at 720). Large frames are painted one after another: two would crowd each other out of the
    cache. Results do not depend on it.
    """

    gpu = None

    def __init__(
        self, plan: Architecture, weights: Mapping[str, Numbers], precision: str, threads: int
    ) -> None:
        """weights: of the architecture's `shapes`."""
        openvino = import_openvino()
        self._in_bytes = precision == INT8
        float_format = best_float("cpu") if self._in_bytes else precision
        self._plan, self._weights = plan, weights
        self._core, self._tensor = openvino.Core(), openvino.Tensor
        self._streams = min(2, threads)
        self.depth = 2 * self._streams
        self._settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(float_format, float_format),
            "INFERENCE_NUM_THREADS": threads,
            # A thread bound to a core waits while the decoder or the encoder has it.
            "ENABLE_CPU_PINNING": False,
        }
        self._slots: OrderedDict[_Key, cycle[_Slot]] = OrderedDict()
        self._submitting, self._compiling = Lock(), Lock()
        self.arithmetic = f"OpenVINO {float_format}" + self._in_bytes * f" with {INT8}"
        self.description = f"cpu, {self.arithmetic}, {counted(threads, 'thread')}"

    def submit(self, frames: Pictures, rows: Numbers) -> Callable[[], Pictures]:
        painting = self._start((_NETWORK, frames.shape), [frames_for(self._plan, frames), rows])
        return lambda: pastiches_from(self._plan, painting())

    def detail(self, luma: Pictures) -> Callable[[], Pictures]:
        detail = self._start((_ENLARGER, luma.shape), [luma_for(luma)])
        return lambda: detail_from(detail())

    def is_ready(self, shape: tuple[int, ...]) -> bool:
        with self._submitting:
            return (_NETWORK, shape) in self._slots

    def _start(self, key: _Key, inputs: list[npt.NDArray[Any]]) -> Callable[[], Pictures]:
        slots = self._compiled(key)
        with self._submitting:
            slot = next(slots)
            slot.request.wait()  # for a frame that was given up, or has not been asked for yet
            # Of its own: a frame that is painted over (`Stylizer.refine`) comes in between others.
            output = np.empty(slot.request.model_outputs[0].shape, np.uint8)
            slot.shared = (inputs, output)
            slot.request.set_output_tensor(0, self._tensor(output, shared_memory=True))
            slot.request.start_async(inputs, share_inputs=True)

        def finish() -> Pictures:
            slot.request.wait()
            return output

        return finish

    def _compiled(self, key: _Key) -> cycle[_Slot]:
        """While one thread compiles, others go on painting frames of other sizes."""
        if slots := self._kept(key):
            return slots
        with self._compiling:
            slots = self._kept(key) or self._compile(key)
            with self._submitting:
                self._slots[key] = slots
                alike = [each for each in self._slots if each[0] == key[0]]
                while len(alike) > SIZES_KEPT and sum(map(_pixels, alike)) > PIXELS_KEPT:
                    del self._slots[alike.pop(0)]
        return slots

    def _kept(self, key: _Key) -> cycle[_Slot] | None:
        with self._submitting:
            if key in self._slots:
                self._slots.move_to_end(key)
            return self._slots.get(key)

    def _compile(self, key: _Key) -> cycle[_Slot]:
        kind, shape = key
        if kind == _ENLARGER:
            graph, streams = enlarger_graph(shape), self._streams
        else:
            plan, (_, height, width, _) = self._plan, shape
            graph = openvino_graph(plan, self._weights, shape, in_bytes=self._in_bytes)
            largest = plan.contract[0].channels * height * width // plan.unshuffle**2
            streams = 1 if largest > LARGE_MAP else self._streams
        settings = {**self._settings, "NUM_STREAMS": streams}
        try:
            compiled = self._core.compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            if ran_out_of_memory(error):
                raise
            cause = str(error).strip().rpartition("\n")[2]
            raise VideoStyleError(
                f"OpenVINO cannot compile the network here ({cause}); with precision fp16 "
                "(--precision) PyTorch paints"
            ) from error
        return cycle([_Slot(compiled.create_infer_request()) for _ in range(self.depth)])


def _pixels(key: _Key) -> int:
    count, height, width = key[1][:3]
    return count * height * width + PIXELS_BESIDES
