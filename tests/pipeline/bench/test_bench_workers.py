"""The rates of `pipeline bench workers`, and one run of it."""

import pytest

from pipeline.bench import workers
from pipeline.shard.calibration import StageTimes
from pipeline.shard.task import Effort


def test_only_the_stretch_in_which_all_were_at_work_counts():
    first = Effort(0.0, 10.0, 20.0, pairs=100, busy=((0.0, 5.0),), process=1)
    second = Effort(2.0, 8.0, 6.0, pairs=60, busy=((4.0, 6.0), (7.0, 9.0)), process=2)
    row = workers.measured([first, second])
    assert row["seconds"] == pytest.approx(6)
    assert row["pairs_per_second"] == pytest.approx((60 + 60) / 6)
    assert row["cores"] == pytest.approx((12 + 6) / 6)
    assert row["busy_share"] == pytest.approx((6 - 2 + 1) / 6)


def test_busy_time_counts_overlaps_once():
    assert workers.busy_seconds([[(0, 2), (5, 6)], [(1, 3)], []]) == pytest.approx(4)


@pytest.mark.slow
def test_a_run_measures_each_number_of_workers():
    result = workers.run(
        backend="cpu", workers=(1, 2), videos=2, modalities=("flow",), short_side=32
    )
    assert [row["workers"] for row in result["rows"]] == [1, 2]
    for row in result["rows"]:
        assert row["pairs_per_second"] > 0 and 0 < row["busy_share"] <= 1
    assert "GPU busy" in workers.table(result) and "cpu" in result["device"]


def test_the_planned_number_of_workers_is_among_those_measured():
    assert workers.counts(1) == [1]
    assert workers.counts(2) == [1, 2]
    assert workers.counts(11) == [1, 2, 4, 8, 11]


@pytest.mark.slow
def test_without_flow_at_any_cost_the_cores_are_the_bound(monkeypatch):
    times = StageTimes(0.6, 0.5, 0.1)
    monkeypatch.setattr(workers, "threads", lambda clips, settings: times)
    result = workers.run(
        backend="none", workers=(1,), videos=2, modalities=("flow",), short_side=32
    )
    (row,) = result["rows"]
    assert result["device"].startswith("none") and row["coders"] == 1
    assert 0 < row["cores"] / result["cores"] <= 1.1
    assert "0.60 reading, 0.50 encoding, 0.10 the rest" in workers.table(result)
