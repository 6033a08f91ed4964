"""The network of a complete run, built again with its weights."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from torch import nn

from pipeline.store import Json

from ..data.clip_config import ClipConfig
from ..errors import RunError
from ..models.backbones import BackboneConfig, build_backbone, is_ours
from ..models.motion_backbone import MotionConfig, build_motion_backbone
from ..models.user_files import FILES
from ..models.weights import load_exactly, read_weights
from ..run_files.fields import recorded
from ..run_files.names import CODE, RECIPE
from .record import Run

MOST_FRAMES, MOST_CLASSES = 1024, 100_000


MOST_VALUES = 1 << 28
"""Limit of one clip: 1 GB of float32."""


def trained_model(run: Run) -> tuple[nn.Module, BackboneConfig]:
    """The network of a complete run, with its weights, ready for evaluation.

    Raises:
        RunError: the run is not complete.
        CheckpointError: its weights are something else.
    """
    of_run = run.config()
    if run.results() is None:
        raise RunError(f"{run.folder}: expected a complete run, but it has no results")
    if of_run.net is None:
        raise RunError(
            f"{run.folder}: expected a run of one network that recognises, got one of kind"
            f" {of_run.kind}"
        )
    if not is_ours(of_run.net):
        require_code(run)
    model, config = recorded_network(
        of_run.model or {},
        len(of_run.store.classes),
        clip=lambda: clip_of(run),
        where=f"{run.path(RECIPE)}: model",
    )
    path = run.weights()
    load_exactly(model, read_weights(path), what=str(path))
    return model.eval(), config


def recorded_network(
    network: Mapping[str, Json],
    classes: int,
    *,
    clip: Callable[[], ClipConfig],
    where: str,
) -> tuple[nn.Module, BackboneConfig]:
    """A network built again from its record, with first weights.

    Args:
        network: fields of a `BackboneConfig`, and "estimator" of one that sees its own
            motion.
        clip: gives the clips that it takes.
        where: for messages.

    Raises:
        RunError: the record is of something else, or of a network that is too large.
    """
    known = dict(network)
    estimator = known.pop("estimator", None)
    config = recorded(BackboneConfig, known, where=where)
    if config.frames > MOST_FRAMES or not 0 < classes <= MOST_CLASSES:
        raise RunError(
            f"{where}: expected at most {MOST_FRAMES} frames and {MOST_CLASSES} classes,"
            f" got {config.frames} and {classes}"
        )
    model = build_backbone(config, classes)
    if estimator is not None:
        motion = recorded(MotionConfig, estimator, where=f"{where}.estimator")
        model = build_motion_backbone(motion, model, clip())
        config = replace(config, sees="rgb")
    return model, config


def require_code(run: Run) -> None:
    """Check that the files whose code a run's network is made of have been named.

    The copies in the run's folder are never run by themselves.

    Raises:
        RunError: one has not, or another text was.
    """
    config = run.config()
    for name, sha256 in (config.code or {}).items():
        copy = run.path(CODE) / Path(name).name
        if name not in FILES:
            raise RunError(
                f"{run.folder}: its network is of {name}, which runs only where it is"
                f" named: give --code {copy}, or the file that it is a copy of"
            )
        if FILES[name].sha256 != sha256:
            raise RunError(
                f"{run.folder}: expected the {name} of the training (SHA-256"
                f" {sha256[:12]}...), got another one (--code {copy} is a copy of it)"
            )


def clip_of(run: Run) -> ClipConfig:
    """The clip settings of a run: how videos become its network's input.

    Raises:
        RunError: recipe.json says something else, or clips that no memory holds.
    """
    where = f"{run.path(RECIPE)}: clip"
    return checked_clip(recorded(ClipConfig, run.setting("clip"), where=where), where)


def checked_clip(config: ClipConfig, where: str) -> ClipConfig:
    """The clip settings, which memory can hold.

    Raises:
        RunError: it cannot.
    """
    sizes = (config.length, config.stride, *config.crop_px, config.grid_short_px or 1)
    if min(sizes) < 1 or 3 * config.length * math.prod(config.crop_px) > MOST_VALUES:
        raise RunError(
            f"{where}: expected clips of 1 to {MOST_VALUES:,} values, got"
            f" {config.length} x {config.crop_px[0]} x {config.crop_px[1]} x 3"
        )
    return config
