import math

import pytest
import torch

from training.errors import RecipeError
from training.losses.terms import FeatureMSE, MultiLevelMAE, Outputs, SoftTargets


def outputs(*logits: float) -> Outputs:
    return Outputs(torch.tensor([logits]), features={})


def features(**values: list) -> Outputs:
    named = {
        name: torch.tensor([value], dtype=torch.float32)
        for name, value in values.items()
    }
    return Outputs(torch.zeros(1, 2), named)


def test_soft_targets_by_hand():
    even, sure = outputs(0.0, 0.0), outputs(math.log(3), 0.0)  # 1/2 1/2 and 3/4 1/4
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert SoftTargets(temperature=1.0)(even, sure).item() == pytest.approx(expected)


def test_temperature_softens():
    """At T = 2, logits of log 9 are like log 3."""
    even, sure = outputs(0.0, 0.0), outputs(math.log(9), 0.0)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert SoftTargets(temperature=2.0)(even, sure).item() == pytest.approx(expected)


def test_soft_targets_are_a_mean_over_clips():
    student = Outputs(torch.zeros(2, 2), {})
    teacher = Outputs(torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]), {})
    one = SoftTargets(temperature=1.0)(outputs(0.0, 0.0), outputs(math.log(3), 0.0))
    both = SoftTargets(temperature=1.0)(student, teacher)
    assert both.item() == pytest.approx(one.item() / 2)


def test_agreeing_with_the_teacher_costs_nothing():
    same = outputs(1.0, -2.0)
    assert SoftTargets()(same, same).item() == pytest.approx(0, abs=1e-7)


def test_feature_mse_by_hand():
    term = FeatureMSE(taps=("a", "b"))
    student, teacher = features(a=[1, 2], b=[0]), features(a=[1, 4], b=[3])
    assert term(student, teacher).item() == pytest.approx((4 / 2 + 9) / 2)


def test_multi_level_mae_by_hand():
    term = MultiLevelMAE(taps=("a", "b"))
    student, teacher = features(a=[1, 2], b=[0]), features(a=[1, 4], b=[3])
    assert term(student, teacher).item() == pytest.approx((2 / 2 + 3) / 2)


@pytest.mark.parametrize("term", [FeatureMSE(taps=("a",)), MultiLevelMAE(taps=("a",))])
def test_features_of_other_shapes_are_refused(term):
    with pytest.raises(
        RecipeError, match=r"a: expected .*student \(1, 2\), teacher \(1, 1\)"
    ):
        term(features(a=[1, 2]), features(a=[1]))


def test_distances_of_half_precision_are_taken_in_single():
    student = Outputs(
        torch.zeros(1, 2), {"a": torch.full((1, 4), 1e-4, dtype=torch.float16)}
    )
    teacher = Outputs(torch.zeros(1, 2), {"a": torch.zeros(1, 4, dtype=torch.float16)})
    assert FeatureMSE(taps=("a",))(student, teacher).item() == pytest.approx(
        1e-8, rel=1e-2
    )
