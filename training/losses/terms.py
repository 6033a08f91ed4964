"""Terms of a distillation: small frozen values that can be called, compared, recorded.

A tap is written "layer4", or "layer3:layer4" where the student's has another name than
the teacher's. A teacher of several streams has its features by stream: "flow.layer4".
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RecipeError
from ..run_files.fields import ADDED

POOLED = "avgpool"
"""The tap of features that are means over all positions."""

STAGES = ("layer1", "layer2", "layer3", "layer4", POOLED)

Adapter = Literal["conv", "linear"]
"""Map from a student's feature to the teacher's shape: a 1x1 convolution over channels,
or a linear layer over the whole feature, flattened. It learns with the student."""


Equal = Literal["shape", "positions", "nothing"]
"""The part of two features that must be equal for a term to compare them: the whole
shape; every axis after the channels, of which there must be one at least; or nothing,
where a term compares relations between clips."""


class Outputs(NamedTuple):
    """Logits and features of one network for a batch."""

    logits: Tensor
    """(B, classes)"""
    features: dict[str, Tensor]
    """Tap name -> (B, C, ...)"""
    streams: Mapping[str, Tensor] = MappingProxyType({})
    """Name -> (B, classes) logits of each of several teachers, of which `logits` is the
    mean; empty of one network."""

    def of_stream(self, name: str | None) -> "Outputs":
        """The outputs with the logits of one of several teachers; None: as they are."""
        if name is None or not self.streams:
            return self
        return self._replace(logits=self.streams[name])


class Term(Protocol):
    """One named part of a distillation loss.

    To write one, derive a frozen dataclass from this class, with `weight`, `taps` and
    `__call__`; its fields are in the run's recipe.json. Everything else has a default:

        @dataclass(frozen=True, slots=True, kw_only=True)
        class Cosine(Term):
            weight: float = 1.0
            taps: tuple[str, ...] = ("avgpool",)

            def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
                return torch.stack(
                    [
                        1 - F.cosine_similarity(ours.flatten(1), theirs.flatten(1)).mean()
                        for ours, theirs in pairs(student, teacher, self.taps)
                    ]
                ).mean()
    """

    __slots__ = ()

    equal: ClassVar[Equal] = "shape"
    """The part of two features that must be equal where no adapter is named."""

    @property
    def weight(self) -> float:
        """Factor of the term in the loss."""
        ...

    @property
    def taps(self) -> tuple[str, ...]:
        """Features to compare, "layer4" or "layer3:layer4"; empty for a term of logits."""
        ...

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        """The unweighted loss, a scalar: a mean over the B clips of a batch.

        Args:
            student: with a gradient. `features_at` and `pairs` read the taps.
            teacher: of the same clips, without a gradient.
        """
        ...

    @property
    def adapter(self) -> Adapter | None:
        """A projection of the student's features onto the teacher's shapes."""
        return None

    @property
    def weight_on(self) -> Literal["soft", "hard"]:
        """The loss that the weight multiplies: this term, or the labels'."""
        return "soft"

    @property
    def teacher(self) -> str | None:
        """Name of the one of several teachers whose logits the term takes, "flow"; None:
        the weighted mean of all."""
        return None

    @property
    def fewest_clips(self) -> int:
        """Clips of a batch below which the value is always the same."""
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftTargets(Term):
    """KL divergence from the teacher's softened prediction to the student's.

    Source:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network",
        arXiv:1503.02531, section 2: the factor T^2 keeps the gradient's size
        comparable when the temperature changes. Here it is the term's weight.
        Zhang et al., "Real-Time Action Recognition With Deeply Transferred Motion
        Vector CNNs", IEEE TIP 2018, print it on the labels' loss (equation 4) and speak
        of the soft targets' weight (section V-C): `weight_on` has both.
    """

    equal: ClassVar[Equal] = "nothing"
    temperature: float = 2.0
    """Above 1 softens both."""
    weight: float = 4.0
    """T^2."""
    weight_on: Literal["soft", "hard"] = "soft"
    """The loss that the weight multiplies: this term, or the labels' as equation 4 prints."""
    taps: tuple[str, ...] = ()
    teacher: str | None = field(default=None, metadata=ADDED)
    """Name of the one of several teachers that gives the soft targets; None: their mean."""

    def __post_init__(self) -> None:
        check_choice("SoftTargets", "weight_on", self.weight_on, ("soft", "hard"))
        if self.temperature <= 0:
            raise RecipeError(
                f"SoftTargets: expected a temperature above 0, got {self.temperature}"
            )

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        return F.kl_div(
            F.log_softmax(at_least_single(student.logits) / self.temperature, dim=1),
            F.log_softmax(at_least_single(teacher.logits) / self.temperature, dim=1),
            log_target=True,
            reduction="batchmean",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMSE(Term):
    """Squared distance between features of the same shape, averaged over the taps.

    Source:
        Crasto et al., "MARS: Motion-Augmented RGB Stream for Action Recognition",
        CVPR 2019, at the pooled features. The papers after it print a norm without the
        square, or a sum, and call both a mean squared error: `form` has them.
    """

    equal: ClassVar[Equal] = "shape"
    weight: float = 50.0
    taps: tuple[str, ...] = ("avgpool",)
    form: Literal["mean", "sum", "norm"] = "mean"
    """Reduction of a clip's squared differences: the mean; the sum; the root of the sum."""
    adapter: Adapter | None = None

    def __post_init__(self) -> None:
        check_choice("FeatureMSE", "form", self.form, ("mean", "sum", "norm"))

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        values = []
        for ours, theirs in pairs(student, teacher, self.taps):
            if self.form == "mean":
                values.append(F.mse_loss(ours, theirs))
            elif self.form == "sum":
                values.append((ours - theirs).square().flatten(1).sum(1).mean())
            else:
                values.append(distances(ours, theirs).mean())
        return torch.stack(values).mean()


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiLevelMAE(Term):
    """Mean absolute distance between features, averaged over several levels.

    Source:
        The dual-action stream's first term, with its L1 norm read as a mean: as a sum,
        the first stage alone would be a million times the cross-entropy.
    """

    equal: ClassVar[Equal] = "shape"
    weight: float = 50.0
    taps: tuple[str, ...] = STAGES
    adapter: Adapter | None = None

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        found = pairs(student, teacher, self.taps)
        return torch.stack([F.l1_loss(ours, theirs) for ours, theirs in found]).mean()


def sides(tap: str) -> tuple[str, str]:
    """The student's and the teacher's name of a tap.

    >>> sides("layer3:flow.layer4")
    ('layer3', 'flow.layer4')
    """
    ours, _, theirs = tap.partition(":")
    return ours, theirs or ours


def features_at(student: Outputs, teacher: Outputs, tap: str) -> tuple[Tensor, Tensor]:
    """Features of both at a tap, in float32: half precision loses small distances.

    What an adapter made of the student's lies under the tap as it is written.
    """
    ours, theirs = sides(tap)
    own = student.features[tap if tap in student.features else ours]
    return at_least_single(own), at_least_single(teacher.features[theirs])


def pairs(
    student: Outputs, teacher: Outputs, taps: tuple[str, ...]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features of both at every tap, of one shape, in float32.

    Raises:
        RecipeError: their shapes differ. (A loss would broadcast them.)
    """
    for tap in taps:
        ours, theirs = features_at(student, teacher, tap)
        check_equal("shape", ours.shape, theirs.shape, what=tap)
        yield ours, theirs


def check_equal(
    equal: Equal, student: Sequence[int], teacher: Sequence[int], *, what: str
) -> None:
    """Check that a term can compare two features.

    Args:
        student, teacher: shapes for one clip, channels first: (C, T, H, W).
        what: begins the message.

    Raises:
        RecipeError: the parts that must be equal differ; both shapes are named.
    """
    ours, theirs = tuple(student), tuple(teacher)
    if equal == "shape" and ours != theirs:
        wanted = "features of one shape, or an adapter"
    elif equal == "positions" and (ours[1:] != theirs[1:] or len(ours) < 2):
        wanted = "features with the same positions"
    elif equal == "positions" and math.prod(ours[1:]) == 1:
        wanted = "features with several positions, as attention at one is always 1"
    else:
        return
    raise RecipeError(
        f"{what}: expected {wanted}, got student {ours}, teacher {theirs}"
    )


def at_least_single(values: Tensor) -> Tensor:
    """In float32, if not in float64 already."""
    return values if values.dtype == torch.float64 else values.float()


def distances(student: Tensor, teacher: Tensor) -> Tensor:
    """(B,) Euclidean distances of each clip's features; no slope where they are equal."""
    return torch.linalg.vector_norm((student - teacher).flatten(1), dim=1)


def check_choice(term: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    """
    Raises:
        RecipeError: the value is none of the choices.
    """
    if value not in choices:
        raise RecipeError(
            f"{term}: expected {name} among {', '.join(choices)}, got {value}"
        )


def check_taps(terms: Mapping[str, Term], nets: Mapping[str, tuple[str, ...]]) -> None:
    """Check that every net has the taps that the terms name, with positions if needed.

    Args:
        nets: name -> its taps; the student's first, then teachers'. A teacher of several
            streams has them by stream: "flow.layer4".

    Raises:
        RecipeError: one has not, or the term compares positions of pooled features,
            which have one; the term, the tap and the net are named.
    """
    for name, term in terms.items():
        for written in term.taps:
            ours, theirs = sides(written)
            for place, (net, taps) in enumerate(nets.items()):
                wanted = theirs if place else ours
                if wanted not in taps:
                    raise RecipeError(
                        f"term {name}: expected taps of {net} among {', '.join(taps)},"
                        f" got {wanted}: set terms.{name}.taps=STUDENT:TEACHER to layers"
                        f" of both, or leave the term out (terms.{name}=off)"
                    )
                if term.equal == "positions" and wanted.endswith(
                    (POOLED, "global_pool")
                ):
                    raise RecipeError(
                        f"term {name}: expected a tap of {net} with several positions,"
                        f" as attention at one is always 1, got {wanted}"
                    )
