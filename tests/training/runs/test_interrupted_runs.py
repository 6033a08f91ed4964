"""Full disks, links, hang-ups, leftovers: a run ends in one line, and goes on."""

import errno
import json
import multiprocessing
import os
import resource
import shutil
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_recipe as tiny
from click.testing import CliRunner
from tiny_runs import SilentReporter, StopAt, same, taught

from pipeline.store import replacing
from training.commands import several_processes
from training.commands.cli import main
from training.engine import checkpoint
from training.engine.signals import stop_on_signal
from training.errors import Interrupted, RunError, WriteError
from training.run_files import writing
from training.runs.record import Run

FOUR = replace(tiny.teach("mv"), epochs=4)
"""Four steps."""
WRITTEN = (
    "recipe.json",
    "learned_from.json",
    "metrics.jsonl",
    "checkpoint.pt",
    "model.pt",
    "scores_held_out.npz",
    "scores_test.npz",
    "results.json",
)


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory) -> Run:
    """A run that nothing stopped. Read only."""
    return taught(store, tmp_path_factory.mktemp("whole") / "run", recipe=FOUR)


@pytest.fixture
def half(store, tmp_path) -> Run:
    """A run that was stopped after its third step."""
    with pytest.raises(Interrupted):
        taught(store, tmp_path / "run", recipe=FOUR, reporter=StopAt(3))
    return Run(tmp_path / "run")


def failing(monkeypatch, name: str, code: int) -> None:
    """Let every writing of a file fail, as a full or broken disk would."""

    @contextmanager
    def broken(path, **options):
        with replacing(path, **options) as file:
            yield file
            if path.name == name:
                raise OSError(code, os.strerror(code))

    real = os.open

    def opened(path, flags, *more, **options):
        if Path(path).name == name and flags & os.O_APPEND:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, flags, *more, **options)

    monkeypatch.setattr(writing, "replacing", broken)
    monkeypatch.setattr(checkpoint, "replacing", broken)
    monkeypatch.setattr(writing.os, "open", opened)


@pytest.mark.parametrize(
    ("name", "code"),
    [(name, errno.ENOSPC) for name in WRITTEN]
    + [
        ("checkpoint.pt", code)
        for code in (errno.EIO, errno.EACCES, errno.EROFS, errno.EFBIG, errno.EDQUOT)
    ],
)
def test_what_cannot_be_written_is_one_line_and_the_run_goes_on(
    store, whole, tmp_path, monkeypatch, name, code
):
    out = tmp_path / "run"
    with monkeypatch.context() as broken:
        failing(broken, name, code)
        with pytest.raises(WriteError) as told:
            taught(store, out, recipe=FOUR)
    reason = os.strerror(code)
    line = f"{out / name}: cannot be written: {reason[:1].lower()}{reason[1:]}"
    assert str(told.value) == line
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    assert same(whole, taught(store, out, recipe=FOUR))


def test_a_checkpoint_that_cannot_be_written_leaves_the_ones_before(
    half, store, whole, monkeypatch
):
    before = half.path("checkpoint.pt").read_bytes()
    with monkeypatch.context() as broken:
        failing(broken, "checkpoint.pt", errno.ENOSPC)
        with pytest.raises(WriteError):
            taught(store, half.folder, recipe=FOUR)
    assert checkpoint.newest(half.path("checkpoint.pt"))
    assert half.path("checkpoint.pt").read_bytes() == before
    assert same(whole, taught(store, half.folder, recipe=FOUR))


