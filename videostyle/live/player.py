"""The player: one thread that decodes, paints and hands out pictures, steered from others.

Playing keeps to the clock: a frame is painted when it is due and left out when it is late. Each
frame takes the look of the moment it is submitted in, so a slider shows with the next frame.
Standing still, a change is painted at once at the preview's size, and soon after as `render`
would paint it, at the size and with the earlier frames that it would use.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Condition, Thread
from typing import Any, TypeVar

import av
import numpy as np
from PIL import Image

from videostyle.decode.decode import decode
from videostyle.decode.letterbox import with_bars
from videostyle.decode.probe import measure_duration, probe
from videostyle.decode.still import still
from videostyle.errors import MediaError, VideoStyleError
from videostyle.live.controls import Controls, Touched
from videostyle.live.easel import Easel, Picture, Pixels, encode_jpeg
from videostyle.live.performance import Sample
from videostyle.live.preview_size import LINES, PreviewSize
from videostyle.live.ready_stroke import ReadyStroke
from videostyle.look import ORIGINAL, Look
from videostyle.media.color import RGB
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MediaInfo
from videostyle.network.model import Model
from videostyle.rendering.stages import prefetch
from videostyle.stylize.stabilizer import MEMORY
from videostyle.stylize.stylizer import Stylizer
from videostyle.timecode import NEAR

T = TypeVar("T")
_Stamp = tuple[int, int]
# After so long without a change a frame is painted as `render` does.
SETTLE_SECONDS = 0.3
MAX_SETTLED_SIDE = 1920
# After so many late frames in a row the clock is set back: painting cannot follow it.
MOST_LATE = 6
# While the next frame is not due for so long, there is time to paint the last one anew.
LONG_WAIT_SECONDS = 0.15
# So many frames at once back: they are decoded and kept until the first is shown.
MOST_STEPS = 20
THUMBNAIL_SIDE = 384
_DECODED_AHEAD = 2
_CAMERA_POLL_SECONDS = 0.005
_ROUNDING_SECONDS = 1e-6  # of floats


@dataclass(frozen=True, slots=True)
class _Place:
    """The frame that comes so many `frames` after the first one at or after a time; before it, if
    they are negative."""

    seconds: float
    frames: int = 0


class Player:
    """Plays one source at a time. Its methods may be called from any thread.

    on_picture, on_end, on_resize and on_failure are called in the player's thread: with every
    picture, when the video stopped at its end or because it failed, when the preview has chosen
    another size, and with what went wrong with the source.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        *,
        on_picture: Callable[[Picture], None],
        on_end: Callable[[], None],
        on_resize: Callable[[], None],
        on_failure: Callable[[VideoStyleError], None],
    ) -> None:
        self.stylizer = stylizer
        self._on_picture, self._on_end, self._on_failure = on_picture, on_end, on_failure
        self._on_resize = on_resize
        self._strokes = ReadyStroke(stylizer)
        self._changed = Condition()
        self._controls = Controls()
        self._info: MediaInfo | None = None
        self._stamp: _Stamp | None = None
        self._on_open: Callable[[], None] = lambda: None
        self._preview = _preview_size(None)
        self._wanted: _Place | None = None  # until a picture from there is shown
        self._scene = 0  # counts sources, seeks and sizes: what begins decoding anew
        self._opened = 0  # the first scene of the source
        self._camera: tuple[Pixels, float] | None = None
        self._small_frame: tuple[MediaInfo, Pixels] | None = None
        self._thumbnails: dict[str, tuple[Pixels, Model, bytes]] = {}
        self._take: list[Sample] = []
        self._tried = self._controls, stylizer.model  # what is painted with, or was, as it failed
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._closed = False
        self.seconds = 0.0
        self._thread = Thread(target=self._run, name="player", daemon=True)
        self._thread.start()

    @property
    def controls(self) -> Controls:
        with self._changed:
            return self._controls

    @property
    def info(self) -> MediaInfo | None:
        """Facts about the source; None for a camera."""
        return self._info

    @property
    def lines(self) -> int:
        """Of the preview's shorter side, where the source has as many."""
        return self.controls.lines or self._preview.lines

    def open(
        self, path: Path | None, on_open: Callable[[], None] = lambda: None
    ) -> MediaInfo | None:
        """Show a video or a picture from its start, or what is given to `see` if None.

        HDR becomes SDR. The timeline is forgotten. on_open is called before any picture of it, and
        after all of others, and again when the file turns out to be another; it must not wait.
        Raises MediaError; the source is then as before.
        """
        stamp = _stamp(path) if path else None
        info = _probe(path) if path else None
        with self._changed:
            self._info, self._camera, self._take = info, None, []
            self._stamp, self._on_open = stamp, on_open
            self._preview = _preview_size(info)
            self._wanted = _Place(0.0)
            self._controls = replace(
                self._controls,
                look=self._controls.look_at(self.seconds),
                playing=False,
                recording=False,
                timeline=None,
                follow=False,
                touched=Touched(),
            )
            self.seconds = 0.0
            self._begin_scene()
            self._opened = self._scene
            on_open()
        return info

    def see(self, pixels: Pixels, seconds: float) -> None:
        """Give the camera's newest frame, (H, W, 3) RGB, and its time since the camera began."""
        with self._changed:
            if self._info is None:
                self._camera = (pixels, seconds)
                self._changed.notify_all()

    def update(self, **changes: Any) -> None:
        """Change some of the controls. Where following ends, the look stays as it is shown, unless
        another is given."""
        with self._changed:
            before = self._controls
            if not changes.get("follow", True):
                changes = {"look": before.look_at(self.seconds), **changes}
            self._controls = now = replace(before, **changes)
            if now.lines != before.lines:
                self._preview = _preview_size(self._info)
                self._begin_scene()
            if now.recording and not before.recording:
                self._take = []
            self._changed.notify_all()

    def repaint(self) -> None:
        """Look again: the stylizer has another model."""
        with self._changed:
            self._changed.notify_all()

    def seek(self, seconds: float) -> None:
        """Go to the first frame at or after a time, as a timeline counts it, or the last there
        is."""
        with self._changed:
            self._wanted = _Place(max(0.0, seconds - NEAR))
            self._begin_scene()

    def step(self, frames: int) -> None:
        """Stop, and go so many frames on or back."""
        with self._changed:
            self._controls = replace(self._controls, playing=False)
            place = self._place
            self._wanted = replace(place, frames=max(-MOST_STEPS, place.frames + frames))
            self._begin_scene()

    def take(self) -> list[Sample]:
        """The look of every frame shown since recording began, in order of time; they are then
        forgotten."""
        with self._changed:
            take, self._take = self._take, []
            return take

    def thumbnail(self, style: str) -> Future[bytes]:
        """A JPEG of a frame of the source in one style, or untouched for `original`."""

        def paint() -> bytes:
            frame, model = self._small(), self.stylizer.model
            known = self._thumbnails.get(style)
            if known and known[0] is frame and known[1] is model:
                return known[2]
            painted = frame if style == ORIGINAL else self.stylizer(frame, Look({style: 1.0}))
            jpeg = encode_jpeg(painted)
            self._thumbnails[style] = frame, model, jpeg
            return jpeg

        return self._do(paint)

    def close(self) -> None:
        """End the thread; who still waits for a thumbnail hears that it is cancelled."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._strokes.close()
        for future, _ in self._jobs:
            future.cancel()

    @property
    def _place(self) -> _Place:
        """Where it is, or goes."""
        return self._wanted or _Place(self.seconds)

    def _begin_scene(self) -> None:
        self._scene += 1
        self._changed.notify_all()

    def _do(self, job: Callable[[], T]) -> Future[T]:
        """Run a job between frames: the stylizer belongs to the player's thread."""
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                future.cancel()
            else:
                self._jobs.append((future, job))
                self._changed.notify_all()
        return future

    # From here on everything runs in the player's thread.

    def _run(self) -> None:
        while not self._closed:
            with self._changed:
                scene, info, place = self._scene, self._info, self._place
                self._tried = self._controls, self.stylizer.model
            try:
                if info is None:
                    self._watch(scene)
                elif info := self._renewed(scene, info):
                    self._show(scene, info, place)
            except VideoStyleError as error:
                self._fail(scene, error)
            except Exception as error:  # the page must hear of it, and can open something else
                logging.getLogger("videostyle").exception("the player failed")
                self._fail(scene, VideoStyleError(f"{type(error).__name__}: {error}"))

    def _renewed(self, scene: int, info: MediaInfo) -> MediaInfo | None:
        """Facts about the source's file, which may have been written over since it was opened;
        None if another scene began meanwhile."""
        stamp = _stamp(info.path)
        if stamp is None or stamp == self._stamp:
            return info
        info = _probe(info.path)
        with self._changed:
            if not self._lasts(scene):
                return None
            self._info, self._stamp, self._preview = info, stamp, _preview_size(info)
            self._on_open()
        return info

    def _fail(self, scene: int, error: VideoStyleError) -> None:
        """Stop, tell, and do nothing but what others ask for until something may be better."""
        controls, model = self._tried
        controls = replace(controls, playing=False, recording=False)
        with self._changed:
            is_current = self._lasts(scene)
            if is_current:
                self._controls = replace(self._controls, playing=False, recording=False)
        self._on_failure(error)
        if is_current:
            self._on_end()
        changed = self._change_of(scene, controls, model)
        while not changed():
            self._run_job(None)
            self._wait_for_job_or(changed)

    def _lasts(self, scene: int) -> bool:
        return self._scene == scene and not self._closed

    def _wait(self, until: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait for a change that makes `until` true; False if the time passed instead."""
        with self._changed:
            return self._changed.wait_for(until, seconds)

    def _wait_for_job_or(self, until: Callable[[], bool], seconds: float | None = None) -> bool:
        return self._wait(lambda: bool(self._jobs) or until(), seconds)

    def _run_job(self, easel: Easel | None) -> None:
        """One at a time, so that thirty thumbnails do not hold the picture up."""
        if not self._jobs:
            return
        if easel:
            easel.drain()  # a job finds the stylizer idle
        future, job = self._jobs.popleft()
        if not future.set_running_or_notify_cancel():
            return  # the tab that asked is gone
        try:
            future.set_result(job())
        except Exception as error:  # whoever asked gets it
            future.set_exception(error)

    def _show(self, scene: int, info: MediaInfo, place: _Place) -> None:
        """Play and stand still from a place on, until another scene begins."""
        preview = _of_lines(info, self.lines)
        easel = self._easel(scene, preview)
        with ExitStack() as stack:
            cut = _from(info, place.seconds)
            # One before at least: where the video ends earlier, that is the last there is.
            decoded = decode(preview, cut=cut, lead=max(1, -place.frames))
            frames = prefetch(decoded, _DECODED_AHEAD)
            stack.enter_context(closing(frames))
            stack.callback(easel.drain)  # whatever ends the scene leaves the stylizer idle
            shown = _first(frames, cut.start, place.frames)
            if shown is None:
                raise MediaError(f"{info.path}: has no frames to show")
            if self._opened <= scene < self._scene and not self._closed:
                # A hand that goes on sees where it passes.
                self._offer(scene, easel, shown)
                easel.drain()
            following: Frame | None = None
            while self._lasts(scene):
                was_shown = self._stand(scene, easel, info, shown)
                if self._lasts(scene):
                    following = following or next(frames, None)
                    if following is None and shown.seconds == 0:  # one frame is all there is
                        self._stop(scene)
                        return
                    if following is None and was_shown:  # it stood at the end
                        self._repeat(scene)
                        return
                    if not was_shown or self.controls.recording or self._is_news(shown):
                        self._offer(scene, easel, shown)
                    coming = chain([following], frames) if following else ()
                    shown, following = self._play(scene, easel, shown, coming)
                    easel.drain()
                    if following is None and self._plays(scene):
                        self._end(scene)
                        return

    def _is_news(self, frame: Frame) -> bool:
        """Whether the frame that was painted last would now come out another."""
        (before, model), now = self._tried, self.controls
        is_same = now.look_at(frame.seconds) == before.look_at(frame.seconds)
        return not is_same or now.original > before.original or self.stylizer.model is not model

    def _play(
        self, scene: int, easel: Easel, shown: Frame, coming: Iterable[Frame]
    ) -> tuple[Frame, Frame | None]:
        """Show frames when they are due, until playing ends: the last one shown, and the one that
        would have followed, None at the video's end."""
        zero = time.perf_counter() - shown.seconds
        interval, late = 1 / float(easel.info.frame_rate or 25), 0
        self._preview.rest()
        frame = shown
        for frame in coming:
            self._run_job(easel)
            if not self._await(scene, easel, shown, zero + frame.seconds):
                return shown, frame
            is_late = time.perf_counter() - zero - frame.seconds > interval
            late = late + 1 if is_late else 0
            if is_late and late < MOST_LATE:
                continue
            if is_late:
                zero, late = time.perf_counter() - frame.seconds, 0
            self._offer(scene, easel, frame)
            self._keep_up(scene, easel)
            shown = frame
        if frame is not shown and self._plays(scene):  # the last one, late
            self._offer(scene, easel, frame)
        lasts = float((frame.duration or 0) * easel.info.time_base) or interval
        self._await(scene, easel, frame, zero + frame.seconds + lasts)
        return frame, None

    def _await(self, scene: int, easel: Easel, shown: Frame, due: float) -> bool:
        """Wait until a time of time.perf_counter; False if playing ends before. While that is far
        off, the frame that is shown follows the controls."""
        while self._plays(scene) and (wait := due - time.perf_counter()) > 0:
            if easel.ready_at and easel.ready_at < due:
                time.sleep(max(0.0, easel.ready_at - time.perf_counter()))
                easel.finish()
            elif wait < LONG_WAIT_SECONDS:
                self._wait(lambda: not self._plays(scene), wait)
            elif self._jobs:
                self._run_job(easel)
            elif self._is_news(shown) or easel.is_behind:
                self._offer(scene, easel, shown, at_rest=True)
            else:
                self._wait_for_job_or(lambda: not self._plays(scene) or self._is_news(shown), wait)
        return self._plays(scene)

    def _plays(self, scene: int) -> bool:
        return self._lasts(scene) and self.controls.playing

    def _stand(self, scene: int, easel: Easel, info: MediaInfo, frame: Frame) -> bool:
        """Show one frame in every look it is given, until playing or another scene; return whether
        it was shown."""
        controls: Controls | None = None
        model: Model | None = None
        is_settled = False
        while self._lasts(scene):
            self._run_job(easel)
            if self.controls.playing and not info.is_image:
                break
            if self.controls != controls or self.stylizer.model is not model:
                controls, model = self.controls, self.stylizer.model
                self._offer(scene, easel, frame, at_rest=True)
                easel.drain()
                is_settled = False
            changed = self._change_of(scene, controls, model)
            if not self._wait_for_job_or(changed, None if is_settled else SETTLE_SECONDS):
                is_settled = self._settle(scene, info, frame, controls)
        return controls is not None

    def _change_of(
        self, scene: int, controls: Controls | None, model: Model | None
    ) -> Callable[[], bool]:
        return lambda: (
            not self._lasts(scene) or self._controls != controls or self.stylizer.model is not model
        )

    def _settle(self, scene: int, info: MediaInfo, frame: Frame, controls: Controls) -> bool:
        """Paint one frame as `render` does: at its own size, after the frames it leans on.

        False if that was broken off because something changed, be it back again by now.
        """
        whole = info.fitted(MAX_SETTLED_SIDE)
        cut = _from(info, frame.seconds)
        show = partial(self._hand_out, scene)
        easel = Easel(self.stylizer, whole, show, as_rendered=True, show_from=cut.start)
        with closing(decode(whole, cut=cut, lead=MEMORY)) as frames:
            for each in frames:
                if self.controls != controls or not self._lasts(scene):
                    easel.drain()
                    return False
                easel.make_room()
                easel.offer(each, controls)
                if each.seconds >= cut.start:
                    break
            easel.drain()
        return True

    def _watch(self, scene: int) -> None:
        """Paint the camera's newest frame, ever again."""
        easel: Easel | None = None
        seen: tuple[Pixels, float] | None = None
        while self._lasts(scene):
            self._run_job(easel)
            if easel and easel.ready_at and easel.ready_at <= time.perf_counter():
                easel.finish()
            newest = self._camera
            if newest is None or newest is seen:
                with self._changed:
                    self._changed.wait(_CAMERA_POLL_SECONDS)
                continue
            seen = newest
            pixels, seconds = newest
            if easel is None or (easel.info.height, easel.info.width) != pixels.shape[:2]:
                info = _camera_info(*pixels.shape[:2])
                easel = self._easel(scene, info)
                self._preview.rest()
            image = av.VideoFrame.from_ndarray(pixels, "rgb24")
            self._offer(scene, easel, Frame(image, 0, None, seconds))
            self._keep_up(scene, easel)
        if easel:
            easel.drain()

    def _easel(self, scene: int, info: MediaInfo) -> Easel:
        show = partial(self._hand_out, scene)
        return Easel(self.stylizer, info, show, strokes=self._strokes)

    def _offer(self, scene: int, easel: Easel, frame: Frame, *, at_rest: bool = False) -> None:
        """Begin to paint a frame, and keep its look while recording. at_rest: no other follows
        soon."""
        easel.make_room()
        with self._changed:
            controls = self._controls  # only now: the newest
            self._tried = controls, self.stylizer.model
            is_recording = controls.recording and self._lasts(scene)
            if is_recording and self._take and self._take[-1].seconds == frame.seconds:
                self._take.pop()  # it follows the hands while it stands
            if is_recording and (not self._take or frame.seconds > self._take[-1].seconds):
                self._take.append(Sample(frame.seconds, controls.look_at(frame.seconds)))
        easel.offer(frame, controls, in_motion=not at_rest)

    def _keep_up(self, scene: int, easel: Easel) -> None:
        """Count a frame that is painted in motion, and go on in another size if that is better."""
        preview, controls = self._preview, self.controls
        if controls.lines is not None or controls.recording:
            preview.rest()
        elif preview.painted(time.perf_counter(), easel.busy_seconds):
            with self._changed:
                if self._lasts(scene):  # else something else begins anyway
                    self._begin_scene()
            self._on_resize()

    def _hand_out(self, scene: int, picture: Picture) -> None:
        with self._changed:
            if scene < self._opened:  # it was in work when another source was opened
                return
            self.seconds = picture.seconds
            if self._lasts(scene):
                self._wanted = None
            self._on_picture(picture)  # before anybody can open another source

    def _end(self, scene: int) -> None:
        """At the end of the video: from the start again, or stop on the last frame.

        Who paused while that one was painted wants to see it.
        """
        with self._changed:
            controls = self._controls
            if controls.playing and controls.loop and not controls.recording:
                self._repeat(scene)
                return
        self._stop(scene)

    def _repeat(self, scene: int) -> None:
        with self._changed:
            if self._lasts(scene):
                self._wanted = _Place(0.0)
                self._take = []  # the frame at the end is no part of what begins at the start
                self._begin_scene()

    def _stop(self, scene: int) -> None:
        with self._changed:
            if not self._lasts(scene):
                return
            self._controls = replace(self._controls, playing=False, recording=False)
            self._begin_scene()
        self._on_end()

    def _small(self) -> Pixels:
        """A small picture of the source, (H, W, 3) RGB."""
        info = self._info
        if info is None:
            if self._camera is None:
                raise MediaError("the camera shows nothing yet")
            picture = Image.fromarray(self._camera[0])
            picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            return np.asarray(picture)
        if self._small_frame and self._small_frame[0] is info:
            return self._small_frame[1]
        pixels = still(info.fitted(THUMBNAIL_SIDE))
        self._small_frame = info, pixels
        return pixels


def _stamp(path: Path) -> _Stamp | None:
    """By which a file is known from one that is written in its place; None if it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _probe(path: Path) -> MediaInfo:
    """Facts about a file; of a video that does not say how long it is, that too."""
    info = probe(path, "tonemap")
    if info.duration_seconds is None:
        with suppress(MediaError):  # its frames have no times; it plays all the same
            info = replace(info, duration_seconds=measure_duration(info))
    return with_bars(info)


def _first(frames: Iterable[Frame], start: float, steps: int) -> Frame | None:
    """The frame so many after or before the first from a time on, or the nearest there is; None
    without any. frames: beginning where a step back leads."""
    frame = None
    for frame in frames:
        is_there = frame.seconds >= start
        if steps < 0 or (is_there and steps == 0):
            break
        steps -= is_there
    return frame


def _from(info: MediaInfo, seconds: float) -> Cut:
    """From the frame at a time on; others may be a millisecond before it."""
    return Cut() if info.is_image else Cut(max(0.0, seconds - _ROUNDING_SECONDS))


def _of_lines(info: MediaInfo, lines: int) -> MediaInfo:
    """The same with a shorter side of at most so many pixels."""
    shorter, longer = sorted((info.width, info.height))
    return info.fitted(round(longer * lines / shorter)) if lines < shorter else info


def _preview_size(info: MediaInfo | None) -> PreviewSize:
    """For a video, or for a camera if None."""
    if info is None:
        return PreviewSize(LINES[-1], 25)
    return PreviewSize(min(info.width, info.height), float(info.frame_rate or 25))


def _camera_info(height: int, width: int) -> MediaInfo:
    return MediaInfo(
        path=Path("camera"),
        is_image=True,
        stream_index=0,
        width=width,
        height=height,
        pix_fmt="rgb24",
        color=RGB,
    )
