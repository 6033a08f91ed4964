"""Scores of a trained network on the held-out and test parts, and their assessment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from motion_shards.plain_text import counted

from ..data.dataset import Clips
from ..data.splits import SplitParts
from ..errors import Diverged
from ..run_files.names import SCORES
from ..run_files.results import (
    Accuracy,
    ClassAccuracy,
    EvaluatedStore,
    Interval,
    OfVariant,
    OfVariants,
    UsedVideos,
)
from ..run_files.settings_json import differences
from ..scoring import metrics
from ..scoring.clip_protocol import ClipProtocol
from ..scoring.intervals import influence_of_map, influence_of_mean, share
from ..scoring.protocols import Scorer
from ..scoring.scores import Scores
from .config import Data
from .context import StoreJob
from .identity import store_facts
from .record import Run


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
        top1=_share(hits, known.units),
        mean_class=metrics.mean_class(hits, known.truth, len(classes)),
        per_class=per_class,
        loss=scores.loss,
        top5=_share(scores.hits(5), known.units) if len(classes) > 5 else None,
        groups=len(set(known.units)),
    )
    if scores.relevant is None:
        counts = metrics.confusion(known.scores, known.labels).tolist()
        return replace(accuracy, confusion=tuple(map(tuple, counts)))
    precisions = metrics.precision_per_class(scores.scores, scores.relevant)
    of_class = dict(zip(classes, precisions.tolist(), strict=True))
    return replace(
        accuracy,
        background=len(scores) - len(known),
        map=share(
            influence_of_map(scores.scores, scores.relevant, scores.units)
        ).interval,
        per_class={
            name: replace(one, average_precision=of_class[name])
            for name, one in per_class.items()
        },
    )


def _share(hits: np.ndarray, groups: Sequence[str]) -> Interval:
    return share(influence_of_mean(hits, groups)).interval


def evaluate_parts(
    model: nn.Module,
    clips: Mapping[str, Clips],
    job: StoreJob,
    *,
    sees: str,
    protocol: ClipProtocol,
    run: Run,
    of: str = "",
) -> dict[str, Accuracy]:
    """Score the held-out and the test part, and save the scores in the run's folder.

    Args:
        of: name of the store, in the files' names, where it is not the run's own.
    """
    accuracies: dict[str, Accuracy] = {}
    for part in ("held_out", "test"):
        if not len(clips[part]):
            continue
        what = ", ".join(filter(None, (part.replace("_", " "), of)))
        job.reporter.say(
            f"{run.folder.name}: scoring {counted(len(clips[part]), 'video')} ({what})"
        )
        scorer = Scorer(
            clips[part],
            sees=sees,
            protocol=protocol,
            device=job.machine.device,
            precision=job.machine.precision,
            workers=job.machine.workers,
            inputs=job.machine.inputs,
            split=run.config().split.name,
            part=part,
        )
        scores = scorer(model)
        if not np.isfinite(scores.scores).all():
            raise Diverged(f"{run.folder}: the scores are not finite ({part})")
        name = f"{part}.{of}" if of else part
        scores.save(run.path(SCORES.format(part=name)))
        accuracies[part] = assessment(scores, job.store.classes)
    return accuracies


def evaluate_variants(
    model: nn.Module,
    data: Data,
    job: StoreJob,
    *,
    sees: str,
    protocol: ClipProtocol,
    run: Run,
    own: Accuracy | None,
) -> OfVariants | None:
    """Score the held-out and test videos of each variant; None without variants.

    Args:
        own: the network's accuracy on the test part of the run's own store.
    """
    if not data.variants:
        return None
    name = job.store.folder.resolve().name
    ours = store_facts(job.store, [sees]).settings
    tests, stores = {name: own}, dict[str, OfVariant]()
    for variant in data.variants:
        clips = {
            part: data.clips[part].of_variant(variant, sees)
            for part in ("held_out", "test")
        }
        found = evaluate_parts(
            model, clips, job, sees=sees, protocol=protocol, run=run, of=variant.name
        )
        tests[variant.name] = found.get("test")
        stores[variant.name] = OfVariant(
            store=EvaluatedStore(
                folder=str(variant.store.folder),
                fingerprint=variant.store.fingerprint,
            ),
            differ=tuple(
                differences(ours, store_facts(variant.store, [sees]).settings)
            ),
            held_out=found.get("held_out"),
            test=tests[variant.name],
        )
    known = {name: one.top1.mean for name, one in tests.items() if one is not None}
    return OfVariants(own=name, worst=min(known, key=known.__getitem__), stores=stores)


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