def limited_files(store, out: str, told: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    command = ["teach", "--modality", "mv", "--recipe", "tiny"]
    result = CliRunner().invoke(main, [*command, "--store", store, "--out", out])
    Path(told).write_text(json.dumps([result.exit_code, result.output]))


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_one_line(store, tmp_path):
    told, out = tmp_path / "told", tmp_path / "run"
    child = multiprocessing.get_context("fork").Process(
        target=limited_files, args=(str(store.folder), str(out), str(told))
    )
    child.start()
    child.join(120)
    code, output = json.loads(told.read_text())
    assert code == 1
    assert output.splitlines()[-1] == (
        f"Error: {out}/checkpoint.pt: cannot be written: file too large"
    )
    assert "Traceback" not in output


def test_planted_links_are_replaced_or_refused_never_followed(
    store, whole, half, tmp_path
):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in (
        "model.pt",
        "scores_test.npz",
        "results.json.part",
        "learned_from.json",
    ):
        half.path(name).unlink(missing_ok=True)
        half.path(name).symlink_to(precious)
    half.path(f".checkpoint.pt.{os.getpid()}").symlink_to(precious)
    lines = half.path("metrics.jsonl").read_bytes()
    assert same(whole, taught(store, half.folder, recipe=FOUR))
    assert precious.read_text() == "mine"
    assert not half.path("model.pt").is_symlink()

    half.path("metrics.jsonl").unlink()
    half.path("metrics.jsonl").symlink_to(precious)
    with pytest.raises(WriteError, match="metrics.jsonl: cannot be written: too many"):
        half.log(kind="steps", epoch=0, step=1)
    assert precious.read_text() == "mine" and lines


def test_leftovers_of_a_kill_are_swept(store, half):
    for name in (".checkpoint.pt.0123456789abcdef.part", ".results.json.%016x.part"):
        half.path(name % 7 if "%" in name else name).write_bytes(b"cut off")
    half.path(".notes").write_text("mine")
    taught(store, half.folder, recipe=FOUR)
    assert [p.name for p in half.folder.iterdir() if p.name.startswith(".")] == [
        ".notes"
    ]


def test_lines_that_were_written_before_a_kill_stand_once(store, whole, half):
    """The process had gone on for a step and an epoch beyond its last checkpoint."""
    last = whole.metrics()[-2:]
    assert {line["kind"] for line in last} == {"steps", "epoch"}
    for line in last:
        half.log(**line)
    with half.path("metrics.jsonl").open("a") as file:
        file.write('{"kind": "ste')
    assert same(whole, taught(store, half.folder, recipe=FOUR))
    for kind in ("steps", "epoch"):
        steps = [line["step"] for line in half.metrics() if line["kind"] == kind]
        assert steps == [1, 2, 3, 4]


def test_another_number_of_processes_is_refused(store, half):
    path = half.path("checkpoint.pt")
    checkpoint.save(path, checkpoint.load(path) | {"world_size": 2})
    before = path.read_bytes()
    with pytest.raises(RunError) as told:
        taught(store, half.folder, recipe=FOUR)
    assert "this run was begun with 2 processes, now there is 1: go on with 2" in str(
        told.value
    )
    assert path.read_bytes() == before and half.results() is None


class HangUpAt(SilentReporter):
    """The terminal closes when so many steps are done."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, done: int, text: str) -> None:
        if done == self.at:
            os.kill(os.getpid(), signal.SIGHUP)


def test_a_hang_up_saves_as_a_termination_does(store, whole, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(Interrupted, match="stopped after step 2 of 4"):
        taught(store, out, recipe=FOUR, reporter=HangUpAt(2))
    assert same(whole, taught(store, out, recipe=FOUR))


def test_an_ignored_hang_up_stays_ignored():
    """As under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signal() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("rank", ["0", "2"])
def test_processes_that_cannot_share_a_batch_say_it_once(
    store, tmp_path, monkeypatch, rank
):
    """The others give the first a moment, in which the launcher ends them."""
    slept: list[float] = []
    monkeypatch.setattr(several_processes.time, "sleep", slept.append)
    out = tmp_path / "run"
    command = ["teach", "--modality", "mv", "--recipe", "tiny"]
    result = CliRunner().invoke(
        main,
        [*command, "--store", str(store.folder), "--out", str(out)],
        env={"RANK": rank, "WORLD_SIZE": "3", "LOCAL_RANK": rank},
    )
    line = "expected a number of processes that can share batches of 4 clips equally"
    whose = "" if rank == "0" else "process 2: "
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == f"Error: {whose}{line}, got 3"
    assert slept == ([] if rank == "0" else [several_processes.MOMENT_SECONDS])
    assert not out.exists()


def test_a_run_that_was_copied_goes_on_where_it_lies(store, whole, half, tmp_path):
    copy = shutil.copytree(half.folder, tmp_path / "copy")
    assert same(whole, taught(store, Path(copy), recipe=FOUR))
