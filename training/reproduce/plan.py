"""A paper, a size and a store -> the stages that its rows need, each once per seed and
split. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from motion_shards.choices import MOTION
from motion_shards.near import near

from ..errors import RecipeError
from ..models.backbones import BackboneConfig
from ..models.named_weights import lacking
from ..papers.facts import PAPERS, Fact, facts_to_compare
from ..papers.orderings import ORDERINGS
from ..recipes import SYSTEMS, Recipe, get_recipe, system_at
from ..recipes.change import Change
from ..recipes.changes import check_used, for_every
from ..recipes.sizes import SIZES
from ..runs.config import TrainConfig

Lacks = Callable[[BackboneConfig], str]

NOT_WANTED = "not asked for"
"""Reason for which a row is not run that `--rows` leaves out."""


class Holdings(NamedTuple):
    """Data set, modalities and lengths of a store: what recipes need of it."""

    dataset: str
    modalities: tuple[str, ...]
    longest: int
    """Frames of its longest video."""
    also: "tuple[Holdings, ...]" = ()
    """Holdings of the stores that joint systems learn, too."""

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets of all stores; the own one is the first."""
        return (self.dataset, *(held.dataset for held in self.also))


class Stage(NamedTuple):
    """One training or combination, for one seed and split."""

    recipe: str
    seed: int
    split: str


class Plan(NamedTuple):
    """The stages of a reproduction, in an order in which they can run."""

    paper: str
    size: str
    rows: tuple[Fact, ...]
    """Rows of the paper that could stand on this store."""
    stages: tuple[Stage, ...]
    """Each after those that it needs; the first seed is complete, on all splits,
    before the next."""
    splits: tuple[str, ...]
    recipe_of: dict[str, str]
    """System -> the recipe that is trained for it: several may share one."""
    not_run: dict[str, str]
    """System -> why not."""
    recipes: Mapping[str, Recipe]
    """Name -> the recipe of a stage."""

    @property
    def needs(self) -> dict[Stage, dict[str, Stage]]:
        """Stage -> role -> the stage that fills it, of the same seed and split."""
        return {
            stage: {
                role: stage._replace(recipe=needed.name)
                for role, needed in self.recipes[stage.recipe].needs.items()
            }
            for stage in self.stages
        }

    def key(self, stage: Stage) -> str:
        """A stage's name in reproduction.json; its split stands there if it is one of
        several."""
        split = f"@{stage.split}" if len(self.splits) > 1 else ""
        return f"{stage.recipe}@{stage.seed}{split}"


def recipe_of_key(key: str) -> str:
    """The recipe of a stage."""
    return key.partition("@")[0]


def plan(
    paper: str,
    *,
    size: str,
    seeds: Sequence[int],
    splits: Sequence[str],
    store: Holdings,
    wanted: Iterable[str] = (),
    controls: bool = True,
    changes: Sequence[Change] = (),
    lacks: Lacks = lacking,
) -> Plan:
    """
    Args:
        wanted: systems, or tables of the paper; none: all.
        controls: also comparisons that no paper has.
        changes: of settings, for all recipes or those of a system.
        lacks: the reason for which a network's first weights cannot be had, or nothing.

    Raises:
        RecipeError: no such paper, size or row; or a change that no recipe takes.
    """

    def of(system: str) -> Recipe:
        usual = system_at(system, SIZES[size]).on_each(store.datasets)
        return for_every(usual, changes)

    if paper != "all" and paper not in PAPERS:
        raise RecipeError(
            f"expected a paper among {', '.join(PAPERS)} or all, got {paper}"
            f"{near(paper, (*PAPERS, 'all'))}"
        )
    if size not in SIZES:
        raise RecipeError(f"expected a size among {', '.join(SIZES)}, got {size}")
    rows = facts_to_compare(paper, store.dataset)
    systems = dict.fromkeys(f.system for f in rows if f.system in SYSTEMS)
    if controls:
        papers = _papers(paper)
        extra = (s.name for s in SYSTEMS.values() if s.control and s.paper in papers)
        systems |= dict.fromkeys(extra)
    wanted, compared = tuple(wanted), _compared(paper)
    systems |= dict.fromkeys(name for name in compared if name in wanted)
    chosen = _chosen(rows, systems, wanted)
    recipe_of, not_run = {}, {}
    for name in systems:
        if name not in chosen:
            not_run[name] = NOT_WANTED
            continue
        recipe = of(name)
        reason = unfit(recipe, store, lacks=lacks)
        if reason:
            not_run[name] = reason
        else:
            recipe_of[name] = recipe.name
    ordered: dict[str, Recipe] = {}
    for name in tuple(recipe_of):
        for needed in in_order(of(name)):
            ordered[needed.name] = needed
        for needed_name in _all_needs(name):  # stages on the way are results, too
            needed = of(needed_name)
            recipe_of.setdefault(needed_name, needed.name)
            recipe_of.setdefault(needed.system.name, needed.name)
    for name in () if wanted else compared:
        recipe = of(name)
        if name not in recipe_of and all(
            r.name in ordered for r in in_order(recipe)[:-1]
        ):
            ordered[recipe.name] = recipe
            recipe_of[name] = recipe.name
    stages = tuple(
        Stage(name, seed, split)
        for seed in seeds
        for split in splits
        for name in ordered
    )
    if ordered:
        check_used([_unchanged(name) for name in ordered], changes)
    return Plan(paper, size, rows, stages, tuple(splits), recipe_of, not_run, ordered)


