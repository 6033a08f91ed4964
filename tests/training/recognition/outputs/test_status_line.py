"""The line on a terminal below what is printed."""

import io

import pytest

from training.recognition.outputs import status
from training.recognition.outputs.status import StatusLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_line_until_something_else_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(status.time, "monotonic", lambda: now[0])
    monkeypatch.setenv("COLUMNS", "12")
    terminal = Terminal()
    line = StatusLine(terminal)
    line.clear()
    assert terminal.getvalue() == ""
    line.show("one")
    now[0] += 0.2
    line.show("two")  # too soon
    now[0] += 0.1
    line.show("three \x1b[2J of them")
    line.clear()
    line.clear()
    assert terminal.getvalue() == "\r\x1b[Kone\r\x1b[Kthree \\x1b[\r\x1b[K"


def test_a_log_has_no_such_line() -> None:
    log = io.StringIO()
    line = StatusLine(log)
    line.show("one")
    line.clear()
    assert log.getvalue() == ""
