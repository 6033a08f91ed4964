"""Answers of a solver that is right, or wrong in one way, and numbers of workers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pipeline.bench.flow import drawn_pairs
from pipeline.bench.gpu import answers, extraction
from pipeline.bench.gpu.answers import differences, same_answers
from pipeline.bench.gpu.rows import Comparison
from pipeline.bench.gpu.settings import Settings
from pipeline.flow import flow_solver
from pipeline.flow.batches import CpuBatches, FlowBatch, Ticket
from pipeline.shard.calibration import StageTimes

SMALL = Settings(seconds=10.0, height=32, width=40)


class OnCpu(CpuBatches):
    """A solver of batches with one fault."""

    def __init__(self, fault: str = "") -> None:
        super().__init__(flow_solver("cpu", profile="fast"))
        self.fault, self.batches = fault, 0

    def collect(self, ticket: Ticket) -> FlowBatch:
        batch = super().collect(ticket)
        self.batches += 1
        assert batch.flow is not None
        if self.fault == "repeats" and self.batches == 3:
            return replace(batch, flow=batch.flow + np.float32(1e-6))
        if self.fault == "batch" and ticket.pairs == 8:
            batch.flow[5, 3, 3, 1] += np.float32(1e-3)
        return batch


@pytest.fixture(scope="module")
def pairs() -> list[np.ndarray]:
    return [pair[:, :32, :40].copy() for pair in drawn_pairs(2)]


@pytest.fixture(scope="module")
def flow(pairs) -> np.ndarray:
    solver = flow_solver("cpu", profile="fast")
    return np.concatenate([solver.flow(pair) for pair in pairs])


def by_name(rows: Iterator[Comparison]) -> dict[str, Comparison]:
    return {row.name.partition(": ")[2]: row for row in rows}


def test_equal_flow_differs_in_nothing(flow):
    rows = by_name(differences("fast", flow, flow))
    assert len(rows) == 6
    assert all(row.value == 0 and row.passed for row in rows.values())


def test_differences_are_in_px_and_in_levels():
    expected = np.zeros((2, 10, 10, 2), np.float32)
    flow = expected.copy()
    flow[0, :2, :, 0] = 0.3  # a twentieth of the values, 16 levels
    flow[0, 0, 0, 0] = -2.0
    flow[1, 5, :, 1] = 0.0005  # a fortieth, one level
    rows = by_name(differences("default", flow, expected))
    assert rows["mean difference to the CPU"].value == pytest.approx(
        (19 * 0.3 + 2.0 + 10 * 0.0005) / 400
    )
    assert rows["mean difference to the CPU"].most == 0.02
    assert rows["difference below which 99 % are"].value == pytest.approx(0.3)
    assert rows["largest difference"].value == pytest.approx(2.0)
    share = rows["share of stored levels that differ"]
    assert share.value == pytest.approx(30 / 400) and share.passed
    far = rows["share that differs by more than one"]
    assert far.value == pytest.approx(20 / 400) and not far.passed


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("", {}),
        ("repeats", {"repeated runs with another answer": 1.0}),
        ("batch", {"pairs with another answer in batches of 8": 1.0}),
    ],
)
def test_other_answers_in_repeats_and_batches_are_counted(pairs, flow, fault, wrong):
    rows = by_name(same_answers(OnCpu(fault), pairs, flow))
    assert len(rows) == 1 + len(answers.BATCHES)
    assert {name: row.value for name, row in rows.items() if not row.passed} == wrong


def test_middlebury_is_used_where_it_is(tmp_path):
    assert answers.middlebury(None) is None
    assert answers.middlebury(tmp_path) is None
    (tmp_path / "flow" / "middlebury").mkdir(parents=True)
    assert answers.middlebury(tmp_path) == tmp_path / "flow" / "middlebury"


@pytest.mark.parametrize(
    ("usual", "cores", "expected"),
    [(8, 16, [8, 1, 4, 16]), (1, 2, [1, 2]), (1, 1, [1]), (2, 4, [2, 1, 4])],
)
def test_the_usual_number_of_workers_is_measured_first(usual, cores, expected):
    assert extraction.counts(usual, cores) == expected


def test_an_extraction_is_measured_for_each_number_and_modality(monkeypatch):
    calls = []

    def extracted(clips, count, videos, settings, gpus, *, times):
        calls.append((count, settings.modalities, tuple(gpus)))
        return {"pairs_per_second": 10.0 * count, "busy_share": 0.5, "cores": 1.5}

    class Layout:
        gpus = ("0", "1")

    monkeypatch.setattr(extraction, "local_layout", lambda **given: Layout)
    monkeypatch.setattr(extraction, "worker_cores", lambda: 4)
    monkeypatch.setattr(extraction, "original_clips", lambda *a, **b: ("", []))
    monkeypatch.setattr(extraction.workers, "extracted", extracted)
    monkeypatch.setattr(
        extraction.workers, "threads", lambda clips, settings: StageTimes(1, 1, 0.2)
    )
    rows = list(extraction.extraction(SMALL))
    assert calls[:3] == [
        (3, ("flow",), ("0",)),
        (1, ("flow",), ("0",)),
        (4, ("flow",), ("0",)),
    ]
    assert [(row.workers, row.usual) for row in rows[3:]] == [
        (3, True),
        (1, False),
        (4, False),
    ]
    assert rows[3].modalities == "rgb, flow, mv"
    assert rows[0].pairs_per_second == 30.0