def recipe_of_stage(
    stage: Stage, changes: Sequence[Change], datasets: Sequence[str] = ()
) -> Recipe:
    """The recipe of a stage, with the changes of its plan.

    Args:
        datasets: see `Recipe.on_each`.
    """
    return for_every(_unchanged(stage.recipe).on_each(datasets), changes)


def _unchanged(name: str) -> Recipe:
    """The recipe without changes, whose name ends before their mark."""
    return get_recipe(name.partition("+")[0])


def in_order(recipe: Recipe) -> list[Recipe]:
    """A recipe, and before it all that it needs, each once."""
    found: list[Recipe] = []
    for needed in recipe.needs.values():
        found += [one for one in in_order(needed) if one not in found]
    return [*found, recipe]


def unfit(recipe: Recipe, store: Holdings, *, lacks: Lacks = lacking) -> str:
    """The reason why a recipe, or one that it needs, cannot run on a store, or nothing.

    Args:
        lacks: see `plan`. It is asked last, as it may download weights.
    """
    for one in in_order(recipe):
        if not isinstance(one.settings, TrainConfig):
            continue
        if one.system.joint and not store.also:
            return (
                "it learns a second data set together with this one; name its store with"
                " --also"
            )
        for held in (store, *(store.also if one.system.joint else ())):
            if reason := _too_little(one.settings, held):
                return reason if held is store else f"{held.dataset}: {reason}"
    for one in in_order(recipe):
        net = one.settings.network if isinstance(one.settings, TrainConfig) else None
        if net and (reason := lacks(net)):
            return reason
    return ""


def _too_little(settings: TrainConfig, store: Holdings) -> str:
    """The modality or length that a training needs and a store lacks, or nothing."""
    modalities = settings.modalities
    missing = [name for name in modalities if name not in store.modalities]
    if missing:
        return f"the store has no {', '.join(missing)}"
    needed = settings.clip.span + any(name in MOTION for name in modalities)
    if needed > store.longest:
        return f"its clips need {needed} frames, the longest video has {store.longest}"
    return ""


def _all_needs(system: str) -> list[str]:
    """Systems that a system needs, directly or not, by name."""
    found: list[str] = []
    for name in SYSTEMS[system].needs.values():
        found += [*_all_needs(name), name]
    return found


def _papers(paper: str) -> tuple[str, ...]:
    if paper == "all":
        return tuple(PAPERS)
    return ("ds",) if paper == "mars" else (paper,)


def _compared(paper: str) -> list[str]:
    """Combinations that an ordering of the paper is about, whatever row they are in."""
    papers = set(_papers(paper))
    sides = [(o.better, *o.than) for o in ORDERINGS if papers & set(o.papers)]
    names = dict.fromkeys(name for side in sides for name in side)
    return [name for name in names if SYSTEMS[name].kind == "fuse"]


def _chosen(
    rows: Sequence[Fact], systems: Iterable[str], wanted: Sequence[str]
) -> set[str]:
    if not wanted:
        return set(systems)
    chosen: set[str] = set()
    for want in wanted:
        of_table = {f.system for f in rows if f.table.lower() == want.lower()} & set(
            systems
        )
        if want not in systems and not of_table:
            tables = dict.fromkeys(fact.table for fact in rows)
            known = SYSTEMS.get(want)
            raise RecipeError(
                f"expected rows among {', '.join(systems)}, or tables among"
                f" {', '.join(tables)}, got {want}"
                + (", which is a control" if known and known.control else "")
            )
        chosen |= {want} if want in systems else of_table
    return chosen
