"""A data set -> how its files are coded, class by class, and whether that reveals the class.

A student trained on the vectors of the files as they are can learn the encoder instead
of the action where encoders and classes go together, as they do in UCF101.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from motion_shards.plain_text import printable
from pipeline.adapters.videos import DataSet, Video
from pipeline.extract.errors import VideoError
from pipeline.extract.signature import FRAMES, Signature, signature

FOLDS = 5
STANDARD_ERRORS = 2
COLUMNS = ("codec", "profile", "key frames", "B-frames", "blocks")


class Guess(NamedTuple):
    """Accuracy of guessing the class of a video from the coding of other groups' videos."""

    videos: int
    groups: int
    accuracy: float
    chance: float
    """Accuracy of always guessing the most frequent class."""
    standard_error: float
    """Standard error of the difference, over groups: videos of a group are not independent."""

    @property
    def leaks(self) -> bool:
        margin = STANDARD_ERRORS * self.standard_error
        return self.accuracy > self.chance + margin


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result: a table of codings, and the test of whether they predict the class."""

    dataset: str
    videos: int
    """Videos of the data set."""
    inspected: int
    """Videos inspected: all or a sample."""
    table: dict[str, Counter[Signature]]
    """Class -> codings of its videos. A video of several classes counts in each."""
    bad: dict[str, str]
    """Video that could not be inspected -> why."""
    guess: Guess | None
    """None where there is nothing to test: one class, or one group."""

    @property
    def warning(self) -> str | None:
        """One line, where the coding predicts the class."""
        if self.guess is None or not self.guess.leaks:
            return None
        return (
            "the encoding predicts the class: from original motion vectors a "
            "student would learn the encoder; keep --mv-source canonical"
        )

    def text(self) -> str:
        """The table, one line per class and coding, and what follows from it."""
        rows: list[tuple[str, ...]] = [("class", "videos", *COLUMNS)]
        for each, codings in self.table.items():
            name = printable(each)
            for coding, count in codings.most_common():
                rows.append((name, str(count), *map(printable, coding)))
                name = ""  # once per class
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(f"{cell:{width}}" for cell, width in zip(row, wide, strict=True))
            for row in rows
        ]
        lines = [line.rstrip() for line in lines]
        lines += [
            "",
            (
                f"{printable(self.dataset)}: {self.inspected} of {self.videos} videos "
                "inspected"
            ),
        ]
        for video, reason in self.bad.items():
            lines.append(printable(f"could not be inspected: {video}: {reason}"))
        lines += self._verdict()
        return "\n".join(lines)

    def _verdict(self) -> list[str]:
        if self.guess is None:
            return [
                (
                    "encoding and class: not tested (needs at least two classes and "
                    "two groups)"
                )
            ]
        guess = self.guess
        lines = [
            (
                f"class predicted from the encoding of other groups: {guess.accuracy:.1%} right "
                f"of {guess.videos} videos in {guess.groups} groups; the most frequent class: "
                f"{guess.chance:.1%}; standard error of the difference: "
                f"{guess.standard_error:.1%}"
            )
        ]
        if self.warning:
            lines.append(f"warning: {self.warning}")
        else:
            lines.append("the encoding does not predict the class")
        return lines

    def to_dict(self) -> dict:
        guess = self.guess
        return {
            "dataset": self.dataset,
            "videos": self.videos,
            "inspected": self.inspected,
            "classes": {
                name: [
                    {"videos": count, **coding._asdict()}
                    for coding, count in codings.most_common()
                ]
                for name, codings in self.table.items()
            },
            "bad": self.bad,
            "guess": None
            if guess is None
            else {**guess._asdict(), "leaks": guess.leaks},
            "warning": self.warning,
        }


def audit(
    dataset: DataSet,
    *,
    sample: int | None = None,
    frames: int = FRAMES,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Audit:
    """Inspect the coding of every video, or of a sample spread over classes and groups.

    Args:
        sample: approximate number of videos to inspect; None: all.
        frames: of each video to decode, at most.
        on_progress: called with the videos inspected so far and their final number.

    Raises:
        OSError: a file cannot be read.
    """
    chosen = spread(dataset.videos, sample)
    table: dict[str, Counter[Signature]] = {name: Counter() for name in dataset.classes}
    inspected: list[tuple[Video, Signature]] = []
    bad = {}
    for done, video in enumerate(chosen, 1):
        try:
            coding = signature(dataset.folder / video.path, frames=frames)
        except VideoError as error:
            bad[video.path] = str(error)
        else:
            inspected.append((video, coding))
            for label in video.labels:
                table[dataset.classes[label]][coding] += 1
        on_progress(done, len(chosen))
    return Audit(
        dataset=dataset.name,
        videos=len(dataset.videos),
        inspected=len(inspected),
        table=table,
        bad=bad,
        guess=guess_classes(inspected),
    )


def spread(videos: Sequence[Video], sample: int | None) -> list[Video]:
    """About `sample` videos: of every class as many, evenly over its sorted groups."""
    if sample is None or sample >= len(videos):
        return list(videos)
    by_class: dict[tuple[int, ...], list[Video]] = {}
    for video in sorted(videos, key=lambda video: (video.group, video.id)):
        by_class.setdefault(video.labels, []).append(video)
    each = math.ceil(sample / len(by_class))
    return [
        members[index * len(members) // min(each, len(members))]
        for _, members in sorted(by_class.items())
        for index in range(min(each, len(members)))
    ]


def guess_classes(inspected: Sequence[tuple[Video, Signature]]) -> Guess | None:
    """Guess the class of each video from its coding, taught by videos of other groups.

    Naive Bayes with add-one smoothing over the five words of a coding; it needs no fitting
    that could go wrong. A video of several classes counts as one of its first.
    """
    examples = [
        (video.labels[0], video.group, coding)
        for video, coding in inspected
        if video.labels
    ]
    groups = sorted({group for _, group, _ in examples})
    classes = Counter(label for label, _, _ in examples)
    if len(groups) < 2 or len(classes) < 2:
        return None
    fold_of = {group: number % FOLDS for number, group in enumerate(groups)}
    frequent = classes.most_common(1)[0][0]
    right = 0
    ahead = dict.fromkeys(groups, 0)  # right guesses, less those of the frequent class
    for fold in range(min(FOLDS, len(groups))):
        likely = _most_likely(
            [(label, c) for label, group, c in examples if fold_of[group] != fold]
        )
        for label, group, coding in examples:
            if fold_of[group] == fold:
                hit = likely(coding) == label
                right += hit
                ahead[group] += hit - (label == frequent)
    count = len(examples)
    mean = sum(ahead.values()) / len(groups)
    squares = sum((each - mean) ** 2 for each in ahead.values())
    return Guess(
        videos=count,
        groups=len(groups),
        accuracy=right / count,
        chance=classes[frequent] / count,
        standard_error=math.sqrt(squares * len(groups) / (len(groups) - 1)) / count,
    )


def _most_likely(
    known: Sequence[tuple[int, Signature]],
) -> Callable[[Signature], int]:
    """Learn from (class, coding) pairs which class a coding most likely has."""
    classes = Counter(label for label, _ in known)
    seen = Counter(
        (label, word) for label, coding in known for word in enumerate(coding)
    )
    words = Counter(place for place, _ in {word for _, word in seen})

    @lru_cache
    def likely(coding: Signature) -> int:
        def score(label: int) -> float:
            count = classes[label]
            return math.log(count) + sum(
                math.log((seen[label, word] + 1) / (count + words[word[0]] + 1))
                for word in enumerate(coding)
            )

        return max(sorted(classes), key=score)

    return likely
