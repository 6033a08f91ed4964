"""The demo data set, 128x96: nets see half of that, a minute of training each.

No flips: mirrored, left is right. Not for anything else: the gain of 10 and the
schedules were chosen for motions of one or two pixels.
"""

from dataclasses import replace

from ..data.dataset import ClipConfig
from ..engine.optim import OptimConfig
from ..jobs.distill import DistillRecipe
from ..jobs.teach import TeachRecipe
from ..losses.terms import FeatureMSE, MultiLevelMAE, SoftTargets
from ..models.backbones import BackboneConfig
from ..protocols import ClipProtocol

CLIP = ClipConfig(
    length=16,
    grid_short_px=48,
    crop_px=(40, 56),
    flip=False,
    jitter=0.2,
    rgb_mean=(0.5, 0.5, 0.5),
    rgb_std=(0.17, 0.17, 0.17),
    motion_gain=10.0,
)
OPTIM = OptimConfig(
    name="adamw",
    learning_rate=2e-3,
    weight_decay=1e-3,
    schedule="one_cycle",
    gradient_clip=10.0,
)
PROTOCOL = ClipProtocol(clips=2)


def teach(modality: str) -> TeachRecipe:
    """A flow teacher: about a minute on two cores. The same net for the others."""
    recipe = TeachRecipe(
        model=BackboneConfig(net="r3d_tiny", sees=modality),
        clip=CLIP,
        optim=OPTIM,
        epochs=24,
        batch_size=8,
        protocol=PROTOCOL,
        look_every=5,
    )
    if modality != "rgb":
        return recipe
    faster = replace(OPTIM, learning_rate=3e-3)
    return replace(recipe, optim=faster, epochs=80, look_every=10)


def distill(teacher: str, student: str) -> DistillRecipe:
    """The demo data set: r3d_tiny on 16 x 40 x 56, about a minute each on two cores."""
    like = teach(student)
    return DistillRecipe(
        teacher=BackboneConfig(net="r3d_tiny", sees=teacher),
        student=like.model,
        terms=(
            {"levels": MultiLevelMAE(weight=50.0)}
            if student == "rgb"
            else {"soft": SoftTargets(), "match": FeatureMSE(weight=1.0)}
        ),
        init="none" if student == "rgb" else "teacher",
        clip=CLIP,
        optim=like.optim,
        epochs=like.epochs,
        batch_size=like.batch_size,
        protocol=PROTOCOL,
        look_every=like.look_every,
    )
