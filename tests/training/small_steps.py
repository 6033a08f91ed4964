"""Steps on a network that learns a sign, and their batches."""

import torch
from torch import Tensor, nn

from training.losses.terms import FeatureMSE, SoftTargets
from training.models.heads import TwoHeads
from training.steps.distill import Distill, JointDistill
from training.steps.teachers import Teacher

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
    return Distill(Tiny(3), options.pop("teacher", None) or Tiny(2), **options)


def sgd(step: nn.Module, rate: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for p in step.parameters() if p.requires_grad], lr=rate)


def both_sets() -> dict[str, dict[str, Tensor]]:
    first, second = batch(0), batch(1)
    return {"ucf101": first, "hmdb51": {k: v[:6] for k, v in second.items()}}


def joint_distill(**options) -> JointDistill:
    torch.manual_seed(0)
    classes = {"ucf101": 2, "hmdb51": 2}
    expert = TwoHeads(Tiny(2), classes)
    teachers = {
        name: Teacher({"flow": expert.alone(name)}, {"flow": "flow"})
        for name in classes
    }
    terms = {"match": FeatureMSE(weight=2.0, taps=("hidden",)), "soft": SoftTargets()}
    options = {"student_sees": "rgb", "terms": terms} | options
    return JointDistill(TwoHeads(Tiny(3), classes), teachers, **options)
