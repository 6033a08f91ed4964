"""For tests: seconds, and results without meaning."""

from ..data.dataset import ClipConfig
from ..engine.optim import OptimConfig
from ..jobs.distill import DistillRecipe
from ..jobs.teach import TeachRecipe
from ..losses.terms import FeatureMSE, SoftTargets
from ..models.backbones import BackboneConfig
from ..protocols import ClipProtocol

CLIP = ClipConfig(
    length=4, grid_short_px=24, crop_px=(20, 24), flip=False, motion_gain=10.0
)
OPTIM = OptimConfig(
    name="adamw",
    learning_rate=3e-3,
    weight_decay=1e-3,
    schedule="one_cycle",
    gradient_clip=10.0,
)
PROTOCOL = ClipProtocol(clips=2)
HELD_OUT = 0.25


def teach(modality: str) -> TeachRecipe:
    """A tiny net for two epochs."""
    return TeachRecipe(
        model=BackboneConfig(net="r3d_tiny", sees=modality),
        clip=CLIP,
        optim=OPTIM,
        epochs=2,
        batch_size=4,
        held_out=HELD_OUT,
        protocol=PROTOCOL,
    )


def distill(teacher: str, student: str) -> DistillRecipe:
    """For tests: tiny nets for two epochs, results without meaning."""
    return DistillRecipe(
        teacher=BackboneConfig(net="r3d_tiny", sees=teacher),
        student=BackboneConfig(net="r3d_tiny", sees=student),
        terms={"soft": SoftTargets(), "match": FeatureMSE(weight=1.0)},
        clip=CLIP,
        optim=OPTIM,
        epochs=2,
        batch_size=4,
        held_out=HELD_OUT,
        protocol=PROTOCOL,
    )
