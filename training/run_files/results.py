"""results.json and the evaluations of a run: accuracies, the videos, the training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from .json_dataclasses import from_json
from .names import RESULTS
from .reading import read_json
from .run_config import Count, SplitFacts, SplitName
from .shapes import DIFFERENCE, NUMBER, SHARE


class Interval(NamedTuple):
    """A mean and its 95 % interval, over groups of videos, and over seeds where there are
    several: see `training.scoring.intervals`."""

    mean: float
    low: float
    high: float


Share = Annotated[float, SHARE]
Number = Annotated[float, NUMBER]
ShareInterval = Annotated[Interval, SHARE]
Difference = Annotated[Interval, DIFFERENCE]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAccuracy:
    """One class: how many of its videos were recognised."""

    accuracy: Share
    videos: Count
    average_precision: Share | None = None
    """Average precision, where videos have several labels or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortAccuracy:
    """Top-1 with its interval, of another run for comparison."""

    videos: Count
    top1: ShareInterval
    mean_class: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One network on one part of the videos: shares from 0 to 1, of labelled videos."""

    videos: Count
    top1: ShareInterval
    mean_class: Share
    per_class: Mapping[str, ClassAccuracy]
    loss: Number | None = None
    """Mean cross-entropy."""
    top5: ShareInterval | None = None
    """Top-5 accuracy, where there are more than five classes."""
    confusion: tuple[tuple[Count, ...], ...] | None = None
    """Rows are true classes, columns the answers; where each video has one label."""
    background: Count | None = None
    """Videos without a label."""
    groups: Count | None = None
    """Groups of videos that the intervals are over, one seed; None in runs whose intervals
    are over single videos."""
    map: ShareInterval | None = None
    """Mean average precision over all videos, where some have several labels or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedVideos:
    """The videos of an evaluation."""

    test: Count
    left_out: Mapping[str, str]
    """Video -> why it could not be used."""
    untaught: tuple[str, ...]
    """Classes that are tested and were not taught."""
    untested: tuple[str, ...] = ()
    torn: tuple[str, ...] = ()
    """Groups with videos in training and test."""
    held_out_by_video: tuple[str, ...]
    """Classes of one group only, which was divided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedVideos(EvaluatedVideos):
    """The videos of a training."""

    train: Count
    held_out: Count
    held_out_rule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSummary:
    """Duration of a training, and the weights that it selected."""

    epochs: Count
    steps: Count | None = None
    selected_epoch: Count | None = None
    """The epoch whose weights count, from 0."""
    seconds: Number
    """Seconds of all epochs, without validation."""
    seconds_per_epoch: Number
    share_of_waiting: Number
    """Share of the seconds that was spent waiting for data."""
    parameters: Count
    wall_seconds: Number | None = None
    """Seconds since this start of the training, scoring included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRun:
    """Another run for comparison: a teacher, or the baseline without a teacher."""

    run: str
    """Name of its folder."""
    what: str
    test: ShortAccuracy
    training: TrainingSummary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline(OtherRun):
    """The run without a teacher, and how much better the one with a teacher is."""

    difference: Difference
    """Difference in top-1 on the same videos."""
    videos_compared: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherDataSet:
    """The head of another data set that was learned together."""

    held_out: Accuracy | None = None
    test: Accuracy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedStore:
    """Another store than that of the training, or one of its variants."""

    folder: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfVariant:
    """The run's network on the videos of a variant."""

    store: EvaluatedStore
    differ: tuple[str, ...]
    """Settings in which it differs from the run's own store: name, there, here."""
    held_out: Accuracy | None = None
    test: Accuracy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfVariants:
    """The run's network on each of the stores that its clips came from."""

    own: str
    """Name of the run's own store, whose accuracies are `held_out` and `test` of the run."""
    worst: str
    """Name of the store with the lowest top-1 on the test part."""
    stores: Mapping[str, OfVariant]
    """Name -> a variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionWeights:
    """The weights of a fusion, and on how many held-out videos they were found."""

    videos: Count | None = None
    weights: tuple[Number, ...] | Mapping[str, tuple[Number, ...]] | None = None
    """One for each stream, or these for each class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamName:
    """A run that was fused."""

    run: str
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowError:
    """Errors of estimated motion against the stored flow, in px of the stored frames."""

    end_point_error_px: Number
    of_no_motion_px: Number
    videos: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Results of a run: results.json."""

    what: str
    """The network or combination, in words."""
    split: SplitFacts
    videos: UsedVideos
    training: TrainingSummary | None = None
    held_out: Accuracy | None = None
    test: Accuracy | None = None
    others: Mapping[str, OtherDataSet] | None = None
    variants: OfVariants | None = None
    teacher: OtherRun | None = None
    teachers: tuple[OtherRun, ...] | None = None
    scratch: Baseline | None = None
    streams: tuple[StreamName, ...] | None = None
    fusion: FusionWeights | None = None
    first_weights: tuple[str, ...] | None = None
    """Names of the runs whose weights it started from."""
    flow: FlowError | None = None
    files: Mapping[str, str] | None = None
    """Weights -> the hash at their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A later evaluation of a complete run: evaluation_<part>.json, evaluations/<store>.json."""

    split: SplitName
    videos: EvaluatedVideos
    differ: tuple[str, ...] | None = None
    """Settings in which another store differs from that of the training."""
    store: EvaluatedStore | None = None
    """Another store; None for the run's own."""
    part: str
    result: Accuracy


def read_results(folder: Path) -> Results:
    """The results.json of a complete run.

    Raises:
        RunError: it is missing, damaged or something else.
    """
    path = folder / RESULTS
    return from_json(Results, read_json(path), where=str(path))
