"""The Dual-action Stream and its baseline MARS: ResNeXt3D-101, taught at many levels.

Source:
    Dual-action Stream: multi-level MAE and Gram matrices of four stages and the pooled
    features, each with weight 50; its teacher and baseline are MARS (Crasto et al.,
    CVPR 2019): SGD, rate .1, momentum .9 with dampening .9, weight decay 5e-4. With
    Kinetics weights (`weights` of the nets) MARS takes rate 1e-3, decay 1e-5. From random
    weights the printed Gram term is some 400 times the cross-entropy, so "mean" is used;
    `ds_literal` has the term as printed.
"""

from collections.abc import Mapping
from dataclasses import replace

from ..experiments.distill_recipe import DistillRecipe
from ..experiments.fuse import FuseRecipe
from ..experiments.teach import TeachRecipe
from ..losses.gram import GramMatching
from ..losses.terms import FeatureMSE, MultiLevelMAE, Term
from ..models.backbones import BackboneConfig
from .ftsnet import SGD, SMALL_FLOW, SMALL_RGB
from .sizes import Size, TrainSchedule, schedule_at
from .systems import System, train_fields

ALONE = TrainSchedule(optim=SGD, epochs=200, batch_size=32, select="best")
TAUGHT = replace(ALONE, batch_size=16)

MARS: Mapping[str, Term] = {"match": FeatureMSE(weight=50.0)}
LEVELS: Mapping[str, Term] = {"levels": MultiLevelMAE(weight=50.0)}
GRAM: Mapping[str, Term] = {"gram": GramMatching(weight=50.0, norm="mean")}
PRINTED_GRAM: Mapping[str, Term] = {"gram": GramMatching(weight=50.0, norm="paper")}


def stream(sees: str, *, frames: int = 16):
    def make(size: Size) -> TeachRecipe:
        small = SMALL_FLOW if sees == "flow" else SMALL_RGB
        schedule = schedule_at(size, paper=ALONE, small=small)
        net = BackboneConfig(net=size.deep3d, sees=sees)
        return TeachRecipe(model=net, **_fields(size, schedule, frames))

    return make


def student(terms: Mapping[str, Term], *, frames: int = 16, label_trunk: bool = True):
    def make(size: Size) -> DistillRecipe:
        schedule = schedule_at(size, paper=TAUGHT, small=SMALL_RGB)
        net = BackboneConfig(net=size.deep3d, sees="rgb")
        recipe = DistillRecipe(
            student=net,
            teacher=replace(net, sees="flow"),
            terms=terms,
            **_fields(size, schedule, frames),
        )
        return recipe if label_trunk else replace(recipe, labels_reach="head")

    return make


def _fields(size: Size, schedule: TrainSchedule, frames: int) -> dict:
    clip = size.clip3d
    if size.name != "tiny":
        clip = replace(clip, length=frames)
    return train_fields(schedule, clip, size.protocol3d)


def _streams(suffix: str, frames: int) -> tuple[System, ...]:
    like = {} if suffix else {"small": "r3d_{}", "tiny": "r3d_{}"}
    return tuple(
        System(
            name=f"resnext{suffix}_{sees}",
            kind="teach",
            line=f"ResNeXt3D on {frames} frames of {sees}, labels only",
            make=stream(sees, frames=frames),
            paper="ds",
            like={size: name.format(sees) for size, name in like.items()},
        )
        for sees in ("rgb", "flow")
    )


def _fused(student_name: str, what: str, suffix: str) -> tuple[System, ...]:
    return tuple(
        System(
            name=f"{student_name}_{sees}",
            kind="fuse",
            line=f"{what} + the {sees} stream, mean of logits 1:1",
            make=lambda size: FuseRecipe(
                how="average", on="logits", weights=(1.0, 1.0)
            ),
            needs={"first": student_name, "second": f"resnext{suffix}_{sees}"},
            paper="ds",
        )
        for sees in ("rgb", "flow")
    )


def _students(suffix: str, frames: int) -> tuple[System, ...]:
    teacher = {"teacher": f"resnext{suffix}_flow"}
    return (
        System(
            name=f"mars{suffix}",
            kind="distill",
            line=f"MARS, {frames} frames: labels + 50 MSE of the pooled features",
            make=student(MARS, frames=frames),
            needs=teacher,
            paper="ds",
            like={} if suffix else {"small": "fts", "tiny": "fts"},
        ),
        *_fused(f"mars{suffix}", f"MARS, {frames} frames", suffix),
        System(
            name=f"ds{suffix}",
            kind="distill",
            line=f"Dual-action Stream, {frames} frames: labels + 50 MAE + 50 Gram of five taps",
            make=student({**LEVELS, **GRAM}, frames=frames),
            needs=teacher,
            paper="ds",
        ),
        *_fused(f"ds{suffix}", f"Dual-action Stream, {frames} frames", suffix),
    )


SYSTEMS = (
    *_streams("", 16),
    *_students("", 16),
    System(
        name="mers",
        kind="distill",
        line="MERS: as MARS, but labels reach the last layer only",
        make=student(MARS, label_trunk=False),
        needs={"teacher": "resnext_flow"},
        paper="ds",
        control=True,
    ),
    System(
        name="ds_mae",
        kind="distill",
        line="Dual-action Stream without the Gram term",
        make=student(LEVELS),
        needs={"teacher": "resnext_flow"},
        paper="ds",
    ),
    System(
        name="ds_gram",
        kind="distill",
        line="Dual-action Stream without the multi-level MAE",
        make=student(GRAM),
        needs={"teacher": "resnext_flow"},
        paper="ds",
    ),
    System(
        name="ds_literal",
        kind="distill",
        line="Dual-action Stream with the Gram term as printed (it drowns the labels)",
        make=student({**LEVELS, **PRINTED_GRAM}),
        needs={"teacher": "resnext_flow"},
        paper="ds",
        control=True,
    ),
    System(
        name="ds_attention",
        kind="fuse",
        line="Dual-action Stream + flow, weights from attention over both scores",
        make=lambda size: FuseRecipe(how="attention", on="softmax"),
        needs={"first": "ds", "second": "resnext_flow"},
        paper="ds",
    ),
    *_streams("64", 64),
    *_students("64", 64),
)
