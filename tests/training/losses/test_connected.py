import pytest
import torch
from torch import Tensor

from training.errors import RecipeError
from training.losses.connected import DeeplyConnectedL2
from training.losses.terms import Outputs


def seen(**features: Tensor) -> Outputs:
    return Outputs(torch.zeros(1, 2), features)


FAR = torch.tensor([[3.0, 4.0, 0.0, 0.0]])
NEAR = torch.zeros(1, 4)


@pytest.mark.parametrize(
    ("form", "expected"), [("paper", 5 / 4), ("mse", 25 / 4), ("euclidean", 25 / 2)]
)
def test_by_hand(form, expected):
    term = DeeplyConnectedL2(taps=("fc6",), form=form)
    assert term(seen(fc6=FAR), seen(fc6=NEAR)).item() == pytest.approx(expected)


@pytest.mark.parametrize("form", ["paper", "mse", "euclidean"])
def test_layers_add_up_and_clips_are_averaged(form):
    one = DeeplyConnectedL2(taps=("fc6",), form=form)
    expected = one(seen(fc6=FAR), seen(fc6=NEAR))
    three = DeeplyConnectedL2(taps=("conv5", "fc6", "fc7"), form=form)
    found = three(
        seen(conv5=FAR, fc6=FAR, fc7=NEAR), seen(conv5=NEAR, fc6=NEAR, fc7=NEAR)
    )
    torch.testing.assert_close(found, 2 * expected)
    clips = one(seen(fc6=torch.cat([FAR, NEAR])), seen(fc6=torch.cat([NEAR, NEAR])))
    torch.testing.assert_close(clips, expected / 2)


def test_the_printed_form_pulls_with_one_kth_however_far():
    for far in (FAR, 1000 * FAR):
        ours = far.clone().requires_grad_()
        term = DeeplyConnectedL2(taps=("fc6",))
        term(seen(fc6=ours), seen(fc6=NEAR)).backward()
        assert ours.grad.norm().item() == pytest.approx(1 / 4)


@pytest.mark.parametrize("form", ["paper", "mse", "euclidean"])
def test_equal_features_cost_nothing_and_pull_nowhere(form):
    ours = FAR.clone().requires_grad_()
    loss = DeeplyConnectedL2(taps=("fc6",), form=form)(seen(fc6=ours), seen(fc6=FAR))
    loss.backward()
    assert loss.item() == 0 and ours.grad.tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("form", ["paper", "mse", "euclidean"])
def test_gradient_is_that_of_the_loss(form):
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 3, 2, dtype=torch.float64, generator=generator)
    theirs = torch.randn(2, 3, 2, dtype=torch.float64, generator=generator)
    term = DeeplyConnectedL2(taps=("conv3",), form=form)
    assert torch.autograd.gradcheck(
        lambda x: term(seen(conv3=x), seen(conv3=theirs)), ours.requires_grad_()
    )


def test_squares_beyond_half_precision_are_taken_in_single():
    """400^2 is beyond float16's 65,504."""
    ours = torch.full((1, 4), 400.0, dtype=torch.float16)
    for form, expected in (("mse", 160_000), ("euclidean", 320_000), ("paper", 200)):
        term = DeeplyConnectedL2(taps=("fc6",), form=form)
        with torch.autocast("cpu", torch.float16):
            value = term(seen(fc6=ours), seen(fc6=ours * 0))
        assert value.item() == pytest.approx(expected)


def test_unknown_forms_are_refused():
    with pytest.raises(RecipeError, match="form among paper, mse, euclidean, got l2"):
        DeeplyConnectedL2(form="l2")
