"""Every layer of a student close to the same layer of its teacher."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from .terms import Adapter, Equal, Outputs, Term, check_choice, distances, pairs

LAYERS = ("conv3", "conv4", "conv5", "fc6", "fc7")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeeplyConnectedL2(Term):
    """Distances between features, added up over the connected layers.

    With k values in a layer's feature, a clip's distance is
        paper:      (1 / k) root of the sum of squares
        mse:        (1 / k) sum of squares
        euclidean:  (1 / 2) sum of squares
    and the mean over the clips is taken.

    Source:
        Zhang et al., "Real-Time Action Recognition With Deeply Transferred Motion
        Vector CNNs", IEEE TIP 2018, equations 5 and 6. As printed, its gradient has the
        length 1 / k however far the features are apart, 1e-5 at conv3: next to nothing
        beside the labels. "euclidean" is Caffe's layer of that name, "mse" what trains
        at comparable size. The logits are `SoftTargets`' affair.
    """

    equal: ClassVar[Equal] = "shape"
    weight: float = 1.0
    taps: tuple[str, ...] = LAYERS
    form: Literal["paper", "mse", "euclidean"] = "paper"
    adapter: Adapter | None = None

    def __post_init__(self) -> None:
        forms = ("paper", "mse", "euclidean")
        check_choice("DeeplyConnectedL2", "form", self.form, forms)

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        values = []
        for ours, theirs in pairs(student, teacher, self.taps):
            size = ours[0].numel()
            if self.form == "paper":
                values.append(distances(ours, theirs).mean() / size)
                continue
            squares = (ours - theirs).square().flatten(1).sum(1).mean()
            values.append(squares / (size if self.form == "mse" else 2))
        return torch.stack(values).sum()
