"""The live page's server, spoken to by clients that mean well and by others."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import make_clip
from live_server import LiveServer, live_server, wait_for
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from videostyle.cli import main
from videostyle.errors import MediaError, UsageError
from videostyle.live.library import MOST_FILES, Library
from videostyle.live.performance import CUT
from videostyle.live.serve import _listen, hosts_of
from videostyle.live.timeline_files import MAX_SAVED_BYTES, MAX_TIMELINE_BYTES
from videostyle.live.uploads import ROOM_BYTES, Uploads
from videostyle.live.viewers import MOST_VIEWERS, Viewers
from videostyle.timeline.reader import read_timeline

LOOK = {"type": "look", "strength": 1, "keep_color": 0, "stroke": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live") / "films"
    folder.mkdir()
    make_clip(folder / "film.mp4", pts=list(range(50)), size=(96, 64))
    (folder / "old.yaml").write_text("version: 1\nkeyframes: [{at: 0s, mix: red}]\n")
    (folder.parent / "secret.yaml").write_text("secret\n")
    (folder / "link.yaml").symlink_to(folder.parent / "secret.yaml")
    Image.new("RGB", (40, 30), "green").save(folder / "still.png")
    make_clip(folder / "half_a_minute.mp4", pts=list(range(700)), size=(96, 64))
    return folder


@pytest.fixture(scope="module")
def server(model_file: str, folder: Path, loss_network_file: Path) -> Iterator[LiveServer]:
    options = ("--model", model_file, "--loss-network", loss_network_file)
    with live_server(folder / "film.mp4", *options) as running:
        yield running


class Tab:
    """A WebSocket client that keeps the newest message of each type."""

    def __init__(self, server: LiveServer, *, page: str = "", **options: Any) -> None:
        uri = f"ws://{server.host}/socket?token={server.token}&page={page}"
        self.socket: ClientConnection = connect(uri, max_size=None, close_timeout=1, **options)
        self.newest: dict[str, dict[str, Any]] = {}
        self.pictures: list[dict[str, Any]] = []

    def send(self, message: object) -> None:
        self.socket.send(json.dumps(message))

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Read, and acknowledge pictures, until something holds."""
        end = time.monotonic() + seconds
        while not condition():
            received = self.socket.recv(timeout=max(0.01, end - time.monotonic()))
            if isinstance(received, str):
                message = json.loads(received)
                self.newest[message["type"]] = message
            else:
                length = int.from_bytes(received[:4], "little")
                header = json.loads(received[4 : 4 + length])
                begin = 4 + length
                header["jpeg"] = received[begin : begin + header["bytes"]]
                header["original"] = received[begin + header["bytes"] :]
                self.pictures.append(header)
                self.send({"type": "drawn"})

    def ask(self, message: dict[str, Any], answer: str) -> dict[str, Any]:
        """Send, and wait for the next message of a type."""
        self.newest.pop(answer, None)
        self.send(message)
        self.until(lambda: answer in self.newest)
        return self.newest[answer]

    def picture_of(self, **look: Any) -> dict[str, Any]:
        """Set a look and wait for the first picture that shows it."""
        serial = time.monotonic_ns() // 1000
        self.send({**LOOK, "serial": serial, **look})
        self.until(lambda: bool(self.pictures) and self.pictures[-1]["serial"] == serial)
        return self.pictures[-1]


@pytest.fixture
def tab(server: LiveServer) -> Iterator[Tab]:
    tab = Tab(server)
    with tab.socket:
        first = {"hello", "source", "state", "role", "lesson", "timeline"}
        tab.until(lambda: first <= set(tab.newest))
        tab.send({"type": "take_controls"})
        tab.until(lambda: tab.newest["role"]["conducts"])
        if tab.newest["source"]["name"] != "film.mp4":
            tab.ask({"type": "open", "name": "film.mp4"}, "source")
        # What the test before has left, a recording too.
        tab.send({"type": "record", "recording": False})
        tab.send({"type": "play", "playing": False})
        tab.send({"type": "seek", "seconds": 0})
        tab.until(lambda: not tab.newest["state"]["recording"])
        tab.newest.pop("timeline")
        tab.send({"type": "timeline", "text": ""})
        tab.until(lambda: tab.newest.get("timeline", {}).get("yaml") == "")
        yield tab


def pixels(jpeg: bytes) -> bytes:
    with Image.open(BytesIO(jpeg)) as image:
        return image.convert("RGB").resize((8, 8)).tobytes()


def request(
    server: LiveServer,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    host: str | None = None,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.host, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or server.host)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


def test_a_tab_hears_what_there_is(tab: Tab) -> None:
    hello, source = tab.newest["hello"], tab.newest["source"]
    assert [style["name"] for style in hello["styles"]] == ["red", "green", "blue"]
    assert hello["media"] == ["film.mp4", "half_a_minute.mp4", "still.png"]
    assert hello["timelines"] == ["old.yaml"]
    assert (source["kind"], source["fps"], source["duration"]) == ("video", 25, 2)
    assert source["pixel_aspect"] == 1


def test_a_slider_changes_the_picture(tab: Tab) -> None:
    original = tab.picture_of(mix={"original": 1})
    red = tab.picture_of(mix={"red": 1, "green": 3})
    assert red["mix"] == {"red": 0.25, "green": 0.75}
    assert pixels(original["jpeg"]) != pixels(red["jpeg"])


def test_standing_still_it_soon_shows_what_render_gives(tab: Tab) -> None:
    tab.picture_of(mix={"red": 1})
    tab.until(lambda: tab.pictures[-1]["as_rendered"])
    assert tab.pictures[-1]["mix"] == {"red": 1}


def test_the_size_of_the_preview_is_free_until_it_is_chosen(tab: Tab) -> None:
    assert tab.newest["state"]["lines"] is None
    free = tab.newest["state"]["preview_lines"]
    tab.send({"type": "set", "lines": 540})
    tab.until(lambda: tab.newest["state"]["lines"] == tab.newest["state"]["preview_lines"] == 540)
    tab.send({"type": "set", "lines": None})
    tab.until(lambda: tab.newest["state"]["lines"] is None)
    assert tab.newest["state"]["preview_lines"] == free


def test_the_original_comes_only_when_it_is_wanted(tab: Tab) -> None:
    assert tab.picture_of(mix={"red": 1})["original"] == b""
    tab.send({"type": "view", "original": True})
    tab.until(lambda: tab.pictures[-1]["original"] != b"")
    assert pixels(tab.pictures[-1]["original"]) != pixels(tab.pictures[-1]["jpeg"])


def test_playing_shows_frames_in_order_and_loops(tab: Tab) -> None:
    tab.picture_of(mix={"red": 1})
    tab.pictures.clear()
    tab.send({"type": "play", "playing": True})
    tab.until(lambda: any(b["seconds"] < a["seconds"] for a, b in pairwise(tab.pictures)))
    times = [picture["seconds"] for picture in tab.pictures]
    wrap = next(i for i, (a, b) in enumerate(pairwise(times)) if b < a)
    assert times[: wrap + 1] == sorted(times[: wrap + 1])
    assert wrap > 5


def test_steps_go_one_frame_on_and_back(tab: Tab) -> None:
    tab.send({"type": "seek", "seconds": 1.0})
    tab.until(lambda: bool(tab.pictures) and tab.pictures[-1]["seconds"] == 1.0)
    tab.send({"type": "step", "frames": 1})
    tab.until(lambda: tab.pictures[-1]["seconds"] == 1.04)
    tab.send({"type": "step", "frames": -1})
    tab.until(lambda: tab.pictures[-1]["seconds"] == 1.0)
    tab.send({"type": "seek", "seconds": 99})
    tab.until(lambda: tab.pictures[-1]["seconds"] == 1.96)


def test_a_performance_becomes_the_timeline_that_was_shown(tab: Tab) -> None:
    tab.send({"type": "set", "loop": True})
    tab.picture_of(mix={"red": 1})
    tab.pictures.clear()
    tab.newest.pop("timeline", None)
    tab.send({"type": "record", "recording": True})
    for step in range(9):
        tab.picture_of(mix={"red": 8 - step, "blue": step})
    tab.send({"type": "record", "recording": False})
    tab.until(lambda: "timeline" in tab.newest)
    shown = {picture["seconds"]: picture["mix"] for picture in tab.pictures}
    tracks = tab.newest["timeline"]["tracks"]
    assert 1 <= len(tracks["mix"]) < 20
    assert tab.newest["timeline"]["yaml"].startswith("version: 1")
    tab.until(lambda: tab.newest["state"]["follow"])
    checked = 0
    for seconds in sorted(shown)[2:-2:6]:
        tab.pictures.clear()
        tab.send({"type": "seek", "seconds": seconds - 0.001})
        tab.until(lambda at=seconds: bool(tab.pictures) and tab.pictures[-1]["seconds"] == at)
        for name, weight in shown[seconds].items():
            assert tab.pictures[-1]["mix"].get(name, 0) == pytest.approx(weight, abs=0.02)
        checked += 1
    assert checked


