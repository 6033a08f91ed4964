"""Official lists + the files found -> a data set with findings about their differences.

For UCF101 and HMDB51, whose lists name every video by a unique file name.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from . import checks
from .errors import DatasetError
from .matching import Match, Matcher, match_findings, unreadable_listed
from .rows import Row, videos_of
from .scan import Scan, scan, unwrapped
from .videos import DataSet, Finding, Video


class OfficialEntry(NamedTuple):
    """Class and splits of a video in official lists."""

    class_name: str
    splits: Mapping[str, str]
    """Split -> "train" or "test"."""


class OfficialLists(NamedTuple):
    """The lists of a data set, read."""

    folder: Path
    classes: Sequence[str]
    """In official order."""
    videos: Mapping[str, OfficialEntry]
    """Entries by name in the lists."""
    splits: Mapping[str, str]
    """Split -> "official" or "lists"."""
    facts: Sequence[str]


def dataset(
    adapter: str,
    *,
    title: str,
    source: str,
    folder: Path,
    lists: OfficialLists,
    group: Callable[[str, str], str],
    found: Scan | None = None,
) -> DataSet:
    """The videos of a folder that the lists name.

    Args:
        adapter: its name.
        title: of the data set, for messages.
        source: where to get it, for messages.
        folder: of the videos, wrapped in other folders or not.
        group: (file name without suffix, class) -> group.
        found: what the folder holds, where that is known; it is not wrapped in others.

    Raises:
        DatasetNotFound: no folder, or no video in it.
        DatasetError: videos, but none that the lists name.
    """
    if found is None:
        folder, found = unwrapped(folder, scan(folder), classes=lists.classes)
    if not found.files:
        raise checks.no_videos_error(
            f"expected the videos of {title} in {folder}",
            found,
            advice=f"; get them from {source}",
        )
    matches = _matches(lists.videos, Matcher(found.files))
    if not matches:
        raise DatasetError(
            f"{lists.folder}: none of the {len(lists.videos):,} videos that these lists"
            f" name is among the {len(found.files):,} in {folder}:"
            f" expected {next(iter(lists.videos))}, found {found.files[0].path}"
        )
    rows = []
    for name, match in matches.items():
        class_name, splits = lists.videos[name]
        row_group = group(match.file.stem, class_name)
        rows.append(Row(match.file, (class_name,), splits, row_group))
    classes, videos = videos_of(rows, lists.classes)
    present = Counter(row.class_names[0] for row in rows)
    counts = Counter(entry.class_name for entry in lists.videos.values())
    expected = {class_name: counts[class_name] for class_name in lists.classes}
    missing = lists.videos.keys() - matches.keys()
    taken = {match.file.path for match in matches.values()}
    findings: list[Finding] = [
        *checks.completeness(expected, missing, present, whole=title),
        *checks.unexpected(
            [file.path for file in found.files if file.path not in taken],
            "as the lists do not name them",
        ),
        *match_findings(matches.items()),
        *_misplaced(videos, classes, set(lists.classes)),
        *found.findings,
        *checks.not_videos(folder, found.others, lists.folder.glob("*.txt")),
    ]
    return DataSet(
        name=adapter,
        folder=folder,
        classes=classes,
        videos=videos,
        splits=lists.splits,
        expected=expected,
        unusable=unreadable_listed(found.unusable, missing),
        findings=tuple(findings),
        facts=tuple(lists.facts),
    )


def _matches(names: Collection[str], matcher: Matcher) -> dict[str, Match]:
    """Name in the lists -> its file; a file goes to the name that fits it best."""
    found = {name: matcher.find(name, anywhere=True) for name in names}
    best = ("exact", "extension", "case", "place")
    taken: set[str] = set()
    matches: dict[str, Match] = {}
    for how in best:
        for name, match in found.items():
            if match and match.how == how and match.file.path not in taken:
                taken.add(match.file.path)
                matches[name] = match
    return matches


def _misplaced(
    videos: Sequence[Video], classes: Sequence[str], folders: set[str]
) -> tuple[Finding, ...]:
    """Videos that lie in the folder of another class than the lists say."""
    names = []
    for video in videos:
        parts = video.path.split("/")[:-1]
        if folders.intersection(parts) and classes[video.labels[0]] not in parts:
            names.append(f"{video.path} ({classes[video.labels[0]]})")
    text = "videos in the folder of another class than the lists say"
    return Finding.of("misplaced", text, names)
