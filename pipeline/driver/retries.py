"""Retries of failed shards, and the failures that end a run."""

from collections import Counter, deque
from dataclasses import replace

from pipeline.errors import ExtractionError
from pipeline.executors.attempt import Failure
from pipeline.executors.gpu_health import GpuHealth
from pipeline.shard.task import ShardReport, Task

ATTEMPTS = 3
"""Per shard and run; from this attempt on each video has a child process of its own."""
SUSPICIOUS_VIDEOS = 32


class RetryPolicy:
    """Decides whether failures are retried, and stops a run in which they appear systemic.

    Args:
        gpus: number of GPUs that compute flow.
    """

    def __init__(self, *, gpus: int = 0) -> None:
        self._gpus, self._health = gpus, GpuHealth()
        self._errors: Counter[str] = Counter()
        self._attempts: Counter[tuple[int, tuple[str, ...]]] = Counter()
        self._stored = self._bad = 0

    def next_attempt(self, failure: Failure) -> Task:
        """The next attempt at a shard.

        Where the CPU may take over, it does so at once where the GPU cannot be used, and in
        the last attempt where the worker has lost its GPU, has died or made no progress.

        Raises:
            ExtractionError: the environment failed, the same error came three times,
                the shard failed in each of its attempts, or it needs a GPU that cannot
                be used.
        """
        self._health.note(failure)
        task, shard = failure.task, failure.task.plan.shard
        if failure.kind == "environment":
            raise _gave_up(f"shard {shard}", failure)
        if failure.kind == "device":
            if not task.cpu_instead:
                raise _gave_up(f"shard {shard}", failure)
            return on_cpu(task)
        part = (shard, task.plan.modalities)
        self._attempts[part] += 1
        if failure.kind == "gone" and self._attempts[part] >= ATTEMPTS:
            if not task.cpu_instead:
                raise _gave_up(f"shard {shard} failed {ATTEMPTS} times", failure)
            return on_cpu(task)
        if failure.kind == "error":
            last_line = failure.text.strip().splitlines()[-1]
            self._errors[last_line] += 1
            if self._errors[last_line] >= ATTEMPTS:
                came = (
                    f"the same error occurred {ATTEMPTS} times, last in shard {shard}"
                )
                raise _gave_up(came, failure)
        if self._attempts[part] >= ATTEMPTS:
            raise _gave_up(
                f"shard {shard} failed {ATTEMPTS} times; the last error", failure
            )
        again = retried(task)
        died = failure.kind in ("lost", "stalled") and again.attempt >= ATTEMPTS
        return on_cpu(again) if died and task.on_gpu and task.cpu_instead else again

    def leave_gpus(self, queue: deque[Task]) -> int:
        """Let the CPU compute all flow where no GPU is left to try; the number of tasks."""
        if not self._gpus or len(self._health.given_up()) < self._gpus:
            return 0
        moved = 0
        for place, task in enumerate(queue):
            if task.on_gpu and task.cpu_instead:
                queue[place] = on_cpu(task)
                moved += 1
        return moved

    def finished(self, report: ShardReport) -> None:
        """Count the videos of a shard.

        Raises:
            ExtractionError: no video so far could be used, and there were many.
        """
        self._health.note(report)
        unused = report.bad | report.unavailable
        self._bad += len(unused)
        self._stored += len(report.plan.videos) - len(unused)
        if not self._stored and self._bad >= SUSPICIOUS_VIDEOS:
            name, reason = next(iter(unused.items()))
            raise ExtractionError(
                f"all of the first {self._bad} videos failed, so the cause is "
                f"hardly in the videos; {name}: {reason}"
            )


def on_cpu(task: Task) -> Task:
    """The task with the flow by the CPU."""
    return replace(task, backend="cpu", make_solver=None)


def _gave_up(what: str, failure: Failure) -> ExtractionError:
    """One line, and the traceback as a note where there is one."""
    lines = failure.text.strip().splitlines() or [""]
    error = ExtractionError(f"{what}: {lines[-1]}")
    if len(lines) > 1:
        error.add_note(failure.text)
    return error


def retried(task: Task, *, failures: int = 1) -> Task:
    """The attempt after `failures` that failed; the last one isolates every video."""
    attempt = task.attempt + failures
    return replace(task, attempt=attempt, isolated=attempt >= ATTEMPTS)
