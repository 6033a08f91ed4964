"""Stages that have ended -> lines of progress, with the time that is left."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from motion_shards.plain_text import in_words, time_left

from ..run_files.reproduction import Reproduction
from ..runs.record import Run
from .plan import Plan, recipe_of_key
from .workers import FOUND_SECONDS, Done


def progress_line(
    done: Done, state: Reproduction, made: Plan, jobs: int, elapsed: float
) -> str:
    """A stage that has ended, its accuracy, and the time that the others will take.

    Args:
        elapsed: seconds since the reproduction was started or resumed.
    """
    stage = done.stage
    results = Run(Path(done.folder)).results()
    test = results.test if results else None
    score = f" {100 * test.top1.mean:.1f} %" if test else ""
    split = f" split {stage.split}" if len(made.splits) > 1 else ""
    line = (
        f"[{state.done}/{state.total}] {stage.recipe} seed {stage.seed}{split}:{score}"
        f" ({done.seconds:.0f} s)"
    )
    keys = [made.key(one) for one in made.stages]
    left = remaining_seconds(keys, state.runs, state.seconds, jobs)
    if left is None:
        return line
    return f"{line}; {time_left(left)}, {in_words(elapsed)} so far"


def remaining_seconds(
    stages: Sequence[str],
    runs: Mapping[str, str],
    seconds: Mapping[str, float],
    jobs: int,
) -> float | None:
    """Seconds for the rest, from what equal stages took; None before any is over.

    Args:
        stages: their keys, as those of `runs` and `seconds`.
    """
    of_recipe: dict[str, list[float]] = {}
    for key, taken in seconds.items():
        of_recipe.setdefault(recipe_of_key(key), []).append(taken)
    if not of_recipe:
        return None
    means = {name: sum(each) / len(each) for name, each in of_recipe.items()}
    typical = sum(means.values()) / len(means)
    left = [means.get(recipe_of_key(key), typical) for key in stages if key not in runs]
    return sum(left) / max(jobs, 1)


def seconds_of(done: Done) -> float:
    """Seconds that a stage takes: of a run that was found complete, those of its training."""
    if done.seconds > FOUND_SECONDS:
        return done.seconds
    results = Run(Path(done.folder)).results()
    training = results.training if results else None
    return max(done.seconds, float((training and training.wall_seconds) or 0))
