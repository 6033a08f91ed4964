"""Complete runs of any recipe whose networks have their first weights, in a moment.

Everything but the training is real: the folders, the settings, the scores, if they are
not asked to be random.
"""

from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from default_codecs import default_codec
from moving_store import HEIGHT, write_store
from tiny_recipe import tiny_context

from pipeline.extract.settings import ExtractSettings
from pipeline.store import Store
from training.engine import checkpoint
from training.experiments.distill_recipe import DistillRecipe
from training.experiments.teach import TeachRecipe
from training.recipes import get_recipe
from training.recipes.run import run_recipe
from training.run_files.names import SCORES, WEIGHTS
from training.run_files.results import Accuracy, TrainingSummary
from training.runs.assessment import assessment, evaluate_parts
from training.runs.record import Run
from training.scoring.scores import Scores, softmax

SETTINGS = ExtractSettings(
    short_side=HEIGHT,
    rgb_codec=default_codec("rgb"),
    flow_codec=default_codec("flow"),
    mv_codec=default_codec("mv"),
)


def extracted(folder: Path, made, **options) -> Store:
    """A store that says how it was extracted."""
    settings = {
        part: {key: value for key, value in fields.items() if key != "codec"}
        for part, fields in SETTINGS.to_record().items()
    }
    return Store(write_store(folder, made, settings=settings, **options))


@contextmanager
def no_training(*, scoring: bool = True):
    """Trainings end at once, with the weights that they began with.

    Args:
        scoring: score the videos; else scores are random, which takes no time.
    """

    def untrained(config, job, step, model, *, run, **options) -> TrainingSummary:
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        checkpoint.save_weights(run.path(WEIGHTS), weights)
        return TrainingSummary(
            epochs=config.epochs,
            seconds=1.0,
            seconds_per_epoch=1.0,
            share_of_waiting=0.0,
            parameters=sum(value.numel() for value in model.parameters()),
        )

    def scored(model, clips, job, *, sees, protocol, run) -> dict[str, Accuracy]:
        found = {}
        for part in ("held_out", "test"):
            videos = clips[part].videos
            if videos:
                scores = random_scores(videos, job.store.classes, run, part)
                scores.save(run.path(SCORES.format(part=part)))
                found[part] = assessment(scores, job.store.classes)
        return found

    evaluated = evaluate_parts if scoring else scored
    with (
        patch("training.runs.lifecycle.evaluate_parts", evaluated),
        patch("training.runs.lifecycle.train", untrained),
        patch("training.experiments.motion.train", untrained),
        patch("training.runs.lifecycle.first_weights", lambda model, config: None),
        patch("training.experiments.teach.check_weights", lambda config: None),
        patch("training.experiments.distill.check_weights", lambda config: None),
        patch("training.recipes.run._refuse_early", lambda settings, job: None),
        patch.object(DistillRecipe, "check_shapes", lambda recipe: None),
        patch.object(TeachRecipe, "check_shapes", lambda recipe: None),
        patch("training.runs.lifecycle.expected_hours", lambda *a, **b: None),
        patch("training.runs.lifecycle.expected_hours_of_step", lambda *a, **b: None),
    ):
        yield


def random_scores(videos, classes, run: Run, part: str) -> Scores:
    rng = np.random.default_rng([*run.folder.name.encode(), len(part)])
    logits = rng.normal(size=(len(videos), len(classes)))
    return Scores(
        ids=tuple(video.id for video in videos),
        labels=np.array([video.labels[0] for video in videos]),
        logits=logits,
        softmax=softmax(logits),
        classes=classes,
        groups=tuple(video.group for video in videos),
        split=run.config().split.name,
        part=part,
    )


def untrained_run(
    name: str, store: Store, runs: Path, *, scoring: bool = True, **options
) -> Run:
    """The run of a recipe, and next to it all runs that it needs."""
    with no_training(scoring=scoring):
        return run_recipe(get_recipe(name), tiny_context(store, runs, **options))
