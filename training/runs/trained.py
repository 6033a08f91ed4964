"""The network of a complete run, built again with its weights."""

import math
from dataclasses import replace

from torch import nn

from ..data.dataset import ClipConfig
from ..errors import RunError
from ..models.backbones import BackboneConfig, build_backbone
from ..models.motion_backbone import MotionConfig, build_motion_backbone
from ..models.weights import load_exactly, read_weights
from ..run_files.fields import recorded
from .record import RECIPE, Run

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
    known = dict(of_run.model or {})
    if "net" not in known:
        raise RunError(
            f"{run.folder}: expected a run of one network that recognises, got one of kind"
            f" {of_run.kind}"
        )
    estimator = known.pop("estimator", None)
    where = f"{run.path(RECIPE)}: model"
    config = recorded(BackboneConfig, known, where=where)
    classes = len(of_run.store.classes)
    if config.frames > MOST_FRAMES or not 0 < classes <= MOST_CLASSES:
        raise RunError(
            f"{where}: expected at most {MOST_FRAMES} frames and {MOST_CLASSES} classes,"
            f" got {config.frames} and {classes}"
        )
    path = run.weights()
    model = build_backbone(config, classes)
    if estimator is not None:
        motion = recorded(MotionConfig, estimator, where=f"{where}.estimator")
        model = build_motion_backbone(motion, model, clip_of(run))
        config = replace(config, sees="rgb")
    load_exactly(model, read_weights(path), what=str(path))
    return model.eval(), config


def clip_of(run: Run) -> ClipConfig:
    """The clip settings of a run: how videos become its network's input.

    Raises:
        RunError: recipe.json says something else, or clips that no memory holds.
    """
    where = f"{run.path(RECIPE)}: clip"
    config = recorded(ClipConfig, run.setting("clip"), where=where)
    sizes = (config.length, config.stride, *config.crop_px, config.grid_short_px or 1)
    if min(sizes) < 1 or 3 * config.length * math.prod(config.crop_px) > MOST_VALUES:
        raise RunError(
            f"{where}: expected clips of 1 to {MOST_VALUES:,} values, got"
            f" {config.length} x {config.crop_px[0]} x {config.crop_px[1]} x 3"
        )
    return config
