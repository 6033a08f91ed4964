"""Checks of the runs that another run needs."""

from motion_shards.choices import MOTION
from motion_shards.plain_text import first_names
from pipeline.store import Store

from ..errors import RunError
from ..models.backbones import BackboneConfig
from ..run_files.settings_json import as_json, differences
from .config import TrainConfig
from .identity import store_facts
from .record import Run
from .trained import clip_of

VIEW_ONLY = {
    "flip",
    "jitter",
    "is",
    "crop_scales",
    "corners",
    "uneven_crops",
    "cells",
    "speed_jitter",
}
"""Clip settings in which teacher and student may differ; the others scale the motion."""


MOTION_SCALE = {"motion_gain", "fill"}


def unseen(sees: str) -> set[str]:
    """Clip settings that scale what a network of a modality does not see."""
    found = {"rgb_mean", "rgb_std", "rgb_order"} if sees in MOTION else MOTION_SCALE
    return found if sees == "mv" else found | {"cell_values"}


def check_same(run: Run, store: Store, split: str) -> None:
    """Check that a run is complete, and of this data set's classes and this split.

    Raises:
        RunError: it is not: it may know the test videos.
    """
    config = run.config()
    if run.results() is None:
        raise RunError(f"{run.folder}: expected a complete run, but it has no results")
    if config.store.classes != tuple(store.classes):
        raise RunError(
            f"{run.folder}: expected a run on the store's {len(store.classes)} classes,"
            f" got {len(config.store.classes)} others"
        )
    if config.split.name != split:
        raise RunError(
            f"{run.folder}: expected a run on split {split}, got split"
            f" {config.split.name}: it may know the test videos"
        )


def check_teacher(
    teacher: Run,
    recipe: TrainConfig,
    wanted: BackboneConfig,
    *,
    store: Store,
    split: str,
) -> None:
    """Check that a run can be the teacher of a training on this store.

    Args:
        wanted: the teacher of the recipe that it must be.

    Raises:
        RunError: it is not complete, sees something else, has other classes, was trained on another
            split (it may know the test videos), or on motion that was made otherwise
            (another flow profile, vector source, codec or size).
    """
    theirs = teacher.config()
    if teacher.results() is None:
        raise RunError(f"{teacher.folder}: expected a complete run of a teacher")
    sees, net = theirs.sees, theirs.net
    if sees is None:
        raise RunError(
            f"{teacher.folder}: expected a teacher that is one network, got a run that"
            f" {theirs.kind}s"
        )
    if sees != wanted.sees:
        raise RunError(
            f"{teacher.folder}: expected a teacher that sees {wanted.sees},"
            f" got one that sees {sees}"
        )
    if net != wanted.net:
        raise RunError(
            f"{teacher.folder}: expected a teacher of the recipe's net"
            f" {wanted.net}, got {net}"
        )
    ours = store_facts(store, [sees])
    if theirs.store.classes != ours.classes:
        raise RunError(
            f"{teacher.folder}: expected a teacher of the store's"
            f" {len(store.classes)} classes ({first_names(store.classes)}),"
            f" got {len(theirs.store.classes)} ({first_names(theirs.store.classes)})"
        )
    if theirs.split.name != split:
        raise RunError(
            f"{teacher.folder}: expected a teacher of split {split},"
            f" got split {theirs.split.name}: it may know the test videos"
        )
    differ = differences(theirs.store.settings, ours.settings)
    if differ:
        raise RunError(
            f"{teacher.folder}: expected a teacher of the same {sees}, but there and in"
            f" {store.folder} differ in {differ[0]}"
        )
    free = VIEW_ONLY | unseen(sees)
    clip = {k: v for k, v in as_json(clip_of(teacher)).items() if k not in free}
    own = as_json(recipe.clip_of(wanted))
    here = {k: v for k, v in own.items() if k not in free}
    differ = differences(clip, here)
    if differ:
        raise RunError(
            f"{teacher.folder}: expected a teacher of the same clips, but there and in the"
            f" recipe differ in {differ[0]}"
        )
