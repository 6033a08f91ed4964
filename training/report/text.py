"""The results of a run as text."""

from collections.abc import Iterator, Mapping

from motion_shards.plain_text import counted, first_names, printable

from ..run_files.results import (
    Accuracy,
    ClassAccuracy,
    EvaluatedVideos,
    Evaluation,
    Results,
    ShortAccuracy,
)
from ..run_files.run_config import SplitName

ONE_SEED = (
    "  brackets: 95 % intervals over groups of videos; how much another seed would change"
    " is not in them"
)
"""On the intervals of one run."""

ORIGINS = {
    "official": "official split {name}",
    "lists": "split {name}, from lists",
    "seeded": "split {name}, drawn at random by group, not official",
    "none": "all videos, as the store has no split",
}
"""Origin of a split, in words."""


def results_text(results: Results, *, title: str) -> str:
    """A page for people: accuracies with intervals, per class, videos left out."""
    videos = results.videos
    rule = "" if videos.held_out_rule is None else f" ({videos.held_out_rule})"
    used = (
        f"  videos: {videos.train} to train on, {videos.held_out} held out{rule}, "
        f"{videos.test} to test"
    )
    what = f"  {results.what}; {split_text(results.split)}"
    lines = [title, what, used, *_how(results), ONE_SEED, ""]
    for name, part in (("held out", results.held_out), ("test", results.test)):
        if part:
            lines.append(accuracy_line(name, part))
    for name, other in (results.others or {}).items():
        if other.test:
            lines.append(accuracy_line(name, other.test))
    lines += variant_lines(results)
    teachers = results.teachers or (results.teacher,)
    beside = [("teacher", one) for one in teachers] + [("scratch", results.scratch)]
    for name, run in beside:
        if run:
            lines.append(f"{accuracy_line(name, run.test)}  {run.run}")
    if results.scratch:
        mean, low, high = (100 * value for value in results.scratch.difference)
        lines.append(
            f"  with teacher - without: {mean:+.1f} ({low:+.1f} to {high:+.1f}) points,"
            f" {results.scratch.videos_compared} videos, one seed"
        )
    if results.test:
        lines += ["", "  test, per class:", *class_lines(results.test.per_class)]
    lines += left_out_lines(videos)
    return "\n".join(map(printable, lines))


def variant_lines(results: Results) -> Iterator[str]:
    """The test accuracy on each variant of the store, and the worst of all stores."""
    variants = results.variants
    if variants is None:
        return
    for name, one in variants.stores.items():
        if one.test:
            yield accuracy_line(name, one.test)
            yield from (
                f"    differs from {variants.own}: {line}" for line in one.differ
            )
    yield f"  worst of {counted(1 + len(variants.stores), 'store')}: {variants.worst}"


def _how(results: Results) -> Iterator[str]:
    """Lines on training, fusion, and the results of a motion network."""
    if training := results.training:
        yield (
            f"  training: {counted(training.epochs, 'epoch')} of {training.seconds_per_epoch} s,"
            f" {training.share_of_waiting:.0%} of it waiting for data;"
            f" {training.parameters:,} parameters"
        )
    weights = results.fusion.weights if results.fusion else None
    if isinstance(weights, tuple):
        yield f"  weights: {', '.join(f'{weight:.2f}' for weight in weights)}"
    elif weights:
        each = (
            f"{name} {' '.join(f'{w:.2f}' for w in w_)}" for name, w_ in weights.items()
        )
        yield f"  weights of each class: {', '.join(each)}"
    if flow := results.flow:
        yield (
            f"  against the stored flow: {flow.end_point_error_px:.2f} px apart, where no"
            f" motion at all would be {flow.of_no_motion_px:.2f} px"
        )


def evaluation_text(evaluation: Evaluation, *, title: str) -> str:
    """A page for one evaluation."""
    part, other = evaluation.part.replace("_", " "), evaluation.store
    lines = [
        f"{title}: {part} part; {split_text(evaluation.split)}",
        *([f"  on another store: {other.folder}"] if other else []),
        *(f"  differs from training: {line}" for line in evaluation.differ or ()),
        ONE_SEED,
        accuracy_line(part, evaluation.result),
        *class_lines(evaluation.result.per_class),
        *left_out_lines(evaluation.videos),
    ]
    return "\n".join(map(printable, lines))


def split_text(split: SplitName) -> str:
    """A split by name, and where it comes from."""
    return ORIGINS.get(split.kind, "split {name}").format(name=split.name)


def units_text(seeds: int, groups: int) -> str:
    """Units of an interval: `5 seeds and 49 groups of videos`."""
    of_groups = counted(groups, "group") + " of videos"
    if seeds < 2:
        return f"{of_groups}, one seed: the spread between seeds is not in them"
    return f"{seeds} seeds and {of_groups}"


def accuracy_line(name: str, result: Accuracy | ShortAccuracy) -> str:
    """Top-1 in percent with its 95 % interval, mean class accuracy, top-5 and mAP."""
    mean, low, high = (100 * value for value in result.top1)
    line = (
        f"  {name:<9} top-1 {mean:5.1f} % ({low:.1f} to {high:.1f})"
        f"  mean class {100 * result.mean_class:5.1f} %"
    )
    if isinstance(result, Accuracy) and result.top5:
        line += f"  top-5 {100 * result.top5.mean:5.1f} %"
    if isinstance(result, Accuracy) and result.map:
        mean, low, high = (100 * value for value in result.map)
        line += f"  mAP {mean:5.1f} % ({low:.1f} to {high:.1f})"
    line += f"  of {counted(result.videos, 'video')}"
    if isinstance(result, Accuracy) and result.groups is not None:
        line += f" in {counted(result.groups, 'group')}"
    return line


def class_lines(per_class: Mapping[str, ClassAccuracy]) -> list[str]:
    """One line a class."""
    wide = max((len(printable(name)) for name in per_class), default=0)
    return [
        f"    {printable(name):<{wide}}  {100 * one.accuracy:5.1f} %  of {one.videos}"
        for name, one in per_class.items()
    ]


def split_lines(videos: EvaluatedVideos) -> list[str]:
    """Warnings about a split whose accuracies mean less than they seem to."""
    lines = []
    if videos.untaught:
        lines.append(f"classes in the test part only: {', '.join(videos.untaught)}")
    if videos.untested:
        lines.append(f"classes in the training part only: {', '.join(videos.untested)}")
    if torn := videos.torn:
        lines.append(
            f"groups with videos in training and test: {len(torn)}"
            f" ({first_names(torn, 5)}): accuracies are too high"
        )
    return lines


def left_out_lines(videos: EvaluatedVideos) -> list[str]:
    """Videos that could not be used, and classes that were cut within a group."""
    lines = []
    left_out = videos.left_out
    if left_out:
        lines.append(f"  left out: {counted(len(left_out), 'video')}")
        lines += [f"    {name}: {why}" for name, why in list(left_out.items())[:20]]
        if len(left_out) > 20:
            lines.append(f"    and {len(left_out) - 20} more, see results.json")
    lines += [f"  {line}" for line in split_lines(videos)]
    if videos.held_out_by_video:
        lines.append(
            "  held out by video, not by group (one group only):"
            f" {', '.join(videos.held_out_by_video)}"
        )
    return lines
