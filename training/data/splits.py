"""Videos of a store -> the training, held-out (validation) and test parts of a split.

The test part is the split's own and is used for the final evaluation only. All choices
within a training (schedule, best epoch, weights of a fusion) use videos held out of the
training part, by group: clips of one recording are never on both sides.

A video may have several labels. One without any is background: it cannot be learned from,
but it belongs to the test part, where mean average precision counts it and accuracies do
not.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from motion_shards.choices import MOTION
from motion_shards.near import near
from pipeline.store import Store, StoredVideo

from ..errors import DataError

NEAR = 1.5
"""Largest multiple of the share that may be held out: groups differ in size."""


class SplitParts(NamedTuple):
    """Videos of the training, held-out and test parts."""

    train: tuple[StoredVideo, ...]
    held_out: tuple[StoredVideo, ...]
    test: tuple[StoredVideo, ...]
    left_out: dict[str, str]
    """Video -> why it can't be used, for those of the split."""
    held_out_by_video: tuple[str, ...]
    """Classes whose videos are all of one group, which had to be divided."""
    held_out_rule: str
    """The rule by which these are held out, in words."""
    untaught: tuple[str, ...]
    """Classes of test videos without a training video: no network can learn them."""
    untested: tuple[str, ...]
    """Classes that are learned, but of which no video is tested."""
    torn: tuple[str, ...]
    """Groups with videos in both training and test: the test part is not independent."""

    def summary(self) -> str:
        """A line: the numbers of held-out and test videos, and the rule."""
        return (
            f"{len(self.held_out)} held out ({self.held_out_rule}),"
            f" {len(self.test)} to test"
        )


class HeldOut(NamedTuple):
    """Training videos that are held out, and the rule."""

    ids: frozenset[str]
    by_video: tuple[int, ...]
    """Classes of one group, which was divided."""
    rule: str


NONE_ASKED = "--held-out 0"
NONE_TO_SPARE = "no class has a training video to spare"


def held_out_hint(rule: str | None) -> str:
    """The way to hold videos out where none are, in words.

    Args:
        rule: `SplitParts.held_out_rule`; None where it is not known.
    """
    if rule in (None, NONE_ASKED):
        return "--held-out 0.2 holds some out"
    if rule == NONE_TO_SPARE:
        return f"{rule}, so --held-out cannot change that"
    return f"{rule}; a larger --held-out holds some out"


def resolve_split(store: Store, name: str | None) -> str:
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
            f"{near(name, known)}"
        )
    return name


def split_parts(
    store: Store,
    *,
    split: str,
    modalities: Sequence[str],
    held_out: float = 0.1,
    chooses: bool = True,
    classifies: bool = True,
    seed: int = 0,
) -> SplitParts:
    """Sort the videos of a split into their parts.

    Args:
        modalities: those the run reads; a video without one of them is left out.
        held_out, chooses: see `held_out_videos`.
        classifies: whether the run learns to classify; it then needs two classes.

    Raises:
        DataError: a part would be empty, or the store has not all modalities.
    """
    require_modalities(store, modalities)
    if classifies and len(store.classes) < 2:
        found = f"one ({store.classes[0]})" if store.classes else "none"
        raise DataError(
            f"{store.folder}: expected videos of at least two classes, but it has {found}"
        )
    usable: dict[str, list[StoredVideo]] = {"train": [], "test": []}
    left_out: dict[str, str] = {}
    of_split = [video for video in store.videos() if split in video.splits]
    for video in of_split:
        part = video.splits[split]
        reason = unusable(video, modalities, part)
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
    held = held_out_videos(
        store, split=split, held_out=held_out, chooses=chooses, seed=seed
    )
    train = tuple(v for v in usable["train"] if v.id not in held.ids)
    taught, tested = _labels(train), _labels(usable["test"])
    return SplitParts(
        train=train,
        held_out=tuple(v for v in usable["train"] if v.id in held.ids),
        test=tuple(usable["test"]),
        left_out=left_out,
        held_out_by_video=tuple(store.classes[label] for label in held.by_video),
        held_out_rule=held.rule,
        untaught=tuple(store.classes[label] for label in sorted(tested - taught)),
        untested=tuple(store.classes[label] for label in sorted(taught - tested)),
        torn=tuple(sorted(_groups(usable["train"]) & _groups(usable["test"]))),
    )


def require_modalities(store: Store, modalities: Sequence[str]) -> None:
    """Check that a store has these modalities.

    Raises:
        DataError: it lacks one.
    """
    missing = [name for name in modalities if name not in store.modalities]
    if missing:
        raise DataError(
            f"{store.folder}: expected {', '.join(modalities)}, but the store has only"
            f" {', '.join(store.modalities)}: extract it with --modalities {','.join(missing)}"
        )


