"""A web server of a folder on the loopback address, with ranges, delays and faults on order."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class Request(NamedTuple):
    name: str
    """Path of the object."""
    begin: int
    end: int
    """Its bytes that were asked for."""
    whole: bool
    """No range was asked for."""


class Answer(NamedTuple):
    """What stands at a path that is no file."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class WebServer:
    """Requests are recorded; `fault` says what is wrong with an answer, "" nothing.

    Faults: a status as text, drop (no answer), truncate (half of what the header promises),
    short (half, and the header says so), whole (range ignored), changed (a byte differs),
    redirect (to the same path below /moved).
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.delay_seconds = folder, 0.0
        self.fault: Callable[[Request], str] = lambda request: ""
        self.answer: Callable[[str], Answer | None] = lambda path: None
        """Answers about paths that are no files; they are not recorded."""
        self.requests: list[Request] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()

    def reset(self) -> None:
        self.fault, self.delay_seconds = lambda request: "", 0.0
        self.requests, self.most_at_once = [], 0

    def fail_once(self, fault: str, name: str = "") -> None:
        """The first answer about each object whose name ends so has a fault."""
        seen: set[Request] = set()

        def first(request: Request) -> str:
            new = request not in seen and request.name.endswith(name)
            seen.add(request)
            return fault if new else ""

        self.fault = first

    def fail(self, fault: str, name: str = "") -> None:
        """All answers about objects whose name ends so have a fault."""
        self.fault = lambda request: fault if request.name.endswith(name) else ""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def served(folder: Path) -> Iterator[WebServer]:
    server = WebServer(folder)
    try:
        yield server
    finally:
        server.close()


def _handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            with server.lock:
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                time.sleep(server.delay_seconds)
                self._answer()
            finally:
                with server.lock:
                    server.at_once -= 1

        def _answer(self) -> None:
            if (made := server.answer(self.path)) is not None:
                self.send_response(made.status)
                for header, value in made.headers.items():
                    self.send_header(header, value)
                self.send_header("Content-Length", str(len(made.body)))
                self.end_headers()
                self.wfile.write(made.body)
                return
            name = self.path.removeprefix("/moved")
            path = server.folder / name.lstrip("/")
            size = path.stat().st_size if path.is_file() else 0
            asked = RANGE.fullmatch(self.headers.get("Range", ""))
            begin, end = (int(asked[1]), int(asked[2]) + 1) if asked else (0, size)
            request = Request(name, begin, min(end, size), not asked)
            with server.lock:
                server.requests.append(request)
                fault = server.fault(request)
            if fault == "drop":
                self.close_connection = True
                return
            if fault.isdigit() or not path.is_file():
                self.send_response(int(fault or 404))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if fault == "redirect" and not self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", f"/moved{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            ranged = asked and fault != "whole"
            with path.open("rb") as file:
                file.seek(begin if ranged else 0)
                part = file.read(end - begin if ranged else size)
            if fault == "short":
                part = part[: len(part) // 2]
            if fault == "changed":
                part = bytes([part[0] ^ 1]) + part[1:]
            self.send_response(206 if ranged else 200)
            if ranged:
                self.send_header(
                    "Content-Range", f"bytes {begin}-{begin + len(part) - 1}/{size}"
                )
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if fault == "truncate":
                part = part[: len(part) // 2]
                self.close_connection = True
            self.wfile.write(part)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
