"""Train one network on the labels of one modality: a teacher, or a baseline."""

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.store import Store

from ..engine.record import Run
from ..models.backbones import BackboneConfig, check_length
from ..progress import Watch
from ..steps.labels import Supervised
from .course import Course, open_data
from .description import decided
from .machine import Machine
from .whole import begun, carry_out, fresh_network


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachRecipe(Course):
    """Everything that decides the result of a training on labels, apart from the data."""

    model: BackboneConfig = field(default=BackboneConfig(sees="flow"))

    def __post_init__(self) -> None:
        Course.__post_init__(self)
        check_length(self.model, self.clip.length)


def teach(
    recipe: TeachRecipe,
    *,
    recipe_name: str,
    store: Store,
    split: str,
    seed: int,
    runs: Path,
    out: Path | None = None,
    base: str,
    machine: Machine,
    watch: Watch,
    if_none: str = "",
) -> Run:
    """Train, evaluate, and leave a complete run. What is done already is not redone.

    Args:
        runs: where runs lie; one that is equal is used, or goes on.
        out: the run's folder; None finds or makes one in `runs`.
        base: name of a new folder there.
        if_none: said where there is no such run yet.

    Raises:
        TrainingError: see `follow` and `open_data`.
    """
    sees = recipe.model.sees
    data = open_data(
        store, recipe, split=split, modalities=[sees], seed=seed, machine=machine
    )
    what = decided(
        "teach",
        recipe=recipe,
        recipe_name=recipe_name,
        model=recipe.model,
        modalities=[sees],
        store=store,
        split=split,
        seed=seed,
        precision=machine.precision,
    )
    with begun(
        what,
        about={"store": store},
        runs=runs,
        out=out,
        base=base,
        machine=machine,
        watch=watch,
    ) as run:
        if run.results() is not None:
            return run
        if if_none:
            watch.say(if_none)
        watch.say(
            f"{run.folder}: {sees} {recipe.model.net} learns from"
            f" {len(data.parts.train)} videos, {len(data.parts.held_out)} held out,"
            f" {len(data.parts.test)} to test"
        )
        model = fresh_network(recipe.model, len(store.classes), seed=seed, watch=watch)
        carry_out(
            run,
            recipe,
            Supervised(model, sees=sees),
            model,
            sees=sees,
            data=data,
            store=store,
            seed=seed,
            machine=machine,
            watch=watch,
            title=sees,
            results=lambda: {"what": f"{sees} from labels"},
        )
    return run
