"""Checks that all adapters share: ids of files, duplicates, and missing videos."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import xxhash

from motion_shards.plain_text import first_names
from pipeline.store.files import hash_of

from .errors import DatasetNotFound
from .file_types import ARCHIVES, IMAGES, suffix, without_suffix
from .scan import File, Scan
from .videos import Finding, Video

PROBE_BYTES = 1 << 16


def video_ids(files: Iterable[File]) -> dict[str, str]:
    """Path -> id: the path without its suffix, with it where two would be the same.

    >>> video_ids([File("a/b.avi", 1), File("a/c.avi", 1), File("a/c.mp4", 1)])
    {'a/b.avi': 'a/b', 'a/c.avi': 'a/c.avi', 'a/c.mp4': 'a/c.mp4'}
    """
    ids = {file.path: without_suffix(file.path) for file in files}
    while True:
        counts = Counter(ids.values())
        clashing = [path for path, name in ids.items() if counts[name] > 1]
        if not clashing:
            return ids
        ids.update({path: path for path in clashing})


def duplicates(folder: Path, videos: Sequence[Video]) -> list[Finding]:
    """Videos of equal content. Only files of equal size are read, in full only where
    64 KB of their middle agree too.

    Says in how many cases equal videos are train and test videos of one split, or have
    different labels.
    """
    alike: list[list[Video]] = []
    by_size: dict[int, list[Video]] = defaultdict(list)
    for video in videos:
        if video.size_bytes:
            by_size[video.size_bytes].append(video)
    unreadable: list[str] = []
    for same_size in by_size.values():
        for same_middle in _grouped(folder, same_size, _middle, unreadable):
            small = same_middle[0].size_bytes <= PROBE_BYTES
            alike += (
                [same_middle]
                if small
                else _grouped(folder, same_middle, _content, unreadable)
            )
    text = "videos that could not be read to compare their content"
    findings = [*Finding.of("unreadable", text, set(unreadable))]
    if alike:
        alike.sort(key=lambda same: same[0].path)
        count = sum(len(same) - 1 for same in alike)
        torn = sum(_torn(same) for same in alike)
        labels = sum(len({video.labels for video in same}) > 1 for same in alike)
        text = f"videos with the content of another one: {count:,}"
        if torn:
            text += f", on both sides of a split: {torn:,}"
        if labels:
            text += f", with other labels: {labels:,}"
        names = tuple(" = ".join(video.path for video in same) for same in alike)
        findings.append(Finding("duplicate", text, names))
    return findings


def no_videos_error(expected: str, found: Scan, *, advice: str = "") -> DatasetNotFound:
    """The error for a folder without videos: what it holds instead, and what to do.

    Args:
        expected: "expected videos in FOLDER".
        advice: how the line ends where nothing in the folder says more.
    """
    endings = Counter(suffix(name) or "without a suffix" for name in found.others)
    if archives := [name for name in found.others if suffix(name) in ARCHIVES]:
        more = f", but {first_names(archives, count=True)}: unpack first"
    elif images := [(n, ending) for ending, n in endings.items() if ending in IMAGES]:
        count, ending = max(images)
        more = (
            f", but {count:,} {ending} (extracted frames?): videos themselves are read,"
            " as vectors and times come from them"
        )
    elif endings[".gif"]:
        more = (
            f", but {endings['.gif']:,} .gif: pictures by their name; make videos of"
            " them first, as by: ffmpeg -i a.gif a.mp4"
        )
    elif endings:
        kinds = ", ".join(
            f"{count:,} {ending}" for ending, count in endings.most_common(3)
        )
        more = f", but files that are no videos by name or content: {kinds}{advice}"
    else:
        more = advice
    for finding in found.findings:
        more += f"; {finding.text} ({first_names(finding.names, count=True)})"
    return DatasetNotFound(f"{expected}, found none{more}")


def completeness(
    expected: Mapping[str, int],
    missing: Collection[str],
    present: Mapping[str, int],
    *,
    whole: str,
) -> list[Finding]:
    """Findings about a partial copy; none where every listed video is there.

    Args:
        expected: class -> videos in the lists.
        missing: names in the lists without a file.
        present: class -> videos found.
        whole: name of the complete data set, such as "UCF101".
    """
    if not missing:
        return []
    total, found = sum(expected.values()), sum(present.values())
    classes = sum(count > 0 for count in present.values())
    return [
        Finding(
            "partial",
            f"partial copy: {found:,} of the {total:,} videos of {whole}"
            f" ({100 * found / total:.3g} %), {classes:,} of {len(expected):,} classes",
        ),
        *Finding.of(
            "missing", "videos that the lists name and that are missing", missing
        ),
    ]


def unexpected(names: Collection[str], reason: str) -> tuple[Finding, ...]:
    """Video files that are left out."""
    return Finding.of("unexpected", f"video files left out, {reason}", names)


def not_videos(
    folder: Path, others: Iterable[str], read: Iterable[Path]
) -> tuple[Finding, ...]:
    """Files that are no videos, but for those that were read as lists.

    Args:
        folder: of the videos.
        others: relative to it.
        read: files that were, wherever they lie.
    """
    base = folder.resolve()
    paths = [path.resolve() for path in read]
    known = {
        path.relative_to(base).as_posix() for path in paths if path.is_relative_to(base)
    }
    text = "files left out, as they are no videos"
    return Finding.of("not a video", text, set(others) - known)


def _grouped(
    folder: Path,
    videos: Sequence[Video],
    content_hash: Callable[[Path, int], str],
    unreadable: list[str],
) -> list[list[Video]]:
    """Videos of equal hash, where there are two or more."""
    if len(videos) < 2:
        return []
    groups: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        try:
            groups[content_hash(folder / video.path, video.size_bytes)].append(video)
        except OSError:
            unreadable.append(video.path)
    return [group for group in groups.values() if len(group) > 1]


def _middle(path: Path, size_bytes: int) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, (size_bytes - PROBE_BYTES) // 2))
        return xxhash.xxh3_64_hexdigest(file.read(PROBE_BYTES))


def _content(path: Path, size_bytes: int) -> str:
    with open(path, "rb") as file:
        return hash_of(file)


def _torn(videos: Sequence[Video]) -> bool:
    parts: dict[str, set[str]] = defaultdict(set)
    for video in videos:
        for split, part in video.splits.items():
            parts[split].add(part)
    return any(len(part) > 1 for part in parts.values())
