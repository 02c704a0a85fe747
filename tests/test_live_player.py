"""The player, steered from another thread."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import numpy as np
import pytest
from conftest import make_clip
from PIL import Image

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.errors import VideoStyleError
from videostyle.live.controls import Controls, Passage
from videostyle.live.easel import Easel, Picture
from videostyle.live.performance import Sample
from videostyle.live.player import Player
from videostyle.live.preview_size import PreviewSize
from videostyle.live.source import Place
from videostyle.live.thumbnails import Thumbnails
from videostyle.look import Look
from videostyle.media.frame import Frame
from videostyle.media.info import ColorSpec
from videostyle.network.model import Model
from videostyle.network.openvino_engine import OpenVinoEngine
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.reader import parse_timeline


class Watched:
    """A player and what it handed out."""

    def __init__(self, stylizer: Stylizer) -> None:
        self.pictures: list[Picture] = []
        self.failures: list[VideoStyleError] = []
        self.sizes: list[int] = []
        self.player = Player(
            stylizer,
            on_picture=self.pictures.append,
            on_end=lambda: None,
            on_resize=lambda: self.sizes.append(self.player.lines),
            on_failure=self.failures.append,
        )

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            assert not self.failures
            time.sleep(0.005)


@pytest.fixture(scope="module")
def stylizer(small_model: Model) -> Stylizer:
    return Stylizer(small_model, device="cpu")


@pytest.fixture
def watched(small_model: Model, stylizer: Stylizer) -> Iterator[Watched]:
    stylizer.model = small_model
    watched = Watched(stylizer)
    yield watched
    watched.player.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    make_clip(path, pts=list(range(50)), size=(96, 64))
    return path


def test_a_new_model_shows_at_once(watched: Watched, film: Path, small_model: Model) -> None:
    watched.player.open(film)
    watched.player.update(look=Look({"red": 1}), serial=1)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)
    before = watched.pictures[-1].jpeg
    watched.player.stylizer.model = replace(small_model, styles=small_model.styles[::-1])
    watched.player.repaint()
    watched.until(lambda: watched.pictures[-1].as_rendered and watched.pictures[-1].jpeg != before)


def test_a_change_taken_back_while_a_frame_settles_leaves_it_settled(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_back: list[bool] = []

    def disturbed(*args: Any, **options: Any) -> Iterator[Frame]:
        for number, frame in enumerate(decode(*args, **options)):
            if number == 1 and not taken_back:
                watched.player.update(original=True)
                try:
                    yield frame
                finally:
                    watched.player.update(original=False)
                    taken_back.append(True)
            yield frame

    monkeypatch.setattr("videostyle.live.as_rendered.decode", disturbed)
    watched.player.open(film)
    watched.player.seek(1.0)
    watched.until(lambda: bool(taken_back))
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)


def test_a_file_that_breaks_is_reported_and_another_can_be_opened(
    watched: Watched, film: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(VideoStyleError):
        watched.player.open(broken)
    watched.player.open(film)
    watched.until(lambda: bool(watched.pictures))


def test_an_error_nobody_expected_is_told(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("broke")

    with monkeypatch.context() as patch:
        patch.setattr("videostyle.live.opening.decode", failing)
        patch.setattr("videostyle.decode.still.decode", failing)
        watched.player.open(film)
        end = time.monotonic() + 10
        while not watched.failures and time.monotonic() < end:
            time.sleep(0.01)
        # Nor does a thumbnail of what cannot be shown keep anybody waiting.
        with pytest.raises(RuntimeError, match="broke"):
            watched.player.thumbnail("red").result(10)
    assert "broke" in str(watched.failures.pop())
    watched.player.open(film)
    watched.until(lambda: bool(watched.pictures))


def test_a_camera_is_painted_frame_by_frame(watched: Watched) -> None:
    watched.player.open(None)
    watched.player.update(look=Look({"green": 1}), serial=1)
    for number in range(5):
        frame = np.full((64, 96, 3), 40 * number, np.uint8)
        watched.player.see(frame, number / 10)
        watched.until(
            lambda at=number / 10: bool(watched.pictures) and watched.pictures[-1].seconds == at
        )
    assert len(watched.player.thumbnail("red").result(10)) > 100


def test_thumbnails_can_be_asked_for_at_any_time(watched: Watched) -> None:
    watched.player.open(None)
    watched.player.update(look=Look({"green": 1}), serial=1)
    for number in range(40):
        watched.player.see(np.full((240, 320, 3), 6 * number, np.uint8), number / 30)
        time.sleep(0.005)  # meanwhile the frame is in work
        assert len(watched.player.thumbnail("red").result(10)) > 100


def test_a_thumbnail_nobody_waits_for_any_more_does_no_harm(watched: Watched, film: Path) -> None:
    watched.player.open(film)
    asked = [watched.player.thumbnail(style) for style in ("red", "green", "blue") * 20]
    assert sum(future.cancel() for future in asked) > 1
    watched.player.update(look=Look({"red": 1}), serial=1)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].serial == 1)
    assert len(watched.player.thumbnail("red").result(10)) > 100


def test_a_closed_player_leaves_nobody_waiting(
    stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    painting = Event()

    def until_closed(*_: object) -> np.ndarray:
        painting.set()
        player._wait(lambda: player._closed)
        return np.zeros((64, 96, 3), np.uint8)

    monkeypatch.setattr(Thumbnails, "_small", until_closed)
    player = Watched(stylizer).player
    first, *others = [player.thumbnail("red") for _ in range(3)]
    assert painting.wait(10)
    player.close()
    assert first.result(0)
    assert all(future.cancelled() for future in (*others, player.thumbnail("red")))


def test_a_thumbnail_is_painted_once(
    watched: Watched, film: Path, tmp_path: Path, small_model: Model
) -> None:
    def red() -> bytes:
        return watched.player.thumbnail("red").result(10)

    watched.player.open(film)
    first = red()
    assert red() is first
    watched.player.stylizer.model = replace(small_model, styles=small_model.styles[::-1])
    other = red()
    assert other != first
    assert red() is other
    watched.player.open(make_clip(tmp_path / "other.mp4", size=(64, 96)))
    assert red() != other


def test_recording_notes_every_frame_that_was_shown(watched: Watched, film: Path) -> None:
    watched.player.open(film)
    watched.until(lambda: bool(watched.pictures))
    watched.pictures.clear()
    watched.player.update(playing=True, recording=True, loop=False)
    watched.until(lambda: not watched.player.controls.playing)
    take = watched.player.take()
    shown = [picture.seconds for picture in watched.pictures if picture.seconds > 0]
    assert [sample.seconds for sample in take if sample.seconds > 0][: len(shown)] == sorted(
        set(shown)
    )
    assert take[-1].seconds == 1.96
    assert watched.player.take() == []


def test_playing_begins_with_the_frame_that_stands(watched: Watched, film: Path) -> None:
    player = watched.player
    player.open(film)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)
    before = len(watched.pictures)
    player.update(playing=True)
    watched.until(lambda: player.seconds > 0.2)
    assert watched.pictures[before].seconds > 0  # it need not be painted again
    player.seek(1.4)
    watched.until(lambda: player.seconds > 1)
    assert next(picture.seconds for picture in watched.pictures if picture.seconds > 1) == 1.4
    player.seek(0)
    player.update(recording=True)
    watched.until(lambda: 0 < player.seconds < 1)
    player.update(playing=False, recording=False)
    assert player.take()[0].seconds == 0


def test_a_recording_begun_at_the_end_begins_at_the_start(watched: Watched, film: Path) -> None:
    player = watched.player
    player.open(film)
    player.seek(99)
    watched.until(lambda: player.seconds == 1.96)
    player.update(playing=True, recording=True)
    watched.until(lambda: 0 < player.seconds < 1)
    player.update(playing=False, recording=False)
    assert player.take()[0].seconds == 0


def test_every_round_of_a_loop_has_its_first_frame(watched: Watched, tmp_path: Path) -> None:
    watched.player.open(make_clip(tmp_path / "short.mp4", pts=range(3)))
    watched.player.update(playing=True)
    watched.until(lambda: watched.player.seconds > 0)
    watched.pictures.clear()
    watched.until(lambda: sum(picture.seconds == 0 for picture in watched.pictures) > 1)


def test_playing_goes_round_between_the_loop_points(watched: Watched, film: Path) -> None:
    player = watched.player
    player.open(film)
    player.update(passage=Passage(0.41, 0.7), playing=True)
    watched.until(lambda: [each.seconds for each in watched.pictures].count(0.44) > 1)
    first = next(n for n, each in enumerate(watched.pictures) if each.seconds == 0.44)
    seconds = {each.seconds for each in watched.pictures[first:]}
    assert (min(seconds), max(seconds)) == (0.44, 0.68)
    player.update(playing=False)
    player.seek(1.6)  # past the out point, by hand: it plays on to the end
    watched.until(lambda: player.seconds == 1.6)
    watched.pictures.clear()
    player.update(playing=True)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].seconds < 1)
    assert {1.96, 0.44} <= {each.seconds for each in watched.pictures}
    player.update(playing=False)
    player.seek(1.6)
    watched.until(lambda: player.seconds == 1.6)
    watched.pictures.clear()
    player.update(passage=Passage(0.41, 0.6), playing=True)  # set anew, it is gone to
    watched.until(lambda: any(each.seconds != 1.6 for each in watched.pictures))
    assert next(each.seconds for each in watched.pictures if each.seconds != 1.6) == 0.44


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("passage", [Passage(0.41, 1.3), None])
def test_the_next_round_is_there_before_this_one_ends(
    watched: Watched,
    film: Path,
    monkeypatch: pytest.MonkeyPatch,
    passage: Passage | None,
    is_kept: bool,
) -> None:
    player, find, looked_for = watched.player, Place.find, 0
    at_ends: list[int] = []  # of rounds: how often something had been looked for
    last = 0.0, 0

    def count_and_find(*arguments: Any) -> Frame | None:
        nonlocal looked_for
        looked_for += 1
        return find(*arguments)

    def show(picture: Picture) -> None:
        nonlocal last
        if picture.seconds < last[0]:
            at_ends.append(last[1])
        last = picture.seconds, looked_for

    if not is_kept:
        monkeypatch.setattr("videostyle.live.opening._MOST_BYTES", 0)
    player.open(film)
    player.update(passage=passage)
    player.seek(1.2)
    watched.until(lambda: player.seconds == 1.2)
    monkeypatch.setattr(Place, "find", count_and_find)
    monkeypatch.setattr(player, "_on_picture", show)
    player.update(playing=True)
    watched.until(lambda: len(at_ends) >= 2)
    assert at_ends[:2] == ([1, 1] if is_kept else [1, 2])


def test_a_file_that_is_written_over_is_opened_anew_with_the_next_round(
    watched: Watched, film: Path, tmp_path: Path
) -> None:
    player = watched.player
    player.open(film)
    player.update(passage=Passage(0.4, 0.8), playing=True)
    player.seek(0.4)
    watched.until(lambda: player.seconds > 0.6)
    watched.until(lambda: player.seconds < 0.6)
    make_clip(tmp_path / "other.mp4", pts=range(50), size=(64, 96)).replace(film)
    watched.until(lambda: height(watched.pictures[-1]) == 96)
    first = next(each for each in watched.pictures if height(each) == 96)
    assert first.seconds == 0.4


def test_a_loop_point_that_is_moved_while_it_plays_counts_in_every_round_after(
    watched: Watched, film: Path
) -> None:
    player = watched.player

    def goes_round(start: float, end: float) -> None:
        watched.until(lambda: start <= player.seconds < end)
        watched.pictures.clear()
        watched.until(lambda: [each.seconds for each in watched.pictures].count(start) > 1)
        seconds = [each.seconds for each in watched.pictures]
        between = seconds[seconds.index(start) :]
        assert min(between) == start
        assert end - 0.08 < max(between) < end  # the last may be late, and left out

    player.open(film)
    player.update(passage=Passage(0.4, 0.8), playing=True)
    goes_round(0.4, 0.8)
    player.update(passage=Passage(0.4, 1.2))  # farther than what is kept
    goes_round(0.4, 1.2)
    player.update(passage=Passage(0.4, 0.6))
    goes_round(0.4, 0.6)
    player.update(passage=Passage(0.2, 0.6))
    goes_round(0.2, 0.6)


def test_loop_points_without_a_frame_between_them_are_said(watched: Watched, film: Path) -> None:
    player = watched.player
    player.open(film)
    player.seek(1.0)
    watched.until(lambda: player.seconds == 1.0)
    player.update(passage=Passage(0.41, 0.43), playing=True)
    watched.until(lambda: bool(watched.failures))
    assert "no frame begins between the loop points" in str(watched.failures[0])
    assert not player.controls.playing
    player.update(passage=None, playing=True)
    watched.until(lambda: player.seconds > 0.44)


def test_loop_points_behind_the_end_of_a_file_that_is_written_over_are_forgotten(
    watched: Watched, film: Path, tmp_path: Path
) -> None:
    player = watched.player
    player.open(film)
    player.update(passage=Passage(0.4, 1.6))
    make_clip(tmp_path / "shorter.mp4", pts=range(25)).replace(film)
    player.seek(0.2)
    watched.until(lambda: player.seconds == 0.2)
    assert player.controls.passage is None


def test_without_a_loop_playing_ends_at_the_out_point_and_goes_on_at_the_in_point(
    watched: Watched, film: Path
) -> None:
    player = watched.player
    player.open(film)
    player.seek(0.6)
    watched.until(lambda: player.seconds == 0.6)
    player.update(passage=Passage(0.4, 0.6), loop=False, playing=True)  # it stands on the out point
    watched.until(lambda: not player.controls.playing and watched.pictures[-1].as_rendered)
    assert watched.pictures[-1].seconds == 0.56
    player.open(film)
    assert player.controls.passage is None  # it was of the source


def test_a_video_of_one_frame_is_a_picture(watched: Watched, tmp_path: Path) -> None:
    player = watched.player
    player.open(make_clip(tmp_path / "one.mp4", pts=[0]))
    player.update(playing=True)
    watched.until(lambda: not player.controls.playing)
    player.update(look=Look({"red": 1}), serial=1)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].serial == 1)


def test_what_was_in_work_when_the_recording_ended_is_not_left_for_the_next(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, offer = watched.player, Easel.offer

    def end_the_recording(easel: Easel, frame: Frame, controls: Controls, **motion: bool) -> None:
        offer(easel, frame, controls, **motion)
        if frame.seconds >= 0.2 and player.controls.recording:
            player.update(recording=False, playing=False)
            player.take()

    monkeypatch.setattr(Easel, "offer", end_the_recording)
    player.open(film)
    player.update(playing=True, recording=True)
    watched.until(lambda: not player.controls.recording and watched.pictures[-1].as_rendered)
    assert player.take() == []


def test_where_to_go_is_remembered_until_it_is_shown(watched: Watched, film: Path) -> None:
    def stands_at(seconds: float) -> None:
        watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)
        assert watched.pictures[-1].seconds == seconds
        watched.pictures.clear()

    player = watched.player
    player.open(film)
    stands_at(0)
    player.step(1)
    player.step(1)
    stands_at(0.08)
    player.seek(1.0)
    player.update(lines=180)
    stands_at(1.0)
    player.seek(1.4)
    player.step(-1)
    stands_at(1.36)


def test_a_hand_that_goes_on_sees_where_it_passes(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, places = watched.player, iter([0.4, 0.8, 1.2])

    find = Place.find

    def find_and_go_on(*arguments: Any) -> Frame | None:
        frame = find(*arguments)
        if place := next(places, None):
            player.seek(place)
        return frame

    monkeypatch.setattr(Place, "find", find_and_go_on)
    player.open(film)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)
    seconds = [picture.seconds for picture in watched.pictures if not picture.as_rendered]
    assert seconds == [0, 0.4, 0.8, 1.2]


def test_another_source_begins_at_its_start(
    watched: Watched, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, shown = watched.player, []
    upright = make_clip(tmp_path / "upright.mp4", pts=range(50), size=(64, 96))

    def open_another(picture: Picture) -> None:
        if player.info and player.info.path == film and picture.seconds > 0.2:
            player.open(upright)
        elif height(picture) == 96:
            shown.append(picture.seconds)

    monkeypatch.setattr(player, "_on_picture", open_another)
    player.open(film)
    player.update(playing=True)
    watched.until(lambda: bool(shown))
    assert shown[0] == 0


def test_a_step_back_leads_over_a_gap(watched: Watched, tmp_path: Path) -> None:
    watched.player.open(make_clip(tmp_path / "gap.mp4", pts=[0, 1, 2, 30, 31]))
    watched.player.seek(1.2)
    watched.until(lambda: watched.player.seconds == 1.2)
    watched.player.step(-1)
    watched.until(lambda: watched.player.seconds == 0.08)
    watched.player.step(1)
    watched.until(lambda: watched.player.seconds == 1.2)
    watched.player.step(5)
    watched.until(lambda: watched.player.seconds == 1.24)


def test_a_length_that_is_wrong_does_no_harm(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, wrong = watched.player, replace(probe(film), duration_seconds=600.0)
    monkeypatch.setattr("videostyle.live.source.probe", lambda *_: wrong)
    player.open(film)
    assert len(player.thumbnail("red").result(10)) > 100
    player.update(loop=False)
    player.seek(500)
    watched.until(lambda: player.seconds == 1.96)
    player.update(playing=True)
    watched.until(lambda: player.seconds == 0)


def test_a_length_that_is_not_told_is_measured(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = replace(probe(film), duration_seconds=None)
    monkeypatch.setattr("videostyle.live.source.probe", lambda *_: silent)
    watched.player.open(film)
    assert watched.player.info
    assert watched.player.info.duration_seconds == 2


def test_hdr_is_shown_as_sdr(watched: Watched, tmp_path: Path) -> None:
    hdr = ColorSpec(9, 9, 16, full_range=False)
    options: Any = {"pix_fmt": "yuv420p10le", "color": hdr}
    watched.player.open(make_clip(tmp_path / "hdr.mp4", pts=range(3), **options))
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)


def test_a_look_that_can_be_painted_shows_after_one_that_could_not(
    watched: Watched, film: Path
) -> None:
    player = watched.player
    player.open(film)
    watched.until(lambda: bool(watched.pictures))
    player.update(look=Look({"nobody": 1}))
    end = time.monotonic() + 10
    while not watched.failures and time.monotonic() < end:
        time.sleep(0.01)
    assert "nobody" in str(watched.failures.pop())
    player.update(look=Look({"red": 1}), serial=2)
    watched.until(lambda: watched.pictures[-1].serial == 2)


def test_the_last_frame_is_shown_though_it_is_late(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halting(*args: Any, **options: Any) -> Iterator[Frame]:
        for frame in decode(*args, **options):
            if frame.seconds == 1.96:
                time.sleep(0.3)
            yield frame

    monkeypatch.setattr("videostyle.live.opening.decode", halting)
    watched.player.open(film)
    watched.player.update(playing=True, recording=True)
    watched.until(lambda: not watched.player.controls.playing)
    assert watched.player.take()[-1].seconds == 1.96


def test_a_source_is_told_after_all_pictures_of_the_one_before(
    watched: Watched, film: Path, tmp_path: Path
) -> None:
    player, other = watched.player, make_clip(tmp_path / "other.mp4", size=(64, 96))
    told: list[int] = []

    def tell() -> None:
        time.sleep(0.05)  # in which a picture of the other could be painted
        told.append(len(watched.pictures))

    player.open(film)
    player.update(playing=True)
    watched.until(lambda: len(watched.pictures) > 3)
    player.open(other, tell)
    watched.until(lambda: watched.pictures[-1].as_rendered)
    sizes = [Image.open(BytesIO(each.jpeg)).size for each in watched.pictures]
    assert set(sizes[: told[0]]) == {(96, 64)}
    assert set(sizes[told[0] :]) == {(64, 96)}


def test_a_file_that_is_written_over_is_opened_anew_when_it_is_played_again(
    watched: Watched, film: Path, tmp_path: Path
) -> None:
    player, opened = watched.player, []
    player.open(film, lambda: opened.append(player.info))
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)
    make_clip(tmp_path / "other.mp4", pts=list(range(100)), size=(64, 96)).replace(film)
    player.seek(3.0)
    watched.until(lambda: player.seconds == 3.0 and watched.pictures[-1].as_rendered)
    assert [info and info.duration_seconds for info in opened] == [2.0, 4.0]
    assert Image.open(BytesIO(watched.pictures[-1].jpeg)).size == (64, 96)
    player.seek(1.0)
    watched.until(lambda: player.seconds == 1.0)
    assert len(opened) == 2


def test_a_file_that_is_written_over_by_what_is_no_video_fails_until_it_is_one(
    watched: Watched, film: Path, tmp_path: Path
) -> None:
    player = watched.player
    player.open(film)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)
    whole = film.read_bytes()
    film.write_bytes(whole[:100])
    player.seek(1.0)
    end = time.monotonic() + 60
    while not watched.failures and time.monotonic() < end:
        time.sleep(0.005)
    assert "film.mp4" in str(watched.failures.pop())
    film.write_bytes(whole)
    player.seek(1.0)
    watched.until(lambda: player.seconds == 1.0)


def test_a_pause_while_frames_are_late_shows_none_of_them(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, before, late = watched.player, [], [0.0]
    paint_thumbnail = player._paint_thumbnail

    class Time:
        sleep = time.sleep

        @staticmethod
        def perf_counter() -> float:
            return time.perf_counter() + late[0]

    def hold_up_and_pause(easel: Easel | None) -> None:
        paint_thumbnail(easel)
        if easel and player.seconds >= 0.4 and not before:
            easel.drain()
            before.append(player.seconds)
            late[0] = 1.0
            player.update(playing=False)

    for module in ("player", "clock"):
        monkeypatch.setattr(f"videostyle.live.{module}.time", Time)
    monkeypatch.setattr(player, "_paint_thumbnail", hold_up_and_pause)
    player.open(make_clip(tmp_path / "slow.mp4", pts=range(0, 150, 5)))
    player.update(playing=True)
    watched.until(lambda: bool(before) and watched.pictures[-1].as_rendered)
    assert player.seconds == before[0]


def test_a_pause_while_the_last_frame_is_painted_holds_it(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = watched.player

    def pause_at_the_end(picture: Picture) -> None:
        watched.pictures.append(picture)
        if picture.seconds == 1.96 and player.controls.playing:
            player.update(playing=False)

    monkeypatch.setattr(player, "_on_picture", pause_at_the_end)
    player.open(film)
    player.update(playing=True, loop=True)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].seconds == 1.96)
    watched.until(lambda: watched.pictures[-1].as_rendered)
    assert watched.pictures[-1].seconds == 1.96
    assert not player.controls.playing


def test_a_frame_that_stands_for_a_minute_follows_the_hands_while_it_plays(
    watched: Watched, film: Path, tmp_path: Path
) -> None:
    player = watched.player
    slides = make_clip(tmp_path / "slides.mp4", pts=[0, 60, 120], time_base=Fraction(1))
    player.open(slides)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)
    player.update(playing=True)
    watched.until(lambda: watched.pictures[-1].in_motion)  # at once: the sound begins with it
    player.update(look=Look({"blue": 1}), serial=2)
    watched.until(lambda: watched.pictures[-1].serial == 2)
    assert not watched.pictures[-1].in_motion
    assert len(player.thumbnail("red").result(10)) > 100
    player.update(playing=False)
    watched.pictures.clear()
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].as_rendered)
    assert {picture.seconds for picture in watched.pictures} == {0}
    player.update(playing=True)
    watched.pictures.clear()
    player.seek(60)
    watched.until(lambda: bool(watched.pictures))
    assert {picture.seconds for picture in watched.pictures} == {60}
    upright = make_clip(tmp_path / "upright.mp4", pts=range(3), size=(64, 96))
    player.open(upright)
    watched.pictures.clear()
    watched.until(lambda: bool(watched.pictures))
    assert {height(picture) for picture in watched.pictures} == {96}


def test_a_recording_keeps_what_a_frame_came_to_look_like(watched: Watched, tmp_path: Path) -> None:
    player = watched.player
    player.open(make_clip(tmp_path / "slides.mp4", pts=[0, 60], time_base=Fraction(1)))
    player.update(playing=True, recording=True)
    watched.until(lambda: bool(watched.pictures))
    player.update(look=Look({"blue": 1}), serial=2)
    watched.until(lambda: watched.pictures[-1].serial == 2)
    player.update(playing=False, recording=False)
    assert player.take() == [Sample(0.0, Look({"blue": 1}))]


def test_the_last_frame_has_its_time_before_the_next_round(
    watched: Watched, tmp_path: Path
) -> None:
    player = watched.player
    player.open(make_clip(tmp_path / "slides.mp4", pts=[0, 60], time_base=Fraction(1)))
    player.update(playing=True)
    player.seek(60)
    watched.until(lambda: player.seconds == 60)
    player.update(look=Look({"blue": 1}), serial=2)
    watched.until(lambda: watched.pictures[-1].serial == 2)
    assert watched.pictures[-1].seconds == 60


def test_the_time_of_a_key_leads_to_its_frame(watched: Watched, tmp_path: Path) -> None:
    """The page rounds times to a tenth of a millisecond."""
    fine = make_clip(tmp_path / "fine.mp4", pts=range(0, 30000, 3000), time_base=Fraction(1, 90000))
    watched.player.open(fine)
    watched.player.seek(0.0667)
    watched.until(lambda: bool(watched.pictures) and watched.pictures[-1].seconds > 0)
    assert watched.pictures[-1].seconds == pytest.approx(2 / 30)


def test_a_step_goes_on_where_frames_are_a_millisecond_apart(
    watched: Watched, tmp_path: Path
) -> None:
    stamps = [0, 10, 77, 80, 200, 300, 301, 302]
    player = watched.player
    player.open(make_clip(tmp_path / "uneven.mkv", pts=stamps, time_base=Fraction(1, 1000)))
    for stamp in stamps[1:]:
        player.step(1)
        watched.until(lambda at=stamp / 1000: player.seconds == pytest.approx(at, abs=1e-6))


def test_what_fails_does_not_play_on(
    watched: Watched, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, ends = watched.player, []
    player.open(film)
    player.update(playing=True, recording=True)
    watched.until(lambda: player.seconds > 0)
    monkeypatch.setattr(player, "_on_end", lambda: ends.append(player.controls))
    film.unlink()
    player.seek(1)
    end = time.monotonic() + 10
    while not ends and time.monotonic() < end:
        time.sleep(0.01)
    assert watched.failures
    assert (player.controls.playing, player.controls.recording) == (False, False)


def test_a_preview_that_cannot_be_followed_gets_smaller_without_a_halt(
    watched: Watched, tmp_path: Path, stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = _Compiler(stylizer, monkeypatch)
    seconds, painted = 0.0, PreviewSize.painted

    def slow(preview: PreviewSize, now: float, busy_seconds: float) -> bool:
        """Ten frames a second at 360 lines, however fast this machine is."""
        nonlocal seconds
        seconds += 0.1 * (preview.lines / 360) ** 2
        return painted(preview, seconds, seconds)

    monkeypatch.setattr(PreviewSize, "painted", slow)
    film = tmp_path / "film.mp4"
    make_clip(film, pts=list(range(200)), size=(640, 480))
    watched.player.open(film)
    watched.player.update(look=Look({"red": 1}), playing=True)
    watched.until(lambda: len(watched.pictures) > 2)
    compiler.go.clear()
    assert compiler.waits.wait(60)
    seen = len(watched.pictures)
    watched.until(lambda: len(watched.pictures) > seen + 5)
    assert {height(picture) for picture in watched.pictures[seen:]} == {360}
    assert watched.sizes == []
    compiler.go.set()
    watched.until(lambda: watched.sizes == [270])
    watched.until(lambda: height(watched.pictures[-1]) == 270)
    watched.player.update(lines=360)
    watched.until(lambda: height(watched.pictures[-1]) == 360)


def height(picture: Picture) -> int:
    with Image.open(BytesIO(picture.jpeg)) as image:
        return image.height


class _Compiler:
    """Lets an engine compile a new size of frames only when `go` is set."""

    def __init__(self, stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
        if not isinstance(stylizer.engine, OpenVinoEngine):
            pytest.skip("PyTorch compiles nothing")
        self.go, self.waits = Event(), Event()
        self.go.set()
        monkeypatch.setattr(stylizer.engine, "_slots", OrderedDict())
        self._compile = stylizer.engine._compile
        monkeypatch.setattr(stylizer.engine, "_compile", self._when_told)

    def _when_told(self, key: Any) -> Any:
        if not self.go.is_set():
            self.waits.set()
        assert self.go.wait(60)
        return self._compile(key)


def _spied_sizes(stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Of the frames that the player's own thread paints."""
    sizes: list[tuple[int, ...]] = []
    submit = stylizer.submit

    def noted(frame: np.ndarray, mixture: Any) -> Any:
        if current_thread().name == "player":
            sizes.append(frame.shape[:2])
        return submit(frame, mixture)

    monkeypatch.setattr(stylizer, "submit", noted)
    return sizes


