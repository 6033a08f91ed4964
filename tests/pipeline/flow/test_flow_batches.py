"""Batches of pairs: the same flow as pair by pair, coded as the store's codec does."""

import numpy as np
import pytest
from default_codecs import default_codec

from pipeline.flow import FlowError, flow_solver
from pipeline.flow.batches import Coding, CpuBatches, consecutive

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 24, 40), dtype=np.uint8)


@pytest.fixture
def solver() -> CpuBatches:
    return CpuBatches(flow_solver("cpu", profile="fast"))


def test_a_batch_has_the_flow_of_its_pairs_in_any_order(solver):
    batch = solver.collect(solver.launch(FRAMES, np.array([[2, 3], [0, 1], [1, 2]])))
    flow = flow_solver("cpu", profile="fast").flow(FRAMES)
    assert batch.flow.tobytes() == flow[[2, 0, 1]].tobytes()
    assert batch.planes is batch.clipped is None


@pytest.mark.parametrize("flow_codec", ["companded", "tsn"])
def test_a_coded_batch_has_the_levels_of_the_codec(solver, flow_codec):
    codec = default_codec("flow", flow_codec=flow_codec)
    batch = solver.collect(
        solver.launch(FRAMES, consecutive(len(FRAMES)), Coding.of(codec))
    )
    flow = flow_solver("cpu", profile="fast").flow(FRAMES)
    assert batch.flow is None
    np.testing.assert_array_equal(
        batch.planes, codec.levels(flow.transpose(0, 3, 1, 2))
    )
    assert batch.clipped.tolist() == [codec.clipped(field) for field in flow]


def test_two_batches_may_be_under_way_and_are_collected_in_order(solver):
    first = solver.launch(FRAMES, np.array([[0, 1]]))
    second = solver.launch(FRAMES, np.array([[1, 2]]))
    with pytest.raises(FlowError, match="2 batches are under way"):
        solver.launch(FRAMES, np.array([[2, 3]]))
    with pytest.raises(FlowError, match="oldest ticket"):
        solver.collect(second)
    solver.collect(first)
    solver.collect(second)
    with pytest.raises(FlowError, match="oldest ticket"):
        solver.collect(second)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (np.array([[0, 4]]), "pairs of the 4 frames, got 0 to 4"),
        (np.array([[-1, 0]]), "got -1 to 0"),
        (np.array([0, 1]), r"\(B, 2\) of integers, got \(2,\)"),
        (np.array([[0.0, 1.0]]), "got .* float64"),
        (np.zeros((0, 2), int), "at least one pair"),
    ],
)
def test_other_pairs_are_refused(solver, pairs, message):
    with pytest.raises(FlowError, match=message):
        solver.launch(FRAMES, pairs)
