"""Progress of tasks on Ray, and the reason of a worker that ends itself.

Both are on a board, an actor on the driver's node.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from motion_shards.remote import Board
from pipeline.shard.task import ShardProgress, Task

from .attempt import Failure, Outcome, attempt

BOARD_SECONDS = 10.0
"""Limit for an answer of the board about a worker that ended."""

Key = tuple[int, tuple[str, ...], int]


def key_of(task: Task) -> Key:
    """The row of a task on the board: shard, modalities and attempt."""
    return task.plan.shard, task.plan.modalities, task.attempt


def start_board() -> Any:
    """A board on the driver's own node: with another it could be lost."""
    here = NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    board: Any = ray.remote(num_cpus=0, max_restarts=-1)(Board)
    return board.options(scheduling_strategy=here).remote()


def attempt_on_worker(
    task: Task, store: Path, scratch: Path | None, board: Any
) -> Outcome:
    """`attempt` in a worker of Ray, with its progress on the board.

    Where the process has lost its GPU it does not return but ends, with the reason on the
    board: every later task on a GPU would fail in it, and Ray would give it more of them.
    """

    def write(progress: ShardProgress) -> None:
        board.write.remote(key_of(task), tuple(progress))

    write(ShardProgress(task.plan.shard, 0, 0, 0))
    outcome = attempt(task, store=store, scratch=scratch, on_progress=write)
    if isinstance(outcome, Failure) and outcome.kind == "gone":
        with suppress(RayError):
            said = board.end.remote(key_of(task), outcome.text, outcome.gpu)
            ray.get(said, timeout=BOARD_SECONDS)
        os._exit(1)
    return outcome


def failure_of(board: Any, task: Task) -> Failure | None:
    """The failure for which the worker of a task ended itself; None if it did not, or the
    board is away."""
    try:
        said = ray.get(board.said.remote(key_of(task)), timeout=BOARD_SECONDS)
    except RayError:
        return None
    return Failure(task, "gone", *said) if said else None


def read_board(board: Any) -> dict[Key, ShardProgress]:
    """Progress by task; nothing while the board is started again."""
    try:
        rows = ray.get(board.read.remote())
    except (ActorDiedError, ActorUnavailableError):
        return {}
    return {key: ShardProgress(*row) for key, row in rows.items()}
