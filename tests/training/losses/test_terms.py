import math

import pytest
import torch

from training.errors import RecipeError
from training.losses.terms import (
    FeatureMSE,
    MultiLevelMAE,
    Outputs,
    SoftTargets,
    sides,
)


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


@pytest.mark.parametrize(
    ("form", "expected"),
    [("mean", (25 / 4 + 9) / 2), ("sum", (25 + 9) / 2), ("norm", (5 + 3) / 2)],
)
def test_forms_of_feature_mse_by_hand(form, expected):
    term = FeatureMSE(taps=("a", "b"), form=form)
    student, teacher = features(a=[3, 4, 1, 1], b=[0]), features(a=[0, 0, 1, 1], b=[3])
    assert term(student, teacher).item() == pytest.approx(expected)


@pytest.mark.parametrize("form", ["mean", "sum", "norm"])
def test_forms_of_feature_mse_are_means_over_clips_and_have_no_slope_at_zero(form):
    term = FeatureMSE(taps=("a",), form=form)
    ours = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    value = term(
        Outputs(torch.zeros(2, 2), {"a": ours}),
        Outputs(torch.zeros(2, 2), {"a": torch.zeros(2, 2)}),
    )
    value.backward()
    one = term(features(a=[3, 4]), features(a=[0, 0]))
    assert value.item() == pytest.approx(one.item() / 2)
    assert ours.grad[1].tolist() == [0, 0]


def test_gradients_are_those_of_the_losses():
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 3, dtype=torch.float64, generator=generator).requires_grad_()
    theirs = torch.randn(2, 3, dtype=torch.float64, generator=generator)

    def value(term, x):
        return term(Outputs(x, {"a": x}), Outputs(theirs, {"a": theirs}))

    for term in (
        SoftTargets(temperature=3.0),
        FeatureMSE(taps=("a",)),
        FeatureMSE(taps=("a",), form="sum"),
        FeatureMSE(taps=("a",), form="norm"),
        MultiLevelMAE(taps=("a",)),
    ):
        assert torch.autograd.gradcheck(lambda x, term=term: value(term, x), ours)


def test_soft_targets_gradient_is_the_difference_of_chances_over_the_temperature():
    """(P_S - P_T) / T: why the weight is T^2."""
    logits = torch.zeros(1, 2, requires_grad=True)
    teacher = outputs(math.log(9), 0.0)
    SoftTargets(temperature=2.0)(Outputs(logits, {}), teacher).backward()
    assert logits.grad[0].tolist() == pytest.approx(
        [(1 / 2 - 3 / 4) / 2, (1 / 2 - 1 / 4) / 2]
    )


def test_a_tap_may_have_another_name_at_the_teacher():
    assert sides("layer4") == ("layer4", "layer4")
    assert sides("layer3:flow.layer4") == ("layer3", "flow.layer4")
    term = FeatureMSE(taps=("a:b",))
    assert term(features(a=[1, 2]), features(a=[9, 9], b=[1, 4])).item() == 2


def test_what_an_adapter_made_comes_before_the_feature_itself():
    term = FeatureMSE(taps=("a:b",))
    student = features(a=[7, 7, 7], **{"a:b": [1, 2]})
    assert term(student, features(b=[1, 4])).item() == 2


def test_unknown_choices_are_refused():
    with pytest.raises(RecipeError, match="form among mean, sum, norm, got root"):
        FeatureMSE(form="root")
    with pytest.raises(RecipeError, match="weight_on among soft, hard, got both"):
        SoftTargets(weight_on="both")
    with pytest.raises(RecipeError, match="a temperature above 0, got 0"):
        SoftTargets(temperature=0)
