"""Videos without official lists -> a split drawn by a seed, by group."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from .errors import DatasetError
from .videos import DataSet, Finding, Video

SEEDED = "seeded"
"""Kind of such a split in `DataSet.splits`."""


def holdout_name(share: float, seed: int) -> str:
    """Name of the split of `with_holdout`, like `holdout-0.3-seed0`."""
    return f"holdout-{share:g}-seed{seed}"


def holdout_options(name: str) -> list[tuple[str, str]]:
    """Share and seed in a name of `holdout_name`, as text; none in another name."""
    return re.findall(r"^holdout-(.+)-seed(-?\d+)$", name)


def with_holdout(
    dataset: DataSet,
    share: float,
    *,
    seed: int = 0,
    before: Mapping[str, str] = MappingProxyType({}),
) -> DataSet:
    """The data set with one split more, named like `holdout-0.3-seed0`.

    In every class, `share` of the groups (rounded; at least one, but never all) become
    test groups: those whose name and seed hash lowest, so that the order of files, the
    machine and the version of Python play no part. A group belongs to one side as a
    whole, also where it spans classes. Classes of one group are train videos only.

    Args:
        before: video -> train or test, where the split was drawn for fewer videos. Groups of
            these stay on their side: what was learned from is never tested later. New
            groups become test groups until there are enough of them for the share.

    Raises:
        DatasetError: a share that is not between 0 and 1, no class with two groups, or a
            group with videos on both sides before.
    """
    if not 0 < share < 1:
        raise DatasetError(f"holdout: expected a share between 0 and 1, got {share:g}")
    groups: dict[int, set[str]] = defaultdict(set)
    classes: dict[str, frozenset[int]] = {}
    alike: dict[Any, Any] = {}  # equal values once: data sets may be large
    for video in dataset.videos:
        for label in video.labels:
            groups[label].add(video.group)
            known = classes.get(video.group, frozenset()) | {label}
            classes[video.group] = alike.setdefault(known, known)
    if all(len(names) < 2 for names in groups.values()):
        raise DatasetError(
            f"holdout: expected a class with two groups or more in {dataset.folder},"
            " got none: nothing can be held out"
        )
    name = holdout_name(share, seed)
    sides = _sides(dataset, before, name)
    test = {group for group, side in sides.items() if side == "test"}
    train_groups = {label: len(names - test) for label, names in groups.items()}
    for label in sorted(groups, key=lambda label: (len(groups[label]), label)):
        count = len(groups[label])
        wanted = min(max(1, round(share * count)), count - 1)
        wanted -= len(groups[label] & test)
        free = groups[label] - sides.keys() - test
        for group in sorted(free, key=lambda name: _rank(seed, name)):
            if wanted <= 0:
                break
            if all(train_groups[other] > 1 for other in classes[group]):
                test.add(group)
                wanted -= 1
                for other in classes[group]:
                    train_groups[other] -= 1

    def placed(video: Video) -> Video:
        if not video.labels:
            return video
        part = "test" if video.group in test else "train"
        splits = {**video.splits, name: part}
        shared = alike.setdefault(tuple(splits.items()), splits)
        return replace(video, splits=shared)

    videos = tuple(map(placed, dataset.videos))
    untested = sorted(label for label in groups if not groups[label] & test)
    findings = Finding.of(
        "untested",
        f"classes without a test video in {name}, for want of groups",
        [dataset.classes[label] for label in untested],
    )
    return replace(
        dataset,
        videos=videos,
        splits={**dataset.splits, name: SEEDED},
        findings=(*dataset.findings, *findings),
    )


def _sides(dataset: DataSet, before: Mapping[str, str], name: str) -> dict[str, str]:
    """Group -> side that it has by its videos."""
    sides: dict[str, str] = {}
    for video in dataset.videos:
        side = before.get(video.id)
        if side and sides.setdefault(video.group, side) != side:
            raise DatasetError(
                f"{name}: expected groups on the side that they have, got group"
                f" {video.group} with videos on both: choose another --seed"
            )
    return sides


def _rank(seed: int, group: str) -> bytes:
    return hashlib.sha256(f"{seed}/{group}".encode()).digest()
