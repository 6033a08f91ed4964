"""Train one network on the labels of one modality: a teacher, or a baseline."""

from dataclasses import dataclass, field, replace

from ..models.backbones import BackboneConfig
from ..models.named_weights import weights_hashes
from ..models.pretrained import check_weights
from ..models.sizes import tap_shapes
from ..runs.config import TrainConfig
from ..runs.context import StoreJob
from ..runs.identity import run_config
from ..runs.lifecycle import open_run, run_training
from ..runs.record import Run
from ..steps.labels import supervised_step
from .joint import training_stores


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachRecipe(TrainConfig):
    """Everything that decides the result of a training on labels, apart from the data."""

    model: BackboneConfig = field(default=BackboneConfig(sees="flow"))

    def __post_init__(self) -> None:
        TrainConfig.__post_init__(self)
        self.check_balance()
        self.check_clip(self.model, self.clip.length)

    def check_shapes(self) -> None:
        """Check that the network can be built, and takes the clips.

        Raises:
            RecipeError: it cannot, or does not; the reason is named.
        """
        height, width = self.clip.size_of(self.model.sees)
        tap_shapes(self.model, frames=self.clip.length, height=height, width=width)

    @property
    def network(self) -> BackboneConfig:
        return self.model

    @property
    def modalities(self) -> list[str]:
        return [self.model.sees]


def teach(recipe: TeachRecipe, job: StoreJob, *, if_none: str = "") -> Run:
    """Train, evaluate, and leave a complete run. What is done already is not redone.

    Stores of `job.other_stores` are learned together with the job's own.

    Args:
        if_none: said where there is no such run yet.

    Raises:
        TrainingError: see `train` and `open_data`.
    """
    sees = recipe.model.sees
    recipe.check_shapes()
    check_weights(recipe.model)
    stores = training_stores(recipe, job, [sees])
    config = run_config(
        "teach", recipe, job, model=recipe.model.architecture(), modalities=[sees]
    )
    config = replace(
        config,
        joint=stores.facts(recipe, [sees]),
        variants=stores.variant_facts(recipe),
        first_weights=weights_hashes(recipe.model),
    )
    with open_run(
        config,
        job,
        networks=(recipe.model,),
        store=stores.stores,
        variants=job.variants,
    ) as run:
        if run.results() is not None:
            return run
        if if_none:
            job.reporter.say(if_none)
        job.reporter.say(
            f"{run.folder}: {sees} {recipe.model.net} learns from {stores.text}"
            f"{stores.held_out_text}"
        )
        model = stores.network(recipe.model)
        run_training(
            run,
            recipe,
            job,
            supervised_step(model, sees=sees),
            stores.own_network(model),
            sees=sees,
            data=stores.data,
            title=f"{sees}, {stores.names}" if stores.several else sees,
            nets=(recipe.model,),
            what=f"{sees} from labels{f' of {stores.names}' * stores.several}"
            + stores.of_stores_text,
            complete=lambda results: replace(
                results, others=stores.evaluate_others(run, recipe, model, sees=sees)
            ),
        )
    return run
