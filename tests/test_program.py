"""Programs and lanes: a recording replays what the function does, and batches keep their order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from videostyle.network.model import Model
from videostyle.network.program import Lane, Program, Streams, record_graph
from videostyle.network.torch_engine import MOST_LANES, TorchEngine

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


def record_on_host(function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """As a CUDA graph does, write every result into the same memory."""
    output = torch.zeros_like(function())
    return lambda: output.copy_(function()), output


@pytest.mark.parametrize("recorder", [None, record_on_host])
def test_a_program_runs_on_what_its_inputs_hold(recorder: object) -> None:
    total = torch.zeros(())

    def function(a: Tensor, b: Tensor) -> Tensor:
        total.add_(1)
        return a * 10 + b

    program = Program(function, [torch.zeros(3), torch.zeros(3)], recorder)  # type: ignore[arg-type]
    for number in range(5):
        program.inputs[0].fill_(number)
        program.inputs[1].fill_(0.5)
        assert program.run().tolist() == [10 * number + 0.5] * 3
    assert not program.obstacle


def test_what_cannot_be_recorded_is_run_and_the_reason_is_kept() -> None:
    def refuse(function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    program = Program(lambda a: a + 1, [torch.zeros(2)], refuse)
    for number in range(4):
        program.inputs[0].fill_(number)
        assert program.run().tolist() == [number + 1] * 2
    assert program.obstacle == "operation not permitted"


@pytest.mark.cuda
def test_a_graph_replays_a_network(small_model: Model) -> None:
    network = small_model.network.cuda()
    rows = torch.from_numpy(small_model.rows([{"red": 1.0}, {"blue": 1.0}])).cuda()
    inputs = [torch.zeros(2, 3, 64, 64, device="cuda"), torch.zeros_like(rows)]
    stream = torch.cuda.Stream()
    with torch.inference_mode(), torch.cuda.stream(stream):
        program = Program(lambda *given: network(*given)[0], inputs, record_graph)
        for seed in range(5):
            frames = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
            program.inputs[0].copy_(frames)
            program.inputs[1].copy_(rows.roll(seed, 0))
            expected = network(frames.cuda(), rows.roll(seed, 0))[0]
            torch.testing.assert_close(program.run(), expected, atol=1e-4, rtol=1e-3)
    assert not program.obstacle
    network.cpu()


@pytest.mark.parametrize("device", ["recorded on the host", *DEVICES])
def test_batches_in_flight_keep_their_order_and_their_memory(device: str) -> None:
    example = (torch.zeros(4, 5), torch.zeros(4, 1))
    where = torch.device("cuda" if device == "cuda" else "cpu")
    lane = Lane(Streams(where), lambda a, b: a + b, example, 3)
    if device == "recorded on the host":
        lane.program = Program(lane.function, lane.program.inputs, record_on_host)

    def begin(number: int) -> Callable[[], Tensor]:
        def fill(host: list[Tensor]) -> None:
            host[0].fill_(number)
            host[1].fill_(0.5)

        writers = [lambda row: row.fill_(number)] * 4 if number % 2 else []
        return lane.submit(fill, writers, download=number % 3 > 0)

    takes = [begin(number) for number in range(10)]
    assert [take().unique().tolist() for take in takes] == [[n + 0.5] for n in range(10)]


def test_only_so_many_shapes_are_kept(small_model: Model) -> None:
    engine = TorchEngine(small_model.network, "cpu", "fp32")
    made = []

    def lane(key: int) -> Lane:
        def make() -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
            made.append(key)
            return torch.neg, [torch.zeros(2)]

        return engine.lane(key, make)

    lanes = [lane(key) for key in range(MOST_LANES)]
    assert lane(0) is lanes[0]
    lane(MOST_LANES)  # takes the place of 1, not used for longest
    assert lane(0) is lanes[0]
    assert lane(1) is not lanes[1]
    assert made == [*range(MOST_LANES), MOST_LANES, 1]


def test_the_engine_says_when_it_has_no_graphs(small_model: Model) -> None:
    engine = TorchEngine(small_model.network, "cpu", "fp32")
    assert engine.description == "cpu, PyTorch fp32"
    lane = engine.lane("any", lambda: (torch.neg, [torch.zeros(2)]))
    lane.program.obstacle = "out of luck"
    assert engine.description == "cpu, PyTorch fp32, without CUDA graphs (out of luck)"
