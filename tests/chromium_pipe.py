"""A headless Chromium, driven over pipes with the DevTools protocol."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60.0
"""Longest wait for an answer."""
START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""Program that hands the two pipes to a browser under the numbers that it expects."""


def chromium_command() -> str:
    """The command of a Chromium on this machine; without one the test is skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no chromium on this machine: the page was not tried in a browser")


class Tab:
    """A tab of a browser. Made by `open_tab`."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._number = 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []

    def attach(self) -> None:
        """Open an empty tab."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Network", "Log"):
            self.call(f"{domain}.enable")

    def open(self, page: Path) -> None:
        """Load a page, and wait until it is complete."""
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self._receive()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer of the browser to a command."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        os.write(self._commands, json.dumps(command | self._session).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def run(self, script: str) -> Any:
        """The value of an expression, or of the promise that it is."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _receive(self) -> dict[str, Any]:
        until = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            left = max(until - time.monotonic(), 0)
            ready, _, _ = select.select([self._answers], [], [], left)
            assert ready, f"no answer of the browser in {SECONDS:.0f} s"
            more = os.read(self._answers, 1 << 20)
            assert more, "the browser has ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        if "method" in found:
            self.events.append(found)
        return found


@contextmanager
def open_tab(chromium: str, home: Path, *options: str) -> Iterator[Tab]:
    """Start a browser without a window, with a new profile in `home`."""
    (its_in, commands), (answers, its_out) = os.pipe(), os.pipe()
    words = [
        chromium,
        "--headless=new",
        "--no-sandbox",  # root has none
        "--disable-gpu",
        "--remote-debugging-pipe",
        "--autoplay-policy=no-user-gesture-required",
        f"--user-data-dir={home}",
        *options,
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(its_in), str(its_out), *words],
        pass_fds=(its_in, its_out),
        stderr=subprocess.DEVNULL,
    )
    os.close(its_in)
    os.close(its_out)
    try:
        tab = Tab(commands, answers)
        tab.attach()
        yield tab
        tab.call("Browser.close")
    finally:
        os.close(commands)
        os.close(answers)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
