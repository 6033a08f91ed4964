"""Processes of a pool: prepared, and ended with the one that has made them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from motion_shards.pool import process_pool
from motion_shards.processes import has_ended, process_mark

PARENT = """
import sys, time
from motion_shards.pool import process_pool
from motion_shards.processes import process_mark
if __name__ == "__main__":
    with process_pool(1) as pool:
        print(pool.submit(process_mark).result(), flush=True)
        pool.submit(time.sleep, 60)
        time.sleep(60)
"""

TOLD = """
import sys, time
from motion_shards import processes
from motion_shards.pool import process_pool
processes.LEAVE_SECONDS = 1
def work(path):
    def tell():
        open(path, "x").close()
    with processes.told_of_parents_end(tell) as follows:
        print(follows, processes.process_mark(), flush=True)
        while True:
            time.sleep(60)
if __name__ == "__main__":
    with process_pool(1) as pool:
        pool.submit(work, sys.argv[1]).result()
"""
LATE = """
import os, sys, time
from motion_shards.processes import follow_parent, process_mark
parent = int(sys.argv[1])
print(process_mark(), flush=True)
while os.getppid() == parent:
    time.sleep(0.01)
follow_parent(parent)
time.sleep(60)
"""


def ends(mark: str) -> bool:
    deadline = time.monotonic() + 20
    while not has_ended(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    return has_ended(mark)


def test_they_are_prepared_and_an_error_ends_them_at_once(tmp_path):
    began = time.monotonic()
    with (
        pytest.raises(ValueError, match="enough"),
        process_pool(1, os.chdir, tmp_path) as pool,
    ):
        assert pool.submit(os.getcwd).result() == str(tmp_path)
        mark = pool.submit(process_mark).result()
        pool.submit(time.sleep, 60)
        raise ValueError("enough")
    assert ends(mark) and time.monotonic() - began < 50


def test_they_end_with_a_process_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT, "utf-8")
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        mark = parent.stdout.readline().strip()
        assert not has_ended(mark)
        parent.send_signal(signal.SIGKILL)
    assert ends(mark)


def test_one_that_is_told_of_the_end_and_does_not_end_is_killed(tmp_path):
    script, told = tmp_path / "parent.py", tmp_path / "told"
    script.write_text(TOLD, "utf-8")
    command = [sys.executable, str(script), str(told)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        follows, mark = parent.stdout.readline().split()
        assert follows == "True" and not has_ended(mark)
        parent.send_signal(signal.SIGKILL)
    assert ends(mark)
    assert told.exists()


def test_a_parent_that_has_ended_already_is_followed_too():
    code = f"import os, subprocess, sys; parent = str(os.getpid()); code = {LATE!r}"
    code += "; subprocess.Popen([sys.executable, '-c', code, parent])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        mark = parent.stdout.readline().strip()
    assert ends(mark)
