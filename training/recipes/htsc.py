"""Hidden two-stream networks with collaborative learning: VGG16 on frames and on motion
that a network finds in them.

Source:
    Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
    Recognition", after Zhu et al., "Hidden Two-Stream Convolutional Networks", ACCV 2018,
    whose released schedules are taken where the former has none: MotionNet 400,000
    batches of 16 (745 epochs of UCF101's first split) with Adam, end to end 16,000 of 128
    (240 epochs). ImageNet weights; motion is scaled to their inputs' range.
"""

from dataclasses import replace

from ..data.normal import IMAGENET
from ..engine.optim import OptimConfig
from ..experiments.collaborate import CollaborateRecipe
from ..experiments.fuse import FuseRecipe
from ..experiments.hidden import HiddenRecipe
from ..experiments.motion import MotionRecipe
from ..experiments.teach import TeachRecipe
from ..losses.photometric import BALANCED
from ..models.backbones import BackboneConfig
from ..models.collaborative import CollaborativeConfig
from ..models.motion_backbone import MotionConfig
from ..scoring.clip_protocol import ClipProtocol
from ..scoring.weighting import AdaptiveWeighting
from .sizes import Size, TrainSchedule, schedule_at, small_schedule
from .systems import System, train_fields

IMAGENET_WEIGHTS = "torchvision:IMAGENET1K_V1"

SGD = OptimConfig(
    name="sgd",
    learning_rate=1e-3,
    weight_decay=5e-4,
    schedule="steps",
    milestones=(1 / 3, 2 / 3),
    gradient_clip=20.0,
)
SPATIAL = TrainSchedule(optim=SGD, epochs=100, batch_size=64, validate_every=5)
TEMPORAL = TrainSchedule(
    optim=replace(SGD, learning_rate=5e-3), epochs=300, batch_size=64, validate_every=10
)
MOTION = TrainSchedule(
    optim=OptimConfig(
        name="adam",
        learning_rate=3.2e-5,
        weight_decay=4e-4,
        schedule="steps",
        milestones=(0.25, 0.5, 0.625, 0.75, 0.875),
        drop=0.5,
        warm_up_steps=1000,
        gradient_clip=10.0,
    ),
    epochs=745,
    batch_size=16,
    validate_every=25,
)
TOGETHER = TrainSchedule(
    optim=replace(
        SGD, learning_rate=1e-6, milestones=(5 / 16, 9.5 / 16), accumulate=16
    ),
    epochs=240,
    batch_size=128,
    validate_every=10,
)
JOINT_LOSS = replace(BALANCED, ssim=(0.1, 0.1, 0.1, 0.1, 0.1))
"""Structure counts a tenth end to end, as in the released network."""


def spatial(size: Size):
    schedule = schedule_at(size, paper=SPATIAL, small=small_schedule(1e-3, epochs=120))
    net = BackboneConfig(net=size.vgg, sees="rgb", frames=1)
    clip = size.frame
    if size.name == "paper":
        net, clip = replace(net, weights=IMAGENET_WEIGHTS), replace(clip, **IMAGENET)
    return TeachRecipe(model=net, **train_fields(schedule, clip, size.protocol2d))


def temporal(size: Size):
    schedule = schedule_at(size, paper=TEMPORAL, small=small_schedule(1e-3, epochs=60))
    clip = replace(
        size.fields,
        length=size.hidden.length - 1,
        motion_gain=size.hidden.motion_gain,
    )
    net = _sees_motion(size)
    if size.name == "paper":
        net = replace(net, weights=IMAGENET_WEIGHTS, first_layer="plain")
    return TeachRecipe(model=net, **train_fields(schedule, clip, size.protocol2d))


def motionnet(size: Size):
    # twice the epochs gain 0.01 px; see `motionnet_tiny`
    small = small_schedule(1.5e-3, epochs=40, batch_size=8, gradient_clip=0.5)
    schedule = schedule_at(size, paper=MOTION, small=small)
    fields = train_fields(schedule, size.hidden, ClipProtocol())
    return MotionRecipe(motion=_motion(size), **fields)


def together(size: Size):
    schedule = schedule_at(size, paper=TOGETHER, small=small_schedule(5e-4, epochs=30))
    return HiddenRecipe(
        motion=_motion(size),
        classifier=_sees_motion(size),
        loss=JOINT_LOSS,
        **train_fields(schedule, size.hidden, size.protocol2d),
    )


def attending(size: Size):
    if size.name == "paper":
        return CollaborateRecipe()
    learning = CollaborativeConfig(hidden=64, learning_rate=3e-4, epochs=60)
    if size.name == "tiny":
        return CollaborateRecipe(
            snippets=2, learning=replace(learning, hidden=8, epochs=2)
        )
    return CollaborateRecipe(learning=learning)


def _motion(size: Size) -> MotionConfig:
    return MotionConfig(estimator=size.motionnet, frames=size.hidden.length)


def _sees_motion(size: Size) -> BackboneConfig:
    return BackboneConfig(net=size.vgg, sees="flow", frames=size.hidden.length - 1)


SYSTEMS = (
    System(
        name="vgg_frame",
        kind="teach",
        line="VGG16 on one RGB frame, labels only: the spatial stream",
        make=spatial,
        paper="htsc",
    ),
    System(
        name="vgg_flow",
        kind="teach",
        line="VGG16 on 10 stored flow fields, labels only: what the hidden stream starts from",
        make=temporal,
        paper="htsc",
    ),
    System(
        name="motionnet",
        kind="motion",
        line="MotionNet on 11 frames, without labels",
        make=motionnet,
        paper="htsc",
    ),
    System(
        name="hidden_temporal",
        kind="hidden",
        line="MotionNet and VGG16 end to end: the hidden temporal stream, sees 11 RGB frames",
        make=together,
        needs={"motion": "motionnet", "temporal": "vgg_flow"},
        paper="htsc",
    ),
    System(
        name="hts",
        kind="fuse",
        line="hidden two-stream: spatial + hidden temporal, softmax 1:1.5",
        make=lambda size: FuseRecipe(how="average", on="softmax", weights=(1.0, 1.5)),
        needs={"first": "vgg_frame", "second": "hidden_temporal"},
        paper="htsc",
    ),
    System(
        name="hts_cln",
        kind="collaborate",
        line="HTS + collaborative learning: the streams' snippets attend to each other",
        make=attending,
        needs={"first": "vgg_frame", "second": "hidden_temporal"},
        paper="htsc",
    ),
    System(
        name="htsc",
        kind="fuse",
        line="HTSC: HTS + collaborative learning + adaptive weights of every class",
        make=lambda size: FuseRecipe(
            how="adaptive",
            adaptive=AdaptiveWeighting(balanced=size.name != "paper"),
        ),
        needs={"first": "hts_cln"},
        paper="htsc",
    ),
    System(
        name="htsc_literal",
        kind="fuse",
        line="HTSC with adaptive weights as printed: the linear programme, one stream per class",
        make=lambda size: FuseRecipe(
            how="adaptive", adaptive=AdaptiveWeighting(form="lp")
        ),
        needs={"first": "hts_cln"},
        paper="htsc",
        control=True,
    ),
)
