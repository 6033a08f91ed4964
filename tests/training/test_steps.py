import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.engine.loop import Waiting, fit
from training.errors import Diverged, RecipeError
from training.losses.terms import FeatureMSE, SoftTargets
from training.steps import Distill, Supervised, check_taps

CPU = torch.device("cpu")


class Tiny(nn.Module):
    """Mean over space and time, batch norm, a linear layer: enough to learn a sign."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.norm = nn.BatchNorm1d(channels)
        self.hidden = nn.Linear(channels, 8)
        self.fc = nn.Linear(8, 2)

    def forward(self, clips: Tensor) -> Tensor:
        return self.fc(torch.relu(self.hidden(self.norm(self.pool(clips)))))


def batch(seed: int = 0) -> dict[str, Tensor]:
    """Motion says the class, and so does a trace of it in rgb."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(8) % 2
    sign = (2.0 * label - 1).reshape(8, 1, 1, 1, 1)
    flow = sign + 0.1 * torch.randn(8, 2, 2, 4, 4, generator=generator)
    rgb = 0.3 * sign + 0.1 * torch.randn(8, 3, 2, 4, 4, generator=generator)
    return {"flow": flow, "rgb": rgb, "label": label}


def distill(**options) -> Distill:
    torch.manual_seed(0)
    terms = {"match": FeatureMSE(weight=2.0, taps=("hidden",)), "soft": SoftTargets()}
    options = {"student_sees": "rgb", "terms": terms} | options
    return Distill(Tiny(3), Tiny(2), **options)


def sgd(step: nn.Module, rate: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for p in step.parameters() if p.requires_grad], lr=rate)


def test_loss_is_the_weighted_sum_of_its_parts():
    output = distill(label_weight=0.5)(batch())
    parts = output.parts
    assert parts.keys() == {"labels", "match", "soft"}
    expected = 0.5 * parts["labels"] + 2.0 * parts["match"] + 4.0 * parts["soft"]
    torch.testing.assert_close(output.loss, expected)


def test_supervised_loss_is_cross_entropy():
    model = Tiny(2).eval()
    output = Supervised(model, sees="flow")(batch())
    expected = F.cross_entropy(model(batch()["flow"]), batch()["label"])
    torch.testing.assert_close(output.loss, expected)


def test_student_learns_and_teacher_stands_still():
    step = distill()
    before = {k: v.clone() for k, v in step.teacher.state_dict().items()}
    losses = [
        metrics["loss"]
        for metrics in fit(step, map(batch, range(40)), sgd(step), device=CPU)
    ]
    assert losses[-1] < 0.5 * losses[0]
    after = step.teacher.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert step.student.norm.num_batches_tracked == 40
    assert not any(weight.grad is not None for weight in step.teacher.parameters())


def test_student_follows_its_teacher_without_labels():
    step = distill(label_weight=0.0)
    *_, last = fit(step, [batch()] * 60, sgd(step), device=CPU)
    first = next(fit(distill(label_weight=0.0), [batch()], sgd(step), device=CPU))
    assert last["soft"] < 0.1 * first["soft"]


def test_a_loss_that_is_no_number_names_its_parts_and_takes_no_step():
    step = distill()
    before = {k: v.clone() for k, v in step.student.named_parameters()}
    broken = batch()
    broken["rgb"] = broken["rgb"] * float("nan")
    with pytest.raises(Diverged, match="no longer a number: loss nan, labels nan"):
        list(fit(step, [broken], sgd(step), device=CPU))
    assert all(torch.equal(before[k], v) for k, v in step.student.named_parameters())


def test_gradient_is_clipped_to_its_norm():
    step = Supervised(Tiny(2), sees="flow")
    before = [weight.detach().clone() for weight in step.parameters()]
    next(fit(step, [batch()], sgd(step, 1.0), device=CPU, gradient_clip=1e-3))
    moved = [(w - b).flatten() for w, b in zip(step.parameters(), before, strict=True)]
    assert torch.cat(moved).norm().item() == pytest.approx(1e-3, rel=0.01)


def test_bfloat16_learns_too():
    step = distill()
    losses = [
        metrics["loss"]
        for metrics in fit(
            step, map(batch, range(40)), sgd(step), device=CPU, precision="bfloat16"
        )
    ]
    assert losses[-1] < 0.5 * losses[0]
    assert all(weight.dtype == torch.float32 for weight in step.student.parameters())


def test_waiting_is_counted():
    batches = Waiting(batch(i) for i in range(3))
    assert len(list(batches)) == 3
    assert batches.seconds > 0


def test_unknown_taps_are_refused_by_name():
    terms = {"match": FeatureMSE(taps=("layer9",))}
    with pytest.raises(
        RecipeError,
        match="term match: expected taps of teacher r3d among stem, fc, got layer9",
    ):
        check_taps(terms, {"teacher r3d": ("stem", "fc")})
