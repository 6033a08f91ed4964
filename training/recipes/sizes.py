"""Nets, clips, schedules and evaluation that systems share at one size.

`paper` is what the papers say, or what methods of their lineage do where they are silent;
`medium` has the same parts in narrow nets for real clips, a few hours of training each on
two cores for some 600 clips, less on a small GPU; `small` is for the demo data set and its
small pictures, a minute or two of training each on two cores; `tiny` is for tests.
"""

from dataclasses import dataclass, replace
from typing import Literal

from ..data.clip_config import ClipConfig
from ..data.normal import CAFFE, UNIT
from ..engine.optim import OptimConfig
from ..scoring.clip_protocol import ClipProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSchedule:
    """Optimizer, length and model selection of one network's training."""

    optim: OptimConfig
    epochs: int
    batch_size: int
    validate_every: int = 1
    select: Literal["last", "best"] = "last"
    held_out: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Nets and clips of one size."""

    name: str
    line: str
    """Data and machine that the size is for."""
    net3d: str
    """R3D-18, of FTSnet."""
    deep3d: str
    """ResNeXt3D-101, of MARS and the Dual-action Stream."""
    net2d: str
    """ClarifaiNet, of motion vectors."""
    vgg: str
    motionnet: str
    clip3d: ClipConfig
    fields: ClipConfig
    """10 motion fields for a 2D net."""
    frame: ClipConfig
    """One RGB frame for a 2D net."""
    hidden: ClipConfig
    """11 frames in [0, 1], for MotionNet."""
    protocol3d: ClipProtocol
    protocol2d: ClipProtocol

    @property
    def suffix(self) -> str:
        """Suffix of a recipe's name: "", "_medium", ..."""
        return "" if self.name == "paper" else f"_{self.name}"


SCALES_3D = (1.0, 2**-0.25, 2**-0.5, 2**-0.75, 0.5)
SCALES_2D = (1.0, 0.875, 0.75)

_FIELDS = ClipConfig(
    length=10,
    short="hold",
    grid_short_px=256,
    crop_px=(224, 224),
    crop_scales=SCALES_2D,
    uneven_crops=True,
    corners=True,
    test_crop="input",
    **CAFFE,
)

PAPER = Size(
    name="paper",
    line="as published, for a GPU",
    net3d="r3d_18",
    deep3d="resnext3d_101",
    net2d="clarifai",
    vgg="vgg16",
    motionnet="motionnet",
    clip3d=ClipConfig(
        length=16, crop_px=(112, 112), crop_scales=SCALES_3D, corners=True
    ),
    fields=_FIELDS,
    frame=replace(_FIELDS, length=1),
    hidden=replace(replace(_FIELDS, length=11, **UNIT), motion_gain=2.2),
    protocol3d=ClipProtocol(),
    protocol2d=ClipProtocol(clips=25, aggregate="softmax"),
)

_MEDIUM = ClipConfig(
    length=16,
    grid_short_px=128,
    crop_px=(112, 112),
    crop_scales=SCALES_2D,
    jitter=0.2,
    motion_gain=5.0,
)

MEDIUM = Size(
    name="medium",
    line="for real clips, hours on two cores",
    net3d="r3d_narrow",
    deep3d="resnext3d_narrow",
    net2d="clarifai_narrow",
    vgg="vgg_narrow",
    motionnet="motionnet_narrow",
    clip3d=_MEDIUM,
    fields=replace(_MEDIUM, length=10, short="hold"),
    frame=replace(_MEDIUM, length=1),
    hidden=replace(
        _MEDIUM,
        length=11,
        jitter=0.0,
        rgb_mean=(0.0, 0.0, 0.0),
        rgb_std=(1.0, 1.0, 1.0),
    ),
    protocol3d=ClipProtocol(clips=5),
    protocol2d=ClipProtocol(clips=25, aggregate="softmax"),
)

_SMALL = ClipConfig(
    length=16,
    grid_short_px=48,
    crop_px=(40, 56),
    flip=False,
    jitter=0.2,
    rgb_mean=(0.5, 0.5, 0.5),
    rgb_std=(0.17, 0.17, 0.17),
    motion_gain=10.0,
)

SMALL = Size(
    name="small",
    line="for the demo data set, minutes on two cores",
    net3d="r3d_tiny",
    deep3d="r3d_tiny",
    net2d="clarifai_tiny",
    vgg="vgg_tiny",
    motionnet="motionnet_tiny",
    clip3d=_SMALL,
    fields=replace(_SMALL, length=10, short="hold"),
    frame=replace(_SMALL, length=1),
    hidden=replace(
        _SMALL, length=11, jitter=0.0, rgb_mean=(0.0, 0.0, 0.0), rgb_std=(1.0, 1.0, 1.0)
    ),
    protocol3d=ClipProtocol(clips=2),
    protocol2d=ClipProtocol(clips=25, aggregate="softmax"),
)

_TINY = replace(_SMALL, length=4, grid_short_px=24, crop_px=(20, 24), jitter=0.0)

TINY = Size(
    name="tiny",
    line="for tests, results without meaning",
    net3d="r3d_tiny",
    deep3d="r3d_tiny",
    net2d="clarifai_tiny",
    vgg="vgg_tiny",
    motionnet="motionnet_tiny",
    clip3d=_TINY,
    fields=_TINY,
    frame=replace(_TINY, length=1),
    hidden=replace(_TINY, length=5, rgb_mean=(0.0, 0.0, 0.0), rgb_std=(1.0, 1.0, 1.0)),
    protocol3d=ClipProtocol(clips=2),
    protocol2d=ClipProtocol(clips=2, aggregate="softmax"),
)

SIZES: dict[str, Size] = {size.name: size for size in (PAPER, MEDIUM, SMALL, TINY)}

_TINY_SCHEDULE = TrainSchedule(
    optim=OptimConfig(
        name="adamw",
        learning_rate=3e-3,
        weight_decay=1e-3,
        schedule="one_cycle",
        gradient_clip=10.0,
    ),
    epochs=2,
    batch_size=4,
    held_out=0.25,
)


def small_schedule(
    learning_rate: float,
    *,
    epochs: int,
    batch_size: int = 16,
    validate_every: int = 10,
    gradient_clip: float = 10.0,
) -> TrainSchedule:
    """AdamW along one cycle, which needs no tuning of milestones."""
    optim = replace(
        _TINY_SCHEDULE.optim, learning_rate=learning_rate, gradient_clip=gradient_clip
    )
    return TrainSchedule(
        optim=optim, epochs=epochs, batch_size=batch_size, validate_every=validate_every
    )


def schedule_at(
    size: Size, *, paper: TrainSchedule, small: TrainSchedule
) -> TrainSchedule:
    """The schedule at a size; the same few steps for everything that is tiny.

    Nets of medium size are wider than small ones and learn at half the rate.
    """
    medium = replace(
        small,
        optim=replace(
            small.optim, learning_rate=small.optim.learning_rate / 2, weight_decay=1e-2
        ),
        batch_size=16,
    )
    return {"paper": paper, "medium": medium, "small": small, "tiny": _TINY_SCHEDULE}[
        size.name
    ]
