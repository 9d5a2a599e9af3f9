"""The console's server: one page, one socket, and one address for what a page asks for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from shotveil.host.console.door import Door, new_token
from shotveil.host.console.hub import Hub, Recorder
from shotveil.host.console.source import ConsoleSource
from shotveil.models.common.checks import RangeError

PERIOD = 0.1  # seconds between two updates
MOST_LATE = 0.5  # seconds for which late updates are made up; a longer pause is left out
EVERYWHERE = ("", "0.0.0.0", "::")  # no page could tell which of its names is its own
MOST_BYTES = 4096  # of what a page may send


def application(source: ConsoleSource, hub: Hub, static: Path) -> Starlette:
    """Return the application behind the door."""

    async def page(request: Request) -> Response:
        return FileResponse(static / "index.html")

    async def act(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return JSONResponse({"error": "the request is too long"}, 413)
        try:
            asked = await _json_of(request, body)
            said = await run_in_threadpool(source.act, asked)
        except RangeError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"said": said})

    async def live(connection: WebSocket) -> None:
        await connection.accept()
        watcher = hub.watch()

        async def tell() -> None:
            while True:
                await connection.send_text(await watcher.next())

        telling = asyncio.create_task(tell())
        try:
            while True:  # a page sends nothing; this returns when it has gone
                await connection.receive()
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            hub.leave(watcher)
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await telling

    async def update() -> None:
        due = time.monotonic()
        while True:
            hub.publish(source.changed(), time.time())
            due = max(due + PERIOD, time.monotonic() - MOST_LATE)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(update())
        yield
        task.cancel()

    return Starlette(
        routes=[
            Route("/", page),
            Route("/act", act, methods=["POST"]),
            WebSocketRoute("/live", live),
            Mount("/static", StaticFiles(directory=static)),
        ],
        lifespan=lifespan,
    )


async def _json_of(request: Request, body: bytes) -> dict[str, object]:
    if request.headers.get("content-type") != "application/json":
        raise RangeError("the request is of another type; allowed: application/json")
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise RangeError("the request is no JSON object")
    return asked


def serve(
    source: ConsoleSource,
    host: str,
    port: int,
    ready: Callable[[str], None],
    record: Path | None = None,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Show a source in the browser until the process is told to stop.

    host, port: Address to listen on; port 0 takes one that is free.
    ready: Function that is called with the address to open, which holds the token.
    record: New file that the run is recorded in.
    until: Function that is asked ten times a second whether to stop.

    Raises `RangeError` for an address that cannot be listened on and a record that exists.
    """
    if host in EVERYWHERE:
        raise RangeError(
            f"host = {host!r} is every address at once; allowed: one address of this machine"
        )
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise RangeError(f"{host}:{port} cannot be listened on: {error}") from None
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        recorder = None
        if record is not None:
            try:
                recorder = Recorder(record)
            except OSError as error:
                why = "exists" if isinstance(error, FileExistsError) else str(error.strerror)
                raise RangeError(f"{record}: {why}; allowed: a new file to record to") from None
            stack.callback(recorder.close)
        taken = int(listener.getsockname()[1])
        names = {f"{host}:{taken}", f"127.0.0.1:{taken}", f"localhost:{taken}"}
        token = new_token()
        static = stack.enter_context(as_file(files("shotveil.host.console") / "static"))
        app: ASGIApp = Door(
            application(source, Hub(recorder), static), tuple(sorted(names)), taken, token
        )
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=MOST_BYTES,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)

        async def run() -> None:
            told = asyncio.Event()
            if threading.current_thread() is threading.main_thread():
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    asyncio.get_running_loop().add_signal_handler(number, told.set)

            async def watch() -> None:
                while not server.started:
                    await asyncio.sleep(0.01)
                ready(f"http://{host}:{taken}/?token={token}")
                while not told.is_set() and not until():
                    await asyncio.sleep(PERIOD)
                server.should_exit = True

            watching = asyncio.create_task(watch())
            try:
                await server.serve(sockets=[listener])
            finally:
                watching.cancel()

        asyncio.run(run())


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
