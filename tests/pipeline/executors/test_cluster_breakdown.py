"""What Ray raises when workers, actors or a raylet are gone -> what becomes of the run."""

from collections import deque
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ray = pytest.importorskip("ray")
from ray import exceptions

from motion_shards import remote
from pipeline.driver.retries import RetryPolicy
from pipeline.errors import ExtractionError
from pipeline.executors import on_ray as runner
from pipeline.executors import ray_board, ray_files
from pipeline.executors.attempt import Failure
from pipeline.executors.ray_board import Said
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import ShardPlan
from pipeline.shard.task import ShardProgress, ShardReport, Task
from pipeline.store.files import content_hash
from pipeline.store.manifest import FileRecord

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:ray")
TASK = Task(
    plan=ShardPlan(
        shard=0,
        videos=(),
        settings=ExtractSettings(modalities=("rgb",)),
        folder="/",
        fingerprint="",
    )
)
BOARD: Any = SimpleNamespace(said=SimpleNamespace(remote=lambda key: ("said", key)))


@pytest.fixture
def raised(monkeypatch):
    """Lets Ray raise something for whatever it is asked for."""

    def let(error: BaseException) -> None:
        def get(ref: object, timeout: float | None = None) -> Any:
            raise error

        monkeypatch.setattr(ray, "get", get)

    return let


def task_error(cause: Exception) -> exceptions.RayTaskError:
    return exceptions.RayTaskError("run", "Traceback\nlast line", cause)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            exceptions.WorkerCrashedError(),
            "lost",
            "its worker was lost (The worker died",
        ),
        (
            exceptions.OutOfMemoryError("full\nmore"),
            "lost",
            "its worker was lost (full)",
        ),
        (
            exceptions.RaySystemError("away"),
            "lost",
            "its worker was lost (System error",
        ),
        (task_error(ValueError("x")), "error", "Traceback\nlast line"),
        (
            task_error(ModuleNotFoundError("No module named 'h5py'")),
            "environment",
            "lacks a required package (No module named 'h5py'): the same motion-shards",
        ),
    ],
)
def test_what_became_of_a_task(error, kind, text, raised):
    raised(error)
    outcome = runner._outcome(None, TASK, BOARD, Path("/s"))
    assert isinstance(outcome, Failure) and outcome.kind == kind
    assert text in outcome.text
    assert kind == "error" or "\n" not in outcome.text


@pytest.fixture
def sent(tmp_path, monkeypatch):
    """A shard of two files that another machine has put into Ray's store, in pieces."""
    objects: list[bytes] = []
    monkeypatch.setattr(ray, "put", lambda block: objects.append(block) or len(objects))
    monkeypatch.setattr(ray, "get", lambda ref: objects[-1 if ref is None else ref - 1])
    monkeypatch.setattr(ray_files, "PIECE_BYTES", 10)
    report = ShardReport(plan=TASK.plan)
    for modality in ("rgb", "mv"):
        path = tmp_path / f"{modality}.h5"
        path.write_bytes(f"{modality} of another machine".encode())
        xxh3 = content_hash(path)
        report.files[modality] = path
        report.delivered[modality] = FileRecord(f"{modality}.h5", 24, xxh3, "", 0, 0, 0)
    shard = ray_files.send(report)
    assert [len(block) for block in objects] == [10, 10, 2, 10, 10, 1]
    (tmp_path / "_tmp").mkdir()
    return SimpleNamespace(shard=shard, objects=objects)


def test_files_of_another_machine_arrive_in_the_folder(sent, tmp_path):
    outcome = runner._outcome(sent.objects.append(sent.shard), TASK, BOARD, tmp_path)
    assert isinstance(outcome, ShardReport)
    assert {path.parent for path in outcome.files.values()} == {tmp_path / "_tmp"}
    assert outcome.files["rgb"].read_bytes() == b"rgb of another machine"
    assert outcome.files["mv"].read_bytes() == b"mv of another machine"


