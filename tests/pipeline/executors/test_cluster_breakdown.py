"""What Ray raises when workers, actors or a raylet are gone -> what becomes of the run."""

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
from pipeline.executors import ray_board
from pipeline.executors.attempt import Failure
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import ShardPlan
from pipeline.shard.task import ShardProgress, Task

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
    outcome = runner._outcome(None, TASK, BOARD)
    assert isinstance(outcome, Failure) and outcome.kind == kind
    assert text in outcome.text
    assert kind == "error" or "\n" not in outcome.text


def test_workers_that_are_killed_again_and_again_end_the_run_with_a_line(raised):
    raised(exceptions.WorkerCrashedError())
    retries, task = RetryPolicy(), TASK
    with pytest.raises(ExtractionError) as ended:
        for _ in range(3):
            task = retries.next_attempt(runner._outcome(None, task, BOARD))
    assert str(ended.value).startswith(
        "shard 0 failed 3 times; the last error: its worker was"
    )
    assert "\n" not in str(ended.value)


def test_a_raylet_that_died_ends_the_run_with_a_line(raised):
    raised(exceptions.LocalRayletDiedError())
    with pytest.raises(ExtractionError) as ended, runner._ray_errors_in_one_line():
        runner._outcome(None, TASK, BOARD)
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
    monkeypatch.setattr(ray, "get", lambda ref: {(0, ("rgb",), 1): (0, 2, 48, 1000)})
    assert ray_board.read_board(board) == {
        (0, ("rgb",), 1): ShardProgress(0, 2, 48, 1000)
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
    outcome = runner._outcome(None, TASK, BOARD)
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
            ray_board.attempt_on_worker(TASK, Path("/s"), None, board)
        assert ray_board.failure_of(board, TASK) == failure
    else:
        outcome = ray_board.attempt_on_worker(TASK, Path("/s"), None, board)
        assert outcome == failure
        assert ray_board.failure_of(board, TASK) is None
    board.forget.remote(ray_board.key_of(TASK))
    assert ray_board.failure_of(board, TASK) is None