def test_who_leaves_the_timeline_keeps_what_it_shows(tab: Tab) -> None:
    tab.picture_of(mix={"red": 1})
    text = "version: 1\nkeyframes: [{at: 0s, mix: blue}]\n"
    tab.ask({"type": "timeline", "text": text, "follow": True}, "state")
    tab.until(lambda: tab.pictures[-1]["mix"] == {"blue": 1} and tab.newest["state"]["follow"])
    tab.send({"type": "set", "follow": False})
    tab.until(lambda: not tab.newest["state"]["follow"])
    assert tab.newest["state"]["look"]["mix"] == {"blue": 1}


def touch(tab: Tab, **taken: Any) -> dict[str, Any]:
    """Take over from the timeline, and wait for the first picture that shows it."""
    serial = time.monotonic_ns() // 1000
    tab.send({"type": "touch", "serial": serial, "whole": False, "mix": {}, **taken})
    tab.until(lambda: bool(tab.pictures) and tab.pictures[-1]["serial"] == serial)
    return tab.pictures[-1]


def test_what_is_touched_in_an_overdub_changes_and_the_rest_of_the_timeline_stays(tab: Tab) -> None:
    tab.ask({"type": "open", "name": "half_a_minute.mp4"}, "source")
    keys = "{at: 0s, mix: red, stroke: 2}, {at: 1s, stroke: 1, ease: smooth}, {at: 9s, mix: blue}"
    text = f"version: 1\nkeyframes: [{keys}]\n"
    tab.send({"type": "timeline", "text": text, "follow": True})
    tab.until(lambda: bool(tab.newest["timeline"]["tracks"]))
    before = tab.newest["timeline"]["tracks"]
    tab.pictures.clear()
    tab.send({"type": "record", "recording": True})
    tab.until(lambda: bool(tab.pictures) and tab.pictures[-1]["seconds"] > 0.3)
    # Of a hand that did not know yet that a recording began.
    tab.send({**LOOK, "serial": 1, "mix": {"green": 1}, "recording": False})
    half = touch(tab, mix={"green": 1})
    assert half["mix"]["green"] == pytest.approx(0.5)
    assert half["sum"] == pytest.approx(2)
    assert set(half["mix"]) == {"red", "green", "blue"}
    assert touch(tab, mix={"green": 1}, strength=0.5)["strength"] == 0.5
    assert touch(tab, mix={"green": 1}, whole=True)["mix"] == {"green": 1}
    assert set(touch(tab, mix={"green": 0})["mix"]) == {"red", "blue"}
    assert tab.newest["state"]["follow"]
    shown = {picture["seconds"]: picture["mix"] for picture in tab.pictures}
    after = tab.ask({"type": "record", "recording": False}, "timeline")["tracks"]
    assert after["stroke"] == before["stroke"]
    assert after["mix"][-1] == before["mix"][-1]
    assert [key["value"] for key in after["strength"]] == [1, 0.5, 1]
    for seconds in sorted(shown)[1:-2:4]:
        tab.pictures.clear()
        tab.send({"type": "seek", "seconds": seconds - 0.001})
        tab.until(lambda at=seconds: bool(tab.pictures) and tab.pictures[-1]["seconds"] == at)
        for name in {*shown[seconds], *tab.pictures[-1]["mix"]}:
            played = tab.pictures[-1]["mix"].get(name, 0)
            assert played == pytest.approx(shown[seconds].get(name, 0), abs=0.02)
    tab.send({"type": "touch", "serial": 2, "whole": True, "mix": {"green": 1}})  # and too late
    tab.newest.pop("state")
    tab.send({"type": "set", "loop": True})
    tab.until(lambda: "state" in tab.newest)
    assert tab.newest["state"]["follow"]
    # Beyond all that was touched, where only the hand too late could bring green.
    tab.pictures.clear()
    tab.send({"type": "seek", "seconds": 9})
    tab.until(lambda: bool(tab.pictures) and tab.pictures[-1]["seconds"] >= 9)
    assert set(tab.pictures[-1]["mix"]) == {"blue"}


def test_keys_that_are_moved_stay_in_beats(tab: Tab) -> None:
    tab.ask({"type": "open", "name": "half_a_minute.mp4"}, "source")
    keys = "[{at: 0s, mix: red}, {at: 4b, mix: green}]"
    text = f"version: 1\ntempo: {{bpm: 130, first_beat: 0.25s}}\nkeyframes: {keys}\n"
    tab.send({"type": "timeline", "text": text, "keep_text": True})
    tab.until(lambda: tab.newest["timeline"]["yaml"] == text)
    assert tab.newest["timeline"]["tempo"] == {"bpm": 130, "first_beat": 0.25}
    beats = [0.25 + 60 / 130 * number for number in (6, 7.5)]
    moved = ", ".join(f"{{at: {beat:.4f}s, mix: blue}}" for beat in (0.1, *beats))
    told = tab.ask({"type": "timeline", "text": f"version: 1\nkeyframes: [{moved}]\n"}, "timeline")
    assert told["yaml"].splitlines()[1:] == [
        "tempo: {bpm: 130, first_beat: 0.25s}",
        "keyframes:",
        *(f"  - {{at: {at}, mix: blue}}" for at in ("0.1s", "6b", "7.5b")),
    ]
    other = text.replace("130", "90")
    assert (
        tab.ask({"type": "timeline", "text": other, "keep_text": True}, "timeline")["yaml"] == other
    )
    plain = "version: 1\nkeyframes: [{at: 0s, mix: red}]\n"
    told = tab.ask({"type": "timeline", "text": plain, "keep_text": True}, "timeline")
    assert told["tempo"] is None


def test_a_take_goes_on_where_the_last_one_ended(tab: Tab) -> None:
    tab.ask({"type": "open", "name": "half_a_minute.mp4"}, "source")
    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\n"
    tab.ask({"type": "timeline", "text": text, "follow": True}, "timeline")
    for style in ("green", "blue", "green"):
        tab.pictures.clear()
        tab.send({"type": "record", "recording": True})
        tab.until(lambda: len(tab.pictures) > 3)
        touch(tab, mix={style: 1}, whole=True)
        keys = tab.ask({"type": "record", "recording": False}, "timeline")["tracks"]["mix"]
        tab.until(lambda: tab.pictures[-1]["as_rendered"])
        assert keys[-1]["at"] == pytest.approx(tab.pictures[-1]["seconds"] + CUT, abs=1e-6)
        assert tab.pictures[-1]["mix"] == {style: 1}


def test_who_comes_into_an_overdub_hears_what_is_touched(tab: Tab, server: LiveServer) -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\n"
    tab.ask({"type": "timeline", "text": text, "follow": True}, "timeline")
    tab.pictures.clear()
    tab.send({"type": "record", "recording": True})
    tab.until(lambda: bool(tab.pictures))
    touch(tab, mix={"green": 1}, strength=0.5)
    second = Tab(server)
    with second.socket:
        second.until(lambda: "state" in second.newest)
        taken = {"weights": {"green": 1}, "is_whole": False, "scalars": {"strength": 0.5}}
        assert second.newest["state"]["touched"] == taken


def test_an_overdub_in_which_nothing_is_touched_leaves_the_text_as_it_was(tab: Tab) -> None:
    text = "version: 1  # as I wrote it\nkeyframes: [{at: 0s, mix: red}, {at: 2s, mix: blue}]\n"
    message = {"type": "timeline", "text": text, "keep_text": True, "follow": True}
    tab.ask(message, "timeline")
    tab.pictures.clear()
    tab.send({"type": "record", "recording": True})
    tab.until(lambda: bool(tab.pictures) and tab.pictures[-1]["seconds"] > 0.3)
    tab.send({"type": "record", "recording": False})
    tab.until(lambda: not tab.newest["state"]["recording"])
    assert tab.newest["timeline"]["yaml"] == text
    assert tab.newest["state"]["follow"]


def recorded(tab: Tab, ending: dict[str, Any]) -> list[dict[str, Any]]:
    """The keys of the mixture, from a recording of red and then blue that a message ends."""
    tab.picture_of(mix={"red": 1})
    tab.pictures.clear()
    tab.send({"type": "record", "recording": True})
    tab.until(lambda: any(picture["seconds"] > 0 for picture in tab.pictures))
    tab.picture_of(mix={"blue": 1})
    tab.until(lambda: tab.pictures[-1]["seconds"] > 0.2)
    tab.newest.pop("timeline", None)
    tab.send(ending)
    tab.until(lambda: "timeline" in tab.newest)
    keys: list[dict[str, Any]] = tab.newest["timeline"]["tracks"]["mix"]
    return keys


@pytest.mark.parametrize(
    ("ending", "playing"),
    [
        ({"type": "seek", "seconds": 1.6}, True),
        ({"type": "step", "frames": 1}, False),
    ],
)
def test_a_recording_that_something_else_ends_is_kept(
    tab: Tab, ending: dict[str, Any], playing: bool
) -> None:
    keys = recorded(tab, ending)
    assert (keys[0]["at"], keys[0]["value"], keys[-1]["value"]) == (0, {"red": 1}, {"blue": 1})
    assert keys[-1]["at"] < 1
    tab.until(lambda: not tab.newest["state"]["recording"])
    tab.until(lambda: tab.newest["state"]["playing"] == playing)


