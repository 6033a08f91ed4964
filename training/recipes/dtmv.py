"""Deeply transferred motion vectors: ClarifaiNet on vectors, taught by the same on flow.

Source:
    Zhang et al., "Real-Time Action Recognition With Deeply Transferred Motion Vector
    CNNs", IEEE TIP 2018: 10 fields, dropout .9 and .8, iterations and rates of section
    V-B. Batch (256), momentum, decay and gradient clip are those of its lineage. An
    epoch is one clip of every video. With a tenth held out it has 33 batches on UCF101's
    first split, 12 on HMDB51's, 50 on THUMOS14 with UCF101 (`EPOCHS_ON`). The paper does
    not say how inputs are scaled. Here motion is from -1 to 1, and rgb from 0 to 1 less its
    mean (`DRAWN`): at the paper's rates the loss falls from the first steps on. In the range
    of 8 bits it starts at 2 to 3 times the loss of a guess, with the dropout of motion at
    15 to 27 times; N(0, .01) as in Caffe starts well there, but the first 20 steps raise
    the loss. The printed form of the connected loss has next to no gradient
    (`dtmv_literal`); `dtmv` takes mean squares.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from ..data.clip_config import ClipConfig
from ..data.normal import DRAWN
from ..engine.optim import OptimConfig
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.fuse import FuseRecipe
from ..experiments.teach import TeachRecipe
from ..losses.connected import LAYERS, DeeplyConnectedL2
from ..losses.terms import SoftTargets, Term
from ..models.backbones import BackboneConfig
from .sizes import Size, TrainSchedule, schedule_at, small_schedule
from .systems import System, train_fields

CONNECTED = 0.2
"""Weight of the connected loss where it is not balanced against the labels'."""

FROM_LABELS = TrainSchedule(
    optim=OptimConfig(
        name="sgd",
        learning_rate=1e-2,
        weight_decay=5e-4,
        schedule="steps",
        milestones=(1 / 3, 7 / 9),
        gradient_clip=20.0,
    ),
    epochs=2727,
    batch_size=256,
    validate_every=25,
)
INITIALISED = replace(FROM_LABELS, optim=replace(FROM_LABELS.optim, learning_rate=1e-3))
TAUGHT = replace(
    INITIALISED, optim=replace(INITIALISED.optim, milestones=(5 / 9, 7 / 9))
)
SPATIAL = replace(
    INITIALISED, optim=replace(INITIALISED.optim, milestones=(0.7,)), epochs=606
)

ITERATIONS = 90_000
"""Batches of the temporal networks, on every data set."""
EPOCHS_ON: Mapping[str, int] = {
    "hmdb51": ITERATIONS // 12,
    "thumos14": ITERATIONS // 50,
}
SPATIAL_EPOCHS_ON: Mapping[str, int] = {
    "hmdb51": 10_000 // 12,
    "thumos14": 50_000 // 50,
}
"""The spatial network stops after 20,000 iterations on UCF101, 10,000 on HMDB51 and 50,000
on THUMOS14."""

SOFT: Mapping[str, Term] = {"soft": SoftTargets(temperature=2.0, weight=4.0)}

Init = Literal["none", "teacher"]


def connected(*taps: str, form: Literal["paper", "mse"] = "mse") -> dict[str, Term]:
    weight = CONNECTED if form == "mse" else 1.0
    return {"deep": DeeplyConnectedL2(weight=weight, taps=taps or LAYERS, form=form)}


def frame(size: Size) -> TeachRecipe:
    schedule = schedule_at(size, paper=SPATIAL, small=small_schedule(2e-3, epochs=120))
    net = BackboneConfig(net=size.net2d, sees="rgb", frames=1)
    clip = _for_drawn(size, size.frame)
    return TeachRecipe(model=net, **train_fields(schedule, clip, size.protocol2d))


def from_imagenet(size: Size) -> TeachRecipe:
    """The spatial network as the paper has it; k is that of the released weights."""
    settings = frame(size)
    net = replace(settings.model, weights="named:imagenet", lrn_k=2.0)
    return replace(settings, model=net, clip=size.frame)


