"""One frame painted as `render` paints it: at its own size, after the frames it leans on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from videostyle.decode.decode import decode
from videostyle.live.controls import Controls
from videostyle.live.easel import Easel, Picture
from videostyle.live.source import cut_from
from videostyle.media.info import MediaInfo
from videostyle.stylize.stabilizer import MEMORY
from videostyle.stylize.stylizer import Stylizer

MAX_SIDE = 1920


def paint_as_rendered(
    stylizer: Stylizer,
    info: MediaInfo,
    seconds: float,
    controls: Controls,
    *,
    on_picture: Callable[[Picture], None],
    interrupted: Callable[[], bool],
) -> bool:
    """Paint the frame at a time. False if that was broken off once `interrupted` returned
    true, be it false again by now."""
    whole = info.fitted(MAX_SIDE)
    cut = cut_from(info, seconds)
    easel = Easel(stylizer, whole, on_picture, as_rendered=True, show_from=cut.start)
    with closing(decode(whole, cut=cut, lead=MEMORY)) as frames:
        for each in frames:
            if interrupted():
                easel.drain()
                return False
            easel.make_room()
            easel.offer(each, controls)
            if each.seconds >= cut.start:
                break
        easel.drain()
    return True
