"""Lists of train and test videos, a class index and a table, as other programs read them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.store import Json, Store, StoredVideo
from pipeline.store.replacement import replacing

from .names import path_of
from .selection import Selection

CLASSES, TABLE, LISTS = "classes.txt", "videos.jsonl", "lists"


def write_lists(
    store: Store,
    selection: Selection,
    out: Path,
    *,
    paths: Mapping[str, Mapping[str, str]],
    counted: bool,
) -> None:
    """Write `classes.txt`, `videos.jsonl` and `lists/MODALITY_PART_SPLIT.txt`.

    A line of a list is the path of a video, the number of its files (of each component of
    flow), and its labels, as TSN and mmaction2 read them; videos without a label are in
    no list. `classes.txt` has a class per line, label 0 first.

    Args:
        paths: modality -> id of a video -> its path in the lists.
        counted: whether lines have the number of files: those of folders do.
    """
    write_classes(out, selection.classes)
    _write(out / TABLE, _table(store, selection, paths))
    ids = set(selection.ids)
    for modality, known in paths.items():
        for split in store.splits:
            for part in ("train", "test"):
                lines = (
                    _line(selection, store.video(video_id), modality, path, counted)
                    for video_id, path in known.items()
                    if video_id in ids
                    and store.video(video_id).splits.get(split) == part
                    and selection.labels(store.video(video_id))
                )
                name = f"{modality}_{part}_{path_of(split).replace('/', '%2F')}.txt"
                _write(out / LISTS / name, lines)


def write_classes(out: Path, classes: Iterable[str]) -> None:
    """Write `classes.txt`: a class per line, label 0 first."""
    _write(out / CLASSES, (" ".join(name.split()) for name in classes))


def facts(selection: Selection, video: StoredVideo) -> dict[str, Json]:
    """A video as JSON, with everything the lists of the store said."""
    return {
        "id": video.id,
        "classes": [selection.classes[label] for label in selection.labels(video)],
        "labels": list(selection.labels(video)),
        "splits": dict(video.splits),
        "group": video.group,
        "segments": [
            [video.class_names[video.labels.index(label)], start, stop]
            for label, start, stop in video.segments
            if label in video.labels
        ],
        "frames": video.frames,
        "height": video.height,
        "width": video.width,
        "fps": video.fps,
    }


def _line(
    selection: Selection, video: StoredVideo, modality: str, path: str, counted: bool
) -> str:
    count = [str(video.frames - (modality != "rgb"))] if counted else []
    return " ".join([path, *count, *map(str, selection.labels(video))])


def _table(
    store: Store, selection: Selection, paths: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    for video_id in selection.ids:
        found = {
            modality: known[video_id]
            for modality, known in paths.items()
            if video_id in known
        }
        if found:
            record = facts(selection, store.video(video_id)) | {"paths": found}
            yield json.dumps(record, sort_keys=True)


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        for line in lines:
            file.write(f"{line}\n".encode("utf-8", "surrogateescape"))
