"""The last stage: frames to a file, with the input's sound, subtitles and metadata beside them.

The file is written as NAME.part.EXT and takes its name when it is whole; until then an output
that was there before stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from videostyle.color import OUTPUT_PIX_FMTS, output_color, plane_array
from videostyle.decode import open_input
from videostyle.errors import MediaError, UsageError
from videostyle.media import MATRICES, PICTURE_SUFFIXES, Frame, MediaInfo
from videostyle.options import EncodeOptions
from videostyle.passthrough import Passthrough, kept_tags
from videostyle.picture import save_picture

CODECS = ("libx264", "libx265")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv")
PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
AUDIO = ("copy", "aac", "none")
MAX_CRF = 51


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What was written. complete is False after an interruption: `output` is then the part."""

    output: Path
    frames: int
    complete: bool
    notes: tuple[str, ...]


def encode(
    frames: Iterable[Frame],
    info: MediaInfo,
    output: Path,
    options: EncodeOptions | None = None,
    *,
    interrupted: Callable[[], bool] = lambda: False,
) -> EncodeReport:
    """Write the frames, which are in the format `ColorConverter(info, options.pix_fmt)` gives.

    The frames' pts and the other streams' times stay as they are. If `interrupted` is true once
    the frames end, the part is finished, playable, and keeps its .part name. On any error it is
    removed. Raises UsageError before the first frame is read if the options cannot work,
    MediaError if the file cannot be written, and what reading `frames` raises.
    """
    options = options or EncodeOptions()
    check_output(info, output, options)
    part = part_path(output)
    with ExitStack() as on_error:
        on_error.callback(part.unlink, missing_ok=True)
        on_error.callback(_close, frames)
        if info.is_image:
            count, notes = _write_picture(frames, info, part), list[str]()
        else:
            count, notes = _write_video(frames, info, part, options, interrupted)
        complete = not interrupted()
        if complete and not count:
            raise MediaError(f"{output}: not written, because there was no frame to write")
        if complete:
            with _writing(part):
                part.replace(output)
        if count:
            on_error.pop_all()
    return EncodeReport(output if complete else part, count, complete, tuple(notes))


def part_path(output: Path) -> Path:
    """Where an output is written until it is whole."""
    return output.with_name(f"{output.stem}.part{output.suffix}")


