"""Runs the application on a port."""

from __future__ import annotations

import secrets
import signal
import socket
import sys
from collections.abc import Callable

from automl_img.errors import UsageError
from automl_img.evaluation.predictor import Predictor
from automl_img.serving.application import Limits, make_app, warm_up
from automl_img.serving.guard import LOOPBACK

GRACE_SECONDS = 10


def serve(
    predictor: Predictor,
    *,
    name: str,
    host: str,
    port: int,
    token: str,
    limits: Limits,
    ready: Callable[[str, str], None],
) -> None:
    """Answer requests until the process is asked to end; what was begun is answered first.

    Args:
        predictor: The model.
        name: What the page calls it.
        host: The address to listen at; another one than this machine's own asks for a token, which is made unless given.
        port: 0: any that is free.
        token: That requests must bring; empty: none where only this machine can ask.
        limits: What one request may hold.
        ready: Called with the address and the token when requests are answered.

    Raises:
        UsageError: The address, the port or the token cannot be used.
        ModelFileError, PluginError: The model cannot predict.
    """
    import uvicorn

    outside = host not in (*LOOPBACK, "::1")
    token = _checked(token) or (secrets.token_urlsafe(24) if outside else "")
    with _listener(host, port) as listener:
        address = url_of(host, listener.getsockname()[1])
        warm_up(predictor)  # before uvicorn runs, which would tell what is wrong by a traceback

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                if self.started:
                    ready(address, token)

        app = make_app(predictor, name=name, token=token, limits=limits)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_SECONDS
        )
        # uvicorn ends in good order, and then raises the signal once more: for the caller it is the end that was asked for.
        before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
        try:
            Server(config).run([listener])
        finally:
            signal.signal(signal.SIGTERM, before)


def _checked(token: str) -> str:
    """Return a token that was given without the white space around it: files and secrets of clusters end in a new line."""
    bare = token.strip()
    if token and not (bare and bare.isascii() and bare.isprintable()):
        allowed = "printable ASCII characters, at least one that is no space"
        raise UsageError("no request could bring this token", where="--token or AUTOML_IMG_TOKEN", allowed=allowed)
    return bare


def url_of(host: str, port: int) -> str:
    """Return the address that a browser takes; IPv6 stands in brackets."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # names with an empty part, such as 192.168..1, are a UnicodeError
        raise UsageError("there is no such address", where="--host", found=host) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
        return listener
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        hint = "Take another with --port; --port 0 takes any that is free."
        raise UsageError(f"the port cannot be used: {reason}", where="--port", found=port, hint=hint) from error
