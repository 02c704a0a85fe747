"""What all tabs of one live page share: the player, the timeline, and who has the controls."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from videostyle.encode.containers import CONTAINERS
from videostyle.encode.options import EncodeOptions
from videostyle.errors import MediaError, UsageError, VideoStyleError
from videostyle.live.announcements import (
    CAMERA,
    Message,
    failure_message,
    hello_message,
    source_message,
    state_message,
)
from videostyle.live.controls import Touched
from videostyle.live.easel import Picture
from videostyle.live.lesson import Lesson, read_painting
from videostyle.live.library import Library, numbered
from videostyle.live.message import (
    Refusal,
    boolean,
    choice,
    integer,
    number,
    passage,
    scalars,
    tempo,
    text,
)
from videostyle.live.performance import to_timeline, unrolled
from videostyle.live.player import MOST_STEPS, Player
from videostyle.live.preview_size import LINES
from videostyle.live.rendering import Rendering
from videostyle.live.shared_timeline import SharedTimeline
from videostyle.live.timeline_files import MAX_SAVED_BYTES
from videostyle.look import ORIGINAL, SCALARS, Look, normalize_mixture
from videostyle.media.info import PICTURE_SUFFIXES
from videostyle.network.model import Model
from videostyle.network.model_card import Style
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.timeline import Track

MAX_WEIGHTS = 256
MAX_LOOKS_BYTES = 100_000
MAX_CAMERA_SIDE = 1280


class Session:
    """Carries out the page's commands. `tell` is called, from any thread, with every message that
    all tabs should have, `show` with every picture.

    token: what a page must know. ticket: is exchanged for it once; a browser is started with it,
    because every user of a machine can read how a program was started.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        library: Library,
        *,
        loss_network: Path | None = None,
        tell: Callable[[Message], None],
        show: Callable[[Picture], None],
    ) -> None:
        self.library = library
        self.token = secrets.token_urlsafe(24)
        self.ticket = secrets.token_urlsafe(24)
        self._tell = tell
        self._source = ""
        self._source_id = 0  # of an address, where not every name can be written
        self._rendered = ""  # the source of the last render
        self._looks = ""  # that are stored, as the page writes them; empty until it has
        self._camera_began = 0.0
        self._lock = Lock()
        self.player = Player(
            stylizer,
            on_picture=show,
            on_end=self._ended,
            on_resize=lambda: self._tell(self.state()),
            on_failure=self._say_failure,
        )
        self.timeline = SharedTimeline(library, self.player, say=tell)
        self.rendering = Rendering(stylizer.settings, self._say_rendering)
        self.lesson = Lesson(
            loss_network, str(stylizer.settings["device"]), self._set_model, self._say_lesson
        )
        self._commands: Mapping[str, Callable[[Message], None]] = {
            "files": lambda _: self._look_for_files(),
            "open": self._open,
            "look": self._set_look,
            "touch": self._touch,
            "looks": self._keep_looks,
            "play": self._play,
            "seek": self._seek,
            "step": self._step,
            "set": self._set,
            "record": self._record,
            "timeline": self._read_timeline,
            "tempo": self._set_tempo,
            "render": self._render,
            "stop_render": lambda _: self.rendering.stop(),
            "stop_lesson": lambda _: self.lesson.stop(),
            "cancel_lesson": lambda _: self.lesson.cancel(),
            "close_lesson": lambda _: self.lesson.forget(),
        }

    def keep_unsaved(self) -> Path | None:
        """End the recording, and write a timeline that no file holds into the folder, under a
        name that is free; return where, or None if there was nothing to write."""
        with self._lock:
            self._finish_take()
            return self.timeline.keep_unsaved()

    def close(self) -> None:
        """End the threads."""
        self.lesson.close()
        self.rendering.close()
        self.player.close()

    def command(self, message: Message) -> None:
        """Carry out one command. Raises VideoStyleError for what cannot be done."""
        kind = choice(message, "type", self._commands)
        # A timeline is long to read, and so may a folder be; nobody waits for that. What is done
        # with a timeline locks.
        with nullcontext() if kind in ("timeline", "files") else self._lock:
            self._commands[kind](message)

    def open(self, name: str) -> None:
        """Show a file of the library, or the camera."""
        self._open({"name": name})

    def see(self, data: bytes) -> None:
        """Take a frame of the browser's camera, a JPEG. Raises MediaError for anything else."""
        if self._source != CAMERA:
            return
        try:
            with Image.open(BytesIO(data), formats=("JPEG",)) as image:
                if max(image.size) > MAX_CAMERA_SIDE or min(image.size) < 16:
                    raise MediaError(f"a camera frame of {image.width}x{image.height} is refused")
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise MediaError("a camera frame that is no JPEG") from error
        self.player.see(pixels, time.perf_counter() - self._camera_began)

    def teach(self, title: str, data: bytes) -> None:
        """Add a painting to the model. Raises VideoStyleError for what is no painting, or when
        there is nothing to learn with."""
        painting = read_painting(data)
        with self._lock:
            if self.lesson.loss_network is None:
                raise UsageError(
                    "adding a painting needs a loss network: start with --loss-network FILE, or "
                    "--loss-network vgg16 to fetch it"
                )
            if self.lesson.is_running or self.rendering.is_running:
                raise UsageError("something is already at work; wait until it is done")
            if self.player.info is None:
                raise UsageError("open a video or a picture first: the painting learns on it")
            title = title.strip()[:100] or "Painting"
            model = self.player.stylizer.model
            style = Style(_style_name(title, model.card.style_names), title, "", "", title)
            plain = re.sub(r"[^A-Za-z0-9_-]+", "_", model.card.name)[:80]
            output = self.library.free(f"{plain}_with_{style.name}", ".safetensors")
            self.lesson.start(model, style, painting, self.player.info.path, output)
            self._finish_take()
            self.player.update(playing=False)
        self._tell(self.state())
        self._say_lesson()

    def _set_model(self, model: Model) -> None:
        with self._lock:
            before = self.player.stylizer.model.card.style_names
            if lost := set(before) - set(model.card.style_names):
                self._forget(lost)
            self.player.stylizer.model = model
            self.player.repaint()
        if model.card.style_names != before:
            self._tell(self._hello())

    def _forget(self, styles: set[str]) -> None:
        """Take styles out of the look and the timeline; the original stands in for a mixture of
        them alone."""

        def rest(mix: Mapping[str, float]) -> Mapping[str, float]:
            kept = {name: weight for name, weight in mix.items() if name not in styles}
            return normalize_mixture(kept or {ORIGINAL: 1.0})

        self._finish_take()
        look = self.player.controls.look
        self.player.update(look=replace(look, mix=rest(look.mix)))
        curves = self.timeline.curves
        if curves and styles.intersection(curves.style_names):
            keys = [replace(key, value=rest(key.value)) for key in curves.mix.keyframes]
            self.timeline.keep(replace(curves, mix=Track(keys)))
        self._tell(self.state())

    def say_files(self) -> None:
        """Tell all tabs what the folder holds now."""
        self.library.look()
        self._tell(self._hello())

    def _look_for_files(self) -> None:
        """Tell all tabs what the folder holds now, if that is something else."""
        before = self.library.media, self.library.timelines
        self.library.look()
        if before != (self.library.media, self.library.timelines):
            self._tell(self._hello())

    def _say_lesson(self) -> None:
        self._tell(self._lesson_message())

    def greeting(self) -> list[Message]:
        """Everything a new tab needs."""
        return [
            self._hello(),
            self._looks_message(),
            self._source_message(),
            self.timeline.message(),
            self.state(),
            self._rendering_message(),
            self._lesson_message(),
        ]

    def _hello(self) -> Message:
        teaches = self.lesson.loss_network is not None
        return hello_message(self.player.stylizer, self.library, teaches=teaches)

    def state(self) -> Message:
        """What changes while it plays."""
        return state_message(self.player.controls, self.player.lines)

    def _open(self, message: Message) -> None:
        name = text(message, "name", 4000)
        path = None if name == CAMERA else self.library.find(name)
        self.player.open(path, lambda: self._begin_source(name))
        self.timeline.begin()
        self._camera_began = time.perf_counter()
        self.timeline.say()
        self._tell(self.state())

    def _begin_source(self, name: str) -> None:
        is_same = name == self._source  # written over, its length may be another
        self._source, self._source_id = name, self._source_id + 1
        self._tell(self._source_message())
        if is_same:
            self.timeline.say()
            self._tell(self.state())

    def sound_of(self, source: str) -> Path | None:
        """The file with the sound of a source, given its id, if that is the one that is open and
        has some."""
        info = self.player.info
        is_open = source == str(self._source_id)
        has_sound = info is not None and is_open and info.streams("audio")
        return info.path if info and has_sound else None

    def _weights(self, message: Message) -> dict[str, float]:
        mix = message.get("mix")
        if not isinstance(mix, dict) or len(mix) > MAX_WEIGHTS:
            raise UsageError("a look needs 'mix', {style: weight}")
        self.player.stylizer.check(name for name in mix if name != ORIGINAL)
        return {name: number(mix, name, 0, 1e6) for name in mix}

    def _set_look(self, message: Message) -> None:
        look = Look(self._weights(message), **scalars(message, SCALARS))
        before = self.player.controls
        serial = integer(message, "serial", 0, 1 << 52)
        if before.follow and before.recording != (message.get("recording") is True):
            # Of a take that has ended, or from before one began: it does not end the following.
            self.player.update(serial=serial)
        else:
            self.player.update(look=look, follow=False, serial=serial)
        if before.follow:
            self._tell(self.state())

    def _touch(self, message: Message) -> None:
        """Take over from the timeline, while that is recorded over, what the hands have touched:
        all of it, each time."""
        is_whole = boolean(message, "whole")
        given = [name for name in SCALARS if name in message]
        touched = Touched(self._weights(message), is_whole, scalars(message, given))
        serial = integer(message, "serial", 0, 1 << 52)
        controls = self.player.controls
        is_late = not (controls.recording and controls.follow)
        self.player.update(serial=serial, touched=controls.touched if is_late else touched)

    def _keep_looks(self, message: Message) -> None:
        """Keep what the page has stored, for the other tabs and for whoever takes over."""
        self._looks = text(message, "looks", MAX_LOOKS_BYTES)
        self._tell(self._looks_message())

    def _play(self, message: Message) -> None:
        playing = boolean(message, "playing")
        if playing:
            self._check_can_play("there is nothing to play")
        else:
            self._finish_take()
        self.player.update(playing=playing)
        self._tell(self.state())

    def _check_can_play(self, problem: str) -> None:
        if self.player.info and self.player.info.is_image:
            raise UsageError(f"a picture has one moment; {problem}")
        if self.rendering.is_running:
            raise UsageError("a render is running; stop it, or wait, to play")

    def _seek(self, message: Message) -> None:
        seconds = number(message, "seconds", 0, 1e7)
        if self.player.controls.recording:  # what lies between was not performed
            self._finish_take()
            self.player.update(playing=True)
            self._tell(self.state())
        self.player.seek(seconds)

    def _step(self, message: Message) -> None:
        frames = integer(message, "frames", -MOST_STEPS, MOST_STEPS)
        self._finish_take()
        self.player.step(frames)
        self._tell(self.state())

    def _set(self, message: Message) -> None:
        changes: dict[str, Any] = {
            name: boolean(message, name) for name in ("loop", "follow") if name in message
        }
        if "lines" in message:
            is_free = message["lines"] is None
            changes["lines"] = None if is_free else integer(message, "lines", LINES[0], LINES[-1])
        if "passage" in message:
            changes["passage"] = wanted = passage(message)
            if wanted and (self.player.info is None or self.player.info.is_image):
                raise UsageError("only a video has loop points")
        if "follow" in changes:
            changes["touched"] = Touched()
        if changes.get("follow") and self.timeline.curves is None:
            raise UsageError("there is no timeline to follow yet; add a key or record one")
        self.player.update(**changes)
        self._tell(self.state())

    def _record(self, message: Message) -> None:
        if boolean(message, "recording"):
            self._check_can_play("there is nothing to record")
            if between := self.player.controls.passage:
                self.player.seek(between.start)
            self.player.update(recording=True, playing=True, touched=Touched())
        else:
            self._finish_take()
            self.player.update(playing=False)
        self._tell(self.state())

    def _finish_take(self) -> None:
        """End the recording, if there is one, and keep it. What plays stops first: the next take
        goes on where this one ends."""
        if self.player.controls.recording:
            self.player.update(recording=False, playing=False)
        take = self.player.take()
        if take:
            before, info = self.timeline.curves, self.player.info
            if info is None and before is None:  # a camera's first take begins as a file would
                take = [replace(each, seconds=each.seconds - take[0].seconds) for each in take]
            if before and before.loop:
                end = max(take[-1].seconds, (info and info.duration_seconds) or 0.0)
                before = unrolled(before, end, float((info and info.frame_rate) or 25))
            after = to_timeline(take, before)
            if after is not before:
                self.timeline.keep(after)
            self.player.update(follow=True)
        self.player.update(touched=Touched())

    def _ended(self) -> None:
        """The video came to its end, and with it the recording."""
        with self._lock:
            self._finish_take()
        self._tell(self.state())

    def _read_timeline(self, message: Message) -> None:
        """Take the text a tab has written, or its keys; the text is kept as it is."""
        source = text(message, "text", MAX_SAVED_BYTES)
        document = self.timeline.parse(source)
        with self._lock:
            self.timeline.take(message, source, document)
            follows = document is not None and message.get("follow") is True
            if follows:
                self.player.update(follow=True)
            if follows or document is None:
                self._tell(self.state())

    def _set_tempo(self, message: Message) -> None:
        """Give the timeline a tempo, or take it away."""
        self.timeline.set_tempo(tempo(message))

    def _render(self, message: Message) -> None:
        info = self.player.info
        if info is None:
            raise UsageError("a camera cannot be rendered; save the timeline, and render a video")
        if self.rendering.is_running:
            raise UsageError("a render is running; stop it first")
        if self.lesson.is_running:
            raise UsageError("a painting is being learned; end that, or wait, to render")
        suffixes = set(PICTURE_SUFFIXES if info.is_image else CONTAINERS)
        output = self.library.new(text(message, "output", 1000), suffixes)
        if output.exists() and info.path.exists() and output.samefile(info.path):
            raise UsageError(f"{output.name} is the input; choose another name")
        if output.exists() and message.get("overwrite") is not True:
            problem = f"{output.name} exists; choose another name, or overwrite it"
            raise Refusal(problem, "exists", name=output.name)
        crf = None if message.get("crf") is None else integer(message, "crf", 0, 63)
        size = message.get("max_size")
        max_size = None if size is None else integer(message, "max_size", 16, 16384)
        self._finish_take()
        controls = self.player.controls
        curves = self.timeline.curves if controls.follow else None
        self.player.update(playing=False)
        self._rendered = self._source
        self.rendering.start(
            info.path,
            output,
            curves or controls.look,
            self.player.stylizer.model,
            EncodeOptions(crf=crf),
            max_size,
            controls.passage if message.get("passage") is True else None,
        )
        self._tell(self.state())
        self._say_rendering()

    def _say_rendering(self) -> None:
        self._tell(self._rendering_message())
        if self.rendering.state.status == "done":
            self.say_files()

    def _say_failure(self, error: VideoStyleError) -> None:
        self._tell(failure_message(error))

    def _rendering_message(self) -> Message:
        return {"type": "render", "source": self._rendered, **self.rendering.state.to_dict()}

    def _looks_message(self) -> Message:
        return {"type": "looks", "looks": self._looks}

    def _lesson_message(self) -> Message:
        return {"type": "lesson", **self.lesson.state.to_dict()}

    def _source_message(self) -> Message:
        return source_message(self._source, self._source_id, self.player.info)


def _style_name(title: str, taken: Sequence[str]) -> str:
    """A name for a style: the title's letters and digits, without accents."""
    letters = unicodedata.normalize("NFKD", title.casefold())
    bare = "".join(each for each in letters if not unicodedata.combining(each))
    plain = re.sub(r"[^a-z0-9]+", "_", bare).strip("_")[:40] or "painting"
    return next(name for name in numbered(plain) if name not in (*taken, ORIGINAL))