def test_other_bytes_than_were_sent_are_another_attempt(sent, tmp_path):
    sent.objects[-1] = b"other"
    outcome = runner._outcome(sent.objects.append(sent.shard), TASK, BOARD, tmp_path)
    assert isinstance(outcome, Failure) and outcome.kind == "environment"
    assert "mv of shard 0: expected xxh3 " in outcome.text
    assert not list((tmp_path / "_tmp").iterdir())


def test_an_attempt_on_another_machine_returns_its_files(sent, tmp_path, monkeypatch):
    board: Any = SimpleNamespace(write=SimpleNamespace(remote=lambda *row: None))
    folders: list[Path] = []

    def attempt(task: Task, *, store: Path, scratch: Path, on_progress: Any) -> Any:
        folders.append(store)
        assert (store / "_logs").is_dir()
        path = store / "_tmp" / "a.h5"
        path.write_bytes(b"rows of rgb")
        return ShardReport(plan=task.plan, files={"rgb": path})

    monkeypatch.setattr(ray_board, "attempt", attempt)
    monkeypatch.setattr(ray_board, "this_node", lambda: "a node")
    (tmp_path / "_logs").mkdir()
    for home in (None, "a node"):
        report = ray_board.attempt_on_worker(TASK, tmp_path, tmp_path, home, 150, board)
        assert isinstance(report, ShardReport) and folders[-1] == tmp_path
    found = ray_board.attempt_on_worker(TASK, tmp_path, tmp_path, "another", 150, board)
    assert isinstance(found, ray_files.SentShard) and sent.objects[-2:] == [
        b"rows of rg",
        b"b",
    ]
    assert folders[-1].parent == tmp_path and not folders[-1].exists()


def test_workers_that_are_killed_again_and_again_end_the_run_with_a_line(raised):
    raised(exceptions.WorkerCrashedError())
    retries, task = RetryPolicy(), TASK
    with pytest.raises(ExtractionError) as ended:
        for _ in range(3):
            task = retries.next_attempt(runner._outcome(None, task, BOARD, Path("/s")))
    assert str(ended.value).startswith(
        "shard 0 failed 3 times; the last error: its worker was"
    )
    assert "\n" not in str(ended.value)


def test_a_raylet_that_died_ends_the_run_with_a_line(raised):
    raised(exceptions.LocalRayletDiedError())
    with pytest.raises(ExtractionError) as ended, runner._ray_errors_in_one_line():
        runner._outcome(None, TASK, BOARD, Path("/s"))
    line = str(ended.value)
    assert line.startswith("Ray has broken down (The task's local raylet died")
    assert line.endswith("run the same command to resume")
    assert "\n" not in line


def test_a_board_that_is_started_again_is_empty_meanwhile(raised, monkeypatch):
    board: Any = SimpleNamespace(read=SimpleNamespace(remote=lambda: None))
    for error in (
        exceptions.ActorDiedError(),
        exceptions.ActorUnavailableError("away", None),
    ):
        raised(error)
        assert ray_board.read_board(board) == {}
    rows = {(0, ("rgb",), 1): (3, (0, 2, 48, 1000))}
    monkeypatch.setattr(ray, "get", lambda ref: rows)
    assert ray_board.read_board(board) == {
        (0, ("rgb",), 1): Said(3, ShardProgress(0, 2, 48, 1000))
    }


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (("an illegal address", "node7:1"), "gone", "an illegal address"),
        ((), "lost", "its worker was lost (The worker died"),
    ],
)
def test_why_a_worker_ended_itself_is_read_from_the_board(
    said, kind, text, monkeypatch
):
    def get(ref: object, timeout: float | None = None) -> tuple[str, ...]:
        if ref == ("said", (0, ("rgb",), 1)):
            return said
        raise exceptions.WorkerCrashedError

    monkeypatch.setattr(ray, "get", get)
    outcome = runner._outcome(None, TASK, BOARD, Path("/s"))
    assert isinstance(outcome, Failure) and outcome.kind == kind
    assert text in outcome.text
    assert outcome.gpu == ("node7:1" if said else "")


class Board(remote.Board):
    """The board in this process: calls are done at once."""

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        return method if name.startswith("_") else SimpleNamespace(remote=method)


