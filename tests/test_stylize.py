"""The stylize stage: looks meet frames, the original comes back exactly, nothing jumps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pipeline import Clip

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.look import ORIGINAL, Look
from videostyle.media.color import ColorConverter
from videostyle.media.info import MediaInfo
from videostyle.network.model import Model
from videostyle.stylize.stabilizer import Stabilizer
from videostyle.stylize.stylize import paint, stylize
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.easing import hold
from videostyle.timeline.timeline import Keyframe, Timeline, Track


@pytest.fixture
def info(clip: Clip) -> MediaInfo:
    return probe(clip(pts=[0, 1, 2], size=(96, 64)))


def planes(info: MediaInfo, stylizer: Stylizer, look: Look) -> list[np.ndarray]:
    """The first frame's Y, U and V in that look."""
    converter = ColorConverter(info, "yuv420p")
    frame = next(iter(stylize(decode(info), stylizer, Timeline.constant(look), converter)))
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width].astype(int)
        for plane in frame.image.planes
    ]


def test_original_alone_returns_the_decoded_frame(info: MediaInfo, stylizer: Stylizer) -> None:
    untouched = next(iter(decode(info))).image.to_ndarray()
    for look in (Look({ORIGINAL: 1}), Look({"red": 1}, strength=0)):
        converter = ColorConverter(info, "yuv420p")
        painted = next(iter(stylize(decode(info), stylizer, Timeline.constant(look), converter)))
        assert np.array_equal(painted.image.to_ndarray(), untouched)


def test_nothing_jumps_on_the_way_to_the_original(info: MediaInfo, stylizer: Stylizer) -> None:
    before = planes(info, stylizer, Look({ORIGINAL: 1}))
    for step in range(1, 21):
        mixture = {ORIGINAL: 1 - step / 20, "red": step / 20}
        after = planes(info, stylizer, Look(mixture))
        assert max(np.abs(a - b).max() for a, b in zip(after, before, strict=True)) <= 14
        before = after


def test_keep_color_keeps_the_originals_chroma(info: MediaInfo, stylizer: Stylizer) -> None:
    original = planes(info, stylizer, Look({ORIGINAL: 1}))
    painted = planes(info, stylizer, Look({"blue": 1}))
    kept = planes(info, stylizer, Look({"blue": 1}, keep_color=1))
    assert np.array_equal(kept[0], painted[0])
    assert np.array_equal(kept[1], original[1])
    assert np.array_equal(kept[2], original[2])


def test_every_frame_keeps_its_time(info: MediaInfo, stylizer: Stylizer) -> None:
    converter = ColorConverter(info, "yuv420p")
    painted = stylize(decode(info), stylizer, Timeline.constant(Look({"red": 1})), converter)
    assert [frame.pts for frame in painted] == [frame.pts for frame in decode(info)]


def test_a_jump_of_the_stroke_mixes_up_no_frames(clip: Clip, small_model: Model) -> None:
    """Painted over, a frame of the old stroke has the size of those of the new one in flight."""
    info = probe(clip(pts=range(9), size=(256, 256)))
    stylizer = Stylizer(small_model, device="cpu", precision="fp32", threads=2)
    strokes = Track([Keyframe(0.0, 4.0, hold), Keyframe(4 / 25, 2.0, hold)])
    jump = replace(Timeline.constant(Look({"red": 1})), scalars={"stroke": strokes})
    painted = [
        [
            frame.image.to_ndarray()
            for frame in stylize(
                decode(info), stylizer, timeline, ColorConverter(info, "yuv420p"), stabilize=False
            )
        ]
        for timeline in (
            jump,
            Timeline.constant(Look({"red": 1}, stroke=4.0)),
            Timeline.constant(Look({"red": 1}, stroke=2.0)),
        )
    ]
    for number, frame in enumerate(painted[0]):
        assert np.array_equal(frame, painted[1 if number < 4 else 2][number])


def test_frames_in_flight_are_held_in_their_order(clip: Clip, small_model: Model) -> None:
    """What one frame leaves to the next, and that `original` leaves nothing, does not depend on
    how many are painted at once."""
    info = probe(clip(pts=range(9), size=(256, 256)))
    stylizer = Stylizer(small_model, device="cpu", precision="fp32", threads=2)
    mix = Track([Keyframe(0.0, {"red": 1.0}, hold), Keyframe(4 / 25, {ORIGINAL: 1.0}, hold),
                 Keyframe(5 / 25, {"red": 1.0}, hold)])  # fmt: skip
    looks = replace(Timeline.constant(Look({"red": 1}, stroke=4.0)), mix=mix)
    converter, stabilizer = ColorConverter(info, "yuv420p"), Stabilizer()
    one_by_one = [
        paint(frame, stylizer, looks.look_at(frame.seconds), converter, stabilizer)()()
        for frame in decode(info)
    ]
    together = stylize(decode(info), stylizer, looks, converter)
    for frame, expected in zip(together, one_by_one, strict=True):
        assert np.array_equal(frame.image.to_ndarray(), expected.image.to_ndarray())
