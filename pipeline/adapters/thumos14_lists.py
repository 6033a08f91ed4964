"""THUMOS14's annotation texts, durations and `.mat` files -> values.

TH14_Temporal_annotations_validation/annotation/BaseballPitch_val.txt
TH14_Temporal_annotations_test/annotations/BaseballPitch_test.txt
    video_validation_0000266  72.8 76.4        video, start, stop in seconds
Ambiguous_val.txt, Ambiguous_test.txt          stretches that are of no class
*durations.txt      name and seconds, line by line
*avoid_videos.txt   video and class whose annotation is known to be wrong
validation_set.mat, test_set_meta.mat          the 101 classes of recognition
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from . import split_lists
from .errors import DatasetError

AMBIGUOUS = "Ambiguous"
ANNOTATION = re.compile(r"([A-Za-z]+)_(val|validation|test)\.txt")
VIDEO = re.compile(r"video_(validation|test)_\d{7}")
MAT_KEYS = {"validation_videos": "validation", "test_videos": "test"}


class Stretch(NamedTuple):
    """A line of an annotation text."""

    class_name: str
    start_seconds: float
    stop_seconds: float
    where: str


class Annotations(NamedTuple):
    """Content of the annotation texts."""

    stretches: dict[str, list[Stretch]]
    """Stretches by video; `Ambiguous` ones are not among them."""
    ambiguous: dict[str, int]
    """Video -> number of ambiguous stretches."""
    classes: list[str]
    """Sorted, which is their official order."""
    parts: set[str]
    """ "validation" and "test", as far as there are texts."""


class Recognition(NamedTuple):
    """Content of the `.mat` files."""

    videos: dict[str, tuple[str, ...]]
    """Classes of each video; none for a background video."""
    numbered: dict[int, str]
    """Number -> class, from 1."""
    parts: set[str]


def annotation_files(folder: Path) -> list[Path]:
    """All annotation texts below a folder, hidden copies left out."""
    return sorted(
        path
        for path in folder.rglob("*.txt")
        if ANNOTATION.fullmatch(path.name)
        and not any(
            part.startswith(".") or part == "__MACOSX"
            for part in path.relative_to(folder).parts
        )
    )


def read_annotations(paths: Iterable[Path]) -> Annotations:
    """All annotation texts.

    Raises:
        DatasetError: another form, a video of another part, one text twice.
    """
    stretches: dict[str, list[Stretch]] = defaultdict(list)
    ambiguous: dict[str, int] = defaultdict(int)
    seen: dict[tuple[str, str], Path] = {}
    for path in paths:
        match = ANNOTATION.fullmatch(path.name)
        assert match
        class_name = match[1]
        part = "test" if match[2] == "test" else "validation"
        before = seen.setdefault((class_name, part), path)
        if before != path:
            raise DatasetError(f"{path}: expected one such text, got {before} too")
        for number, line in split_lists.lines(path):
            video, start, stop = _fields(line, part, f"{path}:{number}")
            if class_name == AMBIGUOUS:
                ambiguous[video] += 1
            else:
                where = f"{path.name}:{number}"
                stretches[video].append(Stretch(class_name, start, stop, where))
    classes = sorted({name for name, _ in seen} - {AMBIGUOUS})
    return Annotations(
        dict(stretches), dict(ambiguous), classes, {part for _, part in seen}
    )


def read_durations(folder: Path) -> dict[str, float]:
    """Video -> seconds, from the texts `*durations.txt` of a folder.

    Raises:
        DatasetError: not a name and a number in turn.
    """
    seconds: dict[str, float] = {}
    for path in sorted(folder.rglob("*durations.txt")):
        texts = list(split_lists.lines(path))
        for (_, name), (number, value) in zip(texts[::2], texts[1::2], strict=False):
            try:
                seconds[PurePosixPath(name).stem] = _seconds(value)
            except ValueError as error:
                raise DatasetError(
                    f"{path}:{number}: expected seconds, got {value!r}"
                ) from error
    return seconds


def read_avoided(folder: Path) -> list[tuple[str, str]]:
    """(video, class) pairs of the texts `*avoid_videos.txt`."""
    pairs = []
    for path in sorted(folder.rglob("*avoid_videos.txt")):
        for number, line in split_lists.lines(path):
            words = line.split()
            if len(words) != 2:
                raise DatasetError(
                    f"{path}:{number}: expected a video and a class, got {line!r}"
                )
            pairs.append((words[0], words[1]))
    return sorted(set(pairs))


def read_recognition(paths: Iterable[Path]) -> Recognition:
    """The classes of the recognition task from those `.mat` files that have them.

    The fields used: `video_name`, `primary_action`, `primary_action_index` (from 1),
    and as there are `secondary_actions`, `background_video` ("YES": of no class).

    A file without classes is as good as none.

    Raises:
        DatasetError: a file that cannot be read, records without a name.
    """
    videos: dict[str, tuple[str, ...]] = {}
    index: dict[int, str] = {}
    parts = set()
    for path in paths:
        content = _mat_content(path)
        for key in sorted(MAT_KEYS.keys() & content.keys()):
            records = content[key].ravel()
            fields = records.dtype.names or ()
            if "video_name" not in fields:
                raise DatasetError(
                    f"{path}: expected records with a video_name, got {list(fields)}"
                )
            if {"primary_action", "primary_action_index"} <= set(fields):
                parts.add(MAT_KEYS[key])
                for record in records:
                    name, class_names = _recognised(record, index, path)
                    videos[name] = class_names
    known = set(index.values())
    videos = {
        name: tuple(each for each in class_names if each in known)
        for name, class_names in videos.items()
    }
    return Recognition(videos, index, parts)


def _seconds(word: str) -> float:
    """
    Raises:
        ValueError: not a number, or one without end.
    """
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word} seconds")
    return value


def _fields(line: str, part: str, where: str) -> tuple[str, float, float]:
    words = line.split()
    match = VIDEO.fullmatch(words[0])
    try:
        start, stop = (_seconds(word) for word in words[1:])
    except ValueError as error:
        raise DatasetError(
            f"{where}: expected a video and two times in seconds, got {line!r}"
        ) from error
    if not match or match[1] != part:
        raise DatasetError(
            f"{where}: expected a video like video_{part}_0000001, got {words[0]!r}"
        )
    return words[0], start, stop


def _mat_content(path: Path) -> dict[str, Any]:
    """The variables of a `.mat` file. Values only: nothing in it is executed."""
    import scipy.io  # slow, and needed for these two files only

    try:
        if not {name for name, *_ in scipy.io.whosmat(path)} & MAT_KEYS.keys():
            return {}
        return scipy.io.loadmat(path, variable_names=list(MAT_KEYS))
    except (ValueError, TypeError, OSError, NotImplementedError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise DatasetError(
            f"{path}: cannot be read as a .mat file: {reason}"
        ) from error


def _recognised(
    record: Any, index: dict[int, str], path: Path
) -> tuple[str, tuple[str, ...]]:
    """Name and classes of a record; its numbers go into the index."""
    fields = record.dtype.names
    name = PurePosixPath("".join(_words(record["video_name"]))).stem
    if "background_video" in fields and "YES" in _words(record["background_video"]):
        return name, ()
    primary = _words(record["primary_action"])
    numbers = record["primary_action_index"].ravel()
    for number, class_name in zip(numbers, primary, strict=False):
        before = index.setdefault(int(number), class_name)
        if before != class_name:
            raise DatasetError(
                f"{path}: {name}: class {int(number)} is {class_name} here and"
                f" {before} elsewhere"
            )
    others = (
        _words(record["secondary_actions"]) if "secondary_actions" in fields else []
    )
    return name, tuple(dict.fromkeys([*primary, *others]))


def _words(value: Any) -> list[str]:
    """The strings in a cell of a `.mat` file, however deep it nests them."""
    if isinstance(value, str):
        return [value.strip()] if value.strip() else []
    if hasattr(value, "ravel"):
        return [word for each in value.ravel() for word in _words(each)]
    return []
