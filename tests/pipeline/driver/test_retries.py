"""Failures of attempts: which cost another attempt, and which end the run."""

from collections import deque
from dataclasses import replace

import pytest
from batch_solvers import broken
from made_shards import made_task

from pipeline.driver.retries import ATTEMPTS, RetryPolicy, retried
from pipeline.errors import ExtractionError
from pipeline.executors.attempt import Failure
from pipeline.shard.task import ShardReport, Task


def lost(task: Task) -> Failure:
    return Failure(task, "lost", "its worker is gone")


def report(*, videos: int, bad: int = 0, unavailable: int = 0) -> ShardReport:
    """A shard of which so many videos could not be used."""
    plan = made_task(*[100] * videos).plan
    names = [video.id for video in plan.videos]
    return ShardReport(
        plan=plan,
        bad=dict.fromkeys(names[:bad], "no video"),
        unavailable=dict.fromkeys(names[bad : bad + unavailable], "no such file"),
    )


def test_a_shard_has_three_attempts_and_the_third_isolates_every_video():
    retries, first = RetryPolicy(), made_task(100)
    assert (first.attempt, first.isolated, ATTEMPTS) == (1, False, 3)
    second = retries.next_attempt(lost(first))
    assert (second.attempt, second.isolated) == (2, False)
    third = retries.next_attempt(lost(second))
    assert (third.attempt, third.isolated) == (3, True)
    with pytest.raises(ExtractionError) as gave_up:
        retries.next_attempt(lost(third))
    assert (
        str(gave_up.value)
        == "shard 0 failed 3 times; the last error: its worker is gone"
    )


def test_shards_and_their_modalities_fail_for_themselves():
    """Two failures each of shards 0 and 1, and of flow and the rest of shard 2."""
    retries = RetryPolicy()
    parts = [
        made_task(100, shard=0),
        made_task(100, shard=1),
        made_task(100, shard=2, modalities=("flow",)),
        made_task(100, shard=2, modalities=("rgb", "mv")),
    ]
    for task in parts:
        assert retries.next_attempt(lost(retries.next_attempt(lost(task)))).attempt == 3


def test_attempts_of_runs_before_count():
    assert retried(made_task(100), failures=0) == made_task(100)
    assert retried(made_task(100), failures=1) == made_task(100, attempt=2)
    third = retried(made_task(100), failures=2)
    assert (third.attempt, third.isolated) == (3, True)
    assert retried(made_task(100), failures=7).isolated


def test_the_same_bug_in_three_shards_ends_the_run_with_its_traceback():
    retries = RetryPolicy()
    text = "Traceback ...\n  File ...\nZeroDivisionError: a bug shows itself\n"
    for shard in (0, 1):
        retries.next_attempt(Failure(made_task(100, shard=shard), "error", text))
    with pytest.raises(ExtractionError) as gave_up:
        retries.next_attempt(Failure(made_task(100, shard=2), "error", text))
    assert str(gave_up.value) == (
        "the same error occurred 3 times, last in shard 2: "
        "ZeroDivisionError: a bug shows itself"
    )
    assert gave_up.value.__notes__ == [text]


def test_different_bugs_are_counted_apart():
    retries = RetryPolicy()
    for number in range(9):
        task = made_task(100, shard=number)
        assert (
            retries.next_attempt(Failure(task, "error", f"bug {number}")).attempt == 2
        )


def test_workers_that_die_of_different_shards_are_not_a_bug():
    retries = RetryPolicy()
    for number in range(9):
        assert retries.next_attempt(lost(made_task(100, shard=number))).attempt == 2


def test_a_full_disk_ends_the_run_at_once():
    failure = Failure(made_task(100, shard=4), "environment", "No space left on device")
    with pytest.raises(ExtractionError, match="^shard 4: No space left on device$"):
        RetryPolicy().next_attempt(failure)


def test_without_its_gpu_a_task_goes_on_on_the_cpu_where_that_is_allowed():
    """As if it had not been tried, and as often as it takes: each task finds it out."""
    retries = RetryPolicy()
    task = made_task(
        100, modalities=("flow",), backend="cuda", cpu_instead=True, make_solver=broken
    )
    for _ in range(5):
        again = retries.next_attempt(Failure(task, "device", "the driver is too old"))
        assert again == replace(task, backend="cpu", make_solver=None)
    assert retries.next_attempt(lost(task)).attempt == 2


