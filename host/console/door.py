"""The door of the console: who is let in, and what a page may load.

* The console listens on one address. A request whose `Host` is another name is refused, so that no
  other site's name can be bound to it (DNS rebinding).
* The address that is printed holds a token of 192 bits. Whoever opens it gets a cookie in its
  place, which scripts cannot read and which other sites' pages do not send, and the token leaves
  the address bar. Every other request needs the cookie.
* What opens the socket or acts (POST) also needs the console's own `Origin`.
* The content security policy lets a page load from the console alone, and run no script but the
  console's own files.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
WHERE = "The address with its token is printed where the console was started.\n"


class Door:
    """Guards an ASGI application that listens at `hosts` (each HOST:PORT).

    The cookie has the port in its name, since browsers share cookies between the ports of a host.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], port: int, token: str) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._cookie = f"shotveil_{port}"
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        socket = scope["type"] == "websocket"
        if headers.get("host") not in self._hosts:
            await self._refuse(socket, send, 400, "This console has another name.\n")
            return
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if given and not socket and scope["method"] == "GET" and self._is_token(given[0]):
            await self._welcome(send)
            return
        if not self._is_token(self._cookie_of(headers)):
            await self._refuse(socket, send, 403, WHERE)
            return
        if (socket or scope["method"] not in ("GET", "HEAD")) and not self._own(headers):
            await self._refuse(socket, send, 403, "Only the console's own page may do this.\n")
            return

        async def guarded(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}  # type: ignore[misc]
            await send(message)

        await self._app(scope, receive, guarded)  # type: ignore[arg-type]

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())

    def _cookie_of(self, headers: Mapping[str, str]) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return "" if found is None else found.value

    def _own(self, headers: Mapping[str, str]) -> bool:
        scheme, _, host = headers.get("origin", "").partition("://")
        return scheme == "http" and host == headers["host"]

    async def _welcome(self, send: Send) -> None:
        cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), *HEADERS]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _refuse(self, socket: bool, send: Send, status: int, why: str) -> None:
        if socket:  # before it is accepted, so that the other end sees HTTP 403
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": why.encode()})


def new_token() -> str:
    """Return a secret token of 192 bits, in letters that an address may hold."""
    return secrets.token_urlsafe(24)
