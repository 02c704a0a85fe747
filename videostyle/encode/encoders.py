"""The encoders: what each takes, its options, and how it is opened."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.error
import av.logging
from av.video.codeccontext import VideoCodecContext

from videostyle.checks import Fixed, check_one_of
from videostyle.encode.options import EncodeOptions
from videostyle.errors import UsageError
from videostyle.media.color import OUTPUT_PIX_FMTS
from videostyle.wording import did_you_mean

# SVT-AV1 writes its settings to stderr by itself; 1 leaves errors.
os.environ.setdefault("SVT_LOG", "1")

_X26_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)

_QSV_PRESETS = ("veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")

# Hardware takes the same samples with U and V interleaved.
LAYOUTS = {"yuv420p": "nv12", "yuv420p10le": "p010le"}

# Options of every encoder that `-e` may set beside the encoder's own.
_COMMON_OPTIONS = (
    *("b", "bufsize", "compression_level", "g", "global_quality", "keyint_min"),
    *("level", "maxrate", "profile", "qmax", "qmin", "refs", "slices", "threads"),
)
# Options of `-e` that say what a crf does.
_INSTEAD_OF_CRF = {"b": "a bitrate", "qp": "a qp"}


def frozen(**settings: str) -> Mapping[str, str]:
    return Fixed({key.replace("_", "-"): value for key, value in settings.items()})


@dataclass(frozen=True, slots=True)
class Encoder:
    """Facts about one encoder.

    pix_fmts: what it takes; the first is the default, or, where `faithful`, the one that loses
    least of the input. crf: the values it takes, none if it has no such scale; crf_option and
    preset_option: what the encoder calls them. settings: always set, unless `-e` says otherwise.
    matrix, full_range: colour the format has whatever the input's; None is the input's own.
    """

    pix_fmts: tuple[str, ...] = ("yuv420p",)
    crf: range = range(0)
    default_crf: int | None = None
    crf_option: str = "crf"
    presets: tuple[str, ...] = ()
    default_preset: str | None = None
    preset_option: str = "preset"
    settings: Mapping[str, str] = field(default_factory=frozen)
    faithful: bool = False
    hardware: bool = False
    matrix: int | None = None
    full_range: bool | None = None


def _nvenc(*pix_fmts: str, highest_crf: int = 51) -> Encoder:
    return Encoder(
        pix_fmts=pix_fmts,
        crf=range(1, highest_crf + 1),
        default_crf=24,
        crf_option="cq",
        presets=tuple(f"p{number}" for number in range(1, 8)),
        default_preset="p4",
        settings=frozen(rc="vbr", b="0"),
        hardware=True,
    )


def _qsv(*pix_fmts: str) -> Encoder:
    return Encoder(
        pix_fmts=pix_fmts,
        crf=range(1, 52),
        default_crf=24,
        crf_option="global_quality",
        presets=_QSV_PRESETS,
        default_preset="faster",
        hardware=True,
    )


# Painted frames are full of texture, so slow presets cost more than on camera pictures. The crf
# defaults give about one quality (38 dB on painted frames); docs/output.md has the numbers.
ENCODERS: Mapping[str, Encoder] = {
    "libx264": Encoder(
        OUTPUT_PIX_FMTS, range(52), 20, presets=_X26_PRESETS, default_preset="veryfast"
    ),
    "libx265": Encoder(
        OUTPUT_PIX_FMTS,
        range(52),
        24,
        presets=_X26_PRESETS,
        default_preset="veryfast",
        # Else it would write to stderr by itself, and leave closed captions out.
        settings=frozen(x265_params="log-level=none", a53cc="1"),
    ),
    "libsvtav1": Encoder(
        ("yuv420p", "yuv420p10le"),
        range(1, 64),
        28,
        presets=tuple(map(str, range(14))),
        default_preset="10",
    ),
    "libvpx-vp9": Encoder(
        ("yuv420p", "yuv422p", "yuv444p", "yuva420p"),
        range(64),
        26,
        presets=tuple(map(str, range(9))),
        default_preset="6",
        preset_option="cpu-used",
        # On painted frames `good` is eight times slower and a tenth smaller. Frames that are not
        # shown, which alt-ref adds, cannot carry alpha.
        settings=frozen(deadline="realtime", row_mt="1", auto_alt_ref="0"),
    ),
    "prores_ks": Encoder(
        ("yuv422p10le", "yuv444p10le", "yuva444p10le"), faithful=True, full_range=False
    ),
    "ffv1": Encoder(
        (*OUTPUT_PIX_FMTS, "yuva420p", "yuva444p", "yuva444p10le"),
        settings=frozen(level="3", slicecrc="1"),
        faithful=True,
    ),
    "gif": Encoder(("pal8",)),
    "libwebp_anim": Encoder(
        ("yuv420p", "yuva420p"), settings=frozen(quality="85"), matrix=6, full_range=False
    ),
    "h264_nvenc": _nvenc("yuv420p", "yuv444p"),
    "hevc_nvenc": _nvenc("yuv420p", "yuv420p10le", "yuv444p"),
    "av1_nvenc": _nvenc("yuv420p", "yuv420p10le", highest_crf=63),
    "h264_qsv": _qsv("yuv420p"),
    "hevc_qsv": _qsv("yuv420p", "yuv420p10le"),
    "av1_qsv": _qsv("yuv420p", "yuv420p10le"),
}


def encoder_settings(codec: str, options: EncodeOptions) -> dict[str, str]:
    """The encoder's options. Raises UsageError for values it does not have."""
    encoder = ENCODERS[codec]
    settings = dict(encoder.settings)
    if encoder.crf:
        crf = encoder.default_crf if options.crf is None else options.crf
        if crf not in encoder.crf:
            low, high = encoder.crf[0], encoder.crf[-1]
            raise UsageError(f"crf is {crf}; {codec} takes {low} (best) to {high}")
        # Beside a crf they count for nothing.
        if not _INSTEAD_OF_CRF.keys() & options.encoder_options.keys():
            settings[encoder.crf_option] = str(crf)
        if "qp" in options.encoder_options and "rc" in settings:
            settings["rc"] = "constqp"  # beside a bitrate NVENC ignores a qp
    elif options.crf is not None:
        raise UsageError(f"{codec} has no crf; leave it out (docs/output.md says what it has)")
    if encoder.presets:
        preset = options.preset or encoder.default_preset or ""
        check_one_of(f"preset of {codec}", preset, encoder.presets)
        settings[encoder.preset_option] = preset
    elif options.preset is not None:
        raise UsageError(f"{codec} has no presets; leave preset out")
    return settings | _checked(codec, encoder, options)


