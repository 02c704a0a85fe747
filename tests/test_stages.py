"""Threads between stages: order, bounds, errors and an early end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Iterator

import pytest
from conftest import stage_threads

from videostyle.rendering.stages import Meter, prefetch


def test_items_come_in_order() -> None:
    assert list(prefetch(range(100), 3)) == list(range(100))


def test_the_producer_stays_within_its_bound() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    stage = prefetch(items(), 2)
    next(stage)
    time.sleep(0.05)
    # One read, two in the queue, one in the producer's hand.
    assert len(made) <= 4
    stage.close()


def test_an_error_reaches_the_reader_with_its_message() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken here")

    stage = prefetch(prefetch(items(), 1), 1)
    assert next(stage) == 1
    with pytest.raises(ValueError, match="broken here"):
        next(stage)
    assert not stage_threads()


def test_leaving_early_closes_the_source_and_ends_every_thread() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.set()

    def middle(source: Iterator[int]) -> Iterator[int]:
        for item in source:
            yield item + 0

    stage = prefetch(middle(prefetch(items(), 2)), 2)
    assert next(stage) == 0
    stage.close()
    assert closed.wait(5)
    assert not stage_threads()


def test_a_meter_tells_a_slow_stage_from_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("videostyle.rendering.stages.time.perf_counter", lambda: now)

    def taking(seconds: float, items: Iterable[int]) -> Iterator[int]:
        nonlocal now
        for item in items:
            now += seconds
            yield item

    meter = Meter()
    list(meter.watch("out", taking(3, meter.watch("in", taking(1, range(5))))))
    assert (meter.spent("out"), meter.spent("in"), meter.seconds) == (20, 5, 20)
