"""Videos without official lists -> a split drawn by a seed, by group."""

import hashlib
from collections import defaultdict
from dataclasses import replace
from typing import Any

from .errors import DatasetError
from .videos import DataSet, Finding, Video


def with_holdout(dataset: DataSet, share: float, *, seed: int = 0) -> DataSet:
    """The data set with one split more, named like `holdout-0.3-seed0`.

    In every class, `share` of the groups (rounded; at least one, but never all) become
    test groups: those whose name and seed hash lowest, so that the order of files, the
    machine and the version of Python play no part. A group belongs to one side as a
    whole, also where it spans classes. Classes of one group are train videos only.

    Raises:
        DatasetError: a share that is not between 0 and 1, no class with two groups.
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
    test: set[str] = set()
    train_groups = {label: len(names) for label, names in groups.items()}
    for label in sorted(groups, key=lambda label: (len(groups[label]), label)):
        count = len(groups[label])
        wanted = min(max(1, round(share * count)), count - 1)
        wanted -= len(groups[label] & test)
        for group in sorted(groups[label] - test, key=lambda name: _rank(seed, name)):
            if wanted <= 0:
                break
            if all(train_groups[other] > 1 for other in classes[group]):
                test.add(group)
                wanted -= 1
                for other in classes[group]:
                    train_groups[other] -= 1
    name = f"holdout-{share:g}-seed{seed}"

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
        splits={**dataset.splits, name: "seeded"},
        findings=(*dataset.findings, *findings),
    )


def _rank(seed: int, group: str) -> bytes:
    return hashlib.sha256(f"{seed}/{group}".encode()).digest()