def test_a_stroke_that_is_not_ready_holds_no_moving_picture_up(
    watched: Watched, tmp_path: Path, stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, compiler = watched.player, _Compiler(stylizer, monkeypatch)
    player.open(make_clip(tmp_path / "film.mp4", pts=list(range(15)), size=(192, 128)))
    player.update(look=Look({"red": 1}), playing=True, loop=True)
    watched.until(lambda: len(watched.pictures) > 2)
    sizes = _spied_sizes(stylizer, monkeypatch)
    compiler.go.clear()
    player.update(look=Look({"red": 1}, stroke=2))
    assert compiler.waits.wait(60)
    watched.until(lambda: watched.pictures[-1].look.stroke == 2)
    watched.pictures.clear()
    watched.until(lambda: len(watched.pictures) > 20)  # the next round as well
    assert {picture.look.stroke for picture in watched.pictures} == {2}
    assert set(sizes) == {(128, 192)}
    compiler.go.set()
    watched.until(lambda: sizes[-1] == (64, 96))
    compiler.waits.clear()
    compiler.go.clear()
    player.update(look=Look({"red": 1}, stroke=1.1))  # nearer to what it began with
    assert compiler.waits.wait(60)
    watched.until(lambda: sizes[-1] == (128, 192))
    compiler.go.set()
    player.update(playing=False)
    watched.until(lambda: watched.pictures[-1].as_rendered)
    assert sizes[-1] == stylizer.working_size(128, 192, 1.1) != (128, 192)


def test_a_slide_gets_the_stroke_that_was_not_ready_when_it_came(
    watched: Watched, tmp_path: Path, stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = watched.player
    _Compiler(stylizer, monkeypatch)
    clip = make_clip(tmp_path / "f.mp4", pts=[*range(20), 250], size=(192, 128))
    keys = "{at: 0s, mix: red, stroke: 1, ease: hold}, {at: 19f, stroke: 2}"
    text = f"version: 1\nkeyframes: [{keys}]\n"
    timeline, _ = parse_timeline(text, ["red"]).resolve(None, Fraction(25))
    player.open(clip)
    sizes = _spied_sizes(stylizer, monkeypatch)
    player.update(timeline=timeline, follow=True, playing=True)
    watched.until(lambda: bool(sizes) and sizes[-1] == (64, 96))
    watched.until(lambda: watched.pictures[-1].look.stroke == 2)
    assert watched.pictures[-1].seconds < 1
