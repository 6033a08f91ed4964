"""A data set -> a subset: chosen classes, or a limited number of videos."""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from motion_shards.near import similar

from .errors import DatasetError
from .videos import DataSet, Video


def select_classes(dataset: DataSet, names: Sequence[str]) -> DataSet:
    """Only the videos of some classes; labels count from 0 over those that are left.

    Upper and lower case may differ. A video of several classes keeps the chosen ones.

    Args:
        names: each a class, or several with commas between them as in a CSV.

    Raises:
        DatasetError: a class that the data set does not have, or has no video of.
    """
    chosen = {
        _class_name(dataset, each)
        for name in names
        for each in split_names((*dataset.classes, *dataset.expected), name)
    }
    if not chosen:
        raise DatasetError(
            f"classes: expected names of classes; {_some(dataset.classes)}"
        )
    part = with_classes(dataset, [name for name in dataset.classes if name in chosen])
    expected = {name: dataset.expected[name] for name in chosen & set(dataset.expected)}
    return replace(part, expected=expected, unusable=_of_classes(dataset, chosen))


def limited(dataset: DataSet, limit: int) -> DataSet:
    """At most `limit` videos, as even over the classes as can be; always the same ones.

    Classes take turns in their order. Within a class the three commonest ways in which
    the splits treat a video take turns, too, each class beginning with another one: so
    a few videos of UCF101 are train and test videos of every split.

    Raises:
        DatasetError: a limit below 1.
    """
    if limit < 1:
        raise DatasetError(f"limit: expected at least 1 video, got {limit}")
    if limit >= len(dataset.videos):
        return dataset
    by_class: dict[int, list[Video]] = defaultdict(list)
    for video in dataset.videos:
        by_class[video.labels[0] if video.labels else -1].append(video)
    queues = [
        _by_treatment(by_class[label], first=turn)
        for turn, label in enumerate(sorted(by_class))
    ]
    chosen = {video.id for video in _in_turn(queues)[:limit]}
    fact = (
        f"limited to {limit:,} of {len(dataset.videos):,} videos, spread over classes"
    )
    part = replace(
        dataset,
        videos=tuple(video for video in dataset.videos if video.id in chosen),
        expected={},
        unusable={},
        facts=(*dataset.facts, fact),
    )
    used = {label for video in part.videos for label in video.labels}
    names = [name for label, name in enumerate(dataset.classes) if label in used]
    return with_classes(part, names, unlabelled=True)


def without_unusable(dataset: DataSet, unusable: Mapping[str, str]) -> DataSet:
    """The data set without videos that could not be read earlier, though now they can.

    Args:
        unusable: `DataSet.unusable` of then.
    """
    folders = tuple(name for name in unusable if name[-1] == "/")
    back = {
        video.path
        for video in dataset.videos
        if video.path in unusable or video.path.startswith(folders)
    }
    videos = [video for video in dataset.videos if video.path not in back]
    used = {label for video in videos for label in video.labels}
    names = [name for label, name in enumerate(dataset.classes) if label in used]
    part = replace(dataset, videos=tuple(videos))
    part = with_classes(part, names, unlabelled=True) if back else dataset
    now = {
        name: f"could not be read when the store was planned ({why}); now it can, and a"
        " store made anew (another --out) takes it in"
        for name, why in unusable.items()
        if name not in dataset.unusable
    }
    return replace(part, unusable={**unusable, **now, **dataset.unusable})


def with_classes(
    dataset: DataSet, names: Sequence[str], *, unlabelled: bool = False
) -> DataSet:
    """Labels counted anew over `names`; videos of no such class are left out.

    Args:
        names: some of the classes, in their order.
        unlabelled: keep videos that have no label at all.
    """
    number = {name: label for label, name in enumerate(names)}
    new = {
        label: number[name]
        for label, name in enumerate(dataset.classes)
        if name in number
    }
    videos = []
    for video in dataset.videos:
        labels = tuple(new[label] for label in video.labels if label in new)
        if labels or (unlabelled and not video.labels):
            segments = tuple(
                segment._replace(label=new[segment.label])
                for segment in video.segments
                if segment.label in new
            )
            videos.append(replace(video, labels=labels, segments=segments))
    return replace(dataset, classes=tuple(names), videos=tuple(videos))


def _of_classes(dataset: DataSet, chosen: Collection[str]) -> dict[str, str]:
    """Unreadable files and folders, without those in the folder of another class."""
    others = {*dataset.classes, *dataset.expected} - set(chosen)
    return {
        name: why
        for name, why in dataset.unusable.items()
        if others.isdisjoint(name.split("/")[:-1])
    }


def split_names(classes: Iterable[str], value: str) -> list[str]:
    """The names in `A,B` or `"A, with comma",B`; one that is a class stays whole.

    Raises:
        DatasetError: quotes that do not fit.
    """
    if value.casefold() in {name.casefold() for name in classes}:
        return [value]
    try:
        cells = next(csv.reader([value], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise DatasetError(
            f"classes: expected names with commas between them, got {value!r}: {error}"
        ) from error
    return [cell.strip() for cell in cells if cell.strip()]


def _class_name(dataset: DataSet, name: str) -> str:
    known = {known.casefold(): known for known in dataset.classes}
    if name in dataset.classes:
        return name
    if name.casefold() in known:
        return known[name.casefold()]
    absent = {known.casefold(): known for known in dataset.expected}
    if name.casefold() in absent:
        raise DatasetError(
            f"--classes: {absent[name.casefold()]!r} has no video in {dataset.folder}"
        )
    close = similar(name.casefold(), {**absent, **known}, most=3)
    names = [{**absent, **known}[match] for match in close]
    commas = [known for known in dataset.classes if known.startswith(f"{name},")]
    if commas:
        hint = f"did you mean {commas[0]!r}? Give it alone, or in double quotes"
    else:
        hint = (
            f"did you mean {' or '.join(names)}?" if names else _some(dataset.classes)
        )
    raise DatasetError(
        f"--classes: {dataset.folder.name} has no class {name!r}; {hint}"
    )


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:10])
    return f"it has {shown}" + (" ..." if len(names) > 10 else "")


def _by_treatment(videos: Iterable[Video], *, first: int) -> list[Video]:
    alike: dict[tuple, list[Video]] = defaultdict(list)
    for video in videos:
        alike[tuple(sorted(video.splits.items()))].append(video)
    keys = sorted(alike, key=lambda key: (-len(alike[key]), key))
    common, rare = sorted(keys[:3]), keys[3:]
    first %= len(common)
    return _in_turn([alike[key] for key in common[first:] + common[:first] + rare])


def _in_turn(queues: Sequence[Sequence[Video]]) -> list[Video]:
    longest = max((len(queue) for queue in queues), default=0)
    return [
        queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)
    ]