def test_a_move_that_was_made_in_a_take_and_comes_after_it_leaves_the_timeline_followed(
    tab: Tab,
) -> None:
    recorded(tab, {"type": "record", "recording": False})
    tab.until(lambda: tab.newest["state"]["follow"])
    tab.picture_of(mix={"green": 1}, recording=True)
    tab.newest.pop("state")
    tab.send({"type": "set", "loop": True})
    tab.until(lambda: "state" in tab.newest)
    assert tab.newest["state"]["follow"]
    tab.picture_of(mix={"green": 1}, recording=False)
    tab.until(lambda: not tab.newest["state"]["follow"])


def test_a_tempo_is_written_and_moves_no_key(tab: Tab) -> None:
    tempo = {"bpm": 120.2, "first_beat": 0.3}
    text = "version: 1\nkeyframes: [{at: 0.3s, mix: red}, {at: 1s, mix: blue}]\n"
    tab.send({"type": "timeline", "text": text, "keep_text": True})
    tab.send({"type": "tempo", "tempo": tempo})
    tab.until(lambda: tab.newest["timeline"]["tempo"] == tempo)
    written = tab.newest["timeline"]
    assert "tempo: {bpm: 120.2, first_beat: 0.3s}" in written["yaml"]
    assert "{at: 0b, mix: red}" in written["yaml"]
    assert [key["at"] for key in written["tracks"]["mix"]] == [0.3, 1]
    tab.send({"type": "timeline", "text": ""})  # the last key is deleted
    tab.until(lambda: tab.newest["timeline"]["yaml"] == "")
    assert tab.newest["timeline"]["tempo"] == tempo
    tab.send({"type": "timeline", "text": text + "loop: {period: 2s}\n", "keep_text": True})
    failure = tab.ask({"type": "tempo", "tempo": tempo}, "failure")
    assert "the timeline loops from 0 s" in failure["message"]
    failure = tab.ask({"type": "tempo", "tempo": {"bpm": 0, "first_beat": 0}}, "failure")
    assert failure["message"] == "'bpm' must be a number from 1 to 1000"
    assert tab.newest["timeline"]["tempo"] is None


def test_a_passage_is_shared_recorded_once_and_rendered(tab: Tab, server: LiveServer) -> None:
    passage = {"start": 0.4, "end": 1.6}
    tab.send({"type": "set", "passage": passage})
    tab.until(lambda: tab.newest["state"]["passage"] == passage)
    failure = tab.ask({"type": "set", "passage": {"start": 1, "end": 1}}, "failure")
    assert "before its out point" in failure["message"]
    second = Tab(server)
    with second.socket:
        second.until(lambda: "state" in second.newest)
        assert second.newest["state"]["passage"] == passage
    tab.picture_of(mix={"red": 1})
    tab.pictures.clear()
    tab.send({"type": "record", "recording": True})
    tab.until(lambda: any(picture["seconds"] >= 0.4 for picture in tab.pictures))
    tab.picture_of(mix={"blue": 1})
    tab.until(lambda: not tab.newest["state"]["recording"])  # by itself
    tab.until(lambda: bool(tab.newest["timeline"]["tracks"]))
    keys = tab.newest["timeline"]["tracks"]["mix"]
    assert (keys[0]["at"], keys[0]["value"], keys[-1]["value"]) == (0.4, {"red": 1}, {"blue": 1})
    assert keys[-1]["at"] < 1.6
    options = {"output": "passage.mp4", "passage": True, "max_size": 48}
    tab.ask({"type": "render", **options}, "render")
    tab.until(lambda: tab.newest["render"]["status"] == "done")
    assert tab.newest["render"]["frame"] == 30
    tab.ask({"type": "open", "name": "still.png"}, "source")
    tab.until(lambda: tab.newest["state"]["passage"] is None)
    failure = tab.ask({"type": "set", "passage": passage}, "failure")
    assert failure["message"] == "only a video has loop points"


def test_a_recording_that_a_render_ends_is_rendered(tab: Tab) -> None:
    keys = recorded(tab, {"type": "render", "output": "take.mp4", "max_size": 48})
    assert [keys[0]["value"], keys[-1]["value"]] == [{"red": 1}, {"blue": 1}]
    tab.until(lambda: tab.newest["state"]["follow"])
    tab.until(lambda: tab.newest["render"]["output"] == "take.mp4")
    tab.until(lambda: tab.newest["render"]["status"] == "done")


def test_a_timeline_is_shown_and_its_mistakes_have_a_place(tab: Tab) -> None:
    text = "version: 1\nkeyframes:\n  - {at: 0s, mix: red}\n  - {at: end, mix: blue}\n"
    answer = tab.ask({"type": "timeline", "text": text, "keep_text": True}, "timeline")
    assert answer["yaml"] == text
    assert [key["at"] for key in answer["tracks"]["mix"]] == [0, 2]
    assert answer["curve"]["mix"]["red"][0] == 1
    wrong = tab.ask({"type": "timeline", "text": text.replace("red", "rde")}, "timeline_error")
    (mistake,) = wrong["mistakes"]
    assert (mistake["line"], mistake["column"]) == (3, 19)
    assert "did you mean red" in mistake["message"]


def test_a_timeline_is_saved_and_never_lost(tab: Tab, server: LiveServer, folder: Path) -> None:
    path = f"/timelines/mine.yaml?token={server.token}"
    assert request(server, "PUT", path, b"version: 1")[0] == 200
    assert (folder / "mine.yaml").read_bytes() == b"version: 1"
    tab.until(lambda: "mine.yaml" in tab.newest["hello"]["timelines"])
    assert request(server, "PUT", path, b"other")[0] == 409
    assert (folder / "mine.yaml").read_bytes() == b"version: 1"
    assert request(server, "PUT", path + "&overwrite=yes", b"other")[0] == 200
    assert request(server, "GET", f"/timelines/old.yaml?token={server.token}")[0] == 200


def opened(server: LiveServer, name: str) -> tuple[str, int]:
    """A timeline's text, and the number that its file has from then on."""
    connection = http.client.HTTPConnection(server.host, timeout=20)
    connection.request("GET", f"/timelines/{name}?token={server.token}")
    answer = connection.getresponse()
    assert answer.status == 200
    found = answer.read().decode(), int(answer.headers["X-File"])
    connection.close()
    return found


def test_a_timeline_is_saved_over_its_own_file_alone_without_a_question(
    tab: Tab, server: LiveServer, folder: Path
) -> None:
    def saved(name: str, text: str, file: int) -> int:
        path = f"/timelines/{name}?token={server.token}&file={file}"
        return request(server, "PUT", path, text.encode())[0]

    def name_of(source: Tab) -> str:
        name: str = source.newest["timeline"]["name"]
        return name

    show = folder / "acts" / "show.yml"
    show.parent.mkdir()
    show.write_text("version: 1\nkeyframes: [{at: 0s, mix: green}]\n")
    text, file = opened(server, "acts/show.yml")
    tab.ask({"type": "timeline", "text": text, "keep_text": True, "file": file}, "timeline")
    assert (name_of(tab), tab.newest["timeline"]["saved"]) == ("acts/show.yml", True)
    tab.ask({"type": "timeline", "text": text.replace("green", "blue")}, "timeline")
    text = tab.newest["timeline"]["yaml"]
    assert (name_of(tab), tab.newest["timeline"]["saved"]) == ("acts/show.yml", False)
    assert saved("acts/show.yml", text, file) == 200
    assert show.read_text() == text
    tab.until(lambda: tab.newest["timeline"]["saved"])
    assert saved("acts/show.yml", text, file) == 200  # over what was saved from here
    assert saved("old.yaml", text, file) == 409
    assert saved("acts/new.yml", text, file) == 400
    show.write_text("# of another program\n")
    assert saved("acts/show.yml", text, file) == 409
    assert saved("new.yml", text, file) == 200
    tab.until(lambda: name_of(tab) == "new.yml")
    reloaded = Tab(server)
    with reloaded.socket:
        reloaded.until(lambda: "timeline" in reloaded.newest)
        assert name_of(reloaded) == "new.yml"
    tab.ask({"type": "timeline", "text": text, "name": "old.yaml"}, "timeline")  # from elsewhere
    assert name_of(tab) == "old.yaml"
    assert saved("old.yaml", text, tab.newest["timeline"]["file"]) == 409
    tab.ask({"type": "timeline", "text": text, "file": file}, "timeline")
    assert (name_of(tab), tab.newest["timeline"]["saved"]) == ("new.yml", True)
    tab.ask({"type": "timeline", "text": ""}, "timeline")
    assert name_of(tab) == ""


