"""Kernels are compiled once per machine, wherever they can be kept."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.flow.cache import _temporary_folder

SOLVE = """
import numpy as np
from pipeline.flow import flow_solver
from pipeline.flow.sweep import iterate
solver = flow_solver("cpu")
solver.flow(np.zeros((2, 20, 20), np.uint8))
print(sum(iterate.stats.cache_hits.values()), sum(iterate.stats.cache_misses.values()))
"""


def start(**variables: str) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    return subprocess.Popen(
        [sys.executable, "-c", SOLVE],
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> tuple[int, int, str]:
    """Kernels loaded, kernels compiled, standard error."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    hits, misses = output.split()
    return int(hits), int(misses), errors


@pytest.mark.slow
def test_of_two_processes_that_start_at_once_one_compiles(tmp_path: Path):
    processes = [start(XDG_CACHE_HOME=str(tmp_path)) for _ in range(2)]
    results = sorted(finish(it) for it in processes)
    assert results == [(0, 1, ""), (1, 0, "")]
    began = time.monotonic()
    assert finish(start(XDG_CACHE_HOME=str(tmp_path))) == (1, 0, "")
    assert time.monotonic() - began < 10  # 1 on a quiet machine


@pytest.mark.slow
def test_a_cache_folder_that_cannot_be_written_is_named_and_replaced(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    places = {"XDG_CACHE_HOME": str(blocked), "TMPDIR": str(tmp_path)}
    for expected in ((0, 1), (1, 0)):
        *counts, errors = finish(start(**places))
        assert tuple(counts) == expected
        assert errors.count("\n") == 1
        assert f"{blocked}/motion-shards/kernels-" in errors
        assert "cannot be written (Not a directory)" in errors
        assert f"kept in {tmp_path}/motion-shards-kernels-" in errors


def test_a_temporary_folder_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = _temporary_folder("kernels")
    assert ours.parent == tmp_path
    assert ours.stat().st_mode & 0o777 == 0o700
    assert _temporary_folder("kernels") == ours
    ours.chmod(0o770)
    assert _temporary_folder("kernels") != ours
    ours.rmdir()
    ours.symlink_to(tmp_path)
    assert _temporary_folder("kernels") != ours
