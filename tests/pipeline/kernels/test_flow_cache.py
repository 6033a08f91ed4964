"""Kernels are compiled once per machine, wherever they can be kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from motion_shards import private
from pipeline.doctor import machine
from pipeline.kernels.folders import kept_folder, temporary_folder

SOLVE = """
import time
import numpy as np
from pipeline.flow import flow_solver
from pipeline.flow.cpu.iterate import iterate
start = time.process_time()
solver = flow_solver("cpu")
solver.flow(np.zeros((2, 20, 20), np.uint8))
seconds = time.process_time() - start
hits, misses = iterate.stats.cache_hits, iterate.stats.cache_misses
print(sum(hits.values()), sum(misses.values()), seconds)
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


def finish(process: subprocess.Popen) -> tuple[int, int, float, str]:
    """How often the main kernel was loaded and compiled, CPU seconds, standard error."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    hits, misses, seconds = output.split()
    return int(hits), int(misses), float(seconds), errors


@pytest.mark.slow
def test_of_two_processes_that_start_at_once_one_compiles(tmp_path: Path):
    processes = [start(XDG_CACHE_HOME=str(tmp_path)) for _ in range(2)]
    compiled, loaded = sorted(finish(it) for it in processes)
    assert (compiled[:2], loaded[:2]) == ((0, 1), (1, 0))
    assert compiled[3] == loaded[3] == ""
    later = finish(start(XDG_CACHE_HOME=str(tmp_path)))
    assert later[:2] == (1, 0)
    assert later[2] < compiled[2] / 3  # about 0.4 s against 5 s


@pytest.mark.slow
def test_a_cache_folder_that_cannot_be_written_is_named_and_replaced(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    places = {"XDG_CACHE_HOME": str(blocked), "TMPDIR": str(tmp_path)}
    for expected in ((0, 1), (1, 0)):
        hits, misses, _, errors = finish(start(**places))
        assert (hits, misses) == expected
        assert errors.count("\n") == 1
        assert f"{blocked}/motion-shards/kernels-" in errors
        assert "cannot be written (Not a directory)" in errors
        assert f"kept in {tmp_path}/motion-shards-kernels-" in errors


def test_a_temporary_folder_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = temporary_folder("kernels")
    assert ours.parent == tmp_path
    assert ours.stat().st_mode & 0o777 == 0o700
    assert temporary_folder("kernels") == ours
    ours.chmod(0o770)
    assert temporary_folder("kernels") != ours
    ours.rmdir()
    ours.symlink_to(tmp_path)
    assert temporary_folder("kernels") != ours


@pytest.fixture
def base(tmp_path, monkeypatch) -> Path:
    """NUMBA_CACHE_DIR, and another place for what cannot be kept there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir(mode=0o700)
    base = tmp_path / "cache"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(base))
    return base


def test_kept_code_lies_where_nobody_else_can_write(base, capsys):
    before = os.umask(0)
    try:
        folder = kept_folder("kernels-x")
    finally:
        os.umask(before)
    assert folder == base / "motion-shards/kernels-x"
    for made in (folder, folder.parent, base):
        assert made.stat().st_mode & 0o777 == 0o700
    assert kept_folder("kernels-x") == folder
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("which", ["", "motion-shards", "motion-shards/kernels-x"])
@pytest.mark.parametrize("mode", [0o777, 0o702, 0o720])
def test_kept_code_that_others_could_change_is_not_run(
    which, mode, base, capsys, monkeypatch
):
    folder = kept_folder("kernels-x")
    monkeypatch.setattr(private, "_only_ours", lambda gid: False)
    (base / which).chmod(mode)
    instead = kept_folder("kernels-x")
    assert instead != folder and instead.stat().st_mode & 0o777 == 0o700
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"others can write {base / which}" in said
    assert f"kept in {instead}" in said
    check = machine.compile_cache()
    if which != "motion-shards/kernels-x":  # one of many
        assert check.state == "warning" and "others can write" in check.found


@pytest.mark.parametrize("what", ["folder", "link", "folder on the way"])
def test_kept_code_of_another_user_is_not_run(
    what, base, tmp_path, capsys, monkeypatch
):
    folder = kept_folder("kernels-x")
    if what == "link":
        folder.rmdir()
        folder.symlink_to(tmp_path / "tmp")
    theirs = base if what == "folder on the way" else folder
    if os.getuid() == 0:
        os.chown(theirs, 4321, -1, follow_symlinks=False)
    else:
        ours = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: ours + 1)
    assert kept_folder("kernels-x") != folder
    assert "belongs to user" in capsys.readouterr().err


def test_a_link_of_this_user_and_a_shared_folder_like_tmp_are_in_order(base, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    base.symlink_to(shared)
    assert machine.compile_cache().state == "ok"
    assert kept_folder("kernels-x") == base / "motion-shards/kernels-x"
    assert (shared / "motion-shards/kernels-x").is_dir()
    shared.chmod(0o777)  # there others can put theirs in the place of ours
    assert kept_folder("kernels-x") != base / "motion-shards/kernels-x"
