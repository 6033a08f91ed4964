"""Splits and classes -> what would make training or testing on them say little."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from .holdout import SEEDED
from .matching import class_key
from .videos import DataSet, Finding


def trainable(dataset: DataSet) -> Iterator[Finding]:
    """One finding where labels cannot teach anything: no class, or one alone."""
    if not dataset.classes:
        text = (
            "no class: training on labels needs two; put the videos into a folder per"
            " class, or give labels by a list (--dataset list --splits FILE)"
        )
    elif len(dataset.classes) == 1:
        text = f"one class ({dataset.classes[0]}): training on labels needs two"
    else:
        return
    yield Finding("untrainable", text)


def alike_classes(dataset: DataSet) -> tuple[Finding, ...]:
    """Classes that differ in case, blanks or signs only: perhaps one class."""
    keys: dict[str, list[str]] = defaultdict(list)
    for name in dataset.classes:
        keys[class_key(name)].append(name)
    alike = [" = ".join(names) for names in keys.values() if len(names) > 1]
    text = "classes whose names differ in case, blanks or signs only"
    return Finding.of("alike", text, alike)


def split_findings(dataset: DataSet) -> Iterator[Finding]:
    """Groups on both sides of splits, and classes on one side only.

    Official splits may tear groups (HMDB51's keep the clips of a film together within a
    class only), and seeded ones never do: neither is held to it.
    """
    for split, kind in dataset.splits.items():
        groups, classes = _parts(dataset, split)
        if kind == "lists":
            torn = [name for name, parts in groups.items() if len(parts) > 1]
            yield from Finding.of(
                "torn", f"groups on both sides of split {split}", torn
            )
        if kind != SEEDED:
            yield from _one_sided(split, dataset.classes, classes)


def _parts(
    dataset: DataSet, split: str
) -> tuple[Mapping[str, set[str]], Mapping[int, set[str]]]:
    """Group -> its parts in a split, label -> its parts."""
    groups: dict[str, set[str]] = defaultdict(set)
    classes: dict[int, set[str]] = defaultdict(set)
    for video in dataset.videos:
        if part := video.splits.get(split):
            groups[video.group].add(part)
            for label in video.labels:
                classes[label].add(part)
    return groups, classes


def _one_sided(
    split: str, names: Sequence[str], classes: Mapping[int, set[str]]
) -> Iterator[Finding]:
    """Classes that are taught and not tested, and the other way round."""
    parts = set().union(*classes.values())
    for part, other, kind in (
        ("train", "test", "untested"),
        ("test", "train", "untaught"),
    ):
        if parts == {part}:
            yield Finding(kind, f"split {split} has no {other} videos")
        elif parts:
            yield from Finding.of(
                kind,
                f"classes with {part} videos and without {other} videos in split {split}",
                [names[label] for label, found in classes.items() if found == {part}],
            )
