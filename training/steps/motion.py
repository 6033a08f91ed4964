"""Unsupervised learning of motion from frames, alone or together with a classifier of it."""

from collections.abc import Sequence

from torch import Tensor

from ..engine.loop import Batch, StepOutput
from ..losses.photometric import BALANCED, FlowLoss, FlowLossTerms, flow_loss
from ..models.motion_backbone import MotionBackbone, unnormalised
from ..models.motionnet import MotionNet
from .label_loss import mixed_of
from .step import LABELS, Step, weighted

FLOW = "flow"
"""Name of the loss without labels among the losses."""


class Unsupervised(Step):
    """Unsupervised training of MotionNet: its motion must reconstruct the next rgb frame."""

    def __init__(
        self,
        model: MotionNet,
        *,
        rgb_mean: Sequence[float],
        rgb_std: Sequence[float],
        loss: FlowLoss = BALANCED,
    ) -> None:
        """
        Args:
            rgb_mean, rgb_std: normalisation of the clips, which is undone.
        """
        super().__init__()
        self.model, self.loss = model, loss
        self.rgb_mean, self.rgb_std = tuple(rgb_mean), tuple(rgb_std)
        self.weights = {FLOW: 1.0}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return {FLOW: self._flow_loss(batch)[0]}

    def forward(self, batch: Batch) -> StepOutput:
        loss, parts = self._flow_loss(batch)
        return StepOutput(loss, _means(parts))

    def _flow_loss(self, batch: Batch) -> tuple[Tensor, FlowLossTerms]:
        frames = unnormalised(batch["rgb"], mean=self.rgb_mean, std=self.rgb_std)
        return flow_loss(frames, self.model.scales(frames), self.loss)


class EndToEnd(Step):
    """Joint training of a motion estimator and the network that sees its motion.

    Source:
        Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
        Recognition", section 3.1, after Zhu et al., "Hidden Two-Stream Convolutional
        Networks for Action Recognition", ACCV 2018: the losses of the flow are kept, so that
        it remains a flow.
    """

    def __init__(
        self,
        model: MotionBackbone,
        *,
        loss: FlowLoss = BALANCED,
        flow_weight: float = 1.0,
    ) -> None:
        """
        Args:
            flow_weight: of the losses without labels, against cross-entropy. With 0
                they are not computed.
        """
        super().__init__()
        self.model, self.loss = model, loss
        self.weights = {LABELS: 1.0, FLOW: flow_weight}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return self._losses(batch)[0]

    def forward(self, batch: Batch) -> StepOutput:
        losses, parts = self._losses(batch)
        loss, values = weighted(losses, self.weights)
        return StepOutput(loss, values | (_means(parts) if parts else {}))

    def _losses(self, batch: Batch) -> tuple[dict[str, Tensor], FlowLossTerms | None]:
        if self.weights[FLOW] == 0:
            logits = self.model(batch["rgb"])
            loss = self.label_loss(logits, batch["label"], mixed_of(batch))
            return {LABELS: loss}, None
        logits, frames, flows = self.model.forward_with_flows(batch["rgb"])
        labels = self.label_loss(logits, batch["label"], mixed_of(batch))
        explained, parts = flow_loss(frames, flows, self.loss)
        return {LABELS: labels, FLOW: explained}, parts


def _means(parts: FlowLossTerms) -> dict[str, Tensor]:
    """Each kind of term, as a mean over the levels."""
    return {name: part.detach().mean() for name, part in parts._asdict().items()}
