"""Runs the live page: a session, its server, and the threads between them."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from videostyle.errors import MediaError, TimelineError, UsageError
from videostyle.live.announcements import CAMERA
from videostyle.live.easel import Picture
from videostyle.live.library import Library
from videostyle.live.server import MAX_MESSAGE_BYTES, Server
from videostyle.live.session import Session
from videostyle.live.viewers import Viewers
from videostyle.stylize.stylizer import Stylizer

HANG_UP_SECONDS = 1.0  # after the end of the session


async def serve(
    stylizer: Stylizer,
    library: Library,
    name: str,
    *,
    timeline: Path | None,
    host: str,
    port: int,
    loss_network: Path | None,
    on_warning: Callable[[str], None],
    on_address: Callable[[str, str], None],
) -> None:
    """Serve until interrupted, or the terminal is closed. name: what to show first, in the
    library, or 'camera', or '' for the first file that can be shown; on_warning gets what cannot
    be, each of the timeline's warnings, and where a timeline is that was not saved; on_address the
    page's address once it can be opened, and another that opens it one time.

    Raises UsageError if it cannot listen there, and what opening the source or timeline raises.
    """
    loop = asyncio.get_running_loop()
    viewers = Viewers()

    def tell(message: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(viewers.tell, message)

    def show(picture: Picture) -> None:
        loop.call_soon_threadsafe(viewers.show, picture)

    def end() -> None:
        try:
            path = session.keep_unsaved()
            kept = path and f"The timeline that was not saved is in {path}"
        except OSError as error:
            kept = f"the timeline that was not saved is lost: {error}"
        with suppress(OSError):  # the terminal may be gone
            if kept:
                on_warning(kept)
        session.close()

    listening = _listen(host, port)
    session = Session(stylizer, library, loss_network=loss_network, tell=tell, show=show)
    try:
        if name and name != CAMERA:
            library.admit(name)
        if name:
            session.open(name)
        else:
            _open_first(session, on_warning)
        if timeline:
            text = _read(timeline)
            session.timeline.files.note(text, timeline)
            session.command({"type": "timeline", "text": text, "keep_text": True, "follow": True})
            for warning in session.timeline.warnings:
                on_warning(f"{timeline}{warning.removeprefix('timeline')}")
        hosts = hosts_of(host, *listening.getsockname()[:2])
        config = uvicorn.Config(
            Server(session, viewers).app(hosts),
            log_level="warning",
            lifespan="off",
            ws=_WebSocket,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            limit_concurrency=512,  # connections, of which a browser, or a scan, leaves many idle
            timeout_graceful_shutdown=2,  # by then all have ended by themselves
        )
        page = f"http://{hosts[0]}/"
        on_address(f"{page}?token={session.token}", f"{page}?ticket={session.ticket}")
        await _Listener(config, before_shutdown=end).serve(sockets=[listening])
    finally:
        session.close()


def _open_first(session: Session, on_warning: Callable[[str], None]) -> None:
    """Show the first file of the folder that can be shown."""
    for name in session.library.media:
        try:
            session.open(name)
        except MediaError as error:
            on_warning(f"not opened: {error}")
        else:
            return


class _WebSocket(WebSocketsSansIOProtocol):
    """One page's connection, which the end of the server may find half closed."""

    def shutdown(self) -> None:
        if self.transport.is_closing():  # the page said goodbye, and may never read the reply
            self.transport.abort()
        else:
            super().shutdown()


class _Listener(uvicorn.Server):
    """Ends the session before it waits for the requests under way: some wait for the session."""

    def __init__(self, config: uvicorn.Config, before_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        hangup = getattr(signal, "SIGHUP", None)  # the terminal is closed; Windows has none
        if hangup and signal.getsignal(hangup) is not signal.SIG_IGN:  # as nohup asks for
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(hangup, setattr, self, "should_exit", True)
        await super().serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._before_shutdown)
        asyncio.get_running_loop().call_later(HANG_UP_SECONDS, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        """End what is under way still, as a large file that is read or sent."""
        for connection in self.server_state.connections:
            connection.transport.abort()


def hosts_of(host: str, address: str, port: int) -> list[str]:
    """What a browser may call the server, as it writes that in a request: in lower case, and
    without the port of HTTP. host: as it was given; address: the number it stands for."""
    names = [f"[{address}]"] if ":" in address else [host.lower(), address]
    names += ["localhost"] if address == "127.0.0.1" else []
    return [name if port == 80 else f"{name}:{port}" for name in names]


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: choose one up to 65535, or 0 for any free one")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(f"cannot listen at {host}:{port}: {error.strerror}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TimelineError(f"{path}: cannot be read ({error})") from error
