"""Killed workers, killed drivers, crashing and hanging videos, full disks: nothing is lost."""

import os
import shlex
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from small_videos import (
    RGB_MV,
    crashing,
    data_set,
    draw_videos,
    hanging,
    hanging_once,
    killed,
    killed_once,
    kills_the_worker,
    store_bytes,
)

from pipeline.driver.extraction import extract
from pipeline.errors import ExtractionError
from pipeline.executors.choose import Execution
from pipeline.inspection.status import status, verify
from pipeline.store import Store
from pipeline.store.file_names import LOGS

pytestmark = pytest.mark.slow
HERE = Path(__file__).parents[1]
PATHS = (HERE, HERE.parent, HERE.parents[1])  # the code beside these tests
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PATHS))}


def test_a_worker_killed_in_its_shard_costs_an_attempt(folder, expected, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    decoder = partial(killed_once, victim="v003", marks=marks)
    out = tmp_path / "store"
    execution = Execution(workers=2, open_video=decoder)
    summary = extract(data_set(folder), RGB_MV, out=out, execution=execution)
    assert (marks / "killed").exists()
    assert summary.exit_code == 0
    assert store_bytes(out) == expected


def test_workers_that_are_killed_again_and_again_end_the_run_with_one_line(
    folder, tmp_path
):
    execution = Execution(workers=1, open_video=partial(kills_the_worker))
    with pytest.raises(ExtractionError) as caught:
        extract(data_set(folder), RGB_MV, out=tmp_path / "store", execution=execution)
    assert "memory" in str(caught.value) and "\n" not in str(caught.value)
    assert "--workers" in str(caught.value) and "3 times" in str(caught.value)


def test_a_video_whose_decoder_is_killed_is_taken_up_again(folder, expected, tmp_path):
    out = tmp_path / "store"
    execution = Execution(workers=1, open_video=partial(killed, victim="v003"))
    summary = extract(data_set(folder), RGB_MV, out=out, execution=execution)
    assert summary.exit_code == 3 and summary.stored == 11 and not summary.bad
    assert "SIGKILL" in summary.unavailable["right/v003"]
    whole = extract(data_set(folder), RGB_MV, out=out, execution=Execution(workers=0))
    assert whole.exit_code == 0 and store_bytes(out) == expected


def test_a_video_that_crashes_the_decoder_is_named_and_the_others_kept(
    folder, tmp_path
):
    out = tmp_path / "store"
    execution = Execution(workers=2, open_video=partial(crashing, victim="v003"))
    summary = extract(data_set(folder), RGB_MV, out=out, execution=execution)
    assert summary.exit_code == 3 and summary.stored == 11
    assert "signal 11" in summary.bad["right/v003"]
    assert verify(out) == []


def test_a_video_that_hangs_is_named_and_the_others_kept(folder, tmp_path):
    out = tmp_path / "store"
    execution = Execution(
        workers=2,
        open_video=partial(hanging, victim="v003"),
        hang_seconds=5,
        stall_seconds=10,
    )
    summary = extract(data_set(folder), RGB_MV, out=out, execution=execution)
    assert summary.exit_code == 3 and summary.stored == 11
    assert "hung" in summary.bad["right/v003"]


def test_a_shard_that_stalls_once_is_built_again(folder, expected, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    out = tmp_path / "store"
    decoder = partial(hanging_once, victim="v003", marks=marks)
    execution = Execution(workers=2, open_video=decoder, stall_seconds=10)
    assert extract(data_set(folder), RGB_MV, out=out, execution=execution).stored == 12
    assert store_bytes(out) == expected


def driver_command(*arguments: object) -> list[str]:
    """A driver process of its own; see drive.py."""
    return [sys.executable, str(HERE / "drive.py"), *map(str, arguments)]


def wait_for_commits(out: Path, count: int) -> None:
    deadline = time.monotonic() + 90
    while len(list((out / "_commits").glob("*.json"))) < count:
        assert time.monotonic() < deadline, "no commit came"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_dies_leaves_a_store_that_goes_on(
    how, folder, expected, tmp_path
):
    out, scratch = tmp_path / "store", tmp_path / "scratch"
    scratch.mkdir()
    driver = subprocess.Popen(
        driver_command(folder, out, "--scratch", scratch, "--slow-seconds", 0.7),
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for_commits(out, 2)
    driver.send_signal(how)
    _, said = driver.communicate(timeout=60)
    assert driver.returncode != 0, said
    deadline = time.monotonic() + 30
    while status(out).running:  # its workers die with it, and their lock with them
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not (out / "manifest.json").exists()
    before = {path.name: path.stat().st_ino for path in (out / "_commits").iterdir()}
    execution = Execution(workers=0, scratch=scratch)
    summary = extract(data_set(folder), RGB_MV, out=out, execution=execution)
    assert 0 < summary.fresh_shards < 3
    after = {path.name: path.stat().st_ino for path in (out / "_commits").iterdir()}
    assert {name: after[name] for name in before} == before
    assert store_bytes(out) == expected
    assert list(scratch.iterdir()) == []
    assert not list((out / LOGS).glob("attempts-*"))


def test_videos_of_an_attempt_that_took_the_driver_along_are_isolated_in_the_end(
    folder, tmp_path
):
    """In this process a crash ends the run; the third start looks closer."""
    out = tmp_path / "store"
    command = driver_command(folder, out, "--workers", 0, "--crash-on", "v003")
    runs = [
        subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
        for _ in range(3)
    ]
    crashed = -signal.SIGSEGV
    assert [run.returncode for run in runs] == [crashed, crashed, 3]
    assert Store(out).manifest.bad.keys() == {"right/v003"}


def namespace_command() -> list[str] | None:
    """How to get a mount of one's own on this machine: a user namespace, or being root."""
    for command in (["unshare", "-Urm"], ["unshare", "-m"]):
        try:
            probe = subprocess.run(
                [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            return None
        if probe.returncode == 0:
            return command
    return None


@pytest.mark.parametrize("full", ["store", "scratch"])
def test_a_full_disk_stops_the_run_with_one_line_and_loses_nothing(
    full, folder, expected, tmp_path
):
    command = namespace_command()
    if command is None:
        pytest.skip("no small disk: neither a user namespace nor root")
    disk, roomy = tmp_path / "disk", tmp_path / "roomy"
    disk.mkdir()
    roomy.mkdir()
    small, store, scratch = {
        "store": ("150k", disk / "store", roomy),
        "scratch": ("32m", roomy / "store", disk),  # a shard keeps 32 MiB spare
    }[full]
    driver = driver_command(folder, store, "--scratch", scratch, "--grow", disk)
    keep = ["cp", "-r", str(store), str(tmp_path / "result")]
    shell = (
        f"mount -t tmpfs -o size={small} tmpfs {disk} && "
        f"{shlex.join(driver)} && {shlex.join(keep)}"
    )
    done = subprocess.run(
        [*command, "sh", "-c", shell],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "ENDED" in done.stdout and "no space left" in done.stdout, done.stdout
    assert "FINISHED False" in done.stdout
    assert store_bytes(tmp_path / "result") == expected


@pytest.mark.parametrize("how", ["kill", "fail"])
def test_a_run_that_ends_before_it_has_a_plan_leaves_a_folder_to_begin_in(
    how, tmp_path
):
    draw_videos(tmp_path / "videos", 1)
    done = subprocess.run(
        [
            *(sys.executable, str(HERE / "stop_early.py")),
            *(str(tmp_path / "videos"), str(tmp_path / "store"), how),
        ],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    steps = done.stdout.splitlines()
    assert all(step.endswith("True") for step in steps), done.stdout
    assert {"os.mkdir", "open", "os.link", "os.rename"} <= {s.split()[0] for s in steps}
    assert any("_plan.json" in step for step in steps)


def test_a_limit_of_file_sizes_ends_the_run_with_one_line_and_loses_nothing(
    folder, tmp_path
):
    command = [
        *(
            sys.executable,
            "-m",
            "pipeline.commands.cli",
            "extract",
            "--dataset",
            "folder",
        ),
        *("--videos", str(folder), "--out", str(tmp_path / "store"), "--ray", "off"),
        *("--workers", "0", "--modalities", "rgb", "--short-side", "32"),
    ]
    limited = shlex.join(command)
    ended = subprocess.run(
        ["sh", "-c", f"ulimit -f 16; exec {limited}"],  # 8 or 16 KiB
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "File too large" in ended.stderr.splitlines()[-1]
    assert "HDF5" not in ended.stderr and "Traceback" not in ended.stderr
    again = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert len(Store(tmp_path / "store").videos()) == 12
