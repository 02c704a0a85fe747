"""Runs the live page: a session, its server, and the threads between them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from videostyle.errors import TimelineError, UsageError
from videostyle.live.easel import Picture
from videostyle.live.library import Library
from videostyle.live.server import MAX_MESSAGE_BYTES, Server
from videostyle.live.session import Session
from videostyle.live.viewers import Viewers
from videostyle.stylizer import Stylizer


async def serve(
    stylizer: Stylizer,
    library: Library,
    name: str,
    *,
    timeline: Path | None,
    host: str,
    port: int,
    device: str,
    loss_network: Path | None,
    on_address: Callable[[str], None],
) -> None:
    """Serve until interrupted. name: what to show first, in the library, or 'camera'; on_address
    gets the page's address once it can be opened.

    Raises UsageError if the address is taken, and what opening the source or timeline raises.
    """
    loop = asyncio.get_running_loop()
    viewers = Viewers()

    def tell(message: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(viewers.tell, message)

    def show(picture: Picture) -> None:
        loop.call_soon_threadsafe(viewers.show, picture)

    listening = _listen(host, port)
    session = Session(
        stylizer, library, device=device, loss_network=loss_network, tell=tell, show=show
    )
    try:
        if name:
            session.open(name)
        elif media := library.media():
            session.open(media[0])
        if timeline:
            text = _read(timeline)
            session.command({"type": "timeline", "text": text, "keep_text": True, "follow": True})
        port = listening.getsockname()[1]
        hosts = [f"{host}:{port}"] + ([f"localhost:{port}"] if host == "127.0.0.1" else [])
        config = uvicorn.Config(
            Server(session, viewers).app(hosts),
            log_level="warning",
            lifespan="off",
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_max_queue=8,
            ws_per_message_deflate=False,
            limit_concurrency=64,
            timeout_graceful_shutdown=1,
        )
        on_address(f"http://{host}:{port}/?token={session.token}")
        await _Listener(config, before_shutdown=session.close).serve(sockets=[listening])
    finally:
        session.close()


class _Listener(uvicorn.Server):
    """Ends the session before it waits for the requests under way: some wait for the session."""

    def __init__(self, config: uvicorn.Config, before_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._before_shutdown)
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise UsageError(f"cannot listen at {host}:{port}: {error.strerror}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TimelineError(f"{path}: cannot be read ({error})") from error
