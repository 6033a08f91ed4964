import math

import pytest
import torch
from torch import Tensor

from training.errors import RecipeError
from training.losses.attention import AttentionTransfer, attention
from training.losses.terms import Outputs

TERM = AttentionTransfer(taps=("layer1",))


def seen(features: Tensor) -> Outputs:
    return Outputs(torch.zeros(len(features), 2), {"layer1": features})


def test_by_hand():
    """Squares 3 and 4 are 3/5 and 4/5 at length 1; the teacher has 4/5 and 3/5."""
    ours = torch.tensor([[[math.sqrt(3), 2.0]]])
    theirs = torch.tensor([[[2.0, math.sqrt(3)]]])
    assert TERM(seen(ours), seen(theirs)).item() == pytest.approx(1 / 25)


def test_channels_add_up_so_their_number_may_differ():
    ours = torch.tensor([[[1.0, 2.0], [math.sqrt(2), 0.0]]])  # 1 + 2 and 4 + 0
    theirs = torch.tensor([[[2.0, math.sqrt(3)]]])
    assert TERM(seen(ours), seen(theirs)).item() == pytest.approx(1 / 25)


def test_size_sign_and_order_of_channels_do_not_matter():
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 3, 2, 4, 4, generator=generator)
    theirs = torch.randn(2, 5, 2, 4, 4, generator=generator)
    expected = TERM(seen(ours), seen(theirs))
    other = -7 * ours[:, [2, 0, 1]]
    torch.testing.assert_close(TERM(seen(other), seen(theirs)), expected)
    assert TERM(seen(ours.flip(4)), seen(theirs)) != expected


def test_maps_have_length_one_and_silence_stays_silent():
    maps = attention(torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]]))
    assert maps.square().sum(1).tolist() == pytest.approx([1, 0])


def test_gradient_is_that_of_the_loss():
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 3, 4, dtype=torch.float64, generator=generator)
    theirs = torch.randn(2, 2, 4, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(
        lambda x: TERM(seen(x), seen(theirs)), ours.requires_grad_()
    )


def test_other_positions_and_pooled_features_are_refused():
    for shapes in ((1, 2, 4), (1, 2, 5)), ((1, 2), (1, 2)):
        ours, theirs = (seen(torch.zeros(shape)) for shape in shapes)
        with pytest.raises(RecipeError, match="layer1: .* with the same positions"):
            TERM(ours, theirs)