def _checked(codec: str, encoder: Encoder, options: EncodeOptions) -> dict[str, str]:
    given = options.encoder_options
    if not given:
        return {}
    own = {option.name for option in encoder_context(codec).supported_options.private}
    owners = {encoder.crf_option: "crf"} if encoder.crf else {}
    owners |= {encoder.preset_option: "preset"} if encoder.presets else {}
    known = sorted((own | set(_COMMON_OPTIONS)) - set(owners))
    for name in given:
        if name in owners:
            flag = f"{owners[name]} (--{owners[name]})"
            raise UsageError(f"encoder option {name}: is set by {flag}; use that")
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(f"{codec} has no option {name!r}{hint} (have: {', '.join(known)})")
        if name.endswith(("-params", "opts")) and "bframes" in given[name]:
            raise UsageError(
                f"encoder option {name}: leave bframes out; frames are written in their order"
            )
    if codec == "libsvtav1" and given.get("qp") == "0":  # which it takes for none
        raise UsageError("encoder option qp: is 0; libsvtav1 takes 1 (best) to 63")
    if options.crf is not None and (names := _INSTEAD_OF_CRF.keys() & given.keys()):
        name = min(names)
        what = f"{_INSTEAD_OF_CRF[name]} and a crf exclude each other"
        raise UsageError(f"encoder option {name}: {what}; leave one out")
    # What the table sets in a list of its own stays in it.
    return {
        name: f"{encoder.settings[name]}:{value}"
        if name.endswith("-params") and name in encoder.settings
        else value
        for name, value in given.items()
    }


def encoder_context(codec: str) -> VideoCodecContext:
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    return context


def is_here(codec: str) -> bool:
    """Whether this machine has what the encoder needs."""
    encoder = ENCODERS[codec]
    if not encoder.hardware:
        return True
    context = encoder_context(codec)
    context.width, context.height, context.time_base = 640, 360, Fraction(1, 25)
    context.pix_fmt = LAYOUTS["yuv420p"]
    return _opens(context)


def open_encoder(context: VideoCodecContext) -> None:
    """Open an encoder, and let no thread come out of it with another priority than it had.

    SVT-AV1 run by root makes its threads and the one that opens it real-time threads: the painting,
    whatever the process starts and the rest of the machine would wait for them, and may do so for
    ever. Raises av.FFmpegError.
    """
    if sys.platform != "linux":
        context.open()
        return
    policy, param, before = os.sched_getscheduler(0), os.sched_getparam(0), _threads()
    try:
        context.open()
    finally:
        for thread in {threading.get_native_id(), *(_threads() - before)}:
            with suppress(ProcessLookupError):  # ended meanwhile
                os.sched_setscheduler(thread, policy, param)


def _threads() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


def _opens(context: VideoCodecContext) -> bool:
    try:
        open_encoder(context)
    except av.FFmpegError:
        return False
    return True
