"""Serves the status page: one HTML file, one module, one style sheet, and the state as server-sent events.

The page only reads. It knows nothing of the program but the document that a callable gives it.
"""

import asyncio
import errno
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web

FILES = Path(__file__).parent / "page"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
EVERY_S = 1.0
"""How often the page is told how things are; it takes silence for a death."""
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

type Snapshot = Callable[[], dict[str, Any]]


class PageError(Exception):
    """The page cannot be served: which port, why, and what to do."""

    exit_code: ClassVar[int] = 2


class Page:
    """A page that is being served. Made by `serve_page`."""

    def __init__(self, runner: web.AppRunner, host: str, port: int) -> None:
        self._runner = runner
        self.port = port
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{port}/"

    async def close(self) -> None:
        """Stop serving; open streams end."""
        await self._runner.cleanup()


async def serve_page(host: str, port: int, snapshot: Snapshot, *, chosen_by: str) -> Page:
    """Serve until `close()`. Port 0 takes a free one.

    Raises PageError when the port cannot be had; it names `chosen_by`, the key or option to change.
    """
    app = web.Application(middlewares=[_guard(host)])
    app[SNAPSHOT] = snapshot
    app.router.add_get("/snapshot", _snapshot)
    app.router.add_get("/events", _events)
    app.router.add_get("/", _file("index.html"))
    for path in sorted(FILES.iterdir()):
        app.router.add_get(f"/{path.name}", _file(path.name))
    # Streams never end by themselves, so there is nothing to wait for at the end.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise PageError(
                f"port {port} on {host} is in use, so the status page cannot be served. Choose another "
                f"({chosen_by}), or stop what holds it"
            ) from None
        raise PageError(
            f"the status page cannot listen on {host}:{port}: {error.strerror or error}"
        ) from None
    return Page(runner, host, int(runner.addresses[0][1]))


SNAPSHOT: web.AppKey[Snapshot] = web.AppKey("snapshot")


def _guard(host: str) -> Any:
    """Answers only to the names that the page is served under: no foreign site can make a browser read it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        asked = (request.url.host or "").strip("[]")
        if host in LOCAL and asked not in LOCAL:
            return web.Response(status=403, text="this page is served to this machine alone")
        response: web.StreamResponse = await handler(request)
        return response

    return middleware


def _file(name: str) -> Any:
    path = FILES / name
    kind = KINDS.get(path.suffix, "application/octet-stream")

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8", headers=HEADERS)

    return handler


def _document(app: web.Application) -> bytes:
    return json.dumps(app[SNAPSHOT](), separators=(",", ":"), ensure_ascii=False).encode()


async def _snapshot(request: web.Request) -> web.Response:
    return web.Response(body=_document(request.app), content_type="application/json", headers=HEADERS)


async def _events(request: web.Request) -> web.StreamResponse:
    """The document again and again. On a hurried clock no more often than the eye can follow."""
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    await response.prepare(request)
    sent = 0.0
    try:
        while True:
            now = time.monotonic()
            if now - sent >= EVERY_S / 2:
                await response.write(b"data: " + _document(request.app) + b"\n\n")
                sent = now
            await asyncio.sleep(EVERY_S)
    except ConnectionError:
        return response  # the reader closed the page
