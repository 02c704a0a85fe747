"""Frames that are looked for, and kept, before they are gone to."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from conftest import make_clip

from videostyle.decode.decode import decode
from videostyle.errors import MediaError
from videostyle.live.opening import Opening, Openings, Way
from videostyle.live.source import Place, Source
from videostyle.media.frame import Frame


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "film.mp4", pts=range(50))


@pytest.fixture
def way(film: Path) -> Way:
    return Way(Source.open(film), 360, Place(1.0))


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Where decoding began."""
    begun: list[float] = []

    def noted(*args: Any, **options: Any) -> Iterator[Frame]:
        begun.append(round(options["cut"].start, 3))
        return decode(*args, **options)

    monkeypatch.setattr("videostyle.live.opening.decode", noted)
    return begun


def seconds_of(opening: Opening, most: int | None = None) -> list[float]:
    first, others = opening.frames()
    return [first.seconds, *(each.seconds for each in islice(others, most))]


def test_a_round_begins_anew_with_the_frames_it_had_and_goes_on_behind_them(
    way: Way, begun: list[float]
) -> None:
    openings = Openings()
    for most in (5, 2, 8, None, None):
        seconds = seconds_of(openings.go(way), most)
        assert seconds == [each / 25 for each in range(25, 50)][: most and most + 1]
        openings.prepare(way, 0.96)
        openings.leave(way)
    openings.leave(None)
    assert begun == [1.0]


def test_of_a_long_round_the_next_is_looked_for_while_it_plays(
    way: Way, begun: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videostyle.live.opening._MOST_BYTES", 10 * 96 * 64)
    openings = Openings()
    for round_ in range(1, 4):
        opening = openings.go(way)
        seconds_of(opening, 3)
        openings.prepare(way, 0.96)
        openings.prepare(way, 0.96)
        assert begun == [1.0] * (round_ + 1)
        seconds_of(opening)
        assert not opening.can_begin_anew
        openings.leave(way)
    openings.leave(None)


def test_another_loop_point_is_looked_for_once_the_one_before_is_found(
    way: Way, begun: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, find = Event(), Place.find

    def find_slowly(place: Place, *arguments: Any) -> Frame | None:
        assert place.seconds == 1.0 or go_on.wait(60)
        return find(place, *arguments)

    monkeypatch.setattr(Place, "find", find_slowly)
    openings, moved = Openings(), [Way(way.source, 360, Place(at)) for at in (0.4, 0.8, 1.2)]
    seconds_of(openings.go(way), 3)
    for each in moved:
        openings.prepare(each, 0.4)
    assert begun == [1.0, 0.4]
    go_on.set()
    end = time.monotonic() + 60
    while begun != [1.0, 0.4, 1.2]:
        assert time.monotonic() < end
        openings.prepare(moved[-1], 0.4)
    openings.leave(moved[-1])
    assert seconds_of(openings.go(moved[-1]), 1) == [1.2, 1.24]
    openings.leave(None)


def test_nothing_of_another_source_stays_open_and_nobody_waits_for_it(
    way: Way, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, closed = Event(), Event()

    def slow(*args: Any, **options: Any) -> Iterator[Frame]:
        try:
            assert go_on.wait(60)
            yield from decode(*args, **options)
        finally:
            closed.set()

    monkeypatch.setattr("videostyle.live.opening.decode", slow)
    other = Way(Source.open(film.rename(tmp_path / "other.mp4")), 360, Place(0.0))
    openings = Openings()
    openings.prepare(other, 2.0)
    openings.leave(other)
    openings.leave(way)
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(60)


def test_a_process_ends_without_waiting_for_a_frame_that_is_not_found_yet(film: Path) -> None:
    program = """
import sys
from pathlib import Path
from threading import Event
from videostyle.live import opening
from videostyle.live.source import Place, Source

opening.decode = lambda *_, **__: (Event().wait() for _ in range(1))
openings = opening.Openings()
openings.prepare(opening.Way(Source.open(Path(sys.argv[1])), 360, Place(1.0)), 2.0)
openings.leave(None)
"""
    subprocess.run([sys.executable, "-c", program, str(film)], check=True, timeout=60)


def test_what_could_not_be_read_is_read_anew(way: Way, film: Path) -> None:
    openings, whole = Openings(), film.read_bytes()
    film.unlink()
    with pytest.raises(MediaError):
        seconds_of(openings.go(way))
    openings.leave(way)
    film.write_bytes(whole)
    assert seconds_of(openings.go(way), 1) == [1.0, 1.04]
    openings.leave(None)


def test_what_breaks_off_is_not_taken_for_the_end(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(*args: Any, **options: Any) -> Iterator[Frame]:
        yield from islice(decode(*args, **options), 5)
        raise MediaError("broke")

    openings = Openings()
    with monkeypatch.context() as patch:
        patch.setattr("videostyle.live.opening.decode", breaking)
        with pytest.raises(MediaError, match="broke"):
            seconds_of(openings.go(way))
    openings.leave(way)
    assert len(seconds_of(openings.go(way))) == 25
    openings.leave(None)