def fields(sees: str, *, small_epochs: int, longer: int = 1):
    """A network of ten fields on labels."""

    def make(size: Size) -> TeachRecipe:
        schedule = schedule_at(
            size, paper=FROM_LABELS, small=small_schedule(2e-3, epochs=small_epochs)
        )
        schedule = replace(schedule, epochs=schedule.epochs * longer)
        return TeachRecipe(
            model=field_net(size, sees),
            **train_fields(schedule, field_clip(size), size.protocol2d),
        )

    return make


def student(
    terms: Mapping[str, Term], *, init: Init
) -> Callable[[Size], DistillRecipe]:
    def make(size: Size) -> DistillRecipe:
        rate = 2e-3 if init == "none" else 1e-3
        paper = TAUGHT if terms else INITIALISED
        schedule = schedule_at(size, paper=paper, small=small_schedule(rate, epochs=70))
        return DistillRecipe(
            student=field_net(size, "mv"),
            teacher=field_net(size, "flow"),
            terms=terms,
            init=init,
            **_weighed(size, terms),
            **train_fields(schedule, field_clip(size), size.protocol2d),
        )

    return make


def _weighed(size: Size, terms: Mapping[str, Term]) -> dict[str, Any]:
    """The losses' gradients at fc6 are recorded. Below paper size they decide the weight
    of mean squares: half the labels' gradient at the start. At paper size it is one for
    all connections, so that rows of table I differ in these alone."""
    deep = terms.get("deep")
    if deep is None or size.name == "tiny":
        return {}
    balanced = isinstance(deep, DeeplyConnectedL2) and deep.form == "mse"
    balanced &= size.name != "paper"
    return {"gradients_at": "fc6", "balance": {"deep": 0.5} if balanced else {}}


def field_clip(size: Size) -> ClipConfig:
    """Clips of the networks of ten fields."""
    return _for_drawn(size, size.fields)


def _for_drawn(size: Size, clip: ClipConfig) -> ClipConfig:
    """A clip in the range that random first weights want; weights that others trained
    want the size's own."""
    return replace(clip, **DRAWN) if size.name == "paper" else clip


def field_net(size: Size, sees: str) -> BackboneConfig:
    """ClarifaiNet on ten fields."""
    return BackboneConfig(net=size.net2d, sees=sees, frames=size.fields.length)


def _student(
    name: str,
    line: str,
    terms: Mapping[str, Term],
    init: Init,
    *,
    control: bool = False,
) -> System:
    return System(
        name=name,
        kind="distill",
        line=line,
        make=student(terms, init=init),
        needs={"teacher": "flow2d"},
        paper="dtmv",
        control=control,
        epochs_on=EPOCHS_ON,
    )


def _with_frame(name: str, second: str, what: str, *, first: str = "frame") -> System:
    pretrained = " of ImageNet weights" * (first == "frame_imagenet")
    return System(
        name=name,
        kind="fuse",
        line=f"one RGB frame{pretrained} + {what}, softmax 1:2",
        make=lambda size: FuseRecipe(how="average", on="softmax", weights=(1.0, 2.0)),
        needs={"first": first, "second": second},
        paper="dtmv",
    )


def _joint() -> tuple[System, ...]:
    """The temporal networks as HMDB51 has them: learned together with UCF101."""
    together = "with a second data set"
    taught: tuple[tuple[str, str, Mapping[str, Term]], ...] = (
        ("emv", "EMV", SOFT),
        ("dtmv", "DTMV", {**SOFT, **connected()}),
    )
    return (
        *(
            System(
                name=f"{name}_joint",
                kind="teach",
                line=f"ClarifaiNet on 10 {what} fields, labels only, {together}",
                make=fields(sees, small_epochs=epochs),
                paper="dtmv",
                epochs_on=EPOCHS_ON,
                joint=True,
            )
            for name, sees, what, epochs in (
                ("flow2d", "flow", "flow", 80),
                ("mv", "mv", "vector", 70),
            )
        ),
        *(
            System(
                name=f"{name}_joint",
                kind="distill",
                line=f"{what} {together}, whose teacher learned both, too",
                make=student(terms, init="teacher"),
                needs={"teacher": "flow2d_joint"},
                paper="dtmv",
                epochs_on=EPOCHS_ON,
                joint=True,
            )
            for name, what, terms in taught
        ),
        *(
            _with_frame(
                f"{frame}_dtmv_joint", "dtmv_joint", f"DTMV {together}", first=frame
            )
            for frame in ("frame", "frame_imagenet")
        ),
    )


