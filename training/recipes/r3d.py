"""R3D for any pair of modalities, at four sizes: `r3d`, `r3d_small`, `demo`, `tiny`.

`demo` is size small with the fewest epochs that give a result: its gain of 10 and its
schedules were chosen for motions of one or two pixels, and it never mirrors clips, as that
exchanges left and right. It is for the demo data set only.
"""

from collections.abc import Mapping
from dataclasses import replace

from ..data.clip_config import ClipConfig
from ..engine.optim import OptimConfig
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.teach import TeachRecipe
from ..losses.terms import FeatureMSE, MultiLevelMAE, SoftTargets, Term
from ..models.backbones import BackboneConfig
from .ftsnet import SGD, SMALL_RGB
from .sizes import (
    MEDIUM,
    PAPER,
    SMALL,
    TINY,
    Size,
    TrainSchedule,
    schedule_at,
    small_schedule,
)
from .systems import System, train_fields

NARROW = replace(
    MEDIUM,
    name="narrow",
    line="for some 600 clips, minutes on two cores",
    clip3d=ClipConfig(
        length=8,
        stride=2,
        grid_short_px=60,
        crop_px=(56, 72),
        jitter=0.2,
        motion_gain=5.0,
    ),
)
RECIPES = {"r3d": PAPER, "r3d_small": NARROW, "demo": SMALL, "tiny": TINY}

PAPER_SCHEDULE = TrainSchedule(optim=SGD, epochs=100, batch_size=32, select="best")
NARROW_SCHEDULE = TrainSchedule(
    optim=OptimConfig(
        name="adamw",
        learning_rate=2e-3,
        weight_decay=1e-2,
        schedule="one_cycle",
        gradient_clip=10.0,
    ),
    epochs=40,
    batch_size=16,
    validate_every=5,
)
DEMO_MOTION = small_schedule(2e-3, epochs=24, batch_size=8, validate_every=5)

SOFT_AND_POOLED: Mapping[str, Term] = {
    "soft": SoftTargets(),
    "match": FeatureMSE(weight=1.0),
}


def teacher(size: Size, modality: str = "flow") -> TeachRecipe:
    """R3D from scratch on the labels."""
    return TeachRecipe(
        model=BackboneConfig(net=size.net3d, sees=modality),
        **train_fields(_schedule(size, modality), _clip(size), size.protocol3d),
    )


def student(size: Size, teacher: str = "flow", student: str = "mv") -> DistillRecipe:
    """RGB learns features, as in MARS; motion learns the softened prediction, too, and
    starts from the teacher's weights: flow and vectors both are (u, v) in pixels."""
    terms = SOFT_AND_POOLED
    if student == "rgb" and size is SMALL:
        terms = {"levels": MultiLevelMAE(weight=50.0)}
    elif student == "rgb" and size is not TINY:
        terms = {"match": FeatureMSE(weight=50.0)}
    return DistillRecipe(
        teacher=BackboneConfig(net=size.net3d, sees=teacher),
        student=BackboneConfig(net=size.net3d, sees=student),
        terms=terms,
        init="none" if student == "rgb" or size is TINY else "teacher",
        **train_fields(_schedule(size, student), _clip(size), size.protocol3d),
    )


def _schedule(size: Size, modality: str) -> TrainSchedule:
    if size is NARROW:
        return NARROW_SCHEDULE
    small = SMALL_RGB if modality == "rgb" else DEMO_MOTION
    return schedule_at(size, paper=PAPER_SCHEDULE, small=small)


def _clip(size: Size) -> ClipConfig:
    if size is not TINY:
        return size.clip3d
    usual = ClipConfig()
    return replace(size.clip3d, rgb_mean=usual.rgb_mean, rgb_std=usual.rgb_std)


LABELS = System(
    name="r3d",
    kind="teach",
    line="R3D on any modality, labels only",
    make=teacher,
    any_modality=True,
    named=RECIPES,
)
"""The teacher: it runs under the name of the recipe that needs it."""

SYSTEMS = (
    System(
        name="r3d",
        kind="distill",
        line="R3D, any modality taught by any other",
        make=student,
        needs={"teacher": LABELS},
        any_modality=True,
        named=RECIPES,
    ),
)
