"""Standard input of live sources, with other bytes."""

import os
import threading

import pytest

from training.recognition.live import video as live_video


def piped(octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a live source read these bytes, and then the end, as its standard input."""
    out, into = os.pipe()
    monkeypatch.setattr(live_video, "STDIN", out)

    def write() -> None:
        with open(into, "wb") as file:
            file.write(octets)

    threading.Thread(target=write, daemon=True).start()
