"""The player: one thread that decodes, paints and hands out pictures, steered from others.

Playing keeps to the clock: a frame is painted when it is due and left out when it is late. Each
frame takes the look of the moment it is submitted in, so a slider shows with the next frame.
Standing still, a change is painted at once at the preview's size, and soon after as `render`
would paint it, at the size and with the earlier frames that it would use.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import av

from videostyle.errors import MediaError, VideoStyleError
from videostyle.live.as_rendered import paint_as_rendered
from videostyle.live.clock import Clock
from videostyle.live.controls import Controls, Touched
from videostyle.live.easel import Easel, Picture, Pixels
from videostyle.live.opening import Openings, Way
from videostyle.live.performance import Sample
from videostyle.live.preview_size import PreviewSize, of_lines
from videostyle.live.ready_stroke import ReadyStroke
from videostyle.live.source import Place, Source, camera_info
from videostyle.live.thumbnails import Thumbnails
from videostyle.media.frame import Frame
from videostyle.media.info import MediaInfo
from videostyle.network.model import Model
from videostyle.stylize.stylizer import Stylizer
from videostyle.timecode import NEAR

# After so long without a change a frame is painted as `render` does.
SETTLE_SECONDS = 0.3
# While the next frame is not due for so long, there is time to paint the last one anew.
LONG_WAIT_SECONDS = 0.15
# So many frames at once back: they are decoded and kept until the first is shown.
MOST_STEPS = 20
_CAMERA_POLL_SECONDS = 0.005


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
        self._source: Source | None = None
        self._on_open: Callable[[], None] = lambda: None
        self._preview = PreviewSize.of(None)
        self._wanted: Place | None = None  # until a picture from there is shown
        self._scene = 0  # counts sources, seeks and sizes: what begins decoding anew
        self._opened = 0  # the first scene of the source
        self._began = 0.0  # where a hand, or a round, has gone to
        self._openings = Openings()
        self._camera: tuple[Pixels, float] | None = None
        self._thumbnails = Thumbnails(stylizer)
        self._take: list[Sample] = []
        self._tried = self._controls, stylizer.model  # what is painted with, or was, as it failed
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
        source = self._source  # another thread may open another
        return source.info if source else None

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
        source = Source.open(path) if path else None
        with self._changed:
            self._source, self._camera, self._take = source, None, []
            self._on_open = on_open
            self._preview = PreviewSize.of(source.info if source else None)
            self._wanted = Place(0.0)
            self._controls = replace(
                self._controls,
                look=self._controls.look_at(self.seconds),
                playing=False,
                recording=False,
                passage=None,
                timeline=None,
                follow=False,
                touched=Touched(),
            )
            self.seconds = 0.0
            self._begin_scene()
            self._opened = self._scene
            on_open()
        return source.info if source else None

    def see(self, pixels: Pixels, seconds: float) -> None:
        """Give the camera's newest frame, (H, W, 3) RGB, and its time since the camera began."""
        with self._changed:
            if self._source is None:
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
                self._preview = PreviewSize.of(self.info)
                self._begin_scene()
            if now.passage != before.passage:
                self._began = now.start  # wherever it is: it is not to leave the new one
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
            self._go(seconds)

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
        with self._changed:
            future = self._thumbnails.ask(style)
            if self._closed:
                future.cancel()
            self._changed.notify_all()
        return future

    def close(self) -> None:
        """End the thread; who still waits for a thumbnail hears that it is cancelled."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._openings.leave(None)
        self._strokes.close()
        self._thumbnails.cancel()

    @property
    def _place(self) -> Place:
        """Where it is, or goes."""
        return self._wanted or Place(self.seconds)

    def _go(self, seconds: float) -> None:
        self._wanted = _place_of(seconds)
        self._begin_scene()

    def _begin_scene(self) -> None:
        self._scene += 1
        self._changed.notify_all()

    # From here on everything runs in the player's thread.

    def _run(self) -> None:
        while not self._closed:
            with self._changed:
                scene, source, place = self._scene, self._source, self._place
                self._tried = self._controls, self.stylizer.model
            try:
                if source is None:
                    self._watch(scene)
                elif newest := self._renewed(scene, source):
                    self._show(scene, newest, place)
            except VideoStyleError as error:
                self._fail(scene, error)
            except Exception as error:  # the page must hear of it, and can open something else
                logging.getLogger("videostyle").exception("the player failed")
                self._fail(scene, VideoStyleError(f"{type(error).__name__}: {error}"))

    def _renewed(self, scene: int, source: Source) -> Source | None:
        """The source, whose file may have been written over since it was opened; None if another
        scene began meanwhile."""
        newest = source.renewed()
        if newest is not source:
            with self._changed:
                if not self._lasts(scene):
                    return None
                self._source, self._preview = newest, PreviewSize.of(newest.info)
                passage, length = self._controls.passage, newest.info.duration_seconds
                if passage and length and passage.end > length:  # it is shorter now
                    self._controls = replace(self._controls, passage=None)
                self._on_open()
        return newest

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
            self._paint_thumbnail(None)
            self._wait_for_thumbnail_or(changed)

    def _lasts(self, scene: int) -> bool:
        return self._scene == scene and not self._closed

    def _wait(self, until: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait for a change that makes `until` true; False if the time passed instead."""
        with self._changed:
            return self._changed.wait_for(until, seconds)

    def _wait_for_thumbnail_or(
        self, until: Callable[[], bool], seconds: float | None = None
    ) -> bool:
        return self._wait(lambda: self._thumbnails.are_wanted or until(), seconds)

    def _paint_thumbnail(self, easel: Easel | None) -> None:
        """One that is wanted, between frames."""
        if not self._thumbnails.are_wanted:
            return
        if easel:
            easel.drain()  # it needs the stylizer idle
        with self._changed:
            source, camera = self._source, self._camera
        self._thumbnails.paint_next(source, camera and camera[0])

    def _show(self, scene: int, source: Source, place: Place) -> None:
        """Play and stand still from a place on, until another scene begins."""
        info = source.info
        with ExitStack() as stack:
            opening = self._openings.go(Way(source, self.lines, place))
            stack.callback(lambda: self._openings.leave(self._way_to_next_round()))
            easel = self._easel(scene, opening.info)
            stack.callback(easel.drain)  # whatever ends the scene leaves the stylizer idle
            shown, frames = opening.frames()
            if self._opened <= scene < self._scene and not self._closed:
                # A hand that goes on sees where it passes.
                self._offer(scene, easel, shown)
                easel.drain()
            self._began = shown.seconds if place.frames else place.seconds
            following: Frame | None = None
            while self._lasts(scene):
                was_shown = self._stand(scene, easel, info, shown)
                if self._lasts(scene):
                    following = following or next(frames, None)
                    if following is None and shown.seconds == 0:  # one frame is all there is
                        self._stop(scene)
                        return
                    if self._is_empty(place, shown):
                        raise MediaError(f"{info.path}: no frame begins between the loop points")
                    if was_shown and self._ends_before(following):  # it stood at the end
                        self._repeat(scene)
                        return
                    # By its picture a tab begins the sound, for which the next may come too late.
                    gap = following.seconds - shown.seconds if following else 0.0
                    is_due = not was_shown or self.controls.recording or gap > LONG_WAIT_SECONDS
                    if is_due or self._is_news(shown):
                        self._offer(scene, easel, shown)
                    coming = chain([following], frames) if following else ()
                    shown, following = self._play(scene, easel, shown, coming)
                    easel.drain()
                    if self._ends_before(following) and self._plays(scene):
                        self._end(scene)
                        return

    def _way_to_next_round(self) -> Way | None:
        """None for a camera."""
        with self._changed:
            source, start = self._source, self._controls.start
        return Way(source, self.lines, _place_of(start)) if source else None

    def _prepare_next_round(self) -> None:
        """So that its first frame is there when this round ends."""
        way, controls = self._way_to_next_round(), self.controls
        if way and controls.loop and not controls.recording:
            end = controls.passage.end if controls.passage else way.source.info.duration_seconds
            self._openings.prepare(way, (end or math.inf) - controls.start)

    @property
    def _out(self) -> float:
        """The time at which a round ends before the video does. Whoever went past it by hand plays
        on from there."""
        passage = self.controls.passage
        return passage.end if passage and self._began < passage.end - NEAR else math.inf

    def _is_empty(self, place: Place, found: Frame) -> bool:
        """Whether a round that begins at a place, where a frame was found, has none."""
        passage = self.controls.passage
        if passage is None or place != _place_of(passage.start):
            return False
        return found.seconds >= passage.end - NEAR

    def _ends_before(self, frame: Frame | None) -> bool:
        """Whether a round ends before a frame would follow; None where the video ends."""
        return frame is None or frame.seconds >= self._out - NEAR

    def _is_news(self, frame: Frame) -> bool:
        """Whether the frame that was painted last would now come out another."""
        (before, model), now = self._tried, self.controls
        is_same = now.look_at(frame.seconds) == before.look_at(frame.seconds)
        return not is_same or now.original > before.original or self.stylizer.model is not model

    def _play(
        self, scene: int, easel: Easel, shown: Frame, coming: Iterable[Frame]
    ) -> tuple[Frame, Frame | None]:
        """Show frames when they are due, until playing or the round ends: the last one shown, and
        the one that would have followed, None at the video's end."""
        interval = 1 / float(easel.info.frame_rate or 25)
        clock = Clock(shown.seconds, interval)
        self._preview.rest()
        frame, following = shown, None
        for following in coming:
            self._paint_thumbnail(easel)
            due = clock.due(min(following.seconds, self._out))
            if not self._await(scene, easel, shown, due):
                return shown, following
            if self._ends_before(following):
                break
            frame = following
            if clock.leaves_out(frame.seconds):
                continue
            easel.make_room()
            if not self._plays(scene):  # it ended meanwhile, and a take with it
                return shown, frame
            self._offer(scene, easel, frame)
            self._keep_up(scene, easel)
            shown = frame
        else:
            following = None
        if frame is not shown and self._plays(scene):  # the last one, late
            self._offer(scene, easel, frame)
        if following is None:
            lasts = float((frame.duration or 0) * easel.info.time_base) or interval
            self._await(scene, easel, frame, clock.due(frame.seconds + lasts))
        return frame, following

    def _await(self, scene: int, easel: Easel, shown: Frame, due: float) -> bool:
        """Wait until a time of time.perf_counter; False if playing ends before. While that is far
        off, the frame that is shown follows the controls."""
        self._prepare_next_round()
        while self._plays(scene) and (wait := due - time.perf_counter()) > 0:
            if easel.ready_at and easel.ready_at < due:
                time.sleep(max(0.0, easel.ready_at - time.perf_counter()))
                easel.finish()
            elif wait < LONG_WAIT_SECONDS:
                self._wait(lambda: not self._plays(scene), wait)
            elif self._thumbnails.are_wanted:
                self._paint_thumbnail(easel)
            elif self._is_news(shown) or easel.is_behind:
                self._offer(scene, easel, shown, at_rest=True)
            else:
                self._wait_for_thumbnail_or(
                    lambda: not self._plays(scene) or self._is_news(shown), wait
                )
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
            self._paint_thumbnail(easel)
            if self.controls.playing and not info.is_image:
                break
            if self.controls != controls or self.stylizer.model is not model:
                controls, model = self.controls, self.stylizer.model
                self._offer(scene, easel, frame, at_rest=True)
                easel.drain()
                is_settled = False
            changed = self._change_of(scene, controls, model)
            if not self._wait_for_thumbnail_or(changed, None if is_settled else SETTLE_SECONDS):
                is_settled = paint_as_rendered(
                    self.stylizer,
                    info,
                    frame.seconds,
                    controls,
                    on_picture=partial(self._hand_out, scene),
                    interrupted=changed,
                )
        return controls is not None

    def _change_of(
        self, scene: int, controls: Controls | None, model: Model | None
    ) -> Callable[[], bool]:
        return lambda: (
            not self._lasts(scene) or self._controls != controls or self.stylizer.model is not model
        )

    def _watch(self, scene: int) -> None:
        """Paint the camera's newest frame, ever again."""
        easel: Easel | None = None
        seen: tuple[Pixels, float] | None = None
        while self._lasts(scene):
            self._paint_thumbnail(easel)
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
                info = camera_info(*pixels.shape[:2])
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
        """Count a frame that is painted in motion, and go on in another size if that is better,
        once it is got ready for."""
        preview, controls = self._preview, self.controls
        if controls.lines is not None or controls.recording:
            preview.rest()
        elif preview.painted(time.perf_counter(), easel.busy_seconds) and self._is_ready_for(
            preview.wanted
        ):
            preview.go()
            with self._changed:
                if self._lasts(scene):  # else something else begins anyway
                    self._begin_scene()
            self._on_resize()

    def _is_ready_for(self, lines: int) -> bool:
        """Whether a preview of so many lines need not be waited for. A camera has yet to send its
        pictures in that size."""
        if self.info is None:
            return True
        info = of_lines(self.info, lines)
        stroke = self.controls.look_at(self.seconds).stroke
        return self._strokes.prepare(info.height, info.width, stroke)

    def _hand_out(self, scene: int, picture: Picture) -> None:
        with self._changed:
            if scene < self._opened:  # it was in work when another source was opened
                return
            self.seconds = picture.seconds
            if self._lasts(scene):
                self._wanted = None
            self._on_picture(picture)  # before anybody can open another source

    def _end(self, scene: int) -> None:
        """At the end of a round: from its start again, or stop on the last frame.

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
                self._go(self._controls.start)
                self._take = []  # the frame at the end is no part of what begins at the start

    def _stop(self, scene: int) -> None:
        with self._changed:
            if not self._lasts(scene):
                return
            self._controls = replace(self._controls, playing=False, recording=False)
            self._begin_scene()
        self._on_end()


def _place_of(seconds: float) -> Place:
    """Where a seek to a time, as a timeline counts it, leads."""
    return Place(max(0.0, seconds - NEAR))
