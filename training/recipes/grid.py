"""Networks of motion vectors on their own grid, alone and taught by a network on flow.

No paper has them. Painted to the pixels of a crop, a vector is repeated 64 times, and the
network pays for each; on the grid a network of a few hundred thousand parameters sees the
same, and more intervals for it. The teacher is DTMV's: ClarifaiNet on 10 fields of flow,
which sees windows of the student's longer clips and gives its softened prediction.
"""

from collections.abc import Mapping
from dataclasses import replace

from ..engine.optim import OptimConfig
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.teach import TeachRecipe
from ..losses.terms import SoftTargets, Term
from ..models.backbones import BackboneConfig
from ..scoring.clip_protocol import ClipProtocol
from .dtmv import field_clip, field_net
from .sizes import Size, TrainSchedule, schedule_at, small_schedule
from .systems import System, train_fields

CELLS = {"paper": (28, 28), "medium": (28, 28), "small": (13, 18), "tiny": (5, 6)}
"""Size -> rows and columns: those of 8 px that a crop covers of frames of 256 px on the
short side, or 120 px at the sizes for small frames."""

NETS = {"paper": "", "medium": "", "small": "_tiny", "tiny": "_tiny"}
"""Size -> end of a net's name."""

LENGTH = 16
"""Intervals of a clip; 4 at size tiny, as its other clips."""

PROTOCOL = ClipProtocol(clips=10)

SCHEDULE = TrainSchedule(
    optim=OptimConfig(
        name="adamw",
        learning_rate=2e-3,
        weight_decay=0.05,
        schedule="one_cycle",
        gradient_clip=10.0,
    ),
    epochs=200,
    batch_size=64,
    validate_every=5,
)
SMALL = small_schedule(2e-3, epochs=80)

TERMS: Mapping[str, Term] = {"soft": SoftTargets(temperature=2.0, weight=4.0)}


def labels(size: Size) -> TeachRecipe:
    return TeachRecipe(model=_net(size, "grid"), **_fields(size))


def taught(net: str):
    """A student of DTMV's teacher."""

    def make(size: Size) -> DistillRecipe:
        return DistillRecipe(
            student=_net(size, net),
            teacher=field_net(size, "flow"),
            terms=TERMS,
            **_fields(size),
        )

    return make


def _net(size: Size, name: str) -> BackboneConfig:
    return BackboneConfig(net=name + NETS[size.name], sees="mv")


def _fields(size: Size) -> dict:
    schedule = schedule_at(size, paper=SCHEDULE, small=SMALL)
    tiny = size.name == "tiny"
    clip = field_clip(size)
    length = clip.length if tiny else LENGTH
    clip = replace(clip, length=length, cells=CELLS[size.name])
    return train_fields(schedule, clip, size.protocol2d if tiny else PROTOCOL)


SYSTEMS = (
    System(
        name="grid_mv",
        kind="teach",
        line="(2+1)D network on the grid of vectors, labels only",
        make=labels,
    ),
    System(
        name="grid",
        kind="distill",
        line="(2+1)D network on the grid of vectors, taught by DTMV's teacher on flow",
        make=taught("grid"),
        needs={"teacher": "flow2d"},
    ),
    System(
        name="grid_attention",
        kind="distill",
        line="attention on the grid of vectors, taught by DTMV's teacher on flow",
        make=taught("grid_attention"),
        needs={"teacher": "flow2d"},
    ),
)