def _soft(temperature: float) -> dict[str, Term]:
    return {"soft": SoftTargets(temperature=temperature, weight=temperature**2)}


SYSTEMS = (
    System(
        name="frame",
        kind="teach",
        line="ClarifaiNet on one RGB frame, labels only",
        make=frame,
        paper="dtmv",
        epochs_on=SPATIAL_EPOCHS_ON,
    ),
    System(
        name="flow2d",
        kind="teach",
        line="ClarifaiNet on 10 flow fields, labels only: the teacher (OF-CNN)",
        make=fields("flow", small_epochs=80),
        paper="dtmv",
        epochs_on=EPOCHS_ON,
    ),
    System(
        name="mv",
        kind="teach",
        line="ClarifaiNet on 10 vector fields, labels only (MV-CNN from scratch)",
        make=fields("mv", small_epochs=70),
        paper="dtmv",
        epochs_on=EPOCHS_ON,
    ),
    _student(
        "ti", "TI: vectors from the teacher's weights, labels only", {}, "teacher"
    ),
    _student("st", "ST: vectors from labels + 4 soft targets, T = 2", SOFT, "none"),
    _student("st_t1", "ST with T = 1, w = 1", _soft(1.0), "none"),
    _student("st_t3", "ST with T = 3, w = 9", _soft(3.0), "none"),
    _student(
        "emv", "EMV, that is ST+TI: teacher's weights, soft targets", SOFT, "teacher"
    ),
    _student(
        "dtmv",
        "DTMV: as EMV, and conv3 to fc7 connected to the teacher's",
        {**SOFT, **connected()},
        "teacher",
    ),
    _student(
        "ti_dc",
        "TI+DC: DTMV without soft targets",
        connected(),
        "teacher",
    ),
    _student(
        "dtmv_literal",
        "DTMV with the connected loss as printed (weight 1, next to no gradient)",
        {**SOFT, **connected(form="paper")},
        "teacher",
        control=True,
    ),
    *(
        _student(
            f"dtmv_{start}",
            f"DTMV connected from {start} on",
            {**SOFT, **connected(*taps)},
            "teacher",
        )
        for start, taps in (
            ("fc7", ("fc7",)),
            ("fc6", ("fc6", "fc7")),
            ("conv5", ("conv5", "fc6", "fc7")),
            ("conv4", ("conv4", "conv5", "fc6", "fc7")),
            ("conv2", ("conv2", *LAYERS)),
        )
    ),
    _with_frame("frame_flow", "flow2d", "flow"),
    _with_frame("frame_mv", "mv", "vectors from scratch"),
    _with_frame("frame_emv", "emv", "EMV"),
    _with_frame("frame_dtmv", "dtmv", "DTMV"),
    *_joint(),
    System(
        name="frame_imagenet",
        kind="teach",
        line="ClarifaiNet on one RGB frame from weights of ImageNet, labels only",
        make=from_imagenet,
        paper="dtmv",
        epochs_on=SPATIAL_EPOCHS_ON,
    ),
    *(
        _with_frame(f"frame_imagenet_{name}", second, what, first="frame_imagenet")
        for name, second, what in (
            ("flow", "flow2d", "flow"),
            ("mv", "mv", "vectors from scratch"),
            ("emv", "emv", "EMV"),
            ("dtmv", "dtmv", "DTMV"),
        )
    ),
    System(
        name="mv_long",
        kind="teach",
        line="vectors on labels only, for twice the steps of mv",
        make=fields("mv", small_epochs=70, longer=2),
        paper="dtmv",
        epochs_on={name: 2 * epochs for name, epochs in EPOCHS_ON.items()},
        control=True,
    ),
)
