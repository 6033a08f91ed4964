"""Closed forms against values worked out by hand: classifiers, errors, statistics of fields."""

import numpy as np
import pytest

from pipeline.inspection.classifiers import linear_discriminant, naive_bayes, shrunk
from pipeline.inspection.guess import compared, guess
from pipeline.inspection.motion_statistics import (
    Run,
    field_statistics,
    known_statistics,
    on_cells,
    sampled,
)
from pipeline.inspection.observations import key_frame_distance


def test_naive_bayes_counts_from_one() -> None:
    """Class 0 has words a a b, class 1 has a; both columns are alike.

    a: 3/4 * (3/6)^2 against 1/4 * (2/4)^2. b: 3/4 * (2/6)^2 = 1/12 against
    1/4 * (1/4)^2. A word never seen: 3/4 * (1/6)^2 = 1/48 against 1/64.
    """
    words = np.repeat(np.array([0, 0, 1, 0, 0, 1, 2]), 2).reshape(-1, 2)
    targets = np.array([0, 0, 0, 1, 9, 9, 9])
    train = np.arange(7) < 4
    assert naive_bayes(words, targets, train, ~train).tolist() == [0, 0, 0]
    words[:4], targets[:4] = [[0, 0], [0, 0], [1, 1], [1, 1]], [0, 0, 1, 1]
    assert naive_bayes(words, targets, train, ~train).tolist() == [0, 1, 0]


def test_a_linear_discriminant_cuts_between_two_means() -> None:
    """Variance 6 / 4 within; the cut is at 5 + 1.5 / 10 * log(4 / 2) = 5.104."""
    known = [[-1.0], [1], [-1], [1], [9], [11]]
    numbers = np.array([*known, [5.09], [5.12]])
    targets = np.array([3, 3, 3, 3, 7, 7, 0, 0])
    train = np.arange(8) < 6
    assert linear_discriminant(numbers, targets, train, ~train).tolist() == [3, 7]


def test_a_linear_discriminant_knows_how_features_go_together() -> None:
    """The classes differ in x - y alone, which is small beside x and y."""
    rng = np.random.default_rng(4)
    targets = np.arange(400) % 2
    x = rng.normal(scale=10, size=400)
    numbers = np.stack([x, x + targets + rng.normal(scale=0.1, size=400)], axis=1)
    train = np.arange(400) < 300
    found = linear_discriminant(numbers, targets, train, ~train)
    assert np.mean(found == targets[~train]) > 0.98


def test_constant_features_do_no_harm() -> None:
    train = np.array([True, True, True, True, False])
    numbers = np.array([[5.0, 0], [5, 0], [5, 1], [5, 1], [7, 1]])
    targets = np.array([0, 0, 1, 1, 0])
    assert linear_discriminant(numbers, targets, train, ~train).tolist() == [1]


def test_shrinkage_of_a_covariance() -> None:
    """diag(3, 1) of 9 samples: trace 4, squares 10; (0 * 10 + 16) / (9 * (10 - 8)) = 8/9."""
    found = shrunk(np.diag([3.0, 1.0]), 9)
    np.testing.assert_allclose(found, np.diag([2 + 1 / 9, 2 - 1 / 9]))


def test_the_error_of_a_difference_is_that_over_groups() -> None:
    """Leads of 3 and -1 videos: mean 1, squares 8; sqrt(8 * 2 / 1) / 8 = 1/2."""
    targets = np.zeros(8, int)
    found, other = np.array([0, 0, 0, 0, 1, 0, 0, 0]), np.ones(8, int)
    other[3:] = [0, 0, 0, 0, 0]
    labels = ["a"] * 4 + ["b"] * 4
    difference = compared(found, other, targets, clusters=[labels])
    assert difference.difference == 2 / 8
    assert difference.standard_error == pytest.approx(1 / 2)
    assert difference.margin == pytest.approx(12.706 / 2, rel=1e-4)  # Student's t, 1


def test_groups_that_agree_by_accident_are_no_proof() -> None:
    targets = np.array([0, 1] * 3)
    made = guess(targets, targets, clusters=[["a", "a", "b", "b", "c", "c"]])
    assert made.accuracy == 1 and made.standard_error > 0.2
    assert not made.leaks


