"""A data set -> how its files are coded, class by class, and whether that reveals the class.

A student trained on the vectors of the files as they are can learn the encoder instead
of the action where encoders and classes go together, as they do in UCF101.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from motion_shards.plain_text import printable
from pipeline.adapters.videos import DataSet, Video
from pipeline.extract.errors import VideoError
from pipeline.extract.signature import FRAMES, Signature, signature

from .classifiers import as_numbers, naive_bayes
from .guess import Guess, guess, predictions
from .sample import spread

COLUMNS = ("codec", "profile", "key frames", "B-frames", "blocks")


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
            "student can learn the encoder; canonical ones carry a weaker trace of it "
            "(keep --mv-source canonical)"
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
            "guess": None if guess is None else guess.to_dict(),
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


def guess_classes(inspected: Sequence[tuple[Video, Signature]]) -> Guess | None:
    """Guess the class of each video from its coding, taught by videos of other groups.

    Naive Bayes over the five words of a coding; it needs no fitting that could go wrong. A
    video of several classes counts as one of its first.
    """
    inspected = [(video, coding) for video, coding in inspected if video.labels]
    groups = [video.group for video, _ in inspected]
    targets = np.array([video.labels[0] for video, _ in inspected])
    if len(set(groups)) < 2 or len(np.unique(targets)) < 2:
        return None
    words = as_numbers([coding for _, coding in inspected])
    found = predictions(words, targets, naive_bayes, apart=[groups])
    return guess(found, targets, clusters=[groups])
