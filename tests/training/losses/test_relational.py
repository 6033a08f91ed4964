import math

import pytest
import torch
from torch import Tensor

from training.errors import RecipeError
from training.losses.relational import (
    DIST,
    RelationalKD,
    angles,
    correlation,
    pair_distances,
)
from training.losses.terms import Outputs

DISTANCE = RelationalKD(taps=("avgpool",), angle=0.0)
ANGLE = RelationalKD(taps=("avgpool",), distance=0.0)


def at(*points: list[float]) -> Outputs:
    features = torch.tensor(points)
    return Outputs(torch.zeros(len(features), 2), {"avgpool": features})


def with_features(features: Tensor) -> Outputs:
    return Outputs(torch.zeros(len(features), 2), {"avgpool": features})


def saying(*chances: list[float]) -> Outputs:
    return Outputs(torch.tensor(chances).log(), {})


def test_distances_by_hand():
    """0, 1, 3 have distances 1, 3, 2, so 1/2, 3/2, 1; 0, 1, 2 have 3/4, 3/2, 3/4."""
    assert pair_distances(torch.tensor([[0.0], [1.0], [3.0]])).tolist() == (
        pytest.approx([1 / 2, 3 / 2, 1])
    )
    value = DISTANCE(at([0.0], [1.0], [3.0]), at([0.0], [1.0], [2.0]))
    assert value.item() == pytest.approx(25 * (1 / 32 + 0 + 1 / 32) / 3)


def test_angles_by_hand():
    """Cosines 0, 3/5, 4/5 of the 3-4-5 triangle, and 1/2 of the one with equal sides."""
    right = [0.0, 0.0], [3.0, 0.0], [0.0, 4.0]
    equal = [0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]
    assert angles(torch.tensor(right)).tolist() == pytest.approx(
        [0, 0, 3 / 5, 3 / 5, 4 / 5, 4 / 5], abs=1e-6
    )
    value = ANGLE(at(*right), at(*equal))
    assert value.item() == pytest.approx(50 * (1 / 4 + 1 / 100 + 9 / 100) / 2 / 3)


@pytest.mark.parametrize("term", [DISTANCE, ANGLE, RelationalKD()])
def test_scaled_turned_and_moved_is_the_same(term):
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(5, 3, generator=generator)
    theirs = torch.randn(5, 7, generator=generator)  # of another size
    expected = term(with_features(ours), with_features(theirs))
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator)).Q
    other = 4 * ours @ turn + torch.tensor([1.0, -2.0, 3.0])
    found = term(with_features(other), with_features(theirs))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    same = term(with_features(other), with_features(ours))
    assert same.item() == pytest.approx(0, abs=1e-4)
    assert expected > 0.1


def test_distances_change_with_one_clip_alone():
    """A stretch along one axis is no scaling."""
    ours = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    stretched = ours * torch.tensor([1.0, 5.0])
    assert DISTANCE(with_features(stretched), with_features(ours)) > 1


def test_two_clips_have_no_angle_and_equal_clips_pull_nowhere():
    assert ANGLE(at([0.0], [1.0]), at([0.0], [2.0])).item() == 0
    ours = torch.ones(3, 2, requires_grad=True)
    RelationalKD()(with_features(ours), at([0.0], [1.0], [3.0])).backward()
    assert torch.isfinite(ours.grad).all()


def test_angles_keep_their_precision_in_autocast():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 8, generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        found = angles(x)
    torch.testing.assert_close(found, angles(x))


def test_correlations_by_hand():
    """(2, -1, -1) and (-1, 2, -1) have the product -3 and the squares 6: -1/2."""
    first, second = torch.tensor([[1 / 2, 1 / 4, 1 / 4]]), torch.tensor([[1.0, 2, 1]])
    assert correlation(first, second).item() == pytest.approx(-1 / 2)


PREDICTIONS = [1 / 2, 1 / 4, 1 / 4], [1 / 4, 1 / 2, 1 / 4], [1 / 4, 1 / 4, 1 / 2]


def test_dist_by_hand():
    """Four clips, of which the student has two changed. Within clips: 0, 3/2, 3/2, 0.
    Within classes, in sixteenths from their mean: the first is the same; the others are
    (-1, -1, 3, -1) and (-1, 3, -1, -1), whose product is -4 and whose squares are 12."""
    one, two, three = PREDICTIONS
    ours, theirs = saying(one, three, two, one), saying(one, two, three, one)
    assert DIST(intra=0.0)(ours, theirs).item() == pytest.approx(3 / 4)
    assert DIST(inter=0.0)(ours, theirs).item() == pytest.approx(2 * (1 + 1 / 3) / 3)
    value = DIST(inter=2.0, intra=3.0)(ours, theirs)
    assert value.item() == pytest.approx(2 * 3 / 4 + 3 * 8 / 9)


def test_dist_at_a_temperature_is_dist_of_smaller_logits_times_its_square():
    generator = torch.Generator().manual_seed(0)
    first, second = (Outputs(torch.randn(4, 5, generator=generator), {}) for _ in "ab")
    halves = Outputs(first.logits / 2, {}), Outputs(second.logits / 2, {})
    expected = 4 * DIST()(*halves)
    torch.testing.assert_close(DIST(temperature=2.0)(first, second), expected)


def test_dist_allows_any_scale_and_shift():
    """A student that is less sure, p -> (1 - e) p + e / K, has the same relations; so
    have logits that are moved. Soft targets would charge for the first."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, generator=generator)
    chances = 0.3 * logits.softmax(1) + 0.7 / 5
    teacher = Outputs(logits, {})
    unsure = DIST()(Outputs(chances.log(), {}), teacher)
    moved = DIST()(Outputs(logits + torch.tensor([[3.0], [-1], [0], [9]]), {}), teacher)
    assert unsure.item() == pytest.approx(0, abs=1e-5)
    assert moved.item() == pytest.approx(0, abs=1e-5)
    scaled = correlation(3 * logits + 2, logits)
    assert scaled.tolist() == pytest.approx([1] * 4)


def test_gradients_are_those_of_the_losses():
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    theirs = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    ours.requires_grad_()
    for term in (DISTANCE, ANGLE):
        assert torch.autograd.gradcheck(
            lambda x, term=term: term(with_features(x), with_features(theirs)), ours
        )
    assert torch.autograd.gradcheck(
        lambda x: DIST(temperature=1.5)(Outputs(x, {}), Outputs(theirs, {})), ours
    )


@pytest.mark.parametrize("term", [RelationalKD(), DIST()])
def test_one_clip_has_no_relations(term):
    with pytest.raises(RecipeError, match="at least 2 clips in a batch .* got 1"):
        term(at([0.0, 1.0]), at([0.0, 1.0]))
