"""The live page's server: HTTP for the page and its files, one WebSocket for everything else.

Whoever does not know the session's token gets nothing but the page's own code. Requests whose
Host or Origin is another one are refused, so that no other site can reach the server through the
browser (DNS rebinding, cross-site WebSockets).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from videostyle.errors import MediaError, UsageError, VideoStyleError
from videostyle.live.announcements import failure_message
from videostyle.live.lesson import MAX_BYTES
from videostyle.live.message import number
from videostyle.live.session import Session
from videostyle.live.timeline_files import MAX_SAVED_BYTES, MAX_TIMELINE_BYTES
from videostyle.live.uploads import Uploads
from videostyle.live.viewers import Viewer, Viewers
from videostyle.look import ORIGINAL
from videostyle.whole_file import written_whole
from videostyle.wording import visible

PAGE = Path(__file__).parent / "page"
# Larger messages end the connection: a camera's frame, or a timeline, is smaller.
MAX_MESSAGE_BYTES = 5_000_000
# After so long with nobody watching it plays no more.
UNWATCHED_SECONDS = 30.0
TIMELINES = {".yaml", ".yml"}
# So often a tab hears that its connection lives; the page gives it up after a few in vain.
BEAT_SECONDS = 2.0
# A tab that sends so many messages that make no sense is let go.
MOST_MISTAKES = 20
_HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' blob: data:; "
    b"connect-src 'self'; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
}
# Of the page's code, which has another address when it changes.
_KEPT = {b"cache-control": b"max-age=31536000, immutable"}


class Guard:
    """Refuses requests for other hosts and from other origins, and sets safe headers."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self.app = app
        self.hosts = set(hosts)
        self.origins = {f"http://{host}" for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", "").lower(), headers.get(b"origin")
        if host not in self.hosts or origin not in (None, *self.origins):
            response = PlainTextResponse("This address is not served here.", 421)
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await response(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                is_code = message["status"] in (200, 304) and scope["path"].startswith("/page/")
                more = {**_HEADERS, **_KEPT} if is_code else _HEADERS
                message["headers"] = [*message["headers"], *more.items()]
            await send(message)

        await self.app(scope, receive, with_headers)


class Server:
    """Routes of one session."""

    def __init__(self, session: Session, viewers: Viewers) -> None:
        self.session, self.viewers = session, viewers
        self.uploads = Uploads(session.library)
        self._looking: asyncio.Task[None] | None = None  # into the folder, for a tab that asked

    def app(self, hosts: Sequence[str]) -> ASGIApp:
        """The ASGI application, for requests to these hosts ('127.0.0.1:8000')."""
        routes = [
            Route("/", self.page),
            WebSocketRoute("/socket", self.socket),
            Route("/thumbnails/{style}", self.thumbnail),
            Route("/look", self.look),
            Route("/curve", self.curve),
            Route("/sound", self.sound),
            Route("/timelines/{name:path}", self.read_timeline, methods=["GET"]),
            Route("/timelines/{name:path}", self.save_timeline, methods=["PUT"]),
            Route("/results/{name}", self.result),
            Route("/sources", self.may_add_source, methods=["GET"]),
            Route("/sources", self.add_source, methods=["POST"]),
            Route("/paintings", self.add_painting, methods=["POST"]),
            Mount("/page/{version}", StaticFiles(directory=PAGE)),
        ]
        return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _answer}), hosts)

    def knows_token(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self.session.token.encode())

    def check(self, request: Request) -> None:
        if not self.knows_token(request.query_params.get("token", "")):
            raise HTTPException(
                403, "This page needs the address that `videostyle live` printed in the terminal."
            )

    async def page(self, request: Request) -> Response:
        ticket = request.query_params.get("ticket", "").encode()
        if self.session.ticket and secrets.compare_digest(ticket, self.session.ticket.encode()):
            self.session.ticket = ""
            return RedirectResponse(f"/?token={self.session.token}")
        self.check(request)
        return HTMLResponse(await asyncio.to_thread(_page))

    async def thumbnail(self, request: Request) -> Response:
        self.check(request)
        style = request.path_params["style"]
        if style not in (*self.session.player.stylizer.model.card.style_names, ORIGINAL):
            raise HTTPException(404)
        try:
            future = self.session.player.thumbnail(style)
            jpeg = await asyncio.wait_for(asyncio.wrap_future(future), 60)
        except VideoStyleError as error:
            raise HTTPException(409, str(error)) from error
        except (asyncio.CancelledError, TimeoutError) as error:  # the server ends, or has no time
            raise HTTPException(503) from error
        return Response(jpeg, media_type="image/jpeg")

    async def look(self, request: Request) -> Response:
        self.check(request)
        with _refused():
            return JSONResponse(self.session.timeline.look_at(_seconds(request, "at")))

    async def curve(self, request: Request) -> Response:
        self.check(request)
        with _refused():
            start, end = _seconds(request, "start"), _seconds(request, "end")
            if end <= start:
                raise UsageError(f"{end=} is not after {start=}")
            return JSONResponse(self.session.timeline.curve_between(start, end))

    async def sound(self, request: Request) -> Response:
        """The file of a source, whose sound the browser plays."""
        self.check(request)
        path = self.session.sound_of(request.query_params.get("source", ""))
        if path is None:
            raise HTTPException(404)
        return _file(path)

    async def read_timeline(self, request: Request) -> Response:
        self.check(request)
        name = _timeline_name(request)
        try:
            path = self._find_timeline(name)
        except VideoStyleError as error:
            raise HTTPException(404, str(error)) from error
        try:
            with path.open("rb") as file:
                data = file.read(MAX_TIMELINE_BYTES + 1)
        except OSError as error:
            raise HTTPException(404, f"{path.name}: cannot be read: {error.strerror}") from error
        if len(data) > MAX_TIMELINE_BYTES:
            raise HTTPException(
                413, f"{path.name} is larger than {MAX_TIMELINE_BYTES / 1e6:.0f} MB"
            )
        number = self.session.timeline.files.opened(name, data.decode(errors="replace"))
        return PlainTextResponse(data, headers={"X-File": str(number)})

    async def save_timeline(self, request: Request) -> Response:
        self.check(request)
        session, query = self.session, request.query_params
        name = _timeline_name(request)
        with _refused():
            # In a folder within it, only what is there already is saved.
            is_within = "/" in name
            path = self._find_timeline(name) if is_within else session.library.new(name, TIMELINES)
            file = session.timeline.files.number_in(
                {"file": int(query["file"])} if "file" in query else {}
            )
        asks = path.exists() and query.get("overwrite") != "yes"
        if asks and (reason := session.timeline.files.why_ask(name, path, file)):
            raise HTTPException(409, reason)
        data = await _body(request, MAX_SAVED_BYTES)
        try:
            with written_whole(path) as part:
                part.write_bytes(data)
        except OSError as error:
            raise HTTPException(500, f"{path.name}: cannot be written: {error.strerror}") from error
        file = session.timeline.saved(name, data.decode(errors="replace"), file)
        await asyncio.to_thread(session.say_files)
        return JSONResponse({"path": _writable(str(path)), "file": file})

    def _find_timeline(self, name: str) -> Path:
        path = self.session.library.find(name)
        if path.suffix.lower() not in TIMELINES:
            raise MediaError(f"{path.name} is not a timeline")
        return path

    async def add_painting(self, request: Request) -> Response:
        self.check(request)
        data = await _body(request, MAX_BYTES)
        try:
            title = request.query_params.get("title", "")
            await asyncio.to_thread(self.session.teach, title, data)
        except VideoStyleError as error:
            raise HTTPException(409, str(error)) from error
        return Response(status_code=202)

    async def may_add_source(self, request: Request) -> Response:
        """Whether a file would be taken: a browser reads no answer before it has sent all."""
        self.check(request)
        query = request.query_params
        with _refused():
            self.uploads.check(query.get("name", ""), int(query.get("bytes", "")))
        return Response(status_code=204)

    async def add_source(self, request: Request) -> Response:
        """Take a file into the folder, and answer with its name there."""
        self.check(request)
        name, headers = request.query_params.get("name", ""), request.headers
        if "content-length" not in headers or "transfer-encoding" in headers:
            raise HTTPException(411, "how long the file is must be said before it comes")
        size = int(headers["content-length"])
        try:
            with _refused():
                chunks, is_gone = request.stream(), request.is_disconnected
                name = await self.uploads.receive(name, size, chunks, is_gone)
        except (ClientDisconnect, ConnectionAbortedError, TimeoutError) as error:
            raise HTTPException(400, "the upload broke off") from error
        except asyncio.CancelledError as error:  # the server ends
            raise HTTPException(503) from error
        except OSError as error:
            problem = f"{visible(name)}: cannot be written: {error.strerror}"
            raise HTTPException(500, problem) from error
        await asyncio.to_thread(self.session.say_files)
        return JSONResponse({"name": name})

    async def result(self, request: Request) -> Response:
        self.check(request)
        state = self.session.rendering.state
        name = request.path_params["name"]
        if name != state.output or state.status not in ("done", "stopped"):
            raise HTTPException(404, "No such result.")
        return _file(self.session.library.root / name, "; render it again")

    async def socket(self, websocket: WebSocket) -> None:
        """One tab."""
        if not self.knows_token(websocket.query_params.get("token", "")):
            await websocket.close(1008)
            return
        await websocket.accept()
        look = asyncio.create_task(asyncio.to_thread(self.session.library.look))
        while not (await asyncio.wait([look], timeout=BEAT_SECONDS))[0]:  # a slow, large folder
            try:
                await websocket.send_text('{"type": "alive"}')
            except (WebSocketDisconnect, RuntimeError):  # the tab is gone
                return
        await look
        viewer = self.viewers.add(websocket.query_params.get("page", ""))
        if viewer is None:
            await websocket.close(1013, "too many tabs")
            return
        for message in self.session.greeting():
            viewer.tell(message)
        sending = asyncio.create_task(_send(websocket, viewer))
        beating = asyncio.create_task(_beat(viewer))
        try:
            await self._receive(websocket, viewer)
        finally:
            beating.cancel()
            sending.cancel()
            self.viewers.remove(viewer)
            self._ask_for_original()
            if not self.viewers.all:
                asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, self._rest)
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending

    def _rest(self) -> None:
        """Pause if nobody watches; a recording comes to its end."""
        player = self.session.player
        if not self.viewers.all and not player.controls.recording:
            player.update(playing=False)

    async def _receive(self, websocket: WebSocket, viewer: Viewer) -> None:
        mistakes = 0
        while mistakes < MOST_MISTAKES:
            received = await websocket.receive()
            if received["type"] == "websocket.disconnect":
                return
            try:
                if received.get("bytes") is not None:
                    if viewer is self.viewers.conductor:
                        await asyncio.to_thread(self.session.see, received["bytes"])
                else:
                    await self._obey(viewer, _parse(received["text"]))
            except VideoStyleError as error:
                viewer.tell(failure_message(error))
            except OSError as error:  # a file changed under its hands
                viewer.tell(failure_message(VideoStyleError(str(error))))
            except ValueError:
                mistakes += 1
        await websocket.close(1008, "too many messages that make no sense")

    async def _obey(self, viewer: Viewer, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "drawn":
            viewer.drawn()
        elif kind == "view":
            viewer.wants_original = message.get("original") is True
            self._ask_for_original()
        elif kind == "take_controls":
            self.viewers.take_controls(viewer)
            viewer.tell(self.session.state())
        elif viewer is self.viewers.conductor and kind == "files":
            if self._looking is None or self._looking.done():  # the hands go on meanwhile
                look = asyncio.to_thread(self.session.command, message)
                self._looking = asyncio.create_task(look)
        elif viewer is self.viewers.conductor:
            await asyncio.to_thread(self.session.command, message)
        else:
            problem = "Another tab has the controls; take over first."
            viewer.tell({"type": "failure", "message": problem})

    def _ask_for_original(self) -> None:
        wanted = self.viewers.want_original
        if self.session.player.controls.original != wanted:
            self.session.player.update(original=wanted)


def _page() -> str:
    """The page, naming its code by an address that a browser may keep: reloaded, it is there in
    half of the time."""
    digest = hashlib.sha256()
    for path in sorted(PAGE.glob("*.*")):
        digest.update(path.read_bytes())
    address = f'"/page/{digest.hexdigest()[:16]}/'
    return (PAGE / "index.html").read_text(encoding="utf-8").replace('"/page/', address)


def _file(path: Path, advice: str = "") -> Response:
    """A file, if it is there still."""
    try:
        found = path.stat()
    except OSError:
        found = None
    if found is None or not S_ISREG(found.st_mode):
        raise HTTPException(404, f"{path.name} is no longer in the folder{advice}.")
    return FileResponse(path, stat_result=found)


async def _answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(_writable(error.detail), error.status_code, error.headers)


def _writable(text: str) -> str:
    """The text without the halves of characters that stand for bytes that are not UTF-8."""
    return text.encode(errors="replace").decode()


def _timeline_name(request: Request) -> str:
    """As the file system has it, be it UTF-8 or not."""
    path: str = request.scope["raw_path"].decode("ascii")
    return unquote(path.removeprefix("/timelines/"), errors="surrogateescape")


async def _beat(viewer: Viewer) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        viewer.tell({"type": "alive"})


async def _send(websocket: WebSocket, viewer: Viewer) -> None:
    while True:
        item = await viewer.next()
        if isinstance(item, str):
            await websocket.send_text(item)
        else:
            await websocket.send_bytes(item)


async def _body(request: Request, most: int) -> bytes:
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > most:
                raise HTTPException(413, f"larger than {most / 1e6:.0f} MB")
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload broke off") from error
    return bytes(data)


@contextmanager
def _refused() -> Iterator[None]:
    """What is wrong with a question is its answer."""
    try:
        yield
    except (VideoStyleError, ValueError) as error:
        raise HTTPException(400, str(error)) from error


def _seconds(request: Request, name: str) -> float:
    return number({name: float(request.query_params.get(name, ""))}, name, 0, 1e7)


def _parse(text: str) -> dict[str, Any]:
    """Raises ValueError for anything but a JSON object."""
    try:
        message = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message
