"""Relational distillation: distances and angles between clips, equal to the teacher's.

No shapes need to match but the number of clips: networks of any kind can teach each
other. All relations are those within a batch, so a batch that is cut into parts (for
accumulated gradients, or among processes) has fewer of them.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RecipeError
from ..run_files.fields import ADDED
from .terms import Equal, Outputs, Term, at_least_single, features_at

TINY = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationalKD(Term):
    """Distances of all pairs and angles of all triples of clips, averaged over taps.

    Distances are divided by their mean, so only their ratios count; angles are cosines
    at the middle clip. Both differences go through the Huber loss.

    Source:
        Park et al., "Relational Knowledge Distillation", CVPR 2019, arXiv:1904.05068,
        equations 6 to 10. Their weights are 25 for distances and 50 for angles. Means
        run over pairs and triples of different clips only.
    """

    equal: ClassVar[Equal] = "nothing"
    weight: float = 1.0
    taps: tuple[str, ...] = ("avgpool",)
    distance: float = 25.0
    """Share of the distances; 0 leaves them out."""
    angle: float = 50.0
    """Share of the angles; 0 leaves them out."""

    def __post_init__(self) -> None:
        if not self.distance and not self.angle:
            raise RecipeError(
                "RelationalKD: expected a share of distances or angles other than 0,"
                " got none"
            )

    @property
    def fewest_clips(self) -> int:
        return 3  # two have one distance, whose ratio to the mean is 1

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        values = []
        for tap in self.taps:
            ours, theirs = features_at(student, teacher, tap)
            ours, theirs = ours.flatten(1), theirs.flatten(1)
            _check_clips("RelationalKD", len(ours))
            value = ours.sum() * 0
            if self.distance:
                distance = F.huber_loss(pair_distances(ours), pair_distances(theirs))
                value = value + self.distance * distance
            if self.angle and len(ours) > 2:
                angle = F.huber_loss(angles(ours), angles(theirs))
                value = value + self.angle * angle
            values.append(value)
        return torch.stack(values).mean()


@dataclass(frozen=True, slots=True, kw_only=True)
class DIST(Term):
    """1 - Pearson's correlation of the predictions: within clips, and within classes.

    Source:
        Huang et al., "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022,
        arXiv:2205.10536, equations 7 to 10. Both parts are multiplied with T^2, as the
        authors' program does.
    """

    equal: ClassVar[Equal] = "nothing"
    weight: float = 1.0
    temperature: float = 1.0
    inter: float = 1.0
    """Share of the relations between the classes, in each clip."""
    intra: float = 1.0
    """Share of the relations between the clips, in each class."""
    taps: tuple[str, ...] = ()
    teacher: str | None = field(default=None, metadata=ADDED)
    """Name of the one of several teachers whose prediction is compared; None: their mean."""

    def __post_init__(self) -> None:
        if not self.inter and not self.intra:
            raise RecipeError(
                "DIST: expected a share of the relations between classes or between"
                " clips other than 0, got none"
            )

    @property
    def fewest_clips(self) -> int:
        return 3 if self.intra else 2  # two values correlate by 1 or -1

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        _check_clips("DIST", len(student.logits))
        ours = (at_least_single(student.logits) / self.temperature).softmax(1)
        theirs = (at_least_single(teacher.logits) / self.temperature).softmax(1)
        value = ours.new_zeros(())
        if self.inter:
            value = value + self.inter * (1 - correlation(ours, theirs).mean())
        if self.intra:
            value = value + self.intra * (1 - correlation(ours.T, theirs.T).mean())
        return self.temperature**2 * value


def pair_distances(x: Tensor) -> Tensor:
    """Euclidean distances of all pairs of different rows, divided by their mean.

    Args:
        x: (B, d).

    Returns:
        (B (B - 1) / 2,); zeros if all rows are equal.
    """
    first, second = torch.triu_indices(len(x), len(x), 1, device=x.device)
    found = torch.linalg.vector_norm(x[first] - x[second], dim=1)
    return found / found.mean().clamp_min(TINY)


def angles(x: Tensor) -> Tensor:
    """Cosines of the angles that two rows make at a third, for all different three.

    Args:
        x: (B, d).

    Returns:
        (B (B - 1) (B - 2),); zero where rows are equal.
    """
    lines = F.normalize(x[None] - x[:, None], dim=2)  # [middle, end]
    with torch.autocast(x.device.type, enabled=False):
        cosines = lines @ lines.mT
    places = torch.arange(len(x), device=x.device)
    middle, first, second = torch.meshgrid(places, places, places, indexing="ij")
    return cosines[(middle != first) & (middle != second) & (first != second)]


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's, of each row of the first with the same row of the second."""
    first = first - first.mean(1, keepdim=True)
    second = second - second.mean(1, keepdim=True)
    return F.cosine_similarity(first, second, dim=1, eps=TINY)


def _check_clips(term: str, count: int) -> None:
    if count < 2:
        raise RecipeError(
            f"{term}: expected at least 2 clips in a batch to relate, got {count}"
        )
