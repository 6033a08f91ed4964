"""Shards one after the other, in this process: for small jobs and for debugging."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from pipeline.shard.task import Task

from .attempt import Failure, Outcome, attempt
from .reporter import ProgressReporter


def run_here(
    queue: deque[Task], *, store: Path, scratch: Path | None, reporter: ProgressReporter
) -> Iterator[Outcome]:
    """Build the queued shards and yield what became of each.

    Whether a failed one is tried again is the caller's decision: it appends to `queue`.
    Where the GPU is lost to a process, no other process can try again: it cannot be used.
    """
    lost: Failure | None = None
    while queue:
        task = queue.popleft()
        if lost and task.on_gpu:
            yield lost._replace(task=task)
            continue
        outcome = attempt(
            task,
            store=store,
            scratch=scratch,
            on_progress=lambda progress: reporter.running([progress]),
        )
        reporter.running([])
        if isinstance(outcome, Failure) and outcome.kind == "gone":
            text = f"{outcome.text}; only a new process can use this GPU again"
            outcome = lost = outcome._replace(kind="device", text=text)
        yield outcome
