"""What the options of a command say: a store, splits, seeds, a recipe, a place."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.store import Store, only_store, runs_folder

from .data.known import MIN_KNOWN_SHARE
from .data.splits import chosen_split
from .engine.record import Run
from .errors import RunError
from .jobs.ahead import pictures_told
from .jobs.job import StoreJob, run_name
from .jobs.machine import Machine
from .progress import Silent, Watch, watch
from .recipes import Family, at_size, default_name, family
from .report.text import split_text


class Setting(NamedTuple):
    """A recipe, a store and a place, as the options of a command say."""

    store: Store
    split: str
    seed: int
    name: str
    """Of the recipe."""
    family: Family
    runs: Path
    machine: Machine
    watch: Watch
    beside: tuple[Store, ...] = ()
    """Further stores that are learned together with the first."""
    held_out: float | None = None
    """Share of the training videos to hold out; None is the recipe's."""
    min_known_share: float = MIN_KNOWN_SHARE
    """Of the intervals with known motion vectors, where a run sees such."""

    def job(
        self, what: str, *, name: str = "", out: Path | None = None, wait: bool = False
    ) -> StoreJob:
        """A job on the store.

        Args:
            what: stands behind the recipe's name in that of a new folder: "flow-to-mv".
            name: of the recipe, where it is another's: of a teacher.
            out: the run's folder, where it is given.
            wait: for another process that writes the run.
        """
        name = name or self.name
        stores = (self.store, *self.beside)
        of = "-".join(filter(None, (name, what)))
        return StoreJob(
            name=name,
            store=self.store,
            split=self.split,
            seed=self.seed,
            runs=self.runs,
            out=out,
            base=run_name(stores, of, split=self.split, seed=self.seed),
            machine=self.machine,
            watch=self.watch,
            wait=wait,
            held_out=self.held_out,
            min_known_share=self.min_known_share,
        )


def setting(
    *,
    store: Path | None,
    split: str | None,
    recipe: str | None,
    size: str | None,
    seed: int,
    out: Path | None,
    machine: Machine,
    watch: Watch,
    held_out: float | None = None,
    min_known_share: float = MIN_KNOWN_SHARE,
    teach: str | None = None,
    student: str = "mv",
) -> Setting:
    """Find what was asked for, or its default, and say which it is.

    Args:
        size: small, medium or paper; None is small without a GPU, and says so.
        out: folder of the run; others that are needed lie beside it.
        teach, student: modalities, for the default recipe; see `default_name`.
    """
    opened = Store(store or only_store())
    if recipe is None:
        size = size or usual_size(machine, watch)
        recipe = default_name(size, teach=teach, student=student)
    elif size:
        recipe = at_size(recipe, size)
    chosen = Setting(
        store=opened,
        split=chosen_split(opened, split),
        seed=seed,
        name=recipe,
        family=family(recipe),
        runs=out.parent if out else runs_folder(),
        machine=machine,
        watch=watch,
        held_out=held_out,
        min_known_share=min_known_share,
    )
    told = {"name": chosen.split, "kind": opened.splits[chosen.split]}
    watch.say(
        f"store {opened.folder}; {split_text(told)}; recipe {recipe}, seed {seed},"
        f" {machine.device.type} {machine.precision}"
    )
    pictures = pictures_told(opened, chosen.family.teach("flow").clip)
    if pictures:
        watch.say(pictures)
    return chosen


def usual_size(machine: Machine, watch: Watch) -> str:
    """paper with a GPU, small without one; the latter is said."""
    if machine.device.type == "cuda":
        return "paper"
    watch.say("no GPU here: --size small")
    return "small"


def each(
    options: Mapping[str, Any],
    run: Callable[[Setting, Path | None], Run],
    *,
    machine: Machine,
    teach: str | None = None,
    student: str = "mv",
) -> list[Run]:
    """Do something for every split and seed that is asked for.

    Args:
        options: of the command: store, split, recipe, size, held_out, min_known_share,
            seed, seeds, out.
        run: one of the functions below.
    """
    chosen = dict(options)
    stores = chosen.pop("stores")
    chosen["store"] = stores[0] if stores else None
    beside = tuple(Store(path) for path in stores[1:])
    seeds = range(chosen["seed"], chosen["seed"] + chosen.pop("seeds"))
    splits = splits_of(Store(chosen["store"] or only_store()), chosen.pop("split"))
    out = chosen.pop("out")
    if out and len(splits) * len(seeds) > 1:
        raise RunError(
            f"{out}: expected one split and one seed with --out, got {len(splits)} and"
            f" {len(seeds)}: without it, every run has a folder of its own"
        )
    looking = watch() if machine.processes.first else Silent()
    found = []
    for split in splits:
        for seed in seeds:
            one = setting(
                **(chosen | {"seed": seed}),
                split=split,
                out=out,
                machine=machine,
                watch=looking,
                teach=teach,
                student=student,
            )
            found.append(run(one._replace(beside=beside), out))
    return found


def splits_of(store: Store, wanted: str | None) -> list[str]:
    """The splits that an option names.

    Args:
        wanted: one, several with commas between, "all", or None for the usual one.
    """
    if wanted == "all":
        return sorted(store.splits)
    if wanted is None:
        return [chosen_split(store, None)]
    return [chosen_split(store, name) for name in wanted.split(",")]
