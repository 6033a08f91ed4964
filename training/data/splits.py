"""Videos of a store -> those to learn from, those to choose by, those to be judged by.

The test part is the split's own and nobody else reads it. What decides about a training
(schedule, best epoch, weights of a fusion) looks at videos held out of the training
part, by group: clips of one recording never lie on both sides.

A video may have several labels. One without any is background: nobody can learn from
it, but in the test part it is there to be mistaken for something (mean average
precision counts it; accuracies do not).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.store import Store, StoredVideo

from ..errors import DataError


class Parts(NamedTuple):
    """Who is used for what."""

    train: tuple[StoredVideo, ...]
    held_out: tuple[StoredVideo, ...]
    test: tuple[StoredVideo, ...]
    left_out: dict[str, str]
    """Video -> why it can't be used, for those of the split."""
    held_out_by_video: tuple[str, ...]
    """Classes whose videos are all of one group, which had to be cut through."""
    untaught: tuple[str, ...]
    """Classes of test videos that nobody learns from: no network can know them."""


def chosen_split(store: Store, name: str | None) -> str:
    """The split asked for; "1" or the only one where none was.

    Raises:
        DataError: the store has none, not this one, or several and none was chosen.
    """
    known = sorted(store.splits)
    if not known:
        raise DataError(
            f"{store.folder}: expected a split into training and test, but the store has"
            " none: extract it with --splits, or with --holdout 0.3 --seed 0"
        )
    if name is None and (len(known) == 1 or "1" in known):
        return "1" if "1" in known else known[0]
    if name is None:
        raise DataError(
            f"{store.folder}: several splits, choose one with --split: {', '.join(known)}"
        )
    if name not in known:
        raise DataError(
            f"{store.folder}: expected a split among {', '.join(known)}, got {name}"
        )
    return name


def parts(
    store: Store,
    *,
    split: str,
    modalities: Sequence[str],
    held_out: float = 0.1,
    seed: int = 0,
) -> Parts:
    """Sort the videos of a split into their parts.

    Args:
        modalities: those the run reads; a video without one of them is left out.
        held_out: share of the training groups that is held out.

    Raises:
        DataError: a part would be empty, or the store has not all modalities.
    """
    missing = [name for name in modalities if name not in store.modalities]
    if missing:
        raise DataError(
            f"{store.folder}: expected {', '.join(modalities)}, but the store has only"
            f" {', '.join(store.modalities)}: extract it with --modalities {','.join(missing)}"
        )
    if not store.classes:
        raise DataError(
            f"{store.folder}: expected labelled videos, but it has no class"
        )
    usable: dict[str, list[StoredVideo]] = {"train": [], "test": []}
    left_out: dict[str, str] = {}
    of_split = [video for video in store.videos() if split in video.splits]
    for video in of_split:
        part = video.splits[split]
        reason = _unusable(video, modalities, part)
        if reason:
            left_out[video.id] = reason
        else:
            usable[part].append(video)
    for part, videos in usable.items():
        if not any(video.labels for video in videos):
            raise DataError(
                f"{store.folder}: split {split} has no usable {part} video"
                f" ({len(left_out)} left out)"
            )
    # Of all, not only those with these modalities: teacher and student hold out the same.
    labelled = [v for v in of_split if v.splits[split] == "train" and v.labels]
    held, by_video = held_out_ids(labelled, share=held_out, seed=seed)
    train = tuple(v for v in usable["train"] if v.id not in held)
    untaught = _labels(usable["test"]) - _labels(train)
    return Parts(
        train=train,
        held_out=tuple(v for v in usable["train"] if v.id in held),
        test=tuple(usable["test"]),
        left_out=left_out,
        held_out_by_video=tuple(store.classes[label] for label in by_video),
        untaught=tuple(store.classes[label] for label in sorted(untaught)),
    )


def held_out_ids(
    videos: Sequence[StoredVideo], *, share: float, seed: int
) -> tuple[set[str], list[int]]:
    """Which training videos are held out.

    `share` of the groups, at least one of each class, never the last one of a class.
    Where a class has a single group, that share of its videos instead.

    Returns:
        Their ids, and the classes that were held out by video.
    """
    labels_of: dict[str, set[int]] = defaultdict(set)
    groups_of: dict[int, set[str]] = defaultdict(set)
    for video in videos:
        labels_of[video.group].update(video.labels)
        for label in video.labels:
            groups_of[label].add(video.group)
    groups = sorted(labels_of)
    order = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    held: set[str] = set()

    def may_go(group: str) -> bool:
        rest = held | {group}
        return group not in held and all(groups_of[c] - rest for c in labels_of[group])

    for label in sorted(groups_of):
        if not groups_of[label] & held:
            possible = (g for g in order if label in labels_of[g] and may_go(g))
            held |= set(next(([g] for g in possible), []))
    for group in order:
        if len(held) >= round(share * len(groups)):
            break
        if may_go(group):
            held.add(group)

    ids = {video.id for video in videos if video.group in held}
    by_video = [label for label in sorted(groups_of) if not groups_of[label] & held]
    for label in by_video:
        own = sorted(video.id for video in videos if label in video.labels)
        count = min(max(round(share * len(own)), 1), len(own) - 1)
        chosen = np.random.default_rng([seed, label]).permutation(len(own))[:count]
        ids |= {own[i] for i in chosen}
    return ids, by_video


def available_entries(video: StoredVideo, modalities: Sequence[str]) -> int:
    """Entries a clip may use: frames, or intervals as soon as motion is part of it."""
    return video.frames if set(modalities) == {"rgb"} else video.frames - 1


def _labels(videos: Sequence[StoredVideo]) -> set[int]:
    return {label for video in videos for label in video.labels}


def _unusable(video: StoredVideo, modalities: Sequence[str], part: str) -> str | None:
    missing = [name for name in modalities if name not in video.modalities]
    if missing:
        return f"no {', '.join(missing)}"
    if not video.labels and part == "train":
        return "no label"
    if available_entries(video, modalities) < 1:
        return "one frame, so no motion"
    return None
