"""R3D-18 on 16 frames of 112x112, and the same in a few minutes on two cores."""

from typing import Literal

from ..data.dataset import ClipConfig
from ..engine.optim import OptimConfig
from ..jobs.distill import DistillRecipe
from ..jobs.teach import TeachRecipe
from ..losses.terms import FeatureMSE, SoftTargets, Term
from ..models.backbones import BackboneConfig
from ..protocols import ClipProtocol

CLIP = ClipConfig(
    length=16,
    crop_px=(112, 112),
    crop_scales=(1.0, 2**-0.25, 2**-0.5, 2**-0.75, 0.5),
    corners=True,
)
OPTIM = OptimConfig(
    name="sgd",
    learning_rate=0.1,
    dampening=0.9,
    weight_decay=5e-4,
    schedule="plateau",
    patience=10,
)
SMALL_CLIP = ClipConfig(
    length=8,
    stride=2,
    grid_short_px=60,
    crop_px=(56, 72),
    jitter=0.2,
    motion_gain=5.0,
)
SMALL_OPTIM = OptimConfig(
    name="adamw",
    learning_rate=2e-3,
    weight_decay=1e-2,
    schedule="one_cycle",
    gradient_clip=10.0,
)


def teach(modality: str) -> TeachRecipe:
    """R3D-18 from scratch, as the field trains it."""
    return TeachRecipe(
        model=BackboneConfig(net="r3d_18", sees=modality),
        clip=CLIP,
        optim=OPTIM,
        epochs=100,
        batch_size=32,
        select="best",
    )


def distill(teacher: str, student: str) -> DistillRecipe:
    """R3D-18 on 16 x 112 x 112, from scratch: for a GPU."""
    like = teach(student)
    return DistillRecipe(
        teacher=BackboneConfig(net="r3d_18", sees=teacher),
        student=like.model,
        terms=_terms(student),
        init=_init(student),
        clip=CLIP,
        optim=OPTIM,
        epochs=like.epochs,
        batch_size=like.batch_size,
        select="best",
    )


def teach_small(modality: str) -> TeachRecipe:
    """A narrow R3D with one block a stage."""
    return TeachRecipe(
        model=BackboneConfig(net="r3d_narrow", sees=modality),
        clip=SMALL_CLIP,
        optim=SMALL_OPTIM,
        epochs=40,
        batch_size=16,
        protocol=ClipProtocol(clips=5),
        look_every=5,
    )


def distill_small(teacher: str, student: str) -> DistillRecipe:
    """Narrow R3D on 8 x 56 x 72: a few minutes on two cores for some 600 short clips."""
    like = teach_small(student)
    return DistillRecipe(
        teacher=BackboneConfig(net="r3d_narrow", sees=teacher),
        student=like.model,
        terms=_terms(student),
        init=_init(student),
        clip=SMALL_CLIP,
        optim=SMALL_OPTIM,
        epochs=like.epochs,
        batch_size=like.batch_size,
        protocol=like.protocol,
        look_every=like.look_every,
    )


def _terms(student: str) -> dict[str, Term]:
    """rgb: features of the pooled layer, as MARS; mv: the softened prediction too."""
    if student == "rgb":
        return {"match": FeatureMSE(weight=50.0)}
    return {"soft": SoftTargets(), "match": FeatureMSE(weight=1.0)}


def _init(student: str) -> Literal["none", "teacher"]:
    """A network of vectors can start as one of flow: both see (u, v) in pixels."""
    return "none" if student == "rgb" else "teacher"
