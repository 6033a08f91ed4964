"""Progress of tasks on Ray, and the reason of a worker that ends itself.

Both are on a board, an actor on the driver's node.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from motion_shards.remote import Board
from motion_shards.silence import signs_of_life
from pipeline.shard.scratch import work_folder
from pipeline.shard.task import ShardProgress, ShardReport, Task
from pipeline.store.file_names import ARRIVING, LOGS

from .attempt import Failure, Outcome, attempt
from .ray_files import SentShard, send

BOARD_SECONDS = 10.0
"""Limit for an answer of the board about a worker that ended."""

Key = tuple[int, tuple[str, ...], int]


def key_of(task: Task) -> Key:
    """The row of a task on the board: shard, modalities and attempt."""
    return task.plan.shard, task.plan.modalities, task.attempt


def this_node() -> str:
    """Id of the node that this process is on."""
    return str(ray.get_runtime_context().get_node_id())


def start_board() -> Any:
    """A board on the driver's own node: with another it could be lost."""
    here = NodeAffinitySchedulingStrategy(this_node(), soft=False)
    board: Any = ray.remote(num_cpus=0, max_restarts=-1)(Board)
    return board.options(scheduling_strategy=here).remote()


class Said(NamedTuple):
    """The row of a task."""

    times: int
    """Number of times that it was written; it grows while the task computes in silence."""
    progress: ShardProgress


def attempt_on_worker(
    task: Task,
    store: Path,
    scratch: Path | None,
    home: str | None,
    stall_seconds: float,
    board: Any,
) -> Outcome | SentShard:
    """`attempt` in a worker of Ray, with its progress and signs of life on the board.

    Args:
        stall_seconds: CPU time without progress after which there are no signs of life.
        home: the only node that sees the store's folder: others return the files with
            the report. None: all see it.

    Where the process has lost its GPU it does not return but ends, with the reason on the
    board: every later task on a GPU would fail in it, and Ray would give it more of them.
    """

    key, latest = key_of(task), ShardProgress(task.plan.shard, 0, 0, 0)

    def write() -> None:
        board.write.remote(key, tuple(latest))

    with signs_of_life(write, limit=stall_seconds) as heard:

        def progress(now: ShardProgress) -> None:
            nonlocal latest
            latest = now
            heard()
            write()

        write()
        outcome = _attempted(task, store, scratch, home, progress)
    if isinstance(outcome, Failure) and outcome.kind == "gone":
        with suppress(RayError):
            said = board.end.remote(key_of(task), outcome.text, outcome.gpu)
            ray.get(said, timeout=BOARD_SECONDS)
        os._exit(1)
    return outcome


def _attempted(
    task: Task,
    store: Path,
    scratch: Path | None,
    home: str | None,
    progress: Callable[[ShardProgress], None],
) -> Outcome | SentShard:
    """`attempt`; on a node that does not see the store's folder, with the files themselves."""
    if home is None or home == this_node():
        return attempt(task, store=store, scratch=scratch, on_progress=progress)
    with work_folder(scratch) as work:
        for name in (ARRIVING, LOGS):
            (work / name).mkdir()
        outcome = attempt(task, store=work, scratch=scratch, on_progress=progress)
        return send(outcome) if isinstance(outcome, ShardReport) else outcome


def failure_of(board: Any, task: Task) -> Failure | None:
    """The failure for which the worker of a task ended itself; None if it did not, or the
    board is away."""
    try:
        said = ray.get(board.said.remote(key_of(task)), timeout=BOARD_SECONDS)
    except RayError:
        return None
    return Failure(task, "gone", *said) if said else None


def read_board(board: Any) -> dict[Key, Said]:
    """The rows of all tasks; nothing while the board is started again."""
    try:
        rows = ray.get(board.read.remote())
    except (ActorDiedError, ActorUnavailableError):
        return {}
    return {key: Said(n, ShardProgress(*row)) for key, (n, row) in rows.items()}
