"""The results of a run as text."""

from collections.abc import Iterator
from typing import Any

from motion_shards.plain_text import counted, printable

ORIGINS = {
    "official": "official split {name}",
    "lists": "split {name}, from lists",
    "seeded": "split {name}, drawn at random by group, not official",
    "none": "all videos, as the store has no split",
}
"""Origin of a split, in words."""


def results_text(results: dict[str, Any], *, title: str) -> str:
    """A page for people: accuracies with intervals, per class, who was left out.

    Args:
        results: a results.json.
    """
    videos = results["videos"]
    rule = f" ({videos['held_out_rule']})" if "held_out_rule" in videos else ""
    used = (
        f"  videos: {videos['train']} to learn, {videos['held_out']} held out{rule},"
        f" {videos['test']} to test"
    )
    what = f"  {results['what']}; {split_text(results['split'])}"
    lines = [title, what, used, *_how(results), ""]
    parts = (("held out", "held_out"), ("test", "test"))
    lines += [
        accuracy_line(name, results[part]) for name, part in parts if part in results
    ]
    for name, other in results.get("others", {}).items():
        if "test" in other:
            lines.append(accuracy_line(name, other["test"]))
    for name in ("teacher", "scratch"):
        if name in results:
            told = results[name]
            lines.append(f"{accuracy_line(name, told['test'])}  {told['run']}")
    if "scratch" in results:
        difference = results["scratch"]["difference"]
        lines.append(
            f"  with teacher - without: {100 * difference['mean']:+.1f}"
            f" ({100 * difference['low']:+.1f} to {100 * difference['high']:+.1f}) points,"
            f" {results['scratch']['videos_compared']} videos, one seed"
        )
    if "test" in results:
        lines += ["", "  test, per class:", *class_lines(results["test"])]
    lines += left_out_lines(videos)
    return "\n".join(map(printable, lines))


def _how(results: dict[str, Any]) -> Iterator[str]:
    """Lines on training, fusion, and the results of a motion network."""
    if "training" in results:
        training = results["training"]
        yield (
            f"  training: {training['epochs']} epochs of {training['seconds_per_epoch']} s,"
            f" {training['share_of_waiting']:.0%} of it waiting for data;"
            f" {training['parameters']:,} parameters"
        )
    weights = results.get("fusion", {}).get("weights")
    if isinstance(weights, list):
        yield f"  weights: {', '.join(f'{weight:.2f}' for weight in weights)}"
    elif weights:
        each = (
            f"{name} {' '.join(f'{w:.2f}' for w in w_)}" for name, w_ in weights.items()
        )
        yield f"  weights of each class: {', '.join(each)}"
    if "flow" in results:
        flow = results["flow"]
        yield (
            f"  against the stored flow: {flow['end_point_error_px']:.2f} px apart, where no"
            f" motion at all would be {flow['of_no_motion_px']:.2f} px"
        )


def evaluation_text(told: dict[str, Any], *, title: str) -> str:
    """A page for one evaluation."""
    others = [told["store"]] if "store" in told else []
    lines = [
        f"{title}: {told['part'].replace('_', ' ')} part; {split_text(told['split'])}",
        *(f"  on another store: {other['folder']}" for other in others),
        *(f"  not as at training: {line}" for line in told.get("differ", ())),
        accuracy_line(told["part"].replace("_", " "), told["result"]),
        *class_lines(told["result"]),
        *left_out_lines(told["videos"]),
    ]
    return "\n".join(map(printable, lines))


def split_text(split: dict[str, str]) -> str:
    """A split by name, and where it comes from."""
    return ORIGINS.get(split["kind"], "split {name}").format(name=split["name"])


def accuracy_line(name: str, result: dict[str, Any]) -> str:
    """Top-1 in percent with its 95 % interval, and what else there is."""
    top1 = result["top1"]
    line = (
        f"  {name:<9} top-1 {100 * top1['mean']:5.1f} %"
        f" ({100 * top1['low']:.1f} to {100 * top1['high']:.1f})"
        f"  mean class {100 * result['mean_class']:5.1f} %"
    )
    if "top5" in result:
        line += f"  top-5 {100 * result['top5']['mean']:5.1f} %"
    if "map" in result:
        line += f"  mAP {100 * result['map']['mean']:5.1f} %"
    return f"{line}  of {counted(result['videos'], 'video')}"


def class_lines(result: dict[str, Any]) -> list[str]:
    """One line a class."""
    per_class = result["per_class"]
    wide = max((len(printable(name)) for name in per_class), default=0)
    return [
        f"    {printable(name):<{wide}}  {100 * one['accuracy']:5.1f} %  of {one['videos']}"
        for name, one in per_class.items()
    ]


def split_lines(videos: dict[str, Any]) -> list[str]:
    """Warnings about a split whose accuracies mean less than they seem to."""
    lines = []
    if videos["untaught"]:
        lines.append(f"tested but not taught: {', '.join(videos['untaught'])}")
    if videos.get("untested"):
        lines.append(f"taught but not tested: {', '.join(videos['untested'])}")
    if torn := videos.get("torn"):
        more = ", ..." if len(torn) > 5 else ""
        lines.append(
            f"groups with videos in training and test: {len(torn)}"
            f" ({', '.join(torn[:5])}{more}): accuracies are too high"
        )
    return lines


def left_out_lines(videos: dict[str, Any]) -> list[str]:
    """Videos that could not be used, and classes that were cut within a group."""
    lines = []
    left_out = videos["left_out"]
    if left_out:
        lines.append(f"  left out: {counted(len(left_out), 'video')}")
        lines += [f"    {name}: {why}" for name, why in list(left_out.items())[:20]]
        if len(left_out) > 20:
            lines.append(f"    and {len(left_out) - 20} more, see results.json")
    lines += [f"  {line}" for line in split_lines(videos)]
    if videos["held_out_by_video"]:
        lines.append(
            "  held out by video, not by group (one group only):"
            f" {', '.join(videos['held_out_by_video'])}"
        )
    return lines
