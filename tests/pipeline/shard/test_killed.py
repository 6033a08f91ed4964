"""Why a process died, in words."""

import signal

import pytest

from pipeline.shard import killed
from pipeline.shard.killed import cause_of_death, memory_kills


@pytest.fixture
def counter(tmp_path, monkeypatch):
    path = tmp_path / "vmstat"
    monkeypatch.setattr(killed, "COUNTER", path)
    return path


def test_the_counter_of_the_system_is_read(counter):
    assert memory_kills() is None
    counter.write_text("nr_free_pages 7\noom_kill 3\noom_kill_other 9\n")
    assert memory_kills() == 3
    counter.write_text("nr_free_pages 7\n")
    assert memory_kills() is None


@pytest.mark.parametrize(
    ("code", "before", "now", "said"),
    [
        (-9, 3, 4, "the system killed it for lack of memory: fewer --workers"),
        (-9, 3, 3, "it was killed (SIGKILL), as the system does when memory is full"),
        (-9, None, 3, "it was killed (SIGKILL)"),
        (-11, 3, 4, "it died (signal 11, SIGSEGV)"),
        (1, 3, 4, "it died (exit code 1)"),
    ],
)
def test_a_kill_for_lack_of_memory_is_named(code, before, now, said, counter):
    counter.write_text(f"oom_kill {now}\n")
    assert cause_of_death(code, before).startswith(said)


def test_signals_without_a_name_are_told():
    code = -(signal.SIGRTMIN + 3)
    assert str(-code) in cause_of_death(code, None)