def check_output(info: MediaInfo, output: Path, options: EncodeOptions) -> None:
    """Raise UsageError or MediaError for what would fail later, without touching any file."""
    kind, suffixes = ("picture", PICTURE_SUFFIXES) if info.is_image else ("video", VIDEO_SUFFIXES)
    _check_one_of(f"{output}: ending of a {kind}", output.suffix.lower(), suffixes)
    _check_one_of("codec", options.codec, CODECS)
    _check_one_of("preset", options.preset, PRESETS)
    _check_one_of("pixel format", options.pix_fmt, OUTPUT_PIX_FMTS)
    _check_one_of("audio", options.audio, AUDIO)
    if not 0 <= options.crf <= MAX_CRF:
        raise UsageError(f"crf is {options.crf}; it must be from 0 (lossless) to {MAX_CRF}")
    for path in (output, part_path(output)):
        if path.exists() and info.path.exists() and path.samefile(info.path):
            raise UsageError(f"{output}: would overwrite the input; choose another output")
    if output.is_dir():
        raise MediaError(f"{output}: is a folder; name a file in it")
    folder = output.absolute().parent
    if not folder.is_dir():
        raise MediaError(f"{folder}: no such folder; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MediaError(f"{folder}: cannot be written to")


def _check_one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{what} is {value!r}; it must be one of {', '.join(allowed)}")


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{part}: cannot be written: {error.strerror or error}") from error


def _close(frames: Iterable[Frame]) -> None:
    """Stop the stages before this one, whatever they wait for."""
    close = getattr(frames, "close", None)
    if close is not None:
        close()


def _write_video(
    frames: Iterable[Frame],
    info: MediaInfo,
    part: Path,
    options: EncodeOptions,
    interrupted: Callable[[], bool],
) -> tuple[int, list[str]]:
    count = 0
    with open_input(info.path) as source, _open_output(part) as container:
        video = _add_video(container, source, info, options)
        others = Passthrough(source, container, info, options.audio)
        for frame in frames:
            others.until(float(frame.pts * info.time_base))
            container.mux(video.encode(_prepare(frame, info, video)))
            count += 1
        container.mux(video.encode(None))
        if not interrupted():
            others.until(float("inf"))
        others.finish()
    return count, [*_video_notes(info, video), *others.notes]


@contextmanager
def _open_output(part: Path) -> Iterator[OutputContainer]:
    with _writing(part), av.open(str(part.absolute()), "w") as container:
        yield container


def _add_video(
    container: OutputContainer, source: InputContainer, info: MediaInfo, options: EncodeOptions
) -> VideoStream:
    settings = {"crf": str(options.crf), "preset": options.preset}
    if options.codec == "libx265":
        settings["x265-params"] = "log-level=none"  # it would write to stderr by itself
    stream = container.add_stream(options.codec, rate=info.frame_rate or 25, options=settings)
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    chroma = av.VideoFormat(options.pix_fmt, 2, 2)
    context.width = info.width + (info.width % 2 if chroma.chroma_width() == 1 else 0)
    context.height = info.height + (info.height % 2 if chroma.chroma_height() == 1 else 0)
    context.pix_fmt = options.pix_fmt
    context.time_base = info.time_base
    if info.sample_aspect_ratio:
        context.sample_aspect_ratio = info.sample_aspect_ratio
    # MP4 gets the length of a variable-rate track wrong with B-frames or without durations, and
    # that the rate is constant is only known at the end.
    context.max_b_frames = 0
    context.flags |= Flags.frame_duration
    color = output_color(info)
    context.colorspace, context.color_range = color.matrix, 2 if color.full_range else 1
    context.color_primaries, context.color_trc = color.primaries, color.transfer
    if options.codec == "libx265" and container.format.name in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # Apple's players know HEVC only by this name
    original = source.streams[info.stream_index]
    stream.metadata.update(kept_tags(original.metadata))
    stream.disposition = original.disposition
    container.metadata.update(kept_tags(source.metadata))
    container.set_chapters(source.chapters())
    return stream


def _prepare(frame: Frame, info: MediaInfo, video: VideoStream) -> av.VideoFrame:
    context = video.codec_context
    image = _pad(frame.image, context.width, context.height)
    image.pts, image.time_base = frame.pts, info.time_base
    image.duration = frame.duration or 0
    image.pict_type = PictureType.NONE  # or the decoder's sync frames would be copied
    return image


def _pad(image: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """Repeat the last column and row where the encoder wants an even size."""
    if (image.width, image.height) == (width, height):
        return image
    padded = av.VideoFrame(width, height, image.format.name)
    for index in range(len(image.planes)):
        small, large = plane_array(image, index), plane_array(padded, index)
        missing = [(0, large.shape[axis] - small.shape[axis]) for axis in (0, 1)]
        large[...] = np.pad(small, missing, mode="edge")
    return padded


def _video_notes(info: MediaInfo, video: VideoStream) -> Iterator[str]:
    if info.color.guessed:
        name = MATRICES[info.color.matrix]
        yield f"the input does not say its colour matrix; taken as {name} by its height"
    width, height = video.codec_context.width, video.codec_context.height
    if (width, height) != (info.width, info.height):
        yield (
            f"{info.width}x{info.height} padded to {width}x{height}, "
            f"because {video.codec_context.pix_fmt} needs even sizes"
        )


def _write_picture(frames: Iterable[Frame], info: MediaInfo, part: Path) -> int:
    count = 0
    for frame in frames:
        save_picture(frame.image.to_ndarray().astype(np.uint8, copy=False), info.path, part)
        count += 1
    return count
