"""Shards one after the other, in this process: for small jobs and for debugging."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from pipeline.shard.task import Task

from .attempt import Outcome, attempt
from .reporter import ProgressReporter


def run_here(
    queue: deque[Task], *, store: Path, scratch: Path | None, reporter: ProgressReporter
) -> Iterator[Outcome]:
    """Build the queued shards and yield what became of each.

    Whether a failed one is tried again is the caller's decision: it appends to `queue`.
    """
    while queue:
        task = queue.popleft()
        outcome = attempt(
            task,
            store=store,
            scratch=scratch,
            on_progress=lambda progress: reporter.running([progress]),
        )
        reporter.running([])
        yield outcome
