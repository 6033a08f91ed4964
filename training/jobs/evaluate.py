"""A trained network -> how often it is right, and how sure that is."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from pipeline.store import Store, counted

from .. import metrics
from ..data.dataset import ClipConfig, Clips, frames_of
from ..data.splits import Parts, parts
from ..engine.record import (
    CROPS,
    LEARNED_FROM,
    RECIPE,
    SCORES,
    Run,
    read_json,
    write_json,
)
from ..errors import DataError, Diverged, RunError
from ..models.backbones import BackboneConfig, build_backbone
from ..models.motion_backbone import MotionConfig, build_motion_backbone
from ..models.weights import load_exactly, read_weights
from ..progress import Watch
from ..protocols import ClipProtocol, Crops, Scorer, Scores
from ..recorded import recorded
from .elsewhere import elsewhere, evaluation_path, is_own
from .job import StoreJob
from .machine import Machine, arranged

MOST_FRAMES, MOST_CLASSES = 1024, 100_000
MOST_VALUES = 1 << 28
"""Of one clip: 1 GB of float32."""


def assessment(scores: Scores, classes: tuple[str, ...]) -> dict[str, Any]:
    """Everything results.json says of one network on one part.

    Accuracies are of labelled videos; mean average precision, of all, is told where
    some have several labels or none.
    """
    known, hits = scores.labelled, scores.hits()
    counts = known.truth.sum(axis=0) if known.truth.ndim == 2 else None
    num_videos = (
        np.bincount(known.labels, minlength=len(classes)) if counts is None else counts
    )
    by_class = metrics.per_class(hits, known.truth, len(classes))
    told: dict[str, Any] = {
        "videos": len(known),
        "top1": metrics.bootstrap(hits)._asdict(),
        "mean_class": metrics.mean_class(hits, known.truth, len(classes)),
        "per_class": {
            name: {"accuracy": float(by_class[i]), "videos": int(num_videos[i])}
            for i, name in enumerate(classes)
            if num_videos[i]
        },
        "loss": scores.loss,
    }
    if len(classes) > 5:
        told["top5"] = metrics.bootstrap(scores.hits(5))._asdict()
    if scores.relevant is None:
        told["confusion"] = metrics.confusion(known.scores, known.labels).tolist()
        return told
    told["background"] = len(scores) - len(known)
    told["map"] = metrics.bootstrap_map(scores.scores, scores.relevant)._asdict()
    precisions = metrics.precision_per_class(scores.scores, scores.relevant)
    for name, precision in zip(classes, precisions.tolist(), strict=True):
        if name in told["per_class"]:
            told["per_class"][name]["average_precision"] = precision
    return told


def judged(
    model: nn.Module,
    clips: Mapping[str, Clips],
    job: StoreJob,
    *,
    sees: str,
    protocol: ClipProtocol,
    run: Run,
) -> dict[str, Any]:
    """Score the held-out and the test part, and keep the scores beside the results."""
    told: dict[str, Any] = {}
    for part in ("held_out", "test"):
        if not len(clips[part]):
            continue
        job.watch.say(
            f"{run.folder.name}: scoring {counted(len(clips[part]), 'video')} ({part.replace('_', ' ')})"
        )
        scorer = Scorer(
            clips[part],
            sees=sees,
            protocol=protocol,
            device=job.machine.device,
            precision=job.machine.precision,
            workers=job.machine.workers,
            split=run.decided()["split"]["name"],
            part=part,
        )
        scores = scorer(model)
        if not np.isfinite(scores.scores).all():
            raise Diverged(f"{run.folder}: the scores are no longer numbers ({part})")
        scores.save(run.path(SCORES.format(part=part)))
        told[part] = assessment(scores, job.store.classes)
    return told


def told_videos(found: Parts) -> dict[str, Any]:
    """Who was used and who was not, for results.json."""
    return {
        "train": len(found.train),
        "held_out": len(found.held_out),
        "test": len(found.test),
        "left_out": found.left_out,
        "held_out_rule": found.held_out_rule,
        "held_out_by_video": list(found.held_out_by_video),
        "untaught": list(found.untaught),
        "untested": list(found.untested),
        "torn": list(found.torn),
    }


def trained_model(run: Run) -> tuple[nn.Module, BackboneConfig]:
    """The network of a complete run, with its weights, ready to judge.

    Raises:
        RunError: the run is not complete.
        CheckpointError: its weights are something else.
    """
    decided = run.decided()
    if run.results() is None:
        raise RunError(f"{run.folder}: expected a complete run, but it has no results")
    known = dict(decided["model"] or {})
    if "net" not in known:
        raise RunError(
            f"{run.folder}: expected a run of one network that recognises, got one of kind"
            f" {decided['kind']}"
        )
    estimator = known.pop("estimator", None)
    where = f"{run.path(RECIPE)}: model"
    config = recorded(BackboneConfig, known, where=where)
    classes = len(decided["store"]["classes"])
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


def evaluate(
    run: Run,
    *,
    store: Store,
    part: str = "test",
    crops: Crops | None = None,
    machine: Machine,
    watch: Watch,
) -> dict[str, Any]:
    """Judge a complete run again, as its recipe says, on its own store or another.

    Leaves evaluation_<part>.json and the scores; of another store, a file named after it
    in the run's folder `evaluations`, so that the run's own results stay.

    Args:
        part: "test" or "held_out".
        crops: other than the recipe's; its scores and evaluation have files of their own.

    Raises:
        RunError: the run is not complete, or another store has classes it does not know,
            or is asked for its held-out part.
        DataError: the store lacks the modality, or has nothing to judge.
    """
    model, config = trained_model(run)
    protocol = run_protocol(run)
    usual = crops is None or crops == protocol.crops
    if crops is not None:
        protocol = replace(protocol, crops=crops)
    beside = "" if usual else CROPS.format(crops=crops)
    if is_own(run, store):
        modalities = run.decided()["modalities"]
        name = run.decided()["split"]["name"]
        found = parts(store, split=name, modalities=modalities, held_out=0.0)
        found = unlearned_held_out(found, run)
        videos = {"held_out": found.held_out, "test": found.test}[part]
        told = {"split": run.decided()["split"], "videos": told_videos(found)}
        path = run.path(f"{beside}evaluation_{part}.json")
        of_scores = run.path(beside + SCORES.format(part=part))
    elif part != "test":
        raise RunError(
            f"{store.folder}: expected --part test on another store than the run's own,"
            f" got {part}"
        )
    else:
        modalities = [config.sees]
        there = elsewhere(run, store, sees=config.sees)
        videos = there.videos
        path = evaluation_path(run, store, beside=beside)
        of_scores = path.with_suffix(".npz")
        told = {"split": there.split, "videos": there.told, "differ": there.differ}
        told["store"] = {"folder": str(store.folder), "fingerprint": store.fingerprint}
        for line in there.differ:
            watch.say(f"{store.folder}: not as at training: {line}")
    if not videos:
        raise DataError(f"{run.folder}: no video was held out")
    clip = clip_of(run)
    clips = Clips(frames_of(store, clip), videos, modalities, clip)
    watch.say(
        f"{run.folder.name}: scoring {counted(len(clips), 'video')} ({part.replace('_', ' ')})"
    )
    classes = tuple(run.decided()["store"]["classes"])
    scorer = Scorer(
        clips,
        sees=config.sees,
        protocol=protocol,
        device=machine.device,
        precision=machine.precision,
        workers=machine.workers,
        split=told["split"]["name"],
        part=part,
        classes=classes,
    )
    scores = scorer(arranged(model, machine.device))
    told |= {"part": part, "result": assessment(scores, classes)}
    try:
        with run.writing(watch.say, wait=True):
            path.parent.mkdir(exist_ok=True)
            scores.save(of_scores)
            write_json(path, told)
    except OSError as error:  # the run of somebody else, a full disk: the result stands
        watch.say(f"not kept beside the run: {error}")
    return told


def run_protocol(run: Run) -> ClipProtocol:
    """How a run's recipe judges."""
    where = f"{run.path(RECIPE)}: protocol"
    return recorded(ClipProtocol, run.setting("protocol"), where=where)


def unlearned_held_out(found: Parts, run: Run) -> Parts:
    """Parts of which nothing is held out -> as the run held them out."""
    learned = set(read_json(run.path(LEARNED_FROM), [str]))
    told = (run.results() or {}).get("videos", {})
    return found._replace(
        train=tuple(video for video in found.train if video.id in learned),
        held_out=tuple(video for video in found.train if video.id not in learned),
        held_out_rule=told.get("held_out_rule", ""),
        held_out_by_video=tuple(told.get("held_out_by_video", ())),
    )


def clip_of(run: Run) -> ClipConfig:
    """How a run's videos became its network's input.

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
