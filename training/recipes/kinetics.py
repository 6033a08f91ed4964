"""MARS and the Dual-action Stream from weights of Kinetics400, as their tables print them.

Source:
    Crasto et al., "MARS: Motion-Augmented RGB Stream for Action Recognition", CVPR 2019,
    whose released commands fine-tune the last block and the classifier (ft_begin_index 4)
    with rate 1e-3 and decay 1e-5; the Dual-action Stream takes its flow network so. Frozen
    layers do not follow the new data, batch norm included. Of the five levels of the
    Dual-action Stream the first three then cannot learn, which `ds_kinetics_whole` can.
    Near a good start the printed Gram term does not drown the labels: it is used at the
    published size.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..data.normal import MARS as MARS_INPUT
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.fuse import FuseRecipe
from ..experiments.teach import TeachRecipe
from ..losses.terms import Term
from . import ftsnet
from .dual_action import GRAM, LEVELS, MARS, PRINTED_GRAM, stream, student
from .sizes import Size
from .systems import System

FROZEN = {"stem.": 0.0, "layer1.": 0.0, "layer2.": 0.0, "layer3.": 0.0}
"""All but the last block and the classifier."""
NOTHING: Mapping[str, float] = {}


def from_kinetics(
    make: Callable[[Size], Any],
    *,
    weights: str,
    teacher: str = "",
    frozen: Mapping[str, float] = FROZEN,
) -> Callable[[Size], Any]:
    """A training of `dual_action` that starts from weights of Kinetics400.

    Args:
        weights: name of those of the network that learns: see `models.named_weights`.
        teacher: and of its teacher's, for a distillation.
        frozen: beginning of a weight's name -> 0.
    """

    def made(size: Size) -> Any:
        settings = make(size)
        optim, clip = replace(settings.optim, rates=frozen), settings.clip
        if size.name == "paper":
            optim = replace(optim, learning_rate=1e-3, weight_decay=1e-5)
            clip = replace(clip, **MARS_INPUT)
        settings = replace(settings, optim=optim, clip=clip)
        named = f"named:{weights}"
        if isinstance(settings, TeachRecipe):
            return replace(settings, model=replace(settings.model, weights=named))
        assert isinstance(settings, DistillRecipe)
        return replace(
            settings,
            student=replace(settings.student, weights=named),
            teacher=replace(settings.teacher, weights=f"named:{teacher}"),
        )

    return made


def _dual_action(frames: int, terms: Mapping[str, Term]) -> Callable[[Size], Any]:
    """A student of the Dual-action Stream with the Gram term that suits its start."""

    def make(size: Size) -> DistillRecipe:
        chosen = dict(terms)
        if "gram" in chosen and size.name == "paper":
            chosen |= PRINTED_GRAM
        return student(chosen, frames=frames)(size)

    return make


def _streams(suffix: str, frames: int) -> tuple[System, ...]:
    return tuple(
        System(
            name=f"resnext{suffix}_{sees}_kinetics",
            kind="teach",
            line=f"ResNeXt3D on {frames} frames of {sees}: Kinetics400, last block fine-tuned",
            make=from_kinetics(
                stream(sees, frames=frames), weights=f"kinetics{suffix}_{sees}"
            ),
            paper="ds",
        )
        for sees in ("rgb", "flow")
    )


def _student(
    name: str,
    suffix: str,
    what: str,
    make: Callable[[Size], Any],
    *,
    frozen: Mapping[str, float] = FROZEN,
    control: bool = False,
) -> System:
    return System(
        name=f"{name}{suffix}_kinetics" if frozen else f"{name}{suffix}_kinetics_whole",
        kind="distill",
        line=f"{what}: Kinetics400, {'last block' if frozen else 'all layers'} fine-tuned",
        make=from_kinetics(
            make,
            weights=f"kinetics{suffix}_mars",
            teacher=f"kinetics{suffix}_flow",
            frozen=frozen,
        ),
        needs={"teacher": f"resnext{suffix}_flow_kinetics"},
        paper="ds",
        control=control,
    )


def _fused(name: str, suffix: str, what: str) -> tuple[System, ...]:
    return tuple(
        System(
            name=f"{name}{suffix}_{sees}_kinetics",
            kind="fuse",
            line=f"{what} + the {sees} stream, from Kinetics400, logits 1:1",
            make=lambda size: FuseRecipe(
                how="average", on="logits", weights=(1.0, 1.0)
            ),
            needs={
                "first": f"{name}{suffix}_kinetics",
                "second": f"resnext{suffix}_{sees}_kinetics",
            },
            paper="ds",
        )
        for sees in ("rgb", "flow")
    )


def _of_length(suffix: str, frames: int) -> tuple[System, ...]:
    both = {**LEVELS, **GRAM}
    return (
        *_streams(suffix, frames),
        _student(
            "mars", suffix, f"MARS, {frames} frames", student(MARS, frames=frames)
        ),
        *_fused("mars", suffix, f"MARS, {frames} frames"),
        _student(
            "ds",
            suffix,
            f"Dual-action Stream, {frames} frames",
            _dual_action(frames, both),
        ),
        *_fused("ds", suffix, f"Dual-action Stream, {frames} frames"),
    )


def _r3d(make: Callable[[Size], Any]) -> Callable[[Size], Any]:
    """R3D from weights of Kinetics400: torchvision's at the published size."""

    def made(size: Size) -> Any:
        settings, weights = make(size), "named:kinetics_rgb"
        optim = settings.optim
        if size.name == "paper":
            weights = "torchvision:KINETICS400_V1"
            optim = replace(optim, learning_rate=1e-3, weight_decay=1e-5)
        name = "model" if isinstance(settings, TeachRecipe) else "student"
        net = replace(getattr(settings, name), weights=weights)
        return replace(settings, optim=optim, **{name: net})

    return made


SYSTEMS = (
    *_of_length("", 16),
    _student(
        "ds_mae",
        "",
        "Dual-action Stream without the Gram term",
        _dual_action(16, LEVELS),
    ),
    _student(
        "ds_gram", "", "Dual-action Stream without the MAE", _dual_action(16, GRAM)
    ),
    System(
        name="ds_attention_kinetics",
        kind="fuse",
        line="Dual-action Stream + flow, both from Kinetics400, weights from attention",
        make=lambda size: FuseRecipe(how="attention", on="softmax"),
        needs={"first": "ds_kinetics", "second": "resnext_flow_kinetics"},
        paper="ds",
    ),
    _student(
        "ds",
        "",
        "Dual-action Stream, 16 frames",
        _dual_action(16, {**LEVELS, **GRAM}),
        frozen=NOTHING,
        control=True,
    ),
    *_of_length("64", 64),
    System(
        name="r3d_rgb_kinetics",
        kind="teach",
        line="R3D on RGB from Kinetics400, all layers fine-tuned: what pretraining is worth",
        make=_r3d(ftsnet.r3d("rgb")),
        paper="fts",
        control=True,
    ),
    System(
        name="fts_kinetics",
        kind="distill",
        line="FTSnet whose student starts from Kinetics400, all layers fine-tuned",
        make=_r3d(ftsnet.fts),
        needs={"teacher": "r3d_flow"},
        paper="fts",
        control=True,
    ),
)
