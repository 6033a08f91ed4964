import pytest
import torch
import torch.nn.functional as F
from small_steps import batch, both_sets, distill, joint_distill
from torch import Tensor, nn

from training.errors import RecipeError
from training.steps.gradients import balanced_weight, gradient_norms, pulls


class Two(nn.Module):
    """Two losses of one weight vector (3, 4): its squares, and its sum."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.fc = nn.Linear(2, 1, bias=False)
        nn.init.constant_(self.model.fc.weight, 0)
        with torch.no_grad():
            self.model.fc.weight.copy_(torch.tensor([[3.0, 4.0]]))
        self.model.other = nn.Linear(1, 1)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        weight = self.model.fc.weight
        return {
            "labels": weight.square().sum(),
            "match": weight.sum(),
            "constant": torch.zeros(()),
            "else": self.model.other.weight.sum(),
        }


def test_lengths_by_hand():
    """2 (3, 4) has the length 10, (1, 1) has the root of 2."""
    norms = gradient_norms(Two(), {}, at="fc")
    assert norms == pytest.approx(
        {"labels": 10, "match": 2**0.5, "constant": 0, "else": 0}
    )


def test_a_balanced_weight_pulls_with_the_share_of_the_labels():
    norms = {"labels": 10.0, "match": 4.0, "nothing": 0.0}
    assert balanced_weight(norms, "match") == 1.25
    assert balanced_weight(norms, "match", share=1.0) == 2.5
    with pytest.raises(
        RecipeError, match="match and nothing to balance, got .* 4 and 0"
    ):
        balanced_weight(norms, "match", against="nothing")
    with pytest.raises(RecipeError, match="among labels, match, nothing .* got soft"):
        balanced_weight(norms, "soft")


def test_a_gradient_that_has_vanished_is_nothing_to_balance_against():
    assert pulls({"labels": 1e-3, "deep": 50.0}, "labels", "deep")
    assert not pulls({"labels": 0.0, "deep": 50.0}, "labels", "deep")
    assert not pulls({"labels": 4e-5, "deep": 50.0}, "labels", "deep")
    assert not pulls({"labels": 0.0, "deep": 0.0}, "labels", "deep")


def test_norms_are_those_of_backward():
    step = distill()
    norms = gradient_norms(step, batch(), at="hidden")
    assert norms.keys() == {"labels", "match", "soft"}
    for name in norms:
        step.zero_grad()
        step.losses(batch())[name].backward()
        gradients = [w.grad for w in step.student.hidden.parameters()]
        length = torch.cat([g.flatten() for g in gradients]).norm()
        assert norms[name] == pytest.approx(length.item(), rel=1e-4)
    assert norms["match"] > 0


def test_where_there_are_no_weights_the_output_counts():
    step = distill()
    step.student.fc = nn.Sequential(nn.Identity(), step.student.fc)
    norms = gradient_norms(step, batch(), at="fc.0")
    given = torch.relu(
        step.student.hidden(step.student.norm(step.student.pool(batch()["rgb"])))
    )
    given = given.detach().requires_grad_()
    F.cross_entropy(step.student.fc(given), batch()["label"]).backward()
    assert norms["labels"] == pytest.approx(given.grad.norm().item(), rel=1e-4)
    with pytest.raises(RecipeError, match="after something that learns, got pool"):
        gradient_norms(step, batch(), at="pool")


def test_looking_changes_nothing():
    step = distill().train()
    step.student.fc = nn.Sequential(nn.Dropout(0.5), step.student.fc)
    before = {k: v.clone() for k, v in step.student.state_dict().items()}
    random = torch.get_rng_state()
    gradient_norms(step, batch(), at="hidden")
    after = step.student.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(random, torch.get_rng_state())
    assert all(weight.grad is None for weight in step.parameters())


def test_losses_of_several_data_sets_count_together():
    step = joint_distill()
    norms = gradient_norms(step, both_sets(), at="hidden")
    assert norms.keys() == {"labels", "match", "soft"}
    losses = step.losses(both_sets())
    (losses["ucf101.soft"] + losses["hmdb51.soft"]).backward()
    gradients = [w.grad for w in step.student.trunk.hidden.parameters()]
    length = torch.cat([g.flatten() for g in gradients]).norm()
    assert norms["soft"] == pytest.approx(length.item(), rel=1e-4)


def test_unknown_places_are_refused():
    with pytest.raises(RecipeError, match="a module of the network .* got fc9"):
        gradient_norms(distill(), batch(), at="fc9")
