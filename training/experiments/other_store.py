"""Evaluation of a network on another store than that of its training: the videos, the
settings that differ, and the file of the result."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from motion_shards.plain_text import first_names
from pipeline.store import Store, StoredVideo

from ..data.splits import resolve_split, unusable
from ..errors import DataError, RunError
from ..run_files.names import LEARNED_FROM
from ..run_files.reading import read_json
from ..run_files.results import EvaluatedVideos
from ..run_files.run_config import SplitName
from ..run_files.settings_json import differences
from ..runs.identity import split_facts, store_facts
from ..runs.record import Run

EVALUATIONS = "evaluations"
"""Folder of a run for its evaluations on other stores."""


class OtherStore(NamedTuple):
    """The videos of another store on which a network is evaluated."""

    videos: tuple[StoredVideo, ...]
    """Their labels are positions among the classes of the run."""
    split: SplitName
    about: EvaluatedVideos
    """About the videos, for people."""
    differ: tuple[str, ...]
    """Settings that differ from those of the training's store: name, there, here."""


def is_own(run: Run, store: Store) -> bool:
    """Whether a store, at any path, is that of the run's training."""
    config = run.config()
    modalities, split = config.modalities, config.split.name
    if set(modalities) - set(store.modalities) or split not in store.splits:
        return False
    here = (store_facts(store, modalities), split_facts(store, split))
    return (config.store, config.split) == here


def other_store(run: Run, store: Store, *, sees: str) -> OtherStore:
    """The videos of another store that a run can be evaluated on.

    The test part of the run's split, of the store's own where it has no split of that
    name, or all videos where it has none at all; never one from which the run has
    learned. Classes are matched by name.

    Args:
        sees: the modality that the network sees.

    Raises:
        DataError: the store lacks this modality, or has no video to evaluate on.
        RunError: the store has classes that the run does not know.
    """
    config = run.config()
    known = {name: i for i, name in enumerate(config.store.classes)}
    strange = [name for name in store.classes if name not in known]
    if strange or not store.classes:
        raise RunError(
            f"{store.folder}: expected a store of the run's {len(known)} classes"
            f" ({first_names(list(known))}), got {len(strange)} others ({first_names(strange)})"
            if strange
            else f"{store.folder}: expected labelled videos, but it has no class"
        )
    if sees not in store.modalities:
        raise DataError(
            f"{store.folder}: expected {sees}, which the run sees, but the store has only"
            f" {', '.join(store.modalities)}: extract it with --modalities {sees}"
        )
    split = _split(config.split.name, store)
    learned = set(read_json(run.path(LEARNED_FROM), [str]))
    if config.store.dataset != store.dataset:
        learned = set()
    videos, left_out = [], {}
    for video in store.videos():
        if split.name and video.splits.get(split.name) != "test":
            continue
        reason = unusable(video, [sees], "test")
        if video.id in learned:
            reason = "the run was trained on a video of this name"
        if reason:
            left_out[video.id] = reason
            continue
        labels = tuple(known[store.classes[label]] for label in video.labels)
        videos.append(replace(video, labels=labels))
    if not any(video.labels for video in videos):
        raise DataError(
            f"{store.folder}: no video to evaluate the run on ({len(left_out)} left "
            "out)"
        )
    differ = differences(
        {
            k: v
            for k, v in (config.store.settings or {}).items()
            if k in ("common", sees)
        },
        store_facts(store, [sees]).settings,
    )
    untested = known.keys() - {
        store.classes[label] for video in store.videos() for label in video.labels
    }
    about = EvaluatedVideos(
        test=len(videos),
        left_out=left_out,
        untaught=(),
        untested=tuple(sorted(untested, key=known.__getitem__)),
        held_out_by_video=(),
    )
    return OtherStore(tuple(videos), split, about, tuple(differ))


def evaluation_path(run: Run, store: Store, *, prefix: str = "") -> Path:
    """The file of an evaluation on another store: no other store's, never the run's own.

    Args:
        prefix: before the store's name.
    """
    name = prefix + store.folder.resolve().name
    path = run.path(EVALUATIONS) / f"{name}.json"
    if (
        path.is_file()
        and read_json(path, {"store": {"fingerprint": str}})["store"]["fingerprint"]
        != store.fingerprint
    ):
        return path.with_name(f"{name}-{store.fingerprint[:8]}.json")
    return path


def _split(wanted: str, store: Store) -> SplitName:
    if not store.splits:
        return SplitName(name="", kind="none")
    if wanted not in store.splits and len(store.splits) > 1:
        raise DataError(
            f"{store.folder}: expected a split {wanted}, as the run's, or a single one, got"
            f" {', '.join(sorted(store.splits))}"
        )
    name = wanted if wanted in store.splits else resolve_split(store, None)
    return SplitName(name=name, kind=store.splits[name])