def held_out_videos(
    store: Store, *, split: str, held_out: float, chooses: bool = True, seed: int
) -> HeldOut:
    """Choose the training videos that are held out.

    A share of the groups, at least one of each class, never the last one of a class;
    where a class has a single group, that share of its videos instead. This as long as
    it comes to at most `NEAR` times the share of the videos. Else, as in small data
    sets, groups are held out whatever their classes, up to there; or nothing, where
    nothing is chosen by them or where even one group would be more.

    Of all training videos, not only of those with some modality: teacher and student
    hold out the same.

    Args:
        held_out: the share; 0 holds out nothing.
        chooses: whether something is chosen by held-out videos: the best epoch, the
            moment for a lower rate, weights of a fusion.
    """
    videos = [v for v in store.videos() if v.splits.get(split) == "train" and v.labels]
    count = len(videos)
    if held_out <= 0 or not count:
        return HeldOut(frozenset(), (), NONE_ASKED)
    limit = NEAR * held_out * count
    ids, by_video = _of_every_class(videos, share=held_out, seed=seed)
    if not ids:
        return HeldOut(frozenset(), (), NONE_TO_SPARE)
    if len(ids) <= limit:
        return HeldOut(
            frozenset(ids), tuple(by_video), f"{len(ids) / count:.0%}, of every class"
        )
    most = f"more than {NEAR * held_out:.0%} of {count} videos"
    every = f"a group of every class would be {len(ids) / count:.0%}"
    if not chooses:
        rule = f"{every}, {most}; this recipe does not select weights by them"
        return HeldOut(frozenset(), (), rule)
    ids = _of_any_class(videos, wanted=held_out * count, limit=limit, seed=seed)
    if ids:
        return HeldOut(frozenset(ids), (), f"whatever their class, as {every}, {most}")
    return HeldOut(frozenset(), (), f"even one group would be {most}")


class _Groups:
    """The groups of videos, in an order that a seed draws."""

    def __init__(self, videos: Sequence[StoredVideo], seed: int) -> None:
        self.labels_of: dict[str, set[int]] = defaultdict(set)
        self.groups_of: dict[int, set[str]] = defaultdict(set)
        self.ids_of: dict[str, set[str]] = defaultdict(set)
        for video in videos:
            self.labels_of[video.group].update(video.labels)
            self.ids_of[video.group].add(video.id)
            for label in video.labels:
                self.groups_of[label].add(video.group)
        names = sorted(self.labels_of)
        drawn = np.random.default_rng(seed).permutation(len(names))
        self.order = [names[i] for i in drawn]
        self.held: set[str] = set()

    def may_go(self, group: str) -> bool:
        """Whether all its classes would have another one left to learn from."""
        rest = self.held | {group}
        return group not in self.held and all(
            self.groups_of[label] - rest for label in self.labels_of[group]
        )

    def ids(self) -> set[str]:
        """Videos of the groups that are held out."""
        return {video for group in self.held for video in self.ids_of[group]}


def _of_every_class(
    videos: Sequence[StoredVideo], *, share: float, seed: int
) -> tuple[set[str], list[int]]:
    """Ids, and the classes that were held out by video."""
    groups = _Groups(videos, seed)
    held, groups_of = groups.held, groups.groups_of
    for label in sorted(groups_of):
        if not groups_of[label] & held:
            possible = (g for g in groups.order if g in groups_of[label])
            held |= set(next(([g] for g in possible if groups.may_go(g)), []))
    for group in groups.order:
        if len(held) >= round(share * len(groups.order)):
            break
        if groups.may_go(group):
            held.add(group)

    ids, by_video = groups.ids(), []
    for label in sorted(groups_of):
        if groups_of[label] & held:
            continue
        own = sorted(video.id for video in videos if label in video.labels)
        count = min(max(round(share * len(own)), 1), len(own) - 1)
        chosen = np.random.default_rng([seed, label]).permutation(len(own))[:count]
        ids |= {own[i] for i in chosen}
        by_video += [label] * (count > 0)
    return ids, by_video


def _of_any_class(
    videos: Sequence[StoredVideo], *, wanted: float, limit: float, seed: int
) -> set[str]:
    """Whole groups until there are `wanted` videos, never more than `limit`."""
    groups = _Groups(videos, seed)
    for group in groups.order:
        count = len(groups.ids())
        if count >= wanted:
            break
        if count + len(groups.ids_of[group]) <= limit and groups.may_go(group):
            groups.held.add(group)
    return groups.ids()


def available_entries(video: StoredVideo, modalities: Sequence[str]) -> int:
    """Entries a clip may use: frames, or intervals as soon as motion is part of it."""
    return video.frames - any(name in MOTION for name in modalities)


def unusable(video: StoredVideo, modalities: Sequence[str], part: str) -> str | None:
    """Reason for which a video cannot be used for training or testing; None where it can."""
    missing = [name for name in modalities if name not in video.modalities]
    if missing:
        return f"no {', '.join(missing)}"
    if not video.labels and part == "train":
        return "no label"
    if available_entries(video, modalities) < 1:
        return "one frame, so no motion"
    return None


def _groups(videos: Sequence[StoredVideo]) -> set[str]:
    return {video.group for video in videos}


def _labels(videos: Sequence[StoredVideo]) -> set[int]:
    return {label for video in videos for label in video.labels}
