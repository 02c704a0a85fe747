"""A function run on batch after batch, on any device: upload, run and download overlap.

On CUDA each has a stream of its own, events order them, and the function is recorded as a graph,
so that nothing waits for Python. On a CPU the same code runs in sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Tensor]
# Records a function, without its effects. Returns one that repeats it, and the output it fills.
Recorder = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]


class Program:
    """A function of tensors that stay in place (`inputs`), run again and again on one stream.

    The first run warms up, the second is recorded where the device has graphs, and later ones are
    replayed. What cannot be recorded goes on being run; `obstacle` then says why.
    """

    def __init__(
        self, function: Function, inputs: Sequence[Tensor], record: Recorder | None = None
    ) -> None:
        self.inputs = tuple(inputs)
        self.obstacle = ""
        self._function, self._record = function, record
        self._warm = False
        self._recording: tuple[Callable[[], None], Tensor] | None = None

    def run(self) -> Tensor:
        """The function's output for what `inputs` hold now; valid until the next run."""
        if self._warm and self._record and not self._recording:
            try:
                self._recording = self._record(lambda: self._function(*self.inputs))
            except RuntimeError as error:
                self._record, self.obstacle = None, reason(error)
        self._warm = True
        if self._recording:
            replay, output = self._recording
            replay()
            return output
        return self._function(*self.inputs)


def record_graph(function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Record a CUDA graph on the current stream. Raises RuntimeError for what has no graph."""
    graph = torch.cuda.CUDAGraph()
    # The decoder may call CUDA meanwhile, from its own thread.
    with torch.cuda.graph(
        graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"
    ):
        output = function()
    return graph.replay, output


def reason(error: Exception) -> str:
    """An error in one line."""
    return (str(error) or type(error).__name__).splitlines()[0]


class Streams:
    """A device, with a stream each for upload, computing and download.

    lock: held by the thread that begins a batch, as all batches share the streams.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.lock = RLock()
        self.module = torch.get_device_module(device)
        # Without its device a CUDA stream belongs to the current GPU, whichever that is.
        where = {"device": device} if device.type == "cuda" else {}
        self.upload, self.compute, self.download = (self.module.Stream(**where) for _ in range(3))

    def order(self, first: Any, second: Any) -> None:
        """Later work of the stream `second` waits for the work that `first` has by now."""
        event = self.module.Event()
        event.record(first)
        event.wait(second)

    def wait(self) -> None:
        """Wait until the device has nothing left to do."""
        self.module.synchronize(self.device)


class _Slot:
    """Buffers of one batch in flight; those of the host are pinned on CUDA, so copies overlap."""

    def __init__(self, inputs: Sequence[Tensor], device: torch.device) -> None:
        pin = device.type == "cuda"
        self.host = [torch.zeros(each.shape, dtype=each.dtype, pin_memory=pin) for each in inputs]
        self.device = [torch.zeros_like(each, device=device) for each in inputs]
        self.output: Tensor | None = None
        self.done: Any = None


class Lane:
    """Batches of one shape on their way through a function, `depth` of them at a time."""

    @torch.inference_mode()
    def __init__(
        self, streams: Streams, function: Function, inputs: Sequence[Tensor], depth: int
    ) -> None:
        """inputs: tensors of the shapes and dtypes that a batch has."""
        device = streams.device
        self.function = function
        still = [torch.zeros_like(each, device=device) for each in inputs]
        self.program = Program(function, still, record_graph if device.type == "cuda" else None)
        self._streams = streams
        self._slots = [_Slot(inputs, device) for _ in range(depth)]
        self._next = 0
        streams.wait()  # for the zeros, before other streams write over them

    @torch.inference_mode()
    def submit(
        self,
        fill: Callable[[list[Tensor]], None],
        writers: Sequence[Callable[[Tensor], object]] = (),
        *,
        download: bool = True,
    ) -> Callable[[], Tensor]:
        """Begin a batch, in any thread; the function returned waits for its output, in memory of
        its own.

        fill: writes the batch into the inputs, on the host. writers: write each row of the first
        input instead, on the device. download: else the output is left on the device.
        """
        streams, module = self._streams, self._streams.module
        with streams.lock:
            self._next = (self._next + 1) % len(self._slots)
            slot = self._slots[self._next]
            if slot.done:
                slot.done.synchronize()
            fill(slot.host)
            with module.stream(streams.upload):
                for index, write in enumerate(writers):
                    write(slot.device[0][index])
                for device, host in list(zip(slot.device, slot.host, strict=True))[bool(writers) :]:
                    device.copy_(host, non_blocking=True)
            streams.order(streams.upload, streams.compute)
            with module.stream(streams.compute):
                for still, device in zip(self.program.inputs, slot.device, strict=True):
                    still.copy_(device)
                output = self.program.run()
                if slot.output is None:
                    slot.output = torch.empty_like(output)
                slot.output.copy_(output)
            streams.order(streams.compute, streams.download)
            result = slot.output
            with module.stream(streams.download):
                if download:
                    result = torch.empty(
                        output.shape, dtype=output.dtype, pin_memory=output.device.type == "cuda"
                    )
                else:
                    result = torch.empty_like(output)
                result.copy_(slot.output, non_blocking=True)
            done = slot.done = module.Event()
            done.record(streams.download)

        def finish() -> Tensor:
            done.synchronize()
            return result

        return finish
