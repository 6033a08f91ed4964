"""Selections of several stores -> one: names kept apart or joined."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from motion_shards.plain_text import first_names
from pipeline.adapters.videos import DataSet, Video
from pipeline.shard.plan import PlannedVideo

from .errors import ManagementError
from .selection import Origin, Selection


def renamed(
    selection: Selection,
    *,
    video: Callable[[str], str],
    class_name: Callable[[str], str],
) -> Selection:
    """The selection with other ids, paths, groups and classes.

    Args:
        video: new name of an id, a path or a group.
        class_name: new name of a class.
    """
    dataset = selection.dataset
    return replace(
        selection,
        dataset=replace(
            dataset,
            classes=tuple(map(class_name, dataset.classes)),
            videos=tuple(
                replace(v, id=video(v.id), path=video(v.path), group=video(v.group))
                for v in dataset.videos
            ),
        ),
        origins={video(name): origin for name, origin in selection.origins.items()},
        left_out=tuple(
            PlannedVideo(video(v.id), video(v.path), v.size_bytes)
            for v in selection.left_out
        ),
    )


def joined(parts: Iterable[Selection], *, name: str) -> Selection:
    """One selection of several; classes and splits of the same name are joined.

    Args:
        name: of the data set.

    Raises:
        ManagementError: two parts have a video of one id.
    """
    parts = list(parts)
    classes = tuple(dict.fromkeys(c for part in parts for c in part.dataset.classes))
    number = {class_name: label for label, class_name in enumerate(classes)}
    videos: dict[str, Video] = {}
    origins: dict[str, Origin] = {}
    splits: dict[str, str] = {}
    for part in parts:
        if clashing := sorted(origins.keys() & part.origins.keys()):
            first, second = (
                found[clashing[0]].source.folder for found in (origins, part.origins)
            )
            raise ManagementError(
                f"{first} and {second} both have {first_names(clashing)} "
                f"({len(clashing):,} in all): --prefix videos keeps them apart"
            )
        origins |= part.origins
        new = {k: number[name] for k, name in enumerate(part.dataset.classes)}
        for video in part.dataset.videos:
            videos[video.id] = _relabelled(video, new)
        for split, kind in part.dataset.splits.items():
            same = splits.setdefault(split, kind) == kind
            splits[split] = kind if same else "lists"
    dataset = DataSet(
        name=name,
        folder=parts[0].dataset.folder,
        classes=classes,
        videos=tuple(videos[name] for name in sorted(videos)),
        splits=splits,
        mirror_safe=all(part.dataset.mirror_safe for part in parts),
    )
    return Selection(
        dataset=dataset,
        origins=origins,
        left_out=tuple(v for part in parts for v in part.left_out),
        passed_over=sum(part.passed_over for part in parts),
    )


def _relabelled(video: Video, labels: Mapping[int, int]) -> Video:
    return replace(
        video,
        labels=tuple(sorted(labels[label] for label in video.labels)),
        segments=tuple(s._replace(label=labels[s.label]) for s in video.segments),
    )