def test_the_larger_of_the_errors_over_groups_and_classes_counts() -> None:
    targets = np.array([0] * 4 + [1] * 4)
    fine, coarse = list("abcdefgh"), list("xxxxyyyy")
    made = guess(targets, targets, clusters=[fine, coarse])
    assert made.units == 2 and made.standard_error == pytest.approx(0.5)
    assert made.groups == 8


@pytest.mark.parametrize(
    ("intervals", "starts"), [(0, []), (1, [0]), (32, [0]), (33, [0, 8, 16, 25])]
)
def test_runs_of_intervals_reach_from_end_to_end(intervals, starts) -> None:
    runs = sampled(intervals)
    assert [run.start for run in runs] == starts
    assert not runs or runs[-1].stop == intervals
    assert len({k for run in runs for k in run}) == min(intervals, 32)


def test_flow_is_averaged_on_cells_and_rounded() -> None:
    flow = np.zeros((1, 9, 16, 2), np.float32)
    flow[0, :8, :8, 0] = 1
    flow[0, :4, 8:, 1] = 1.3  # half of the cell: 0.65 -> 0.75
    flow[0, 8, :, 0] = -2  # the cells of the last row have one row of pixels
    expected = [[[1, 0], [0, 0.75]], [[-2, 0], [-2, 0]]]
    assert on_cells(flow).tolist() == [expected]


def test_statistics_of_a_field_of_blocks() -> None:
    """Blocks of 16 px, half-pel u of different values, v zero; nothing moves in time."""
    u = np.kron(np.arange(1, 5).reshape(1, 4) / 2, np.ones((2, 2)))
    vectors = np.repeat(np.stack([u, 0 * u], axis=-1)[None], 3, axis=0)
    vectors[2] = 99  # unknown
    found = field_statistics([Run(vectors, np.array([True, True, False]))])
    assert found is not None
    assert found["zeros"] == 0
    shares = [found[f"u at {k}/4 px"] ** 2 for k in range(4)]
    assert shares == pytest.approx([0.5, 0, 0.5, 0])
    assert found["v at 0/4 px"] == found["v zero among moving"] == 1
    equal = [found[f"equal to the right at cell {k}"] for k in range(4)]
    assert equal == [1, 0, 1, 0]
    assert found["equal to the lower at cell 0"] == 1
    assert found["equal to the next"] == 1 and found["change to the next"] == 0
    assert found["mean length"] == pytest.approx(np.log([3, 5, 7, 9]).mean())
    assert found["u, mean"] == pytest.approx(np.log(6))
    assert field_statistics([Run(vectors, np.zeros(3, bool))]) is None


def test_equal_cells_are_counted_among_those_that_move() -> None:
    """Of the pairs to the right from cell 0, one is zero twice, one equal, one neither."""
    vectors = np.zeros((1, 3, 2, 2))
    vectors[0, 1:, 0], vectors[0, 1, 1] = 0.25, 0.25
    found = field_statistics([Run(vectors, np.array([True]))])
    assert found is not None
    assert found["equal to the right at cell 0"] == pytest.approx(np.sqrt(1 / 2))
    assert found["equal to the right at cell 1"] == 0
    assert found["zeros"] == pytest.approx(np.sqrt(3 / 6))


def test_statistics_of_intervals_without_vectors() -> None:
    known = np.arange(48) % 12 != 11
    known[:12] = False
    found = known_statistics(known)
    assert found["unknown in quarter 1"] == 1
    assert found["unknown in quarter 4"] == pytest.approx(np.sqrt(1 / 12))
    assert known_statistics(np.ones(9, bool))["unknown per interval"] == 0
    regular = known_statistics(np.arange(48) % 12 != 11)
    assert regular["unknown per interval"] == pytest.approx(1 / 12)


@pytest.mark.parametrize(
    ("pictures", "distance"),
    [
        ("IPPIPPIPP", "every 3"),
        ("IPPIPIPPI", "every 3"),
        ("IPPPPPIPP", "irregular"),
        ("IPIPIPPPIP", "irregular"),
        ("IIII", "every 1"),
        ("????", "irregular"),
    ],
)
def test_a_fixed_distance_of_key_frames_is_recognised(pictures, distance) -> None:
    assert key_frame_distance(np.frombuffer(pictures.encode(), np.uint8)) == distance
