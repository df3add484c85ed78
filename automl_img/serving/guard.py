"""Refuses requests before anything of them is kept: those without the token, from elsewhere, or too large."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Who sends much reads the answer when all is sent; on a connection that was closed before, it would be lost.
PATIENCE_SECONDS, PATIENCE_TIMES = 5, 4

NOSNIFF = (b"x-content-type-options", b"nosniff")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
OPEN_PATHS = (
    "/healthz",
    "/",
)  # without a token: for whoever asks whether the server lives, and the page that asks for the token
TRUSTED = "automl_img.trusted"  # in a request's scope: whether what is served may be told to who asks


class Guard:
    """Wraps an application.

    Args:
        app: The application.
        token: That requests must bring as ``Authorization: Bearer TOKEN``; empty: none, and then only requests to this machine by its
            own name are taken, so that no web page can reach the server by a name of its own (DNS rebinding).
        most_bytes: That a request's body may have.
        told: Hears the path and the status of each answer.
    """

    def __init__(self, app: App, *, token: str, most_bytes: int, told: Callable[[str, int], None]) -> None:
        self._app, self._token, self._most, self._told = app, token, most_bytes, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def noted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._told(scope["path"], message["status"])
                if not any(name == NOSNIFF[0] for name, _ in message["headers"]):
                    message = {**message, "headers": [*message["headers"], NOSNIFF]}
            await send(message)

        await self._answer(scope, receive, noted)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        scope[TRUSTED] = not self._token or self._knows_token(headers)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._pass_on(scope, receive, send)
        else:
            await self._let_finish(receive, headers)
            await _refuse(send, *refusal)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """The status and the sentence with which a request is refused; None: it is not."""
        if not scope[TRUSTED] and scope["path"] not in OPEN_PATHS:
            return (
                401,
                "the token is missing or wrong: send Authorization: Bearer TOKEN, the one that the server was given or has printed",
            )
        if not self._token and _host(headers.get("host", "")) not in LOOPBACK:
            return 403, "this server answers to localhost only; start it with --token for anything else"
        if not self._token and not _same_origin(headers):
            return 403, "pages of another origin may not ask this server"
        return (413, self._too_large()) if _length(headers) > self._most else None

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received: a body may be longer than it says, or not say."""
        from starlette.exceptions import HTTPException

        received = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
                await self._read_away(receive)
                raise HTTPException(413, self._too_large())
            return message

        await self._app(scope, counted, send)

    async def _let_finish(self, receive: Receive, headers: dict[str, str]) -> None:
        """Let who is refused send the body first; who waits for a word before sending is told at once."""
        has_body = _length(headers) > 0 or "transfer-encoding" in headers
        if has_body and "expect" not in headers:
            await self._read_away(receive)

    async def _read_away(self, receive: Receive) -> None:
        """Read what else is sent, and keep nothing of it; not for ever."""
        left = PATIENCE_TIMES * self._most
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def _knows_token(self, headers: dict[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode())

    def _too_large(self) -> str:
        return f"the request is larger than {self._most / 1e6:g} MB: send fewer or smaller images"


def _host(header: str) -> str:
    """The name in a Host header, without the port."""
    return header if header.endswith("]") else header.rpartition(":")[0] or header


def _same_origin(headers: dict[str, str]) -> bool:
    """Whether no page of another site sends this: browsers let any page send a form to this machine, and say where it comes from."""
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == headers.get("host", "").lower()


def _length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdigit() else 0


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    given = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    if status == 401:
        given["www-authenticate"] = "Bearer"
    lines = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
