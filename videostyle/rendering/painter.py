"""From a part of the input to its painted frames: decode, stylize and their threads, composed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from videostyle.decode.decode import decode
from videostyle.decode.report import DecodeReport
from videostyle.encode.encode import SegmentWriter
from videostyle.encode.segments import NO_FRAMES, SegmentRecord
from videostyle.errors import MediaError, ran_out_of_memory
from videostyle.media.color import ColorConverter
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MediaInfo
from videostyle.rendering.assignment import Assignment
from videostyle.rendering.stages import Meter, prefetch
from videostyle.stylize.stabilizer import MEMORY
from videostyle.stylize.stylize import stylize
from videostyle.stylize.stylizer import Stylizer

# Parts by number, each with its file.
Segments = Mapping[int, tuple[Cut, Path]]
# A part's number, what its file holds, and False if an interruption cut it short.
Painted = tuple[int, SegmentRecord, bool]
# Frames between two stages: enough to ride out a sync frame, little enough for 4K in memory.
AHEAD = 4


class Painter:
    """Paints parts of one input, in this process."""

    def __init__(
        self,
        assignment: Assignment,
        stylizer: Stylizer,
        interrupted: Callable[[], bool],
        report: Callable[[int, Mapping[str, float]], None],
    ) -> None:
        """interrupted: asked before every frame is painted. report: told after every frame what
        `ProgressCount.update` takes."""
        # Whether an interruption kept a frame from being painted; a later one has nothing to stop.
        self.stopped_early = False
        self._assignment, self._stylizer = assignment, stylizer
        self._interrupted, self._report = interrupted, report
        self._meter = Meter()
        self._mask_faults = DecodeReport()
        self._painted = 0
        self._in_strips = stylizer.frames_in_strips  # before

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the painting so far."""
        notes = []
        if self._stylizer.frames_in_strips > self._in_strips:
            notes.append(
                "painted in strips for want of memory, which is slow; see max_size (--max-size)"
            )
        if (mask := self._assignment.mask) and self._mask_faults.faults:
            notes.append(
                f"{mask.info.path}: is damaged; where it cannot be read, the frame before stays"
            )
        return tuple(notes)

    @contextmanager
    def paint(
        self,
        cut: Cut,
        faults: DecodeReport,
        watch: Callable[[Iterator[Frame]], Iterator[Frame]] = iter,
    ) -> Iterator[Iterator[Frame]]:
        """The painted frames of a part; what is wrong with its input is counted in `faults`.
        watch: passes the decoded frames on, in the decoder's thread."""
        info, plan, stabilize = (
            self._assignment.info,
            self._assignment.plan,
            self._assignment.stabilize,
        )
        converter = ColorConverter(info, plan.working_pix_fmt, plan.color)
        lead = MEMORY if stabilize else 0
        mask = self._assignment.mask
        gpu = (self._stylizer.gpu or 0) if self._assignment.hwaccel == "cuda" else None
        if mask and gpu is not None:
            gpu, faults.not_on_gpu = None, "what a mask leaves as it was comes from the CPU"
        frames = decode(
            info, cut=cut, lead=lead, keep_alpha=plan.keeps_alpha, gpu=gpu, report=faults
        )
        if self._assignment.strict:
            frames = _undamaged(frames, faults, info.path)
        if mask:
            frames = mask.beside(frames, cut.start, self._mask_faults)
            if self._assignment.strict:
                frames = _undamaged(frames, self._mask_faults, mask.info.path)
        meter = self._meter
        leading = _leading_on(frames, cut.start)
        decoded = prefetch(meter.watch("decoded", watch(leading)), AHEAD)
        to_paint = meter.watch("to paint", self._until_interrupted(decoded))
        painting = stylize(
            to_paint, self._stylizer, self._assignment.looks, converter, stabilize=stabilize
        )
        wanted = (frame for frame in painting if frame.seconds >= cut.start)
        painted = prefetch(meter.watch("painted", wanted), AHEAD)
        # An error keeps the stages alive in its traceback; closing them ends their threads at once.
        with _memory_named(info), closing(decoded), closing(painted):
            yield self._count(meter.watch("to encode", painted))

    def paint_segments(self, segments: Segments) -> Generator[Painted]:
        """Paint parts, each into a file of its own, until the input ends. Those next to each other
        are painted as one, and a file is finished while the next is written."""
        for run in _runs(segments):
            for painted in self._paint_run(run):
                yield painted
                _, record, whole = painted
                if record.ends or not whole:
                    return

    def _paint_run(self, run: Segments) -> Generator[Painted]:
        cuts = [cut for cut, _ in run.values()]
        starts = [cut.start for cut in cuts[1:]]
        faults, before = DecodeReport(), [DecodeReport()]  # in all, and before each part
        watch = partial(_noting, faults=faults, starts=starts, noted=before)
        finishing = deque[Future[Painted]]()
        error: Exception | None = None
        with (
            ThreadPoolExecutor(1, "finish") as pool,
            self.paint(Cut(cuts[0].start, cuts[-1].end), faults, watch) as frames,
            closing(self._write(run, frames, faults, before, pool, finishing)) as writing,
        ):
            try:
                for _ in writing:
                    while len(finishing) > 1 or (finishing and finishing[0].done()):
                        yield finishing.popleft().result()
            except Exception as raised:
                error = raised
            while finishing:  # is whole, whatever befell another
                yield finishing.popleft().result()
            if error:
                raise error

    def _write(
        self,
        run: Segments,
        frames: Iterator[Frame],
        faults: DecodeReport,
        before: Sequence[DecodeReport],
        pool: ThreadPoolExecutor,
        finishing: deque[Future[Painted]],
    ) -> Generator[None]:
        """Write each part; once its frames are written, `pool` finishes it, as is noted in
        `finishing`. Pauses after every frame and every part. faults, before: as `_noting` counts
        them."""
        info, plan = self._assignment.info, self._assignment.plan
        upcoming = next(frames, None)
        for index, (number, (cut, file)) in enumerate(run.items()):
            writer: SegmentWriter | None = None  # most parts of a video of slides hold no frame
            try:
                while upcoming and upcoming.seconds < cut.end:
                    writer = writer or SegmentWriter(info, file, plan)
                    writer.write(upcoming)
                    upcoming = next(frames, None)
                    yield
            except BaseException:
                if writer:
                    writer.abandon()
                raise
            ends = not upcoming and faults.ended
            whole = bool(upcoming) or not self.stopped_early
            here = (before[index + 1] if upcoming else replace(faults)).since(before[index])
            here = replace(here, ended=ends)
            finishing.append(pool.submit(self._finish, writer, here, number, whole))
            yield
            if ends or not whole:
                return

    def _finish(
        self, writer: SegmentWriter | None, faults: DecodeReport, number: int, whole: bool
    ) -> Painted:
        record = writer.finish() if writer else NO_FRAMES
        ends = faults.ended
        return number, replace(record, notes=self.notes, faults=asdict(faults), ends=ends), whole

    def _until_interrupted(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self._interrupted():
                self.stopped_early = True
                return
            yield frame

    def _count(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            yield frame
            self._painted += 1
            self._report(self._painted, self._busy())

    def _busy(self) -> dict[str, float]:
        """Each stage's own time: what came out of it less the wait for its input."""
        meter = self._meter
        return {
            "decode": meter.spent("decoded"),
            "stylize": meter.spent("painted") - meter.spent("to paint"),
            "encode": meter.seconds - meter.spent("to encode"),
        }


def _runs(segments: Segments) -> Iterator[Segments]:
    """Segments in their order, those next to each other together."""
    run: dict[int, tuple[Cut, Path]] = {}
    for number, segment in segments.items():
        if run and number - 1 not in run:
            yield run
            run = {}
        run[number] = segment
    if run:
        yield run


def _noting(
    frames: Iterator[Frame],
    faults: DecodeReport,
    starts: Sequence[float],
    noted: list[DecodeReport],
) -> Iterator[Frame]:
    """Pass frames on; note the faults there were before the first frame from each start on, or
    all if none came."""
    pending, before = deque(starts), replace(faults)
    for frame in frames:
        while pending and pending[0] <= frame.seconds:
            pending.popleft()
            noted.append(before)
        yield frame
        before = replace(faults)
    noted += [replace(faults)] * len(pending)


def _leading_on(frames: Iterable[Frame], start: float) -> Iterator[Frame]:
    """Pass frames on, but those before `start` only once one from it on is there: most parts of a
    video of slides hold none, and it would be painted up to them in vain."""
    before = list[Frame]()
    for frame in frames:
        if frame.seconds < start:
            before.append(frame)
            continue
        yield from before
        before.clear()
        yield frame


def _undamaged(frames: Generator[Frame], faults: DecodeReport, path: Path) -> Generator[Frame]:
    """Pass frames on until one shows that the input is damaged."""
    seconds = 0.0
    with closing(frames):
        for frame in frames:
            if faults.faults:
                break
            yield frame
            seconds = frame.seconds
    if faults.faults:
        is_end = faults.cut_short and len(faults.faults) == 1
        place = "" if is_end else f" after {seconds:.3f} s"
        raise MediaError(f"{path}: {faults.faults[0]}{place}; without strict (--strict) it goes on")


@contextmanager
def _memory_named(info: MediaInfo) -> Iterator[None]:
    """Say what helps where memory ran out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        raise MediaError(
            f"{info.path}: not enough memory to paint {info.width}x{info.height}; "
            f"max_size {max(info.width, info.height) // 2} (--max-size) needs a quarter of it"
        ) from error
