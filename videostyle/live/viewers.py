"""The tabs that watch: each gets the newest picture when it is ready for one, and never a queue.

A tab acknowledges every picture it has drawn; AHEAD pictures may be on their way. Messages wait
one of a kind, the newest. So a tab that reads slowly, or not at all, holds a bounded amount.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from videostyle.live.easel import Picture

AHEAD = 2
MOST_VIEWERS = 8
MOST_CONNECTIONS = 32  # those that are dead, but have not ended, among them
# A connection that blinks, or a page that is loaded again, is back by then.
KEPT_SECONDS = 10.0


class Viewer:
    """One tab, in the event loop's thread. page: what it calls itself, over all its connections."""

    def __init__(self, page: str = "") -> None:
        self.page = page
        self.wants_original = False
        self._messages: dict[str, dict[str, Any]] = {}
        self._picture: Picture | None = None
        self._on_their_way = 0
        self._news = asyncio.Event()

    def tell(self, message: dict[str, Any]) -> None:
        """Have a message sent, in place of one of its type that still waits."""
        self._messages[message["type"]] = message
        self._news.set()

    def show(self, picture: Picture) -> None:
        """Have a picture sent, in place of one that still waits."""
        self._picture = picture
        self._news.set()

    def forget_picture(self) -> None:
        """Have a picture that still waits not sent."""
        self._picture = None

    def drawn(self) -> None:
        """The tab has drawn a picture."""
        self._on_their_way = max(0, self._on_their_way - 1)
        self._news.set()

    async def next(self) -> str | bytes:
        """Wait for what is to be sent next: JSON text, or a picture."""
        while True:
            self._news.clear()
            if self._messages:
                return json.dumps(self._messages.pop(next(iter(self._messages))))
            if self._picture and self._on_their_way < AHEAD:
                picture, self._picture = self._picture, None
                self._on_their_way += 1
                return pack(picture, with_original=self.wants_original)
            await self._news.wait()


class Viewers:
    """All tabs. The first has the controls, until another takes them, or it has been away for
    KEPT_SECONDS; conductor is None meanwhile. Who is there alone has them at once, but for one of
    its followers: where all lines are cut, any may be back first."""

    def __init__(self) -> None:
        self.all: list[Viewer] = []
        self.conductor: Viewer | None = None
        self._conducting_page = ""
        self._following_pages: set[str] = set()
        self._handover: asyncio.TimerHandle | None = None
        self._last: Picture | None = None

    def add(self, page: str = "") -> Viewer | None:
        """A new tab, or None if there are too many. One that comes back counts once: its old
        connection may be dead and not have ended yet."""
        others = {each.page or id(each) for each in self.all if not page or each.page != page}
        if len(others) >= MOST_VIEWERS or len(self.all) >= MOST_CONNECTIONS:
            return None
        viewer = Viewer(page)
        self.all.append(viewer)
        is_back = page and page == self._conducting_page  # its old connection may not have ended
        is_early = page and page in self._following_pages and self._handover
        if is_back or (len(self.all) == 1 and not is_early):
            self.take_controls(viewer)
        else:
            self._following_pages.add(page)
            self._tell_roles()
        if self._last:
            viewer.show(self._last)
        return viewer

    def remove(self, viewer: Viewer) -> None:
        self.all.remove(viewer)
        if self.conductor is viewer:
            self.conductor = None
            # Its page may be back already, and a last word of the old connection came after that.
            back = next((it for it in self.all if it.page and it.page == viewer.page), None)
            if back:
                self.take_controls(back)
                return
            loop = asyncio.get_running_loop()
            self._handover = loop.call_later(KEPT_SECONDS, self._hand_over)

    def take_controls(self, viewer: Viewer) -> None:
        if self._handover:
            self._handover.cancel()
            self._handover = None
        self.conductor, self._conducting_page = viewer, viewer.page
        self._following_pages = {each.page for each in self.all if each is not viewer}
        self._tell_roles()

    def _hand_over(self) -> None:
        self._handover = None
        if self.all:
            self.take_controls(self.all[0])

    def tell(self, message: dict[str, Any]) -> None:
        if message["type"] == "source":  # what is to come is of that; messages overtake pictures
            self._last = None
            for viewer in self.all:
                viewer.forget_picture()
        for viewer in self.all:
            viewer.tell(message)

    def show(self, picture: Picture) -> None:
        self._last = picture
        for viewer in self.all:
            viewer.show(picture)

    @property
    def want_original(self) -> bool:
        return any(viewer.wants_original for viewer in self.all)

    def _tell_roles(self) -> None:
        for viewer in self.all:
            viewer.tell({"type": "role", "conducts": viewer is self.conductor})


def pack(picture: Picture, *, with_original: bool) -> bytes:
    """A picture on the wire: the header's length (4 bytes, little-endian), the header (JSON), the
    painted JPEG, and the original's, if wanted."""
    header = {
        "seconds": picture.seconds,
        "serial": picture.serial,
        "in_motion": picture.in_motion,
        "as_rendered": picture.as_rendered,
        "bytes": len(picture.jpeg),
        "sum": picture.sum,
        **picture.look.to_dict(),
    }
    encoded = json.dumps(header).encode()
    original = picture.original if with_original else b""
    return b"".join([len(encoded).to_bytes(4, "little"), encoded, picture.jpeg, original])