def test_a_timeline_that_would_take_long_to_read_is_refused_and_can_be_saved(
    tab: Tab, server: LiveServer
) -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\n#"
    fits = text + "é" * ((MAX_TIMELINE_BYTES - len(text)) // 2)
    tab.newest.pop("timeline", None)
    message = {"type": "timeline", "text": fits, "keep_text": True}
    tab.socket.send(json.dumps(message, ensure_ascii=False))  # as a browser does
    tab.until(lambda: tab.newest.get("timeline", {}).get("yaml") == fits)
    path = f"/timelines/large.yaml?token={server.token}"
    assert request(server, "PUT", path, fits.encode())[0] == 200
    assert request(server, "GET", path)[0] == 200
    message["text"] += "é"
    tab.socket.send(json.dumps(message, ensure_ascii=False))
    tab.until(lambda: "longer than 1 MB" in tab.newest.get("failure", {}).get("message", ""))
    put = f"{path}&overwrite=yes"
    assert request(server, "PUT", put, message["text"].encode())[0] == 200
    status, body = request(server, "GET", path)
    assert (status, body) == (413, b"large.yaml is larger than 1 MB")
    status, body = request(server, "PUT", put, b"#" * (MAX_SAVED_BYTES + 1))
    assert (status, body) == (413, b"larger than 4 MB")


def test_what_a_timeline_says_at_a_time_can_be_asked(tab: Tab, server: LiveServer) -> None:
    path = f"/look?token={server.token}&at="
    assert request(server, "GET", f"{path}1") == (400, b"there is no timeline")
    text = (
        "version: 1\nkeyframes:\n  - {at: 0s, mix: red, ease: hold}\n"
        "  - {at: 1s, mix: blue, ease: smooth}\n  - {at: 2s, mix: red}\n"
    )
    tab.ask({"type": "timeline", "text": text}, "timeline")
    for at, mix, ease in ((0.99, {"red": 1}, "hold"), (1.5, {"blue": 0.5, "red": 0.5}, "smooth")):
        said = json.loads(request(server, "GET", f"{path}{at}")[1])
        assert said["mix"] == pytest.approx(mix)
        assert said["eases"]["mix"] == ease
        assert said["strength"] == 1
    for at in ("", "nan", "-1", "soon"):
        assert request(server, "GET", f"{path}{at}")[0] == 400
    path = f"/curve?token={server.token}&start="
    curve = json.loads(request(server, "GET", f"{path}1.2&end=1.4")[1])
    assert (curve["times"][0], curve["times"][-1]) == (1.2, 1.4)
    assert len(curve["times"]) > 100
    assert curve["mix"]["blue"][0] > curve["mix"]["blue"][-1] > 0.5
    for span in ("1&end=1", "2&end=1", "1", "1&end=nan"):
        assert request(server, "GET", f"{path}{span}")[0] == 400


def test_a_key_no_loop_reaches_is_refused(tab: Tab) -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\nloop: {period: 1s}\n"
    tab.ask({"type": "timeline", "text": text}, "timeline")
    moved = text.replace("}]", "}, {at: 1.5s, mix: blue}]")
    assert "every 1 s" in tab.ask({"type": "timeline", "text": moved}, "failure")["message"]
    tab.ask({"type": "timeline", "text": moved.replace("1.5s", "0.5s")}, "timeline")


def test_only_the_sound_of_the_open_source_is_given(tab: Tab, server: LiveServer) -> None:
    silent = tab.newest["source"]["id"]
    for source in (silent, silent - 1, "film.mp4", "secret.yaml", "../film.mp4", ""):
        path = f"/sound?token={server.token}&source={source}"
        assert request(server, "GET", path)[0] == 404
    assert request(server, "GET", f"/sound?source={silent}")[0] == 403


def test_a_file_whose_name_is_not_utf_8_is_opened_with_its_sound(
    tab: Tab, server: LiveServer, folder: Path
) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    try:
        make_clip(folder / "loud.mp4", audio="aac").rename(folder / name)
    except OSError:
        pytest.skip("this file system has no such names")
    source = tab.ask({"type": "open", "name": name}, "source")
    assert (source["name"], source["has_sound"]) == (name, True)
    path = f"/sound?token={server.token}&source={source['id']}"
    assert request(server, "GET", path) == (200, (folder / name).read_bytes())
    again = tab.ask({"type": "open", "name": name}, "source")  # which may be another file by now
    assert again["id"] != source["id"]
    assert request(server, "GET", path)[0] == 404


def test_a_source_that_is_written_over_is_told_anew_and_keeps_its_timeline(
    tab: Tab, folder: Path
) -> None:
    file = make_clip(folder / "export.mp4", pts=list(range(50)))
    source = tab.ask({"type": "open", "name": file.name}, "source")
    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\n"
    tab.ask({"type": "timeline", "text": text, "keep_text": True}, "timeline")
    make_clip(folder / "export.part.mp4", pts=list(range(100))).replace(file)
    tab.newest.pop("timeline")
    again = tab.ask({"type": "seek", "seconds": 3}, "source")
    assert (source["duration"], again["duration"]) == (2, 4)
    assert again["id"] != source["id"]
    tab.until(lambda: "timeline" in tab.newest)
    assert tab.newest["timeline"]["yaml"] == text
    tab.until(lambda: bool(tab.pictures) and tab.pictures[-1]["seconds"] == 3)


def test_the_sound_of_a_source_that_is_gone_is_not_found(
    tab: Tab, server: LiveServer, folder: Path
) -> None:
    make_clip(folder / "short_lived.mp4", audio="aac")
    source = tab.ask({"type": "open", "name": "short_lived.mp4"}, "source")
    path = f"/sound?token={server.token}&source={source['id']}"
    assert request(server, "GET", path)[0] == 200
    (folder / "short_lived.mp4").unlink()
    status, body = request(server, "GET", path)
    assert (status, b"no longer in the folder" in body) == (404, True)


def test_a_take_in_a_timeline_that_loops_is_shown_where_it_was_recorded(tab: Tab) -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\nloop: {period: 0.1s}\n"
    tab.ask({"type": "timeline", "text": text}, "timeline")
    tab.send({"type": "seek", "seconds": 1})
    tab.picture_of(mix={"blue": 1})
    tab.ask({"type": "record", "recording": True}, "state")
    tab.until(lambda: tab.pictures[-1]["seconds"] > 1.2)
    keys = tab.ask({"type": "record", "recording": False}, "timeline")["tracks"]["mix"]
    assert {"blue": 1} in [key["value"] for key in keys if key["at"] >= 1]
    assert tab.newest["timeline"]["loop"] is None


def test_keys_before_the_start_do_not_lose_a_take(tab: Tab) -> None:
    text = "version: 1\nkeyframes: [{at: -5s, mix: red}, {at: 1s, mix: green}]\n"
    tab.ask({"type": "timeline", "text": text, "keep_text": True}, "timeline")
    tab.send({"type": "seek", "seconds": 1})
    tab.picture_of(mix={"blue": 1})
    tab.ask({"type": "record", "recording": True}, "state")
    tab.until(lambda: tab.pictures[-1]["seconds"] > 1.2)
    keys = tab.ask({"type": "record", "recording": False}, "timeline")["tracks"]["mix"]
    assert keys[0]["at"] == 0
    assert {"blue": 1} in [key["value"] for key in keys]


def test_a_timeline_counts_as_saved_while_a_file_has_its_text(
    tab: Tab, server: LiveServer, folder: Path
) -> None:
    def sent(text: str, **of: int) -> bool:
        message = {"type": "timeline", "text": text, "keep_text": True, **of}
        return tab.ask(message, "timeline")["saved"]

    assert tab.newest["timeline"]["saved"]
    old, file = opened(server, "old.yaml")
    assert sent(old, file=file)
    edited = old.replace("red", "blue")
    assert not sent(edited)
    reloaded = Tab(server)
    with reloaded.socket:
        reloaded.until(lambda: "timeline" in reloaded.newest)
        assert not reloaded.newest["timeline"]["saved"]
    path = f"/timelines/edited.yaml?token={server.token}"
    windows = edited.replace("\n", "\r\n").encode()
    assert request(server, "PUT", path, windows)[0] == 200
    tab.until(lambda: tab.newest["timeline"]["saved"])
    assert not sent(old)


def test_a_timeline_that_cannot_be_written_is_not_taken_for_one_that_exists(
    server: LiveServer, folder: Path
) -> None:
    (folder / "blocked.part.yaml").mkdir()
    path = f"/timelines/blocked.yaml?token={server.token}"
    status, body = request(server, "PUT", path, b"version: 1")
    assert (status, b"cannot be written" in body) == (500, True)


def test_a_render_from_the_page_is_the_file(tab: Tab, server: LiveServer, folder: Path) -> None:
    tab.picture_of(mix={"red": 1})
    answer = tab.ask({"type": "render", "output": "out.mp4", "crf": 30, "max_size": 48}, "render")
    assert answer["status"] == "running"
    options = {"source": "film.mp4", "name": "out.mp4", "crf": 30, "max_size": 48}
    assert options.items() <= answer.items()
    tab.until(lambda: tab.newest["render"]["status"] != "running")
    assert tab.newest["render"]["status"] == "done", tab.newest["render"]
    assert tab.newest["render"]["frame"] == 50
    tab.until(lambda: "out.mp4" in tab.newest["hello"]["media"])
    status, body = request(server, "GET", f"/results/out.mp4?token={server.token}")
    assert status == 200
    assert body == (folder / "out.mp4").read_bytes()
    failure = tab.ask({"type": "render", "output": "out.mp4"}, "failure")
    assert "exists" in failure["message"]
    assert (failure["code"], failure["name"]) == ("exists", "out.mp4")
    (folder / "out.mp4").unlink()
    status, body = request(server, "GET", f"/results/out.mp4?token={server.token}")
    assert (status, b"no longer" in body) == (404, True)


def test_a_render_is_told_of_and_can_be_stopped(tab: Tab) -> None:
    tab.ask({"type": "open", "name": "half_a_minute.mp4"}, "source")
    tab.picture_of(mix={"red": 1}, stroke=0.25)  # seven seconds of work: it cannot end first
    tab.ask({"type": "render", "output": "half.mp4"}, "render")
    for start in ({"type": "play", "playing": True}, {"type": "record", "recording": True}):
        assert "a render is running" in tab.ask(start, "failure")["message"]
    tab.until(lambda: tab.newest["render"]["frame"] > 0)
    assert tab.newest["render"]["total"] == 700
    assert tab.newest["render"]["eta"] > 0
    tab.send({"type": "stop_render"})
    tab.until(lambda: tab.newest["render"]["status"] == "stopped")
    assert tab.newest["render"]["output"] == "half.part.mp4"
    assert 0 < tab.newest["render"]["frame"] < 700


def test_the_first_tab_plays_and_the_second_follows_until_it_takes_over(
    tab: Tab, server: LiveServer
) -> None:
    second = Tab(server)
    with second.socket:
        second.until(lambda: {"role", "state"} <= set(second.newest))
        assert second.newest["role"] == {"type": "role", "conducts": False}
        shown = tab.picture_of(mix={"green": 1})
        second.until(lambda: bool(second.pictures) and second.pictures[-1]["mix"] == {"green": 1})
        assert second.pictures[-1]["seconds"] == shown["seconds"]
        failure = second.ask({"type": "play", "playing": True}, "failure")
        assert "has the controls" in failure["message"]
        second.ask({"type": "take_controls"}, "role")
        assert second.newest["role"]["conducts"]
        second.picture_of(mix={"blue": 1})
        tab.until(lambda: not tab.newest["role"]["conducts"])
        assert tab.ask({"type": "take_controls"}, "role")["conducts"]


def test_a_page_that_comes_back_soon_has_the_controls_still(server: LiveServer) -> None:
    first, second = Tab(server, page="first"), Tab(server, page="second")
    with second.socket:
        second.until(lambda: "role" in second.newest)  # or it would come when nobody is there
        with first.socket:
            first.send({"type": "take_controls"})
            first.until(lambda: first.newest.get("role", {}).get("conducts"))
        first = Tab(server, page="first")
        with first.socket:
            first.until(lambda: first.newest.get("role", {}).get("conducts"))
            again = Tab(server, page="first")  # the server has not heard that its line was cut
            with again.socket:
                again.until(lambda: again.newest.get("role", {}).get("conducts"))
        second.send({"type": "take_controls"})
        second.until(lambda: second.newest.get("role", {}).get("conducts"))


def test_a_follower_that_is_back_before_the_tab_it_follows_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when a network that all share breaks and comes back."""

    async def come_back() -> None:
        viewers = Viewers()

        def cut() -> None:
            for viewer in [*viewers.all]:
                viewers.remove(viewer)

        viewers.add("first")
        viewers.add("second")
        cut()
        viewers.add("second")
        assert viewers.conductor is None
        assert viewers.add("first") is viewers.conductor
        cut()
        assert viewers.add("new") is viewers.conductor  # nobody else may come
        viewers.add("second")
        monkeypatch.setattr("videostyle.live.viewers.KEPT_SECONDS", 0.01)
        cut()
        second = viewers.add("second")
        await asyncio.sleep(0.1)
        assert viewers.conductor is second

    asyncio.run(come_back())


def test_a_slow_reader_holds_up_nobody_and_then_gets_the_newest(
    tab: Tab, server: LiveServer
) -> None:
    slow = Tab(server)
    with slow.socket:
        slow.until(lambda: "state" in slow.newest)
        # It reads nothing and acknowledges nothing, while the other plays on.
        tab.send({"type": "play", "playing": True})
        tab.pictures.clear()
        tab.until(lambda: len(tab.pictures) > 40)
        tab.send({"type": "play", "playing": False})
        tab.picture_of(mix={"blue": 1})
        slow.until(lambda: bool(slow.pictures) and slow.pictures[-1]["mix"] == {"blue": 1})
        assert len(slow.pictures) < 12


def test_a_flood_of_commands_ends_in_the_last_one(tab: Tab) -> None:
    for serial in range(1, 2000):
        tab.send({**LOOK, "serial": serial, "mix": {"red": serial, "blue": 1}})
    assert tab.picture_of(mix={"green": 1})["mix"] == {"green": 1}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "look"},
        {**LOOK, "serial": 1, "mix": {"red": -1}},
        {**LOOK, "serial": 1, "mix": {"nobody": 1}},
        {**LOOK, "serial": 1, "mix": {"red": float("nan")}},
        {**LOOK, "serial": 1, "mix": {"red": 1}, "stroke": 1e9},
        {**LOOK, "serial": 1, "mix": {str(n): 1 for n in range(1000)}},
        {"type": "touch", "serial": 1, "mix": {"red": 1}},
        {"type": "touch", "serial": 1, "whole": False, "mix": {"nobody": 0}},
        {"type": "touch", "serial": 1, "whole": False, "mix": {}, "strength": 2},
        {"type": "seek", "seconds": "soon"},
        {"type": "seek", "seconds": True},
        {"type": "step", "frames": 1.5},
        {"type": "set", "lines": 100000},
        {"type": "set", "lines": False},
        {"type": "open", "name": "../secret.yaml"},
        {"type": "open", "name": "/etc/passwd"},
        {"type": "open", "name": "link.yaml"},
        {"type": "render", "output": "../out.mp4"},
        {"type": "render", "output": "/tmp/out.mp4"},
        {"type": "render", "output": "film.mp4", "overwrite": True},
        {"type": "render", "output": "out.exe"},
        {"type": "timeline", "text": 5},
        {"type": "nonsense"},
        {"type": ["list"]},
        {},
    ],
)
def test_a_command_that_cannot_be_is_answered(tab: Tab, message: dict[str, Any]) -> None:
    assert "\n" not in tab.ask(message, "failure")["message"]
    assert tab.picture_of(mix={"red": 1})["mix"] == {"red": 1}


def test_whoever_talks_garbage_is_let_go(server: LiveServer) -> None:
    tab = Tab(server)
    with tab.socket:
        for _ in range(10):
            tab.socket.send("[" * 5000)
            tab.socket.send("{")
        with pytest.raises(ConnectionClosed):
            tab.until(lambda: False)


def test_a_huge_message_ends_the_connection(server: LiveServer) -> None:
    tab = Tab(server)

    def send_and_listen() -> None:
        tab.socket.send("x" * (5 << 20))
        tab.until(lambda: False)

    with tab.socket, pytest.raises(ConnectionClosed):
        send_and_listen()


def test_bytes_that_are_no_camera_frame_do_no_harm(tab: Tab) -> None:
    tab.socket.send(b"not a picture")
    tab.ask({"type": "open", "name": "camera"}, "source")
    tab.socket.send(b"not a picture")
    tab.until(lambda: "no JPEG" in tab.newest.get("failure", {}).get("message", ""))
    frame = BytesIO()
    Image.new("RGB", (96, 64), "red").save(frame, "JPEG")
    tab.pictures.clear()
    tab.socket.send(frame.getvalue())
    tab.until(lambda: bool(tab.pictures))
    tab.ask({"type": "open", "name": "film.mp4"}, "source")


def test_the_first_take_of_a_camera_begins_at_its_start(tab: Tab) -> None:
    tab.ask({"type": "open", "name": "camera"}, "source")
    frame = BytesIO()
    Image.new("RGB", (96, 64), "red").save(frame, "JPEG")

    def film(frames: int) -> None:
        for _ in range(frames):
            seen = len(tab.pictures)
            tab.socket.send(frame.getvalue())
            tab.until(lambda seen=seen: len(tab.pictures) > seen)

    tab.pictures.clear()
    film(5)
    tab.ask({"type": "record", "recording": True}, "state")
    film(5)
    assert tab.pictures[-5]["seconds"] > 0
    keys = tab.ask({"type": "record", "recording": False}, "timeline")["tracks"]["mix"]
    assert keys[0]["at"] == 0
    tab.ask({"type": "open", "name": "film.mp4"}, "source")


def test_without_the_token_there_is_nothing(server: LiveServer) -> None:
    paths = ["/", "/thumbnails/red", "/timelines/old.yaml", "/results/out.mp4"]
    for path in [*paths, "/?token=wrong", "/?token=%C3%A9"]:
        assert request(server, "GET", path)[0] == 403, path
    assert request(server, "POST", "/paintings", b"x")[0] == 403
    assert request(server, "PUT", "/timelines/new.yaml", b"x")[0] == 403
    assert request(server, "GET", "/sources?name=film.mp4&bytes=1")[0] == 403
    assert request(server, "POST", "/sources?name=film.mp4", b"x")[0] == 403
    for token in ("", "?token=wrong"):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{server.host}/socket{token}")
        assert refused.value.response.status_code == 403


def test_the_browser_is_started_with_a_ticket_for_one_time(
    model_file: str, folder: Path, tmp_path: Path
) -> None:
    """Everybody on the machine can read how it was started. It may also never end."""
    browser, opened = tmp_path / "browser.sh", tmp_path / "opened"
    browser.write_text(
        f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\nsleep 3\n'
    )
    browser.chmod(0o700)
    with live_server(folder / "film.mp4", "--model", model_file, browser=browser) as server:
        end = time.monotonic() + 60
        while not opened.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        address = opened.read_text().strip()
        assert server.token not in address
        page = address.removeprefix(f"http://{server.host}")
        connection = http.client.HTTPConnection(server.host, timeout=20)
        connection.request("GET", page)
        answer = connection.getresponse()
        assert answer.headers["location"] == f"/?token={server.token}"
        connection.close()
        assert request(server, "GET", page)[0] == 403
        assert request(server, "GET", "/?ticket=")[0] == 403


def test_connections_that_say_nothing_shut_nobody_out(server: LiveServer) -> None:
    host, port = server.host.split(":")
    with ExitStack() as idle:
        for _ in range(100):
            idle.enter_context(socket.create_connection((host, int(port))))
        assert request(server, "GET", f"/?token={server.token}")[0] == 200


def test_another_host_or_origin_is_refused(server: LiveServer) -> None:
    page = f"/?token={server.token}"
    assert request(server, "GET", page)[0] == 200
    capitals = server.host.replace("127.0.0.1", "LOCALHOST")
    assert request(server, "GET", page, host=capitals)[0] == 200
    assert request(server, "GET", page, host="evil.example")[0] == 421
    assert request(server, "GET", page, headers={"Origin": "http://evil.example"})[0] == 421
    good = {"Origin": f"http://{server.host}"}
    assert request(server, "GET", page, headers=good)[0] == 200
    with pytest.raises(InvalidStatus):
        Tab(server, origin="http://evil.example")


def test_the_pages_code_is_kept_by_a_browser_and_nothing_else_is(server: LiveServer) -> None:
    page = request(server, "GET", f"/?token={server.token}")[1].decode()
    (code,) = re.findall(r'src="(/page/[0-9a-f]{16}/main.mjs)"', page)
    for path, is_kept in (
        (code, True),
        (f"{code}.gone", False),
        (f"/?token={server.token}", False),
    ):
        connection = http.client.HTTPConnection(server.host, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        kept = answer.headers.get_all("cache-control")
        assert kept == ["max-age=31536000, immutable" if is_kept else "no-store"]
        if is_kept:  # one that asks whether it is the same still keeps it, too
            answer.read()
            connection.request("GET", path, headers={"if-none-match": answer.headers["etag"]})
            again = connection.getresponse()
            assert (again.status, again.headers.get_all("cache-control")) == (304, kept)
        connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/page/../server.py",
        "/page/x/../server.py",
        "/page/x/%2e%2e/server.py",
        "/page/x/..%2fserver.py",
        "/timelines/../secret.yaml?token={token}",
        "/timelines/%2e%2e%2fsecret.yaml?token={token}",
        "/timelines/link.yaml?token={token}",
        "/timelines/film.mp4?token={token}",
        "/results/film.mp4?token={token}",
        "/thumbnails/..%2fred?token={token}",
    ],
)
def test_no_path_leads_out(server: LiveServer, path: str) -> None:
    status, body = request(server, "GET", path.format(token=server.token))
    assert status == 404
    assert b"secret\n" not in body


@pytest.mark.parametrize("name", ["..%2fx.yaml", "x.txt", ".hidden.yaml", "a%00.yaml", "%2fx.yaml"])
def test_nothing_is_saved_elsewhere(server: LiveServer, folder: Path, name: str) -> None:
    before = sorted(folder.parent.rglob("*"))
    assert request(server, "PUT", f"/timelines/{name}?token={server.token}", b"x")[0] in (
        400,
        404,
        405,
    )
    assert sorted(folder.parent.rglob("*")) == before


def test_any_file_of_a_large_folder_can_be_opened(tmp_path: Path) -> None:
    for name in [*(f"{number}.png" for number in range(MOST_FILES)), "z.mp4", "half.part.mp4"]:
        (tmp_path / name).touch()
    library = Library(tmp_path)
    assert len(library.media) == MOST_FILES
    for name in ("z.mp4", "half.part.mp4"):
        assert library.find(name).samefile(tmp_path / name)
    for name in (
        "z.mp4x",
        f"../{tmp_path.name}/z.mp4",
        str(tmp_path / "z.mp4"),
        "a" * 500 + ".mp4",
    ):
        with pytest.raises(MediaError):
            library.find(name)


def test_what_is_hidden_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".cache/a.png", ".cache/b.png", "films/clip.mp4", "films/._clip.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr("videostyle.live.library.MOST_LOOKED_AT", 2)
    library = Library(tmp_path)
    assert library.media == ["films/clip.mp4"]
    library.admit("films/._clip.mp4")
    assert library.find("films/._clip.mp4").exists()


def test_a_folder_opens_with_its_first_file_that_can_be_shown(
    tmp_path: Path, model_file: str
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    make_clip(tmp_path / "b.mp4")
    with live_server(tmp_path, "--model", model_file) as server:
        tab = Tab(server)
        with tab.socket:
            tab.until(lambda: "source" in tab.newest)
        assert tab.newest["source"]["name"] == "b.mp4"
        assert "a.mp4: cannot be read" in "".join(server.log)


def test_a_recording_that_the_end_of_the_command_ends_is_kept(
    tmp_path: Path, model_file: str
) -> None:
    make_clip(tmp_path / "film.mp4", pts=range(700))
    earlier = tmp_path / "performance.yaml"
    earlier.write_text("version: 1\nkeyframes: [{at: 0s, mix: green}, {at: 99s, mix: green}]\n")
    with live_server(tmp_path / "film.mp4", "-t", earlier, "--model", model_file) as server:
        pass
    assert f"{earlier}:2:35: warning: the key at 99s" in "".join(server.log)
    assert "not saved" not in "".join(server.log)
    with live_server(tmp_path / "film.mp4", "-t", earlier, "--model", model_file) as server:
        tab = Tab(server)
        with tab.socket:
            tab.until(lambda: "timeline" in tab.newest)
            assert tab.newest["timeline"]["name"] == "performance.yaml"
            tab.picture_of(mix={"red": 1})
            tab.send({"type": "record", "recording": True})
            tab.until(lambda: tab.pictures[-1]["seconds"] > 0.2)
    kept = tmp_path / "performance_2.yaml"
    timeline, _ = read_timeline(kept, ["red", "green", "blue"]).resolve(None, None)
    assert timeline.look_at(0.1).mix == {"red": 1}
    assert str(kept) in "".join(server.log)
    assert "green" in earlier.read_text()


@pytest.mark.skipif(os.name == "nt", reason="POSIX terminals")
def test_a_recording_that_the_closing_of_the_terminal_ends_is_kept(
    tmp_path: Path, model_file: str
) -> None:
    import fcntl
    import termios

    def take_terminal() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup

    make_clip(tmp_path / "film.mp4", pts=range(700))
    window, terminal = os.openpty()
    words = ["live", tmp_path, "--model", model_file, "--no-browser"]
    process = subprocess.Popen(
        [sys.executable, "-m", "videostyle", *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    try:
        os.close(terminal)
        said = ""
        while not (address := re.search(r"(http://\S+)\s", said)):
            said += os.read(window, 1000).decode()
        tab = Tab(LiveServer(process, address[1]))
        with tab.socket:
            tab.picture_of(mix={"red": 1})
            tab.send({"type": "record", "recording": True})
            tab.until(lambda: tab.pictures[-1]["seconds"] > 0.2)
            os.close(window)  # the process is told, and what it writes there fails
            process.wait(20)
    finally:
        process.kill()
        process.wait()
    kept = read_timeline(tmp_path / "performance.yaml", ["red", "green", "blue"])
    assert kept.resolve(None, None)[0].look_at(0.1).mix == {"red": 1}


def test_what_another_tab_saves_elsewhere_takes_no_part_in_the_timeline_that_is_shown(
    tmp_path: Path, model_file: str
) -> None:
    make_clip(tmp_path / "film.mp4")
    shown = "version: 1\nkeyframes: [{at: 0s, mix: green}]\n"
    (tmp_path / "show.yaml").write_text(shown)
    options = ("-t", tmp_path / "show.yaml", "--model", model_file)
    with live_server(tmp_path / "film.mp4", *options) as server:
        tab = Tab(server)
        with tab.socket:
            tab.until(lambda: "timeline" in tab.newest)
        own = tab.newest["timeline"]

        def save(name: str, text: str) -> int:
            path = f"/timelines/{name}?token={server.token}&file={own['file']}"
            return request(server, "PUT", path, text.encode())[0]

        assert save("mine.yaml", "# another draft") == 200
        assert save("mine.yaml", shown) == 409  # it is not the timeline's
        assert save("show.yaml", shown) == 200
        assert save("copy.yaml", shown) == 200  # as another name of the timeline
        assert save("copy.yaml", shown.replace("green", "red")) == 200
    assert (tmp_path / "mine.yaml").read_text() == "# another draft"


def test_a_timeline_of_another_folder_is_not_saved_over_one_of_its_name(
    tmp_path: Path, model_file: str
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    make_clip(films / "film.mp4")
    timeline = "version: 1\nkeyframes: [{at: 0s, mix: green}]\n"
    for folder in (films, tmp_path):
        (folder / "dusk.yaml").write_text(timeline)
    options = ("-t", tmp_path / "dusk.yaml", "--model", model_file)
    with live_server(films / "film.mp4", *options) as server:
        tab = Tab(server)
        with tab.socket:
            tab.until(lambda: "timeline" in tab.newest)
        own = tab.newest["timeline"]
        assert (own["name"], own["saved"]) == ("", True)
        path = f"/timelines/dusk.yaml?token={server.token}&file={own['file']}"
        assert request(server, "PUT", path, b"#")[0] == 409


def test_the_file_of_the_command_line_can_be_opened_whatever_it_is_called(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.mp4"
    elsewhere.touch()
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "camcorder.mts").symlink_to(elsewhere)
    library = Library(tmp_path / "films")
    with pytest.raises(MediaError):
        library.find("camcorder.mts")
    library.admit("camcorder.mts")
    assert library.find("camcorder.mts").samefile(elsewhere)
    assert library.media == ["camcorder.mts"]


def test_a_part_is_neither_written_nor_shown(tmp_path: Path) -> None:
    for name in ("film.part.1.mp4", "film.part.mp4"):
        (tmp_path / name).touch()
    library = Library(tmp_path)
    assert library.media == ["film.part.1.mp4"]
    for name in ("mine.part.mp4", ".part.mp4"):
        with pytest.raises(UsageError):
            library.new(name, {".mp4"})


def test_a_file_that_would_be_taken_for_the_camera_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "camera").touch()
    assert main(["live", str(tmp_path / "camera"), "--no-browser"]) == 2
    assert "calls the camera so" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("version: 1\nkeyframes: 3\n", "2:12: keyframes must be a list"),
        ("version: 1\nkeyframes: [{at: 0s, mix: red}, {at: 0s, mix: red}]\n", "2:33: two keys"),
    ],
)
def test_mistakes_of_the_timeline_come_with_its_name_before_the_model_is_loaded(
    text: str, place: str, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dusk.yaml"
    path.write_text(text)
    words = ["live", str(tmp_path), "-t", str(path), "--model", model_file, "--no-browser"]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"{path}:{place}")


@pytest.mark.parametrize("name", ["Clip [id]", "Mum's film", "Tom & Jerry", "a, b", "-x", "é ü 猫"])
def test_a_new_file_may_be_called_after_any_other(tmp_path: Path, name: str) -> None:
    assert Library(tmp_path).new(f"{name}.mp4", {".mp4"}) == tmp_path.resolve() / f"{name}.mp4"


@pytest.mark.parametrize(
    "name", ["a/b", "a\\b", "../b", ".b", "a\nb", "a\0b", "\ud800", "猫" * 80, "Con", "lpt1.x", ""]
)
def test_a_new_file_is_not_called_what_leads_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Library(tmp_path).new(f"{name}.mp4", {".mp4"})


def test_the_server_is_called_what_a_browser_calls_it() -> None:
    assert hosts_of("127.0.0.1", "127.0.0.1", 8000)[::2] == ["127.0.0.1:8000", "localhost:8000"]
    assert hosts_of("Studio.local", "10.0.0.2", 80) == ["studio.local", "10.0.0.2"]
    assert hosts_of("0::1", "::1", 8000) == ["[::1]:8000"]


def test_an_upload_that_breaks_off_does_no_harm(server: LiveServer) -> None:
    """The server must not fail over it: the fixture looks for tracebacks at the end."""
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /paintings?token={server.token} HTTP/1.1\r\nHost: {server.host}\r\n"
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
    assert request(server, "GET", f"/?token={server.token}")[0] == 200


def send_file(server: LiveServer, name: str, body: bytes) -> tuple[int, str]:
    """The status, and the name in the folder or what is wrong."""
    path = f"/sources?token={server.token}&name={quote(name)}"
    status, answer = request(server, "POST", path, body)
    return status, json.loads(answer)["name"] if status == 200 else answer.decode()


def send_half(server: LiveServer, name: str, body: bytes) -> socket.socket:
    """Begin to send a file, all but a last byte."""
    host, port = server.host.split(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST /sources?token={server.token}&name={name} HTTP/1.1\r\nHost: {server.host}\r\n"
    connection.sendall(f"{head}Content-Length: {len(body) + 1}\r\n\r\n".encode() + body)
    return connection


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_file_that_is_sent_is_kept_once_and_opened(
    tab: Tab, server: LiveServer, folder: Path, tmp_path: Path
) -> None:
    mine, others = tmp_path / "mine.mp4", tmp_path / "others.mp4"
    make_clip(mine, pts=list(range(5)), size=(96, 64))
    make_clip(others, pts=list(range(6)), size=(96, 64))
    film = (folder / "film.mp4").read_bytes()
    for path, called, name in (
        (mine, "Mén film.mp4", "Mén film.mp4"),
        (others, "Mén film.mp4", "Mén film_2.mp4"),
        (mine, "film.mp4", "film_2.mp4"),
    ):
        for _ in range(2):  # again it is there already
            assert send_file(server, called, path.read_bytes()) == (200, name)
        assert (folder / name).read_bytes() == path.read_bytes()
        tab.until(lambda name=name: name in tab.newest["hello"]["media"])
        assert tab.ask({"type": "open", "name": name}, "source")["kind"] == "video"
    assert (folder / "film.mp4").read_bytes() == film
    assert not list(folder.glob("*_3*"))
    still = (folder / "still.png").read_bytes()
    assert send_file(server, "still.png", still) == (200, "still.png")


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("notes.txt", b"text", "notes.txt: neither a video nor a picture"),
        ("new.yaml", b"version: 1", "new.yaml: neither a video nor a picture"),
        ("two\nlines", b"text", r"two\nlines: neither a video nor a picture"),
        ("a.mp4", b"no video", "a.mp4: cannot be read as video or picture; it is of another kind"),
        ("a.png", b"no picture", "a.png: holds no frame that can be decoded"),
        ("a.mkv", b"ffconcat version 1.0\nfile film.mp4\n", "a.mkv: is a list of other files"),
        ("a.mp4", b"", "a.mp4: is empty"),
    ],
)
def test_what_is_sent_and_is_no_video_leaves_nothing_behind(
    server: LiveServer, folder: Path, name: str, body: bytes, said: str
) -> None:
    before = listing(folder)
    status, answer = send_file(server, name, body)
    assert status == 400
    assert answer.startswith(said)
    assert "\n" not in answer
    assert listing(folder) == before


def test_a_file_too_large_or_of_unknown_length_is_refused_before_it_comes(
    server: LiveServer, folder: Path
) -> None:
    before = listing(folder)
    address = f"/sources?token={server.token}&name=huge.mp4"
    huge = {"Content-Length": str(10**16)}
    for method, path, headers in (
        ("GET", f"{address}&bytes={10**16}", {}),
        ("POST", address, huge),
    ):
        status, answer = request(server, method, path, headers=headers)
        assert status == 400
        assert b"10000000.0 GB" in answer
    chunked = {"Transfer-Encoding": "chunked"}
    assert request(server, "POST", address, headers=chunked)[0] == 411
    assert request(server, "POST", address, headers={**chunked, "Content-Length": "9"})[0] == 411
    assert request(server, "GET", f"{address}&bytes=9")[0] == 204
    assert request(server, "GET", f"{address}&bytes=many")[0] == 400
    assert listing(folder) == before


def test_files_are_sent_one_at_a_time_and_one_that_breaks_off_leaves_nothing(
    server: LiveServer, folder: Path
) -> None:
    before, body = listing(folder), (folder / "film.mp4").read_bytes()
    part = folder / "sent.part.mp4"
    with send_half(server, "sent.mp4", body[:-1]):
        wait_for(part.exists)
        status, answer = send_file(server, "film.mp4", body)
        assert (status, "another file is being copied" in answer) == (400, True)
    wait_for(lambda: not part.exists())
    assert send_file(server, "film.mp4", body) == (200, "film.mp4")
    assert listing(folder) == before


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_a_full_disk_is_said_and_leaves_nothing(server: LiveServer, folder: Path) -> None:
    import resource

    before = listing(folder)
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        answer = send_file(server, "mine.mp4", bytes(100_000))
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
    assert answer == (500, "mine.mp4: cannot be written: File too large")
    assert listing(folder) == before


def test_the_end_of_the_command_ends_files_that_are_sent_or_heard_without_a_word(
    model_file: str, tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    make_clip(film, audio="aac")
    with film.open("ab") as file:  # more than what is on its way to a browser that waits
        file.write((1 << 25).to_bytes(4, "big") + b"free" + bytes((1 << 25) - 8))
    with live_server(film, "--model", model_file) as server, Tab(server).socket:
        host, port = server.host.split(":")
        with (
            socket.create_connection((host, int(port))) as sound,
            send_half(server, "half.mp4", b"half"),
        ):
            path = f"/sound?source=1&token={server.token}"
            sound.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
            assert sound.recv(12) == b"HTTP/1.1 200"
            wait_for((tmp_path / "half.part.mp4").exists)
            server.process.send_signal(signal.SIGINT)
            server.process.wait(20)
    assert list(tmp_path.iterdir()) == [film]
    assert not any("ERROR" in line for line in server.log)


async def still_there() -> bool:
    return False


async def chunks_of(
    path: Path, meanwhile: Callable[[], object] = lambda: None
) -> AsyncIterator[bytes]:
    meanwhile()
    yield path.read_bytes()
    yield b""


def test_a_file_that_is_sent_takes_no_other_place(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    make_clip(clip, pts=list(range(5)), size=(96, 64))
    folder, elsewhere = tmp_path / "films", tmp_path / "elsewhere.mp4"
    folder.mkdir()
    (folder / "rendered.part.mp4").write_text("of a render that goes on")
    (folder / "link.mp4").symlink_to(elsewhere)
    uploads = Uploads(Library(folder))

    def send(name: str, **more: Any) -> str:
        return asyncio.run(uploads.receive(name, 9, chunks_of(clip, **more), still_there))

    assert send("rendered.mp4") == "rendered_2.mp4"
    assert (folder / "rendered.part.mp4").read_text() == "of a render that goes on"
    assert send("link.mp4") == "link_2.mp4"
    assert not elsewhere.exists()
    with pytest.raises(UsageError, match="has come into the folder meanwhile"):
        send("late.mp4", meanwhile=lambda: (folder / "late.mp4").write_text("another"))
    assert (folder / "late.mp4").read_text() == "another"
    assert not (folder / "late.part.mp4").exists()


def test_a_sender_of_whom_nothing_comes_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.Event().wait()

    monkeypatch.setattr("videostyle.live.uploads.SILENT_SECONDS", 0.1)
    uploads = Uploads(Library(tmp_path))
    with pytest.raises(TimeoutError):
        asyncio.run(uploads.receive("clip.mp4", 9, silence(), still_there))
    assert not list(tmp_path.iterdir())
    uploads.check("clip.mp4", 9)  # the next may come


def test_a_sender_that_hangs_up_once_all_has_come_leaves_nothing(tmp_path: Path) -> None:
    async def hung_up() -> bool:
        return True

    clip, folder = make_clip(tmp_path / "clip.mp4"), tmp_path / "films"
    folder.mkdir()
    with pytest.raises(ConnectionAbortedError):
        asyncio.run(Uploads(Library(folder)).receive("a.mp4", 9, chunks_of(clip), hung_up))
    assert not list(folder.iterdir())


def test_room_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads(Library(tmp_path))
    usage = shutil.disk_usage(tmp_path)._replace(free=ROOM_BYTES + 10)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    uploads.check("clip.mp4", 10)
    with pytest.raises(MediaError, match="make room there"):
        uploads.check("clip.mp4", 11)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Mum's film: 猫?.MP4", "Mum's film: 猫?.MP4"),
        ("../../x.mp4", "_.._.._x.mp4"),
        ("..\\x.mp4", "_.._x.mp4"),
        (".hidden.mp4", "_.hidden.mp4"),
        ("a\nb\0c.mp4", "a_b_c.mp4"),
        ("\ud800.mp4", "_.mp4"),
        ("nul.mp4", "_nul.mp4"),
        ("film.part.mp4", "film_part.mp4"),
        ("猫" * 100 + ".jpeg", "猫" * 65 + ".jpeg"),
    ],
)
def test_a_file_that_is_sent_has_a_plain_name(tmp_path: Path, name: str, plain: str) -> None:
    library = Library(tmp_path)
    places = library.places(name)
    assert next(places).name == plain
    assert library.new(plain, {".mp4", ".jpeg"}) == tmp_path / plain
    assert next(places).stem.endswith("_2")


def test_where_it_cannot_listen_is_said() -> None:
    for port in (-1, 99999):
        with pytest.raises(UsageError, match="--port"):
            _listen("127.0.0.1", port)


def test_it_can_listen_at_an_address_of_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no such address")
    _listen("::1", 0).close()


def test_a_painting_must_be_a_picture_that_is_not_too_large(server: LiveServer) -> None:
    path = f"/paintings?title=Mine&token={server.token}"
    status, body = request(server, "POST", path, b"not a picture")
    assert (status, b"not a picture" in body) == (409, True)
    assert request(server, "POST", path, b"x" * 20_000_001) == (413, b"larger than 20 MB")


def test_a_thumbnail_shows_the_style(tab: Tab, server: LiveServer) -> None:
    jpegs = set()
    for style in ("red", "green", "original"):
        status, body = request(server, "GET", f"/thumbnails/{style}?token={server.token}")
        assert status == 200
        jpegs.add(pixels(body))
    assert len(jpegs) == 3
    assert request(server, "GET", f"/thumbnails/nobody?token={server.token}")[0] == 404


def test_a_picture_can_be_mixed_but_not_recorded(tab: Tab) -> None:
    assert tab.ask({"type": "open", "name": "still.png"}, "source")["kind"] == "picture"
    assert tab.picture_of(mix={"red": 1})["mix"] == {"red": 1}
    assert "one moment" in tab.ask({"type": "record", "recording": True}, "failure")["message"]
    assert "one moment" in tab.ask({"type": "play", "playing": True}, "failure")["message"]


def test_too_many_tabs_are_told(server: LiveServer) -> None:
    with ExitStack() as tabs:
        for _ in range(8):
            tab = Tab(server)
            tabs.enter_context(tab.socket)
            tab.until(lambda tab=tab: "state" in tab.newest)  # type: ignore[misc]
        last = Tab(server)
        tabs.enter_context(last.socket)
        with pytest.raises(ConnectionClosed):
            last.until(lambda: False)


def test_a_painting_is_learned_until_it_will_do(tab: Tab, server: LiveServer, folder: Path) -> None:
    """Last in this file: the model has one more style from here on."""
    picture = BytesIO()
    Image.effect_mandelbrot((96, 72), (-2, -1, 1, 1), 50).save(picture, "PNG")
    path = f"/paintings?title=My%20Painting&token={server.token}"
    assert request(server, "POST", path, picture.getvalue())[0] == 202
    tab.until(lambda: tab.newest["lesson"]["status"] == "running")
    assert tab.newest["lesson"]["title"] == "My Painting"
    status, body = request(server, "POST", path, picture.getvalue())
    assert (status, b"already at work" in body) == (409, True)
    failure = tab.ask({"type": "render", "output": "half_taught.mp4"}, "failure")
    assert "being learned" in failure["message"]
    tab.send({"type": "stop_lesson"})  # before the first update has been shown
    tab.until(lambda: tab.newest["lesson"]["status"] == "stopped")
    assert "nothing was learned" in tab.newest["lesson"]["message"]
    assert len(tab.newest["hello"]["styles"]) == 3
    assert not (folder / "small_with_my_painting.safetensors").exists()
    assert request(server, "POST", path, picture.getvalue())[0] == 202
    tab.until(lambda: tab.newest["lesson"]["step"] > 0, 120)
    tab.send({"type": "stop_lesson"})
    tab.until(lambda: tab.newest["lesson"]["status"] == "stopped")
    assert [style["name"] for style in tab.newest["hello"]["styles"]][3:] == ["my_painting"]
    assert tab.picture_of(mix={"my_painting": 1})["mix"] == {"my_painting": 1}
    assert (folder / "small_with_my_painting.safetensors").exists()


def test_it_ends_while_a_page_that_said_goodbye_has_not_read_all(
    model_file: str, folder: Path
) -> None:
    def frame(opcode: int, content: bytes) -> bytes:
        """A client's WebSocket frame (RFC 6455, section 5.2), masked with zeros."""
        return bytes([0x80 | opcode, 0xFF]) + len(content).to_bytes(8, "big") + bytes(4) + content

    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\n#" + "e" * 900_000
    timeline = json.dumps({"type": "timeline", "text": text, "keep_text": True}).encode()
    with (
        socket.socket() as page,
        live_server(folder / "film.mp4", "--model", model_file) as server,
    ):
        page.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = server.host.split(":")
        page.connect((host, int(port)))
        page.sendall(
            f"GET /socket?token={server.token} HTTP/1.1\r\nHost: {server.host}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert page.recv(12) == b"HTTP/1.1 101"
        for _ in range(8):  # the answers are more than the system keeps for the page
            page.sendall(frame(1, timeline))
            time.sleep(0.2)
        page.sendall(frame(8, (1001).to_bytes(2, "big")))
        time.sleep(0.2)
    assert not any("Cancel" in line for line in server.log), server.log


def test_a_tab_that_comes_back_is_no_other_tab() -> None:
    """Its connection of before may be dead, and end much later."""

    async def come() -> None:
        viewers = Viewers()
        for _ in range(3):
            for number in range(MOST_VIEWERS):
                assert viewers.add(f"page {number}")
        assert viewers.add("another") is None
        assert viewers.add() is None
        for viewer in viewers.all[:MOST_VIEWERS]:
            viewers.remove(viewer)
        assert all(viewers.add("page 0") for _ in range(16))
        assert viewers.add("page 0") is None  # not without end

    asyncio.run(come())