def test_without_its_gpu_a_run_that_asked_for_one_ends():
    task = made_task(100, modalities=("flow",), backend="cuda")
    with pytest.raises(ExtractionError, match="^shard 0: the driver is too old$"):
        RetryPolicy().next_attempt(Failure(task, "device", "the driver is too old"))


@pytest.mark.parametrize("backend", ["auto", "cuda"])
def test_a_shard_that_loses_its_gpu_is_tried_three_times(backend):
    retries, cpu_instead = RetryPolicy(), backend == "auto"
    task = made_task(100, modalities=("flow",), backend="cuda", cpu_instead=cpu_instead)
    for attempt in (2, 3):
        task = retries.next_attempt(Failure(task, "gone", "an illegal address"))
        assert (task.attempt, task.backend) == (attempt, "cuda")
    failure = Failure(task, "gone", "an illegal address")
    if cpu_instead:
        assert retries.next_attempt(failure).backend == "cpu"
        return
    with pytest.raises(ExtractionError) as gave_up:
        retries.next_attempt(failure)
    assert str(gave_up.value) == "shard 0 failed 3 times: an illegal address"


def test_a_worker_that_dies_or_stalls_on_a_gpu_leaves_the_last_attempt_to_the_cpu():
    """Its driver or a kernel may be why; where the GPU was asked for, it is tried again."""
    for kind in ("lost", "stalled"):
        for cpu_instead, last in ((True, "cpu"), (False, "cuda")):
            retries = RetryPolicy()
            task = on_gpu(0, cpu_instead=cpu_instead)
            task = retries.next_attempt(Failure(task, kind, "silence"))
            assert (task.attempt, task.backend) == (2, "cuda")
            task = retries.next_attempt(Failure(task, kind, "silence"))
            assert (task.attempt, task.backend) == (3, last)


def on_gpu(shard: int, *, cpu_instead: bool = True) -> Task:
    flow = ("flow",)
    given = {"backend": "cuda", "cpu_instead": cpu_instead, "make_solver": broken}
    return made_task(100, shard=shard, modalities=flow, **given)


def test_where_all_gpus_have_failed_three_times_in_a_row_no_task_tries_one():
    """Two GPUs, one of which builds a shard in between: it is given up last."""
    retries = RetryPolicy(gpus=2)
    queue = deque([on_gpu(7), made_task(100, shard=8), on_gpu(9, cpu_instead=False)])
    before = list(queue)

    def fails(shard: int, gpu: str, kind: str) -> int:
        retries.next_attempt(Failure(on_gpu(shard), kind, "no", gpu))
        return retries.leave_gpus(queue)

    assert [fails(0, "h:0", "device"), fails(1, "h:0", "gone")] == [0, 0]
    done = report(videos=1)
    done.gpu = "h:0"
    retries.finished(done)  # it works, after all
    assert [fails(k, "h:0", "device") for k in (2, 3)] == [0, 0]
    assert [fails(k, "h:1", "gone") for k in (4, 5, 6)] == [0, 0, 0]
    retries.finished(report(videos=1))  # by the CPU
    assert list(queue) == before
    assert fails(0, "h:0", "device") == 1
    assert list(queue) == [
        replace(before[0], backend="cpu", make_solver=None),
        *before[1:],
    ]
    assert RetryPolicy().leave_gpus(deque([on_gpu(7)])) == 0


def test_thirty_two_bad_videos_and_no_good_one_end_the_run():
    retries = RetryPolicy()
    retries.finished(report(videos=31, bad=31))
    with pytest.raises(ExtractionError, match="all of the first 32 videos failed"):
        retries.finished(report(videos=1, bad=1))


def test_videos_that_are_away_count_as_bad_ones_do():
    with pytest.raises(ExtractionError, match="all of the first 32 videos failed"):
        RetryPolicy().finished(report(videos=32, bad=16, unavailable=16))


def test_a_run_of_good_videos_is_not_stopped_by_bad_ones():
    """10,000 good ones, and then a folder of nothing but bad ones."""
    retries = RetryPolicy()
    for _ in range(100):
        retries.finished(report(videos=100))
    for _ in range(100):
        retries.finished(report(videos=100, bad=100))


def test_one_good_video_among_the_first_is_enough():
    retries = RetryPolicy()
    retries.finished(report(videos=32, bad=31))
    retries.finished(report(videos=32, bad=32))
