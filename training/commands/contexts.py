"""Options of a command -> recipes, and the contexts in which they run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.store import Store, only_store, runs_folder

from ..catalogue import is_file
from ..data.clip_config import ClipConfig
from ..data.known_share import MIN_KNOWN_SHARE
from ..data.splits import resolve_split
from ..errors import RecipeError, RunError
from ..recipes import SIZES, Recipe, at_size, get_recipe, recipe_names
from ..recipes.change import parse_changes
from ..recipes.changes import with_changes
from ..recipes.files import recipe_named
from ..recipes.first_weights import init_changes
from ..report.text import split_text
from ..run_files.run_config import SplitName
from ..runs.context import RunContext
from ..runs.expected_hours import small_frames_notice
from ..runs.machine import Machine
from ..runs.progress import ProgressReporter, SilentReporter, default_reporter
from ..runs.record import Run

MEDIUM = "112x112 px, hours on a CPU"
"""Frames of --size medium, and its time."""


def resolve_recipe(
    name: str | None,
    size: str | None,
    *,
    default: Callable[[str], str],
    machine: Machine,
    reporter: ProgressReporter,
) -> Recipe:
    """The recipe that --recipe and --size name, or the default.

    Args:
        size: small, medium or paper; None is small without a GPU, and says so.
        default: size -> name of a recipe.
    """
    if name is None:
        return get_recipe(default(size or usual_size(machine, reporter)))
    if is_file(name) and size:
        raise RecipeError(
            f"expected no --size {size} with the recipe of a file, {name}"
        )
    return recipe_named(at_size(name, size) if size else name)


def changed_recipe(
    recipe: Recipe,
    changes: Sequence[str],
    reporter: ProgressReporter,
    *,
    given: str = "",
    init: str | None = None,
    teacher_init: str | None = None,
    teachers: Mapping[str, Recipe] | None = None,
) -> Recipe:
    """A recipe with the settings of --set; what differs is reported.

    Args:
        changes: [ROLE:]PATH=VALUE.
        given: the complete runs that fill its roles, in words, whose settings cannot be
            changed; empty where they are found or trained.
        init, teacher_init: first weights, as `init_changes` takes them.
        teachers: role -> recipe of a student's teacher.

    Raises:
        RecipeError: see `parse_changes` and `with_changes`.
    """
    parsed = list(parse_changes(changes))
    for weights, of_teacher in ((init, False), (teacher_init, True)):
        if weights:
            parsed, line = init_changes(
                recipe, weights, parsed, of_teacher=of_teacher, teachers=teachers
            )
            reporter.say(line)
    for one in parsed if given else ():
        if one.of:
            raise RecipeError(
                f"{one.text}: expected no change of {given}, as it is there"
            )
    made = with_changes(recipe, parsed, teachers=teachers)
    if made.changes:
        reporter.say(f"recipe {made.name}: {', '.join(made.changes)}")
    return made


def run_context(
    recipe: Recipe,
    *,
    store: Store,
    split: str | None,
    seed: int,
    out: Path | None,
    machine: Machine,
    reporter: ProgressReporter,
    held_out: float | None = None,
    min_known_share: float = MIN_KNOWN_SHARE,
    other_stores: tuple[Store, ...] = (),
    variants: tuple[Store, ...] = (),
    fused_by_held_out: bool = False,
) -> RunContext:
    """The context in which a recipe runs; it is reported.

    Args:
        split: None is the usual one.
        out: folder of the run; the runs it needs are in the same folder.
    """
    context = RunContext(
        store=store,
        split=resolve_split(store, split),
        seed=seed,
        runs=out.parent if out else runs_folder(),
        machine=machine,
        reporter=reporter,
        held_out=held_out,
        min_known_share=min_known_share,
        other_stores=other_stores,
        variants=variants,
        fused_by_held_out=fused_by_held_out,
    )
    of_split = SplitName(name=context.split, kind=store.splits[context.split])
    reporter.say(
        f"store {store.folder}; {split_text(of_split)}; recipe {recipe.name}, seed {seed},"
        f" {machine.device.type} {machine.precision}"
    )
    clip = getattr(recipe.settings, "clip", recipe.size.clip3d)  # a fusion has none
    say_pictures(store, clip, larger_recipe(recipe), reporter)
    return context


def say_pictures(
    store: Store, clip: ClipConfig, larger: str, reporter: ProgressReporter
) -> None:
    """Say where frames are much larger than what is seen of them, and what sees more."""
    told = small_frames_notice(store, clip, larger)
    if told:
        reporter.say(told)


def larger_recipe(recipe: Recipe) -> str:
    """The way to train the same system on larger frames, as the end of a line."""
    name = recipe.system.name
    medium = name + SIZES["medium"].suffix
    if medium in recipe_names():
        return f"use --recipe {medium} ({MEDIUM}), or {name}, as published"
    if recipe.size.name == "own":
        return "set clip.grid_short_px and clip.crop_px larger"
    return f"use a recipe that has --size medium ({MEDIUM})"


def usual_size(machine: Machine, reporter: ProgressReporter) -> str:
    """paper with a GPU, small without one; the latter is reported."""
    if machine.device.type == "cuda":
        return "paper"
    reporter.say("no GPU here: --size small")
    return "small"


def for_each_split_and_seed(
    options: Mapping[str, Any],
    run: Callable[[Recipe, RunContext, Path | None], Run],
    *,
    machine: Machine,
    default: Callable[[str], str],
) -> list[Run]:
    """Run a recipe for every split and seed that is asked for.

    Args:
        options: of the command: stores, variants, split, recipe, size, held_out, min_known_share,
            seed, seeds, out.
        run: recipe, context, folder of the run -> the complete run.
        default: size -> name of the recipe where none is given.
    """
    stores, out = options["stores"], options["out"]
    first = Store(stores[0] if stores else only_store())
    seeds = range(options["seed"], options["seed"] + options["seeds"])
    splits = splits_of(first, options["split"])
    if out and len(splits) * len(seeds) > 1:
        raise RunError(
            f"{out}: expected one split and one seed with --out, got {len(splits)} and"
            f" {len(seeds)}: without it, every run has a folder of its own"
        )
    progress = default_reporter() if machine.processes.first else SilentReporter()
    recipe = resolve_recipe(
        options["recipe"],
        options["size"],
        default=default,
        machine=machine,
        reporter=progress,
    )
    found = []
    for split in splits:
        for seed in seeds:
            context = run_context(
                recipe,
                store=first,
                split=split,
                seed=seed,
                out=out,
                machine=machine,
                reporter=progress,
                held_out=options["held_out"],
                min_known_share=options["min_known_share"],
                other_stores=tuple(Store(path) for path in stores[1:]),
                variants=tuple(Store(path) for path in options["variants"]),
            )
            found.append(run(recipe, context, out))
    return found


def splits_of(store: Store, wanted: str | None) -> list[str]:
    """The splits that an option names.

    Args:
        wanted: one, several with commas between, "all", or None for the usual one.
    """
    if wanted == "all":
        return sorted(store.splits)
    if wanted is None:
        return [resolve_split(store, None)]
    return [resolve_split(store, name) for name in wanted.split(",")]
