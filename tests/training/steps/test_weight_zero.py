"""A loss of weight 0 is not computed, and cannot make the sum infinite."""

from dataclasses import dataclass

import pytest
import torch
from small_steps import CPU, batch, both_sets, distill, joint_distill, sgd
from torch import Tensor, nn

from training.data.clip_config import ClipConfig
from training.engine.loop import fit
from training.errors import RecipeError
from training.losses import relational
from training.losses.photometric import BALANCED, FlowLoss, flow_loss
from training.losses.relational import DIST
from training.losses.terms import Outputs, SoftTargets, Term
from training.models.backbones import BackboneConfig, build_backbone
from training.models.motion_backbone import MotionConfig, build_motion_backbone
from training.steps.gradients import gradient_norms
from training.steps.motion import EndToEnd
from training.steps.step import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Infinite(Term):
    """Infinitely far from every teacher."""

    weight: float = 0.0
    taps: tuple[str, ...] = ()

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        return student.logits.sum() * float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Never(Infinite):
    """Not to be computed."""

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        raise AssertionError("computed")


TERMS = {"soft": SoftTargets(), "never": Never()}


@pytest.mark.parametrize(
    ("build", "data"), [(distill, batch), (joint_distill, both_sets)]
)
def test_a_term_of_weight_0_is_not_computed(build, data):
    step, without = build(terms=TERMS), build(terms={"soft": SoftTargets()})
    ours, theirs = step(data()), without(data())
    assert torch.equal(ours.loss, theirs.loss)
    assert ours.parts.keys() == theirs.parts.keys()
    assert "never" not in gradient_norms(step, data(), at="hidden")


def test_labels_of_weight_0_are_not_computed():
    impossible = batch() | {"label": torch.full((8,), 99)}  # of two classes
    output = distill(terms={"soft": SoftTargets()}, label_weight=0.0)(impossible)
    assert output.parts.keys() == {"soft"}
    assert torch.equal(output.loss, 4 * output.parts["soft"])


def test_first_epochs_of_features_cannot_become_infinite_by_a_term_of_logits():
    terms = distill().terms | {"far": Infinite(weight=1.0)}
    step = distill(terms=terms, feature_only=1)
    values = next(fit(step, [batch()], sgd(step), device=CPU))
    assert values["loss"] == pytest.approx(2 * values["match"])
    assert all(torch.isfinite(weight).all() for weight in step.parameters())
    step.begin_epoch(1)
    assert not torch.isfinite(step(batch()).loss)


def test_a_step_of_ones_own_leaves_out_what_has_no_weight():
    class Two(Step):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.weights = {"near": 2.0, "far": 0.0}

        def losses(self, batch: object) -> dict[str, Tensor]:
            return {"near": self.scale, "far": self.scale * float("inf")}

    step = Two()
    step({}).loss.backward()
    assert step.leaves_out and step.scale.grad == 2
    step.weights["near"] = 0.0
    with pytest.raises(RecipeError, match="a loss with a weight other than 0"):
        step({})


def test_flow_of_weight_0_is_not_estimated_at_its_levels(monkeypatch):
    net = build_backbone(BackboneConfig(net="r3d_tiny", sees="flow"), 2)
    motion = MotionConfig(estimator="motionnet_tiny", frames=3)
    model = build_motion_backbone(motion, net, ClipConfig())
    clips = {"rgb": torch.rand(2, 3, 3, 24, 32), "label": torch.tensor([0, 1])}
    usual = EndToEnd(model, flow_weight=1.0)(clips)
    monkeypatch.setattr(model, "forward_with_flows", None)
    output = EndToEnd(model, flow_weight=0.0)(clips)
    assert output.parts.keys() == {"labels"}
    torch.testing.assert_close(output.loss, usual.parts["labels"])


@pytest.mark.parametrize("name", ["photometric", "smoothness", "ssim"])
def test_terms_of_flow_have_no_part_where_their_weight_is_0(name):
    """At the finest level the motion is infinite: without weights there it does not count."""
    torch.manual_seed(0)
    frames = torch.rand(1, 3, 3, 32, 32)
    flows = [torch.rand(1, 2, 2, 32 >> k, 32 >> k) for k in range(1, 6)]
    one = {name: (0.0, 1.0, 1.0, 1.0, 1.0)}
    none = {
        other: (0.0,) * 5
        for other in ("photometric", "smoothness", "ssim")
        if other != name
    }
    loss, parts = flow_loss(frames, flows, FlowLoss(**one, **none))
    _, full = flow_loss(frames, flows, BALANCED)
    torch.testing.assert_close(loss, getattr(full, name)[1:].sum())
    for field, part in parts._asdict().items():
        expected = getattr(full, field) * (
            torch.tensor(one[name]) if field == name else 0
        )
        torch.testing.assert_close(part, expected)
    broken = [torch.full_like(flows[0], float("inf")), *flows[1:]]
    again, _ = flow_loss(frames, broken, FlowLoss(**one, **none))
    torch.testing.assert_close(again, loss)


def test_relations_of_weight_0_are_not_computed(monkeypatch):
    ours, theirs = (Outputs(torch.rand(3, 4), {}) for _ in range(2))
    rows = []
    usual = relational.correlation

    def recorded(first: Tensor, second: Tensor) -> Tensor:
        rows.append(len(first))
        return usual(first, second)

    monkeypatch.setattr(relational, "correlation", recorded)
    DIST(inter=0.0)(ours, theirs)
    assert rows == [4]  # classes, not the three clips
    DIST(intra=0.0)(ours, theirs)
    assert rows == [4, 3]
