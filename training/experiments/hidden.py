"""Frames -> motion -> a class: a motion network and a classifier learn together."""

from dataclasses import dataclass, field, replace

import torch

from ..errors import RecipeError, RunError
from ..losses.photometric import BALANCED, FlowLoss
from ..models.backbones import BackboneConfig, build_backbone
from ..models.motion_backbone import MotionConfig, build_motion_backbone
from ..models.weights import load_exactly, read_weights
from ..run_files.results import Results
from ..run_files.settings_json import as_json
from ..runs.compatibility import check_same
from ..runs.config import TrainConfig, open_data
from ..runs.context import StoreJob
from ..runs.identity import fingerprint_of, run_config
from ..runs.lifecycle import open_run, report_hours, run_training
from ..runs.record import Run
from ..steps.labels import Supervised
from ..steps.motion import EndToEnd
from ..steps.step import Step
from .motion import check_motion, stored_px


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenRecipe(TrainConfig):
    """Everything that decides the result, apart from the data and the first weights."""

    motion: MotionConfig = field(default_factory=MotionConfig)
    classifier: BackboneConfig = field(
        default_factory=lambda: BackboneConfig(net="vgg16", sees="flow", frames=10)
    )
    """The network that sees the motion. It starts from a run, so it has no `weights`."""
    loss: FlowLoss = BALANCED
    flow_weight: float = 1.0
    """Weight of the losses without labels; 0 leaves them out."""

    def __post_init__(self) -> None:
        TrainConfig.__post_init__(self)
        self.check_balance()
        check_motion(self.motion)
        if self.classifier.sees == "rgb":
            raise RecipeError(
                "expected a classifier that sees motion (flow or mv), got one of rgb"
            )
        if self.classifier.weights is not None:
            raise RecipeError(
                "expected no weights of the classifier, which starts from a run that"
                f" learned from stored flow, got {self.classifier.weights}"
            )
        if self.flow_weight < 0:
            raise RecipeError(
                f"expected flow_weight of 0 or more, got {self.flow_weight:g}"
            )
        learnable = self.motion.learns and self.motion.estimator == "tvl1_learnable"
        if learnable and self.flow_weight:
            raise RecipeError(
                f"expected flow_weight 0 with the estimator {self.motion.estimator},"
                f" which has no flows at several levels, got {self.flow_weight:g}"
            )
        if self.clip.length != self.motion.frames:
            raise RecipeError(
                f"expected clips of {self.motion.frames} frames, got {self.clip.length}"
            )
        self.check_clip(self.classifier, self.motion.frames - 1)

    @property
    def network(self) -> BackboneConfig:
        return self.classifier


def hidden(
    recipe: HiddenRecipe, job: StoreJob, *, motion: Run | None, temporal: Run
) -> Run:
    """Train both end to end, evaluate, and leave a complete run that sees rgb.

    Args:
        motion: the first weights of the estimator; None if it has no trainable ones.
        temporal: those of the classifier, trained on stored flow.

    Raises:
        RunError: a run is of another data set or split, or not complete.
        CheckpointError: weights of another net.
        TrainingError: see `train` and `open_data`.
    """
    data = open_data(recipe, job, ["rgb"])
    given = [run for run in (motion, temporal) if run is not None]
    for run in given:
        check_same(run, job.store, job.split)
    wanted, got = recipe.classifier.architecture(), temporal.config().model
    if got != wanted:
        raise RunError(
            f"{temporal.folder}: expected a run of the recipe's classifier {wanted},"
            f" got {got}"
        )
    pixels = stored_px(job.store, recipe.clip.grid_short_px)
    estimator = replace(recipe.motion, stored_px=pixels)
    config = run_config(
        "hidden",
        recipe,
        job,
        model=wanted | {"estimator": as_json(estimator)},
        modalities=["rgb"],
    )
    hashes = tuple(fingerprint_of(run) for run in given)
    config = replace(config, first_weights=hashes)
    with open_run(
        config, job, store=job.store, temporal=temporal, motion=motion
    ) as run:
        if run.results() is not None:
            return run
        job.reporter.say(
            f"{run.folder}: {estimator.estimator} and {recipe.classifier.net} learn from"
            f" {len(data.parts.train)} videos,"
            f" {data.parts.summary()}"
        )
        torch.manual_seed(job.seed)  # for first weights that are drawn
        net = build_backbone(recipe.classifier, len(job.store.classes))
        model = build_motion_backbone(estimator, net, recipe.clip)
        if motion is not None:
            path = motion.weights()
            load_exactly(model.estimator, read_weights(path), what=str(path))
        path = temporal.weights()
        load_exactly(net, read_weights(path), what=str(path))
        learns = any(w.requires_grad for w in model.estimator.parameters())
        together = learns and recipe.flow_weight > 0
        step: Step = Supervised(model, sees="rgb")
        if together:
            step = EndToEnd(model, loss=recipe.loss, flow_weight=recipe.flow_weight)

        names = [run.config().recipe.name for run in given]

        def complete(results: Results) -> Results:
            folders = tuple(run.folder.name for run in given)
            return replace(results, first_weights=folders)

        title = "end to end"
        report_hours(run, recipe, job, step, model, data=data, title=title)
        run_training(
            run,
            recipe,
            job,
            step,
            model,
            sees="rgb",
            data=data,
            title=title,
            what=f"rgb through motion, from {' and '.join(names)}",
            complete=complete,
        )
    return run