class Ended(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("kind", ["gone", "device", "environment"])
def test_a_worker_that_has_lost_its_gpu_says_so_and_ends(kind, monkeypatch):
    def end(code: int) -> None:
        raise Ended(code)

    failure = Failure(TASK, kind, "GPU 1 of node7: an illegal address", "node7:1")
    monkeypatch.setattr(ray_board, "attempt", lambda task, **given: failure)
    monkeypatch.setattr(ray, "get", lambda ref, timeout=None: ref)
    monkeypatch.setattr("os._exit", end)
    board = Board()
    if kind == "gone":
        with pytest.raises(Ended, match="1"):
            ray_board.attempt_on_worker(TASK, Path("/s"), None, None, 150, board)
        assert ray_board.failure_of(board, TASK) == failure
    else:
        outcome = ray_board.attempt_on_worker(TASK, Path("/s"), None, None, 150, board)
        assert outcome == failure
        assert ray_board.failure_of(board, TASK) is None
    board.forget.remote(ray_board.key_of(TASK))
    assert ray_board.failure_of(board, TASK) is None


def test_a_worker_that_computes_in_silence_gives_signs_of_life(monkeypatch):
    """Its row is written when it begins, at every progress, and while it computes."""
    board, found = Board(), []

    @contextmanager
    def signs_of_life(tell, *, limit):
        found.append(limit)
        tell()  # before any progress
        yield lambda: found.append("heard")
        tell()  # in silence

    def attempt(task, *, store, scratch, on_progress):
        found.append(ray_board.read_board(board))
        on_progress(ShardProgress(0, 1, 24, 500))
        return "done"

    monkeypatch.setattr(ray_board, "signs_of_life", signs_of_life)
    monkeypatch.setattr(ray_board, "attempt", attempt)
    monkeypatch.setattr(ray, "get", lambda ref, timeout=None: ref)
    ended = ray_board.attempt_on_worker(TASK, Path("/s"), None, None, 150.0, board)
    key = ray_board.key_of(TASK)
    begun = {key: Said(2, ShardProgress(0, 0, 0, 0))}
    assert (ended, found) == ("done", [150.0, begun, "heard"])
    assert ray_board.read_board(board) == {key: Said(4, ShardProgress(0, 1, 24, 500))}


class Slots:
    """Room for one task at a time."""

    def __init__(self, *given: object) -> None: ...

    def next_task(self, queue: Any, running: Any) -> Any:
        return queue.popleft() if queue else None

    def build(self, task: Task) -> Any:
        return SimpleNamespace(remote=lambda *given: "ref")


@pytest.mark.parametrize(("alive", "expected"), [(5, 160), (400, 555)], ids=str)
def test_a_task_stalls_when_it_has_given_no_sign_of_life_for_the_limit(
    alive, expected, monkeypatch
):
    """It has no progress from 5 s on, and gives signs of life until `alive`."""
    now, canceled = [0.0], []

    def wait(refs: list[str], timeout: float) -> tuple[list[str], list[str]]:
        now[0] += 5.0
        assert now[0] < 1000
        return [], refs

    def rows(board: object) -> dict[Any, Said]:
        times = int(min(now[0], alive) // 5)
        return {ray_board.key_of(TASK): Said(times, ShardProgress(0, 1, 24, 500))}

    monkeypatch.setattr(runner, "_FreeSlots", Slots)
    monkeypatch.setattr(runner, "start_board", lambda: None)
    monkeypatch.setattr(runner, "read_board", rows)
    monkeypatch.setattr(runner.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(ray, "wait", wait)
    monkeypatch.setattr(ray, "cancel", lambda ref, force: canceled.append((ref, force)))
    reporter: Any = SimpleNamespace(running=list)
    given = (Path("/s"), None, None, 1, 150.0, reporter)
    (outcome,) = runner._run(deque([TASK]), *given)
    assert outcome == Failure(TASK, "stalled", "no progress for 155 s")
    assert now[0] == expected and canceled == [("ref", True)]
