"""The base of all training steps: a batch goes in, losses come out."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from torch import Tensor, nn

from ..engine.loop import StepOutput
from ..errors import RecipeError
from .label_loss import LabelLoss

LABELS = "labels"
"""Name of the labels' loss among the losses."""


class Step(nn.Module):
    """A batch -> its losses: the only part in which trainings differ.

    To write one, derive from this class, keep every trained network as a submodule and
    every frozen one in `frozen_teachers`, fill `weights`, and define
    `losses`. Everything else has a default:

        class Contrast(Step):
            def __init__(self, model):
                super().__init__()
                self.model, self.weights = model, {"contrast": 1.0}

            def losses(self, batch):
                rgb, flow = self.model(batch["rgb"]), self.model(batch["flow"])
                return {"contrast": (rgb - flow).square().mean()}

    A batch of one data set is {"rgb": (B, 3, T, H, W) float32, "label": (B,) int64}, with
    one entry per modality ("flow" and "mv" have 2 channels); a batch of several data sets
    is {data set: such a batch}. It is on the device of the step's parameters.
    """

    weights: dict[str, float]
    """Loss -> its factor in the sum. `TrainConfig.balance` may set some at the start. A
    loss of weight 0 is left out of the sum: it cannot make it infinite."""
    """Loss -> its factor in the sum. `TrainConfig.balance` may set some at the start."""
    label_loss: LabelLoss = LabelLoss()
    """Cross-entropy of the labels; a training sets it by its settings."""
    frozen_teachers: tuple[nn.Module, ...] = ()
    """Networks that the step evaluates without training them. In a tuple, so that torch does
    not register them: they are in no optimizer, checkpoint or list of parameters."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Name -> unweighted scalar with a gradient.

        For a batch of several data sets the names are "data set.name", with the weight of
        "name".
        """
        raise NotImplementedError

    def forward(self, batch: Any) -> StepOutput:
        """The weighted sum of the losses, and each of them for the record."""
        return weighted(self.losses(batch), self.current_weights())

    def current_weights(self) -> dict[str, float]:
        """Loss -> its factor in this epoch: `weights`, unless a subclass schedules them."""
        return dict(self.weights)

    @property
    def leaves_out(self) -> bool:
        """Whether a loss has the weight 0 in some epoch: weights that only this loss
        teaches have no gradient then."""
        return 0 in self.weights.values()

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch of the following batches, from 0. Does nothing by default."""

    def networks(self) -> list[nn.Module]:
        """All networks that take clips, to compile them one by one."""
        return list(self.children())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        for (
            teacher
        ) in self.frozen_teachers:  # moved together with the step: .to(device)
            teacher._apply(fn, recurse)
        return super()._apply(fn, recurse)


def weighted(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> StepOutput:
    """The sum that is minimised, and its parts.

    A loss of weight 0 is not in the sum, as 0 times infinity is no number; it is recorded.

    Args:
        losses: "labels", or "ucf101.labels".
        weights: of "labels".

    Raises:
        RecipeError: all weights are 0.
    """
    total: Tensor | float = 0.0
    for name, value in losses.items():
        weight = weights[name.rpartition(".")[2]]
        if weight != 0:
            total = total + weight * value
    if not isinstance(total, Tensor):
        raise RecipeError(
            f"expected a loss with a weight other than 0, got {dict(weights)}"
        )
    return StepOutput(total, {name: value.detach() for name, value in losses.items()})
