"""The page on a run while its search goes on, served to this machine alone."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from automl_img.errors import AutoMLImageError, UsageError
from automl_img.report.run_page import run_page
from automl_img.search.journal import JOURNAL_FILE
from automl_img.search.lock import LOCK_FILE, driver_of
from automl_img.search.reporting import evidence_of
from automl_img.search.run_folder import METRICS_FILE, RunFolder

LOOPBACK = "127.0.0.1"


class LivePage:
    """The page as of now; made anew only when the run has changed.

    Args:
        folder: The run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._made: tuple[object, str] | None = None

    def now(self) -> tuple[str, bool]:
        """Return the page, and whether somebody drives the search, who may still change what it shows.

        Raises:
            AutoMLImageError: The files of the run cannot be read.
        """
        with self._lock:
            seen = self._seen()
            if self._made is None or self._made[0] != seen:
                self._made = seen, run_page(evidence_of(self._folder))
            return self._made[1], bool(seen[0])

    def _seen(self) -> tuple[str, object]:
        names = (JOURNAL_FILE, f"{JOURNAL_FILE}-wal", METRICS_FILE, LOCK_FILE)
        # A driver that is killed changes no file.
        return driver_of(self._folder.path), [_stamp(self._folder.path / name) for name in names]


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size


def watch(path: str | Path, *, port: int, every: float, ready: Callable[[str], None]) -> None:
    """Serve the page on a run until the process is interrupted; a browser asks for it again while the search runs.

    Args:
        path: The run folder.
        port: 0: any that is free.
        every: Seconds between two looks of the browser.
        ready: Called with the address, which holds a secret: whoever does not know it sees nothing.

    Raises:
        RunFolderError: It is no run folder.
        UsageError: The port cannot be used.
    """
    page, token = LivePage(RunFolder.open(path)), secrets.token_urlsafe(18)

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "automl-img", ""

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # the browser has gone
                super().handle()

        def do_GET(self) -> None:
            given = self.headers.get("Host", "")
            host = given.rpartition(":")[0] or given  # a browser leaves out port 80
            if host not in (LOOPBACK, "localhost"):
                self._answer(403, "This page is for this machine alone.")
            elif not hmac.compare_digest(urlsplit(self.path).path.strip("/").encode(), token.encode()):
                self._answer(404, "There is no such page: take the address that automl-img watch has printed.")
            else:
                self._show()

        def _show(self) -> None:
            try:
                text, running = page.now()
            except AutoMLImageError as error:
                self._answer(500, f"The page cannot be made: {error}")
            else:
                self._answer(200, text, running=running)

        def _answer(self, status: int, text: str, *, running: bool = False) -> None:
            body = text.encode("utf-8", "backslashreplace")
            self.send_response(status)
            self.send_header("Content-Type", f"text/{'html' if status == 200 else 'plain'}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("X-Content-Type-Options", "nosniff")
            if running:
                self.send_header("Refresh", f"{every:g}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing: the terminal belongs to the person."""

    try:
        server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"the port cannot be used: {reason}", where="--port", found=port) from error
    with server:
        ready(f"http://{LOOPBACK}:{server.server_address[1]}/{token}")
        server.serve_forever()
