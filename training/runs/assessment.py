"""Scores of a trained network on the held-out and test parts, and their assessment."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import nn

from motion_shards.plain_text import counted

from ..data.dataset import Clips
from ..data.splits import SplitParts
from ..errors import Diverged
from ..run_files.results import (
    Accuracy,
    ClassAccuracy,
    UsedVideos,
)
from ..scoring import metrics
from ..scoring.protocols import ClipProtocol, Scorer, Scores
from .context import StoreJob
from .record import SCORES, Run


def assessment(scores: Scores, classes: tuple[str, ...]) -> Accuracy:
    """The accuracies of one network on one part.

    Accuracies are over labelled videos. Mean average precision, over all videos, is given
    where some have several labels or none.
    """
    known, hits = scores.labelled, scores.hits()
    counts = known.truth.sum(axis=0) if known.truth.ndim == 2 else None
    num_videos = (
        np.bincount(known.labels, minlength=len(classes)) if counts is None else counts
    )
    by_class = metrics.per_class(hits, known.truth, len(classes))
    per_class = {
        name: ClassAccuracy(accuracy=float(by_class[i]), videos=int(num_videos[i]))
        for i, name in enumerate(classes)
        if num_videos[i]
    }
    accuracy = Accuracy(
        videos=len(known),
        top1=metrics.bootstrap(hits),
        mean_class=metrics.mean_class(hits, known.truth, len(classes)),
        per_class=per_class,
        loss=scores.loss,
        top5=metrics.bootstrap(scores.hits(5)) if len(classes) > 5 else None,
    )
    if scores.relevant is None:
        counts = metrics.confusion(known.scores, known.labels).tolist()
        return replace(accuracy, confusion=tuple(map(tuple, counts)))
    precisions = metrics.precision_per_class(scores.scores, scores.relevant)
    of_class = dict(zip(classes, precisions.tolist(), strict=True))
    return replace(
        accuracy,
        background=len(scores) - len(known),
        map=metrics.bootstrap_map(scores.scores, scores.relevant),
        per_class={
            name: replace(one, average_precision=of_class[name])
            for name, one in per_class.items()
        },
    )


def evaluate_parts(
    model: nn.Module,
    clips: Mapping[str, Clips],
    job: StoreJob,
    *,
    sees: str,
    protocol: ClipProtocol,
    run: Run,
) -> dict[str, Accuracy]:
    """Score the held-out and the test part, and save the scores in the run's folder."""
    accuracies: dict[str, Accuracy] = {}
    for part in ("held_out", "test"):
        if not len(clips[part]):
            continue
        job.reporter.say(
            f"{run.folder.name}: scoring {counted(len(clips[part]), 'video')} ({part.replace('_', ' ')})"
        )
        scorer = Scorer(
            clips[part],
            sees=sees,
            protocol=protocol,
            device=job.machine.device,
            precision=job.machine.precision,
            workers=job.machine.workers,
            split=run.config().split.name,
            part=part,
        )
        scores = scorer(model)
        if not np.isfinite(scores.scores).all():
            raise Diverged(f"{run.folder}: the scores are not finite ({part})")
        scores.save(run.path(SCORES.format(part=part)))
        accuracies[part] = assessment(scores, job.store.classes)
    return accuracies


def used_videos(parts: SplitParts) -> UsedVideos:
    """The videos that were used, and those that were not, for results.json."""
    return UsedVideos(
        train=len(parts.train),
        held_out=len(parts.held_out),
        test=len(parts.test),
        left_out=parts.left_out,
        held_out_rule=parts.held_out_rule,
        held_out_by_video=tuple(parts.held_out_by_video),
        untaught=tuple(parts.untaught),
        untested=tuple(parts.untested),
        torn=tuple(parts.torn),
    )
