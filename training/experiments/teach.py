"""Train one network on the labels of one modality: a teacher, or a baseline."""

from dataclasses import dataclass, field

from ..models.backbones import BackboneConfig, check_length
from ..runs.config import Course, open_data
from ..runs.context import StoreJob
from ..runs.identity import run_config
from ..runs.lifecycle import begun, carry_out, fresh_network
from ..runs.record import Run
from ..steps.labels import Supervised


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachRecipe(Course):
    """Everything that decides the result of a training on labels, apart from the data."""

    model: BackboneConfig = field(default=BackboneConfig(sees="flow"))

    def __post_init__(self) -> None:
        Course.__post_init__(self)
        self.check_balance()
        check_length(self.model, self.clip.length)


def teach(recipe: TeachRecipe, job: StoreJob, *, if_none: str = "") -> Run:
    """Train, evaluate, and leave a complete run. What is done already is not redone.

    Args:
        if_none: said where there is no such run yet.

    Raises:
        TrainingError: see `train` and `open_data`.
    """
    sees = recipe.model.sees
    data = open_data(recipe, job, [sees])
    config = run_config(
        "teach", recipe, job, model=recipe.model.architecture(), modalities=[sees]
    )
    with begun(config, job, store=job.store) as run:
        if run.results() is not None:
            return run
        if if_none:
            job.watch.say(if_none)
        job.watch.say(
            f"{run.folder}: {sees} {recipe.model.net} learns from"
            f" {len(data.parts.train)} videos,"
            f" {data.parts.told()}"
        )
        model = fresh_network(recipe.model, job)
        carry_out(
            run,
            recipe,
            job,
            Supervised(model, sees=sees),
            model,
            sees=sees,
            data=data,
            title=sees,
            nets=(recipe.model,),
            what=f"{sees} from labels",
        )
    return run
