"""A painting dropped on the page is learned while the picture shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from conftest import make_clip
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request

from videostyle.errors import MediaError, ModelError, TrainingError, UsageError
from videostyle.live.easel import Picture
from videostyle.live.lesson import Lesson, read_painting
from videostyle.live.library import Library
from videostyle.live.player import Player
from videostyle.live.server import Server
from videostyle.live.session import Session
from videostyle.live.viewers import Viewers
from videostyle.look import Look
from videostyle.network.model import Model, load_model
from videostyle.network.model_card import Style
from videostyle.stylize.stylizer import Stylizer
from videostyle.training.config import TrainConfig
from videostyle.training.dataset import open_picture

OCHRE = Style("ochre", "Ochre", "", "", "Ochre")


def picture(mode: str = "RGB", size: tuple[int, int] = (96, 72)) -> bytes:
    file = BytesIO()
    Image.effect_mandelbrot(size, (-2, -1, 1, 1), 50).convert(mode).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content.png"
    path.write_bytes(picture(size=(160, 120)))
    return path


def taught(lesson: Lesson, model: Model, content: Path, output: Path) -> None:
    lesson.start(model, OCHRE, read_painting(picture()), content, output)
    lesson.wait()


def test_the_model_has_the_painting_from_early_on_and_is_saved(
    small_model: Model,
    loss_network_file: Path,
    content: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("videostyle.live.lesson.STEPS", 4)
    monkeypatch.setattr("videostyle.live.lesson.SHOW_EVERY", 2)
    small = partial(TrainConfig, batch_size=1, crop=64)
    monkeypatch.setattr("videostyle.training.add_style.TrainConfig", small)
    models: list[Model] = []
    lesson = Lesson(loss_network_file, "cpu", models.append, lambda: None)
    taught(lesson, small_model, content, tmp_path / "taught.safetensors")
    assert lesson.state.status == "done", lesson.state
    assert [len(model.card.styles) for model in models] == [4, 4, 4]
    saved = load_model(tmp_path / "taught.safetensors")
    assert saved.card.style_names == ("red", "green", "blue", "ochre")
    # The network is untouched, so an engine made for it serves the new model too.
    assert models[-1].weights is small_model.weights


@pytest.mark.parametrize(
    ("ending", "step", "is_learned"),
    [("stop", 0, False), ("stop", 2, True), ("cancel", 0, False), ("cancel", 2, False)],
)
def test_a_lesson_that_ends_early_is_kept_only_if_it_was_shown_and_is_wanted(
    small_model: Model,
    loss_network_file: Path,
    content: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    step: int,
    is_learned: bool,
) -> None:
    monkeypatch.setattr("videostyle.live.lesson.SHOW_EVERY", 2)
    small = partial(TrainConfig, batch_size=1, crop=64)
    monkeypatch.setattr("videostyle.training.add_style.TrainConfig", small)
    models: list[Model] = []

    def end() -> None:
        if lesson.is_running and lesson.state.step >= step:
            getattr(lesson, ending)()

    lesson = Lesson(loss_network_file, "cpu", models.append, end)
    lesson.start(small_model, OCHRE, read_painting(picture()), content, tmp_path / "t.safetensors")
    end()
    lesson.wait()
    assert lesson.state.status == "stopped", lesson.state
    assert (tmp_path / "t.safetensors").exists() == is_learned
    assert (models[-1] is not small_model) == is_learned
    told = "Ochre is learned, with 2 of 400 updates." if is_learned else "nothing was learned"
    assert told in lesson.state.message


def test_a_lesson_that_fails_leaves_the_model_as_it_was(
    small_model: Model, content: Path, tmp_path: Path
) -> None:
    models: list[Model] = []
    lesson = Lesson(tmp_path / "missing.safetensors", "cpu", models.append, lambda: None)
    taught(lesson, small_model, content, tmp_path / "taught.safetensors")
    assert lesson.state.status == "failed"
    assert models[-1] is small_model
    assert not (tmp_path / "taught.safetensors").exists()


def test_a_painting_is_not_begun_where_it_cannot_be_written(
    small_model: Model, loss_network_file: Path, content: Path, tmp_path: Path
) -> None:
    lesson = Lesson(loss_network_file, "cpu", lambda _: None, lambda: None)
    with pytest.raises(ModelError, match="cannot be written"):
        taught(lesson, small_model, content, tmp_path / "gone" / "taught.safetensors")
    assert lesson.state.status == "idle"


@pytest.fixture
def session(small_model: Model, loss_network_file: Path, tmp_path: Path) -> Iterator[Session]:
    make_clip(tmp_path / "film.mp4")
    session = Session(
        Stylizer(small_model, device="cpu"),
        Library(tmp_path),
        loss_network=loss_network_file,
        tell=lambda _: None,
        show=lambda _: None,
    )
    session.open("film.mp4")
    yield session
    session.close()


def test_a_style_that_is_lost_leaves_the_look_and_the_timeline(
    session: Session, small_model: Model
) -> None:
    card = replace(small_model.card, styles=(*small_model.card.styles, OCHRE))
    rows = np.concatenate((small_model.styles, small_model.styles[:1]))
    session._set_model(replace(small_model, card=card, styles=rows))
    look = {"type": "look", "strength": 1, "keep_color": 0, "stroke": 1, "serial": 1}
    session.command({**look, "mix": {"ochre": 3, "red": 1}})
    keys = "{at: 0s, mix: ochre}, {at: 1s, mix: {ochre: 1, blue: 1}}"
    session.command({"type": "timeline", "text": f"version: 1\nkeyframes: [{keys}]"})
    session._set_model(small_model)
    assert session.player.controls.look.mix == {"red": 1}
    timeline = session.player.controls.timeline
    assert timeline
    assert [key.value for key in timeline.mix.keyframes] == [{"original": 1}, {"blue": 1}]
    assert "ochre" not in json.dumps(session.greeting())


def test_a_model_file_of_an_earlier_lesson_stays(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs: list[Path] = []
    monkeypatch.setattr(session.lesson, "start", lambda *given: outputs.append(given[-1]))
    for name in ("small_with_mine", "small_with_mine_2"):
        (tmp_path / f"{name}.safetensors").touch()
    session.teach("Mine", picture())
    session.teach("Größe: L'Été", picture())
    assert [output.name for output in outputs] == [
        "small_with_mine_3.safetensors",
        "small_with_grosse_l_ete.safetensors",
    ]


@pytest.mark.parametrize("name", ["../escaped", "a/b", "m\0n", "x" * 240])
def test_a_model_of_any_name_is_written_into_the_folder(
    session: Session, small_model: Model, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    outputs: list[Path] = []
    monkeypatch.setattr(session.lesson, "start", lambda *given: outputs.append(given[-1]))
    model = replace(small_model, card=replace(small_model.card, name=name))
    session.player.stylizer.model = model
    session.teach("Mine", picture())
    assert [output.parent for output in outputs] == [session.library.root]
    outputs[0].touch()


def test_a_source_that_is_gone_can_be_told_from_the_output(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "out.mp4").touch()
    (tmp_path / "film.mp4").unlink()
    with pytest.raises(UsageError, match="exists"):
        session.command({"type": "render", "output": "out.mp4"})


def test_the_files_are_told_when_they_are_others(small_model: Model, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    stylizer, show = Stylizer(small_model, device="cpu"), lambda _: None
    session = Session(stylizer, Library(tmp_path), tell=told.append, show=show)
    session.command({"type": "files"})
    assert told == []
    (tmp_path / "new.yaml").touch()
    session.command({"type": "files"})
    assert [each["timelines"] for each in told] == [["new.yaml"]]
    session.close()


def test_a_timeline_file_that_has_just_gone_is_not_asked_about(
    session: Session, tmp_path: Path
) -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\n"
    number = session.timeline.files.opened("show.yaml", text)
    assert session.timeline.files.why_ask("show.yaml", tmp_path / "show.yaml", number) == ""
    (tmp_path / "show.yaml").mkdir()
    assert "cannot be read" in session.timeline.files.why_ask(
        "show.yaml", tmp_path / "show.yaml", number
    )


def test_a_file_that_goes_while_it_is_asked_for_is_not_found(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "show.yaml"
    file.write_text("version: 1\n")

    def find(name: str) -> Path:
        file.unlink()
        return tmp_path / name

    monkeypatch.setattr(session.library, "find", find)
    path = b"/timelines/show.yaml"
    query = f"token={session.token}".encode()
    scope = {"type": "http", "raw_path": path, "query_string": query, "headers": []}
    with pytest.raises(HTTPException, match="cannot be read") as refusal:
        asyncio.run(Server(session, Viewers()).read_timeline(Request(scope)))
    assert refusal.value.status_code == 404


def test_a_file_that_cannot_be_reached_ends_no_connection(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "film.mp4")

    class Socket:
        received = iter(
            [{"type": "websocket.receive", "text": "{}"}, {"type": "websocket.disconnect"}]
        )

        async def receive(self) -> dict[str, str]:
            return next(self.received)

    monkeypatch.setattr(session, "command", fail)
    viewers = Viewers()
    viewer = viewers.add()
    assert viewer
    asyncio.run(Server(session, viewers)._receive(cast(Any, Socket()), viewer))
    told = [json.loads(asyncio.run(viewer.next())) for _ in range(2)]
    assert "No such file" in told[-1]["message"]


def test_what_nobody_watches_plays_no_more(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Socket:
        query_params: ClassVar = {"token": session.token}

        async def accept(self) -> None: ...

        async def receive(self) -> dict[str, str]:
            return {"type": "websocket.disconnect"}

        async def send_text(self, _: str) -> None: ...

    async def visit(*, recording: bool) -> bool:
        session.player.update(playing=True, recording=recording)
        await Server(session, Viewers()).socket(cast(Any, Socket()))
        await asyncio.sleep(0.05)
        return session.player.controls.playing

    monkeypatch.setattr("videostyle.live.server.UNWATCHED_SECONDS", 0)
    assert not asyncio.run(visit(recording=False))
    assert asyncio.run(visit(recording=True))


def test_a_tab_gets_no_picture_of_the_source_before() -> None:
    def picture(seconds: float) -> Picture:
        return Picture(seconds, Look({"red": 1}), 0, b"")

    async def told() -> str | bytes:
        viewers = Viewers()
        viewer = viewers.add()
        assert viewer
        viewers.show(picture(7))
        viewers.tell({"type": "source"})
        types = [json.loads(await viewer.next())["type"] for _ in range(2)]
        assert types == ["role", "source"]
        coming = asyncio.create_task(viewer.next())
        await asyncio.sleep(0)
        viewers.show(picture(0))
        return await coming

    first = asyncio.run(told())
    assert isinstance(first, bytes)
    assert b'"seconds": 0' in first


def test_a_tab_that_comes_gets_the_last_picture_of_the_source() -> None:
    async def told() -> str | bytes:
        viewers = Viewers()
        viewers.tell({"type": "source"})
        viewers.show(Picture(7, Look({"red": 1}), 0, b""))
        viewer = viewers.add()
        assert viewer
        viewer.tell({"type": "source"})  # its greeting
        return [await viewer.next() for _ in range(3)][-1]

    last = asyncio.run(told())
    assert isinstance(last, bytes)
    assert b'"seconds": 7' in last


def test_a_tab_hears_that_its_connection_lives(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Socket:
        query_params: ClassVar = {"token": session.token}

        def __init__(self) -> None:
            self.alive = asyncio.Event()

        async def accept(self) -> None: ...

        async def receive(self) -> dict[str, str]:
            await asyncio.wait_for(self.alive.wait(), 60)
            return {"type": "websocket.disconnect"}

        async def send_text(self, text: str) -> None:
            if json.loads(text)["type"] == "alive":
                self.alive.set()

    async def visit() -> None:
        await Server(session, Viewers()).socket(cast(Any, Socket()))

    monkeypatch.setattr("videostyle.live.server.BEAT_SECONDS", 0)
    asyncio.run(visit())


def test_the_controls_go_to_the_next_tab_when_the_first_stays_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("videostyle.live.viewers.KEPT_SECONDS", 0.05)

    async def leave() -> None:
        viewers = Viewers()
        first, second = viewers.add(), viewers.add()
        assert first
        assert second
        assert viewers.conductor is first
        assert not json.loads(await second.next())["conducts"]
        viewers.remove(first)
        assert viewers.conductor is None
        assert json.loads(await asyncio.wait_for(second.next(), 60))["conducts"]
        assert viewers.conductor is second

    asyncio.run(leave())


def test_how_a_lesson_ended_is_told_until_it_is_closed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        (message,) = [each for each in session.greeting() if each["type"] == "lesson"]
        return str(message["status"])

    monkeypatch.setattr(session.lesson, "loss_network", Path("missing"))
    session.teach("Mine", picture())
    session.lesson.wait()
    assert told() == "failed"
    session.command({"type": "close_lesson"})
    assert told() == "idle"
    session.lesson.set(status="running")
    session.command({"type": "close_lesson"})
    assert told() == "running"


def test_who_hears_that_a_render_is_done_can_begin_another(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[bool] = []

    def look() -> None:
        if not again:
            again.append(session.rendering.is_running)

    monkeypatch.setattr(session.library, "look", look)
    session.command({"type": "render", "output": "one.mp4"})
    session.rendering.wait()
    assert again == [False]
    session.command({"type": "render", "output": "two.mp4"})


def test_warnings_of_a_timeline_are_kept_for_tabs_that_come_later(session: Session) -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: red}, {at: 99s, mix: blue}]\n"
    session.command({"type": "timeline", "text": text, "keep_text": True})
    (told,) = [message for message in session.greeting() if message["type"] == "timeline"]
    assert len(told["warnings"]) == 1
    assert "99" in told["warnings"][0]
    session.command({"type": "timeline", "text": text.replace("99s", "0.1s")})
    assert not session.timeline.warnings


def test_a_tab_may_come_while_the_timeline_goes(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def info(_: Player) -> None:
        session.command({"type": "timeline", "text": ""})

    text = "version: 1\nkeyframes: [{at: 0s, mix: red}]\n"
    session.command({"type": "timeline", "text": text})
    monkeypatch.setattr(Player, "info", property(info))
    assert session.timeline.message()["tracks"]


def test_a_lesson_that_is_refused_leaves_the_video_playing(session: Session) -> None:
    session.command({"type": "play", "playing": True})
    session.library.root = session.library.root / "gone"
    with pytest.raises(ModelError, match="cannot be written"):
        session.teach("Mine", picture())
    assert session.player.controls.playing


def test_a_photograph_is_learned_upright() -> None:
    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6  # the orientation of a phone held upright
    Image.effect_mandelbrot((96, 72), (-2, -1, 1, 1), 50).save(file, "JPEG", exif=exif)
    assert read_painting(file.getvalue()).size == (72, 96)


def test_an_uploaded_picture_of_16_bits_keeps_its_shades() -> None:
    file = BytesIO()
    ramp = np.linspace(0, 65535, 96 * 64).astype(np.uint16).reshape(64, 96)
    Image.fromarray(ramp).save(file, "PNG")
    assert np.asarray(read_painting(file.getvalue())).mean() == pytest.approx(127, abs=2)


@pytest.mark.parametrize("data", [b"", b"<svg/>", picture()[:200], picture(size=(20, 20))])
def test_what_is_no_painting_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        read_painting(data)


def test_a_photograph_with_damaged_exif_is_refused(tmp_path: Path) -> None:
    entries = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x01\x1a\0\x01\0\0\0\x01P\0\0\0"
    path = tmp_path / "damaged.jpg"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + entries + b"\0\0\0\0"
    Image.effect_mandelbrot((96, 72), (-2, -1, 1, 1), 50).save(path, exif=exif)
    with pytest.raises(MediaError, match="not a picture"):
        read_painting(path.read_bytes())
    with pytest.raises(TrainingError, match="cannot be read"):
        open_picture(path)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_any_picture_will_do(mode: str) -> None:
    assert read_painting(picture(mode, (3000, 80))).size == (1024, 27)
