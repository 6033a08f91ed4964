import pytest
import torch
from torch import Tensor

from training.errors import RecipeError
from training.losses.gram import GramMatching, gram
from training.losses.terms import Outputs

LOGITS = torch.zeros(1, 2)


def seen(*features: Tensor) -> Outputs:
    return Outputs(LOGITS, {f"layer{i + 1}": f for i, f in enumerate(features)})


def positions(*channels: list[float]) -> Tensor:
    """(1, C, 1, 1, M)."""
    return torch.tensor(channels)[None, :, None, None]


def test_by_hand():
    """[[5, 2], [2, 1]] less the identity is 8 in sum, of 2 channels at 2 positions."""
    ours, theirs = positions([1, 2], [0, 1]), positions([1, 0], [0, 1])
    paper = GramMatching(taps=("layer1",), norm="paper")
    mean = GramMatching(taps=("layer1",), norm="mean")
    assert paper(seen(ours), seen(theirs)).item() == pytest.approx(8 / (2 * 2))
    assert mean(seen(ours), seen(theirs)).item() == pytest.approx(8 / (2 * 2 * 2))


def test_levels_and_clips_are_averaged():
    ours, theirs = positions([1, 2], [0, 1]), positions([1, 0], [0, 1])
    term = GramMatching(taps=("layer1", "layer2"))
    assert term(seen(ours, ours), seen(theirs, ours)).item() == pytest.approx(1)
    both = torch.cat([ours, theirs]), torch.cat([theirs, theirs])
    one = GramMatching(taps=("layer1",))
    assert one(seen(both[0]), seen(both[1])).item() == pytest.approx(1)


def test_a_pooled_feature_has_one_position():
    """(2, 1) (2, 1)^T less (1, 1) (1, 1)^T: 3 + 1 + 1 + 0 over 2 channels."""
    ours, theirs = torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 1.0]])
    term = GramMatching(taps=("layer1",))
    assert term(seen(ours), seen(theirs)).item() == pytest.approx(5 / 2)
    as_pooled = seen(ours[:, :, None, None]), seen(theirs[:, :, None, None])
    assert term(*as_pooled).item() == pytest.approx(5 / 2)


def test_where_something_is_does_not_matter_and_which_channel_does():
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 3, 2, 4, 4, generator=generator)
    theirs = torch.randn(2, 3, 2, 4, 4, generator=generator)
    term = GramMatching(taps=("layer1",))
    expected = term(seen(ours), seen(theirs))
    places = torch.randperm(32, generator=generator)
    moved = ours.flatten(2)[:, :, places].reshape(ours.shape)
    torch.testing.assert_close(term(seen(moved), seen(theirs)), expected)
    swapped = term(seen(ours[:, [1, 2, 0]]), seen(theirs))
    assert abs(swapped - expected) > 0.01


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_sums_beyond_half_precision_are_taken_in_single(kind):
    """300^2 x 4 positions = 360,000 is beyond float16's 65,504."""
    features = torch.full((1, 2, 4), 300.0, dtype=kind)
    with torch.autocast("cpu", kind):
        found = gram(features)
        value = GramMatching(taps=("layer1",))(seen(features), seen(features * 0))
    assert found.dtype == torch.float32
    assert (found * 4).tolist() == [[[360_000.0] * 2] * 2]
    assert value.item() == pytest.approx(4 * 360_000 / (2 * 4))


def test_gradient_is_that_of_the_loss():
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 3, 5, dtype=torch.float64, generator=generator)
    theirs = torch.randn(2, 3, 5, dtype=torch.float64, generator=generator)
    for norm in ("paper", "mean"):
        term = GramMatching(taps=("layer1",), norm=norm)
        assert torch.autograd.gradcheck(
            lambda x, term=term: term(seen(x), seen(theirs)), ours.requires_grad_()
        )


def test_unknown_norms_and_other_shapes_are_refused():
    with pytest.raises(RecipeError, match="norm among paper, mean, got sum"):
        GramMatching(norm="sum")
    with pytest.raises(RecipeError, match="layer1: expected features of one shape"):
        GramMatching(taps=("layer1",))(
            seen(torch.zeros(1, 2, 4)), seen(torch.zeros(1, 3, 4))
        )
