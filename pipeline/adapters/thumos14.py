"""THUMOS14 as distributed, or a part of it -> videos with labels and segments.

    validation/video_validation_0000051.mp4     trained on
    test/video_test_0000004.mp4                 tested on
    UCF-101/YoYo/v_YoYo_g01_c01.avi             trained on, where they are there

The folders do not matter. The annotation texts know 20 classes; the 101 classes of the
recognition task come from the `.mat` files that travel with the videos.

Y.-G. Jiang et al., "THUMOS Challenge: Action Recognition with a Large Number of
Classes", 2014, http://crcv.ucf.edu/THUMOS14/.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from . import checks, ucf101
from . import thumos14_lists as texts
from .errors import DatasetError
from .matching import unreadable_listed
from .rows import Row, videos_of
from .scan import File, Scan, scan
from .videos import DataSet, Finding

SOURCE = "https://www.crcv.ucf.edu/THUMOS14/download.html"
SPLIT = "1"
PARTS = {"validation": "train", "test": "test"}
FALSELY_ANNOTATED = ("video_test_0000270", "video_test_0001496")
"""Their times do not fit what is to be seen, and published evaluations leave them out."""


def read(folder: Path, splits: Path, found: Scan | None = None) -> DataSet:
    """THUMOS14 with the annotation texts that lie below `splits`.

    Of the videos on disk, those without any class are left out, but for the background
    videos of the test set that a `.mat` file names: they count in its mean average
    precision. Segments that cannot be or are known to be false are left out and named;
    the labels stay.

    Args:
        found: what the folder holds, where that is known.

    Raises:
        DatasetNotFound: no video in the folder.
        DatasetError: no or other texts, a `.mat` file that cannot be read, no video
            that they name.
    """
    paths = texts.annotation_files(splits)
    if not paths:
        raise DatasetError(
            f"{splits}: expected THUMOS14's texts like BaseballPitch_val.txt, found none"
        )
    annotations = texts.read_annotations(paths)
    found = found or scan(folder)
    if not found.files:
        raise checks.no_videos_error(
            f"expected the videos of THUMOS14 in {folder}",
            found,
            advice=f"; get them from {SOURCE}",
        )
    mats = [folder / name for name in found.others if name.endswith(".mat")]
    mats += [path for path in sorted(splits.rglob("*.mat")) if path not in mats]
    recognition = texts.read_recognition(mats)
    times, errata = _segments(annotations, texts.read_durations(splits))
    classes = _classes(annotations, recognition, splits)
    labels = _labels(annotations, recognition)
    rows, unlabelled, unknown = _rows(found.files, labels, times, classes)
    if not any(row.file.stem in labels for row in rows):
        raise DatasetError(
            f"{splits}: none of the {len(labels):,} videos annotated is in {folder}:"
            f" expected {min(labels)}.mp4, found {found.files[0].path}"
        )
    present, videos = videos_of(rows, classes)
    here = {row.file.stem for row in rows}
    expected = Counter(name for names in labels.values() for name in names)
    expected.update(  # clips of UCF101 come on top: as many as there are
        name for row in rows if row.file.stem not in labels for name in row.class_names
    )
    return DataSet(
        name="thumos14",
        folder=folder,
        classes=present,
        videos=videos,
        splits={SPLIT: "official"},
        expected={name: expected[name] for name in classes},
        unusable=unreadable_listed(found.unusable, labels.keys() - here),
        findings=(
            *_missing(labels, here, expected, present),
            *Finding.of(
                "unlabelled",
                "videos of THUMOS14 left out, as the lists give them no class",
                unlabelled,
            ),
            *checks.unexpected(
                unknown, "as they are none of THUMOS14's, or second copies"
            ),
            *errata,
            *_known_errata(annotations, recognition, texts.read_avoided(splits)),
            *found.findings,
            *checks.not_videos(folder, found.others, [*splits.rglob("*.txt"), *mats]),
        ),
        facts=_facts(annotations, recognition),
    )


def find_lists(folder: Path) -> Path | None:
    """The folder itself, where annotation texts lie somewhere below it."""
    return folder if texts.annotation_files(folder) else None


def _classes(
    annotations: texts.Annotations, recognition: texts.Recognition, splits: Path
) -> list[str]:
    if not recognition.numbered:
        return annotations.classes
    names = [recognition.numbered[number] for number in sorted(recognition.numbered)]
    strange = sorted(set(annotations.classes) - set(names))
    if strange:
        raise DatasetError(
            f"{splits}: the .mat files have no class {', '.join(strange)} of the texts"
        )
    return names


def _labels(
    annotations: texts.Annotations, recognition: texts.Recognition
) -> dict[str, tuple[str, ...]]:
    """Video -> classes by text or `.mat` file; background videos have none."""
    labels = dict(recognition.videos)
    for video, stretches in annotations.stretches.items():
        names = (*labels.get(video, ()), *(each.class_name for each in stretches))
        labels[video] = tuple(dict.fromkeys(names))
    return labels


def _segments(
    annotations: texts.Annotations, durations: dict[str, float]
) -> tuple[dict[str, list[tuple[str, float, float]]], list[Finding]]:
    """Segments that can be, and what is wrong with the others."""
    kept: dict[str, list[tuple[str, float, float]]] = {}
    impossible, beyond, false = [], [], []
    for video, stretches in sorted(annotations.stretches.items()):
        end = durations.get(video, float("inf"))
        kept[video] = []
        for name, start, stop, where in sorted(stretches, key=lambda each: each[1:3]):
            line = f"{where} {video} {start:g} {stop:g}"
            if video in FALSELY_ANNOTATED:
                false.append(line)
            elif not 0 <= start < stop:
                impossible.append(line)
            elif start >= end:
                beyond.append(f"{line} (the video ends at {end:.1f})")
            else:
                kept[video].append((name, start, min(stop, end)))
    findings: list[Finding] = []
    for lines, reason in (
        (impossible, "that do not start before they stop"),
        (beyond, "that start after the end of the video"),
        (false, "of videos whose times are known to be false"),
    ):
        findings += Finding.of("erratum", f"segments left out, {reason}", lines)
    return kept, findings


def _rows(
    files: Sequence[File],
    labels: dict[str, tuple[str, ...]],
    times: dict[str, list[tuple[str, float, float]]],
    classes: Sequence[str],
) -> tuple[list[Row], list[str], list[str]]:
    """Rows; THUMOS14 videos without a class; files that are something else."""
    rows, unlabelled, unknown = [], [], []
    known = {name.casefold(): name for name in classes}
    taken: set[str] = set()
    for file in files:
        video, ucf = texts.VIDEO.fullmatch(file.stem), ucf101.NAME.fullmatch(file.stem)
        if file.stem in taken:
            unknown.append(file.path)
            continue
        taken.add(file.stem)
        if video and file.stem in labels:
            part = {SPLIT: PARTS[video[1]]}
            segments = tuple(times.get(file.stem, ()))
            rows.append(Row(file, labels[file.stem], part, file.stem, segments))
        elif video:
            unlabelled.append(file.path)
        elif ucf and ucf[1].casefold() in known:
            name = known[ucf[1].casefold()]
            part = {SPLIT: "train"}
            rows.append(Row(file, (name,), part, ucf101.group(file.stem)))
        else:
            unknown.append(file.path)
    return rows, unlabelled, unknown


def _missing(
    labels: dict[str, tuple[str, ...]],
    here: set[str],
    expected: Counter[str],
    present: Sequence[str],
) -> list[Finding]:
    missing = sorted(labels.keys() - here)
    if not missing:
        return []
    found = len(labels) - len(missing)
    partial = (
        f"partial copy: {found:,} of the {len(labels):,} videos that the lists know"
        f" ({100 * found / len(labels):.3g} %), {len(present)} of {len(expected)} classes"
    )
    text = "videos that the lists know and that are missing"
    return [Finding("partial", partial), *Finding.of("missing", text, missing)]


def _known_errata(
    annotations: texts.Annotations,
    recognition: texts.Recognition,
    avoided: Sequence[tuple[str, str]],
) -> list[Finding]:
    more = [
        f"{video} {name}"
        for video, stretches in annotations.stretches.items()
        for name in {each.class_name for each in stretches}
        if name not in recognition.videos.get(video, (name,))
    ]
    return [
        *Finding.of(
            "erratum",
            "videos annotated as ambiguous only, so of no class",
            annotations.ambiguous.keys() - annotations.stretches.keys(),
        ),
        *Finding.of(
            "erratum",
            "classes kept, though their annotation in a video is known to be wrong or"
            " incomplete (avoid_videos.txt)",
            [f"{video} {name}" for video, name in avoided],
        ),
        *Finding.of(
            "erratum",
            "classes kept, though the texts alone give them to a video, not the .mat file",
            more,
        ),
    ]


def _facts(
    annotations: texts.Annotations, recognition: texts.Recognition
) -> tuple[str, ...]:
    segments = sum(len(each) for each in annotations.stretches.values())
    counts = Counter(video.split("_")[1] for video in annotations.stretches)
    annotated = (
        f"annotation texts: {segments:,} segments of {len(annotations.classes)} classes in"
        f" {counts['validation']:,} validation and {counts['test']:,} test videos;"
        f" {sum(annotations.ambiguous.values()):,} ambiguous stretches not used"
    )
    if recognition.numbered:
        parts = " and ".join(sorted(recognition.parts))
        origin = (
            f"classes: the {len(recognition.numbered)} of the recognition task, from the"
            f" .mat files of the {parts} part"
        )
    else:
        origin = (
            f"classes: the {len(annotations.classes)} of the annotation texts; the 101 of"
            " the recognition task need validation_set.mat and test_set_meta.mat"
        )
    return annotated, origin
