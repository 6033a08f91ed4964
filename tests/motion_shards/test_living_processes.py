"""Who a process is, told from all others: by number, start, machine and container."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from motion_shards import processes
from motion_shards.processes import ProcessIdentity, has_ended, process_mark

SAYS_WHO = """
import ctypes
from motion_shards.processes import process_mark
print(process_mark(), flush=True)
ctypes.CDLL(None).prctl(15, b"odd) Z 1 (")  # its name, as /proc/PID/stat shows it
print(process_mark(), flush=True)
input()
"""


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen, list[str]]]:
    """A process, and the marks that it had before and after it got an odd name."""
    with subprocess.Popen(
        [sys.executable, "-c", SAYS_WHO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        yield process, [process.stdout.readline().strip() for _ in range(2)]
        process.kill()


def test_a_process_is_itself_whatever_it_is_called(child):
    process, (before, after) = child
    assert before == after and str(process.pid) in before.split("-")
    assert before != process_mark()
    assert not has_ended(before)


def test_a_zombie_has_ended(child):
    """Killed, and nobody has waited for it yet: it writes nothing any more."""
    process, (mark, _) = child
    process.kill()
    deadline = time.monotonic() + 10
    stat = Path(f"/proc/{process.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert has_ended(mark)


def test_this_process_is_alive_and_elsewhere_nobody_knows():
    here = ProcessIdentity.this_process()
    assert here.alive() is True
    assert replace(here, started="1").alive() is False
    assert replace(here, pid=2**22 + 1).alive() is False
    for change in ({"host": "gpu7"}, {"space": "another boot"}, {"space": ""}):
        assert replace(here, **change).alive() is None


def test_where_the_system_does_not_say_nobody_is_known_to_be_over(monkeypatch):
    mark = process_mark()
    monkeypatch.setattr(processes, "_space", lambda: "")
    assert ProcessIdentity.this_process().alive() is None
    assert process_mark().startswith("unknown-")
    assert not has_ended(process_mark()) and not has_ended(mark)
