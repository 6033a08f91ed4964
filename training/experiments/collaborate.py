"""Snippets of two trained networks -> classifiers of videos that attend to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from ..data.splits import SplitParts, split_parts
from ..engine import checkpoint
from ..engine.signals import stop_on_signal
from ..errors import RecipeError, RunError
from ..models.backbones import net_named
from ..models.collaborative import Collaborative, CollaborativeConfig, predict
from ..models.heads import split_head
from ..run_files.names import CHECKPOINT, SCORES, WEIGHTS
from ..run_files.results import Accuracy, Results
from ..run_files.run_config import NetworkStream
from ..runs.assessment import assessment, used_videos
from ..runs.autosave import Autosave
from ..runs.compatibility import check_same
from ..runs.context import StoreJob
from ..runs.identity import fingerprint_of, run_config
from ..runs.lifecycle import open_run, write_training_ids
from ..runs.record import Run
from ..runs.trained import trained_model
from ..scoring.scores import Scores, softmax
from .collaborative_fit import CollaborativeFit
from .features import SnippetFeatures, forget_features, snippet_features
from .fuse import stream_names, training_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class CollaborateRecipe:
    """Everything that decides the result, apart from the data and the two networks."""

    snippets: int = 25
    """Number of snippets of every video."""
    tap: str = "fc7"
    """Name of the layer whose output is a network's features."""
    heads: Literal["streams", "new"] = "streams"
    """First weights of the classifiers: the last layers of the networks, which need their
    own features (the tap before them), or random weights."""
    learning: CollaborativeConfig = field(default_factory=CollaborativeConfig)

    def __post_init__(self) -> None:
        if self.snippets < 1:
            raise RecipeError(f"expected at least one snippet, got {self.snippets}")
        if self.heads not in ("streams", "new"):
            raise RecipeError(f"expected the heads streams or new, got {self.heads}")


def collaborate(
    recipe: CollaborateRecipe, job: StoreJob, *, first: Run, second: Run
) -> Run:
    """Train the collaborative layers on frozen features, evaluate them, complete the run.

    The scores of each classifier are saved in addition to those of their mean, as streams
    that may be weighted adaptively. The features stay in the run's folder until it is
    complete.

    Args:
        first, second: complete runs of the spatial and the temporal network.

    Raises:
        RecipeError: the heads of the streams do not take the features of the tap.
        RunError: a run is of another data set or split, or not complete.
        DataError: the store lacks what is needed.
        Interrupted: a signal came; the same call resumes, with the same result.
    """
    for run in (first, second):
        check_same(run, job.store, job.split)
        net = run.config().net
        if net is None:
            raise RunError(f"{run.folder}: expected a run of one network")
        own = net_named(net).taps[-1]
        if recipe.heads == "streams" and recipe.tap != own:
            raise RecipeError(
                f"{run.folder}: expected the tap {own}, as the heads of the streams take"
                f" its features (heads new takes any), got {recipe.tap}"
            )
    modalities = list(
        dict.fromkeys(m for run in (first, second) for m in run.config().modalities)
    )
    parts = split_parts(
        job.store, split=job.split, modalities=modalities, held_out=0.0, seed=job.seed
    )
    parts = held_out_by_all(parts, (first, second))
    config = run_config(
        "collaborate",
        recipe,
        job,
        model=None,
        modalities=modalities,
        held_out=[video.id for video in parts.held_out],
    )
    config = replace(config, streams=tuple(_stream(run) for run in (first, second)))
    with open_run(config, job, store=job.store, first=first, second=second) as run:
        if run.results() is not None:
            forget_features(run)  # a kill may have come between the results and this
            return run
        job.reporter.say(
            f"{run.folder}: {recipe.snippets} snippets per video of "
            f"{first.folder.name} and {second.folder.name}, trained together"
        )
        with stop_on_signal() as stop:
            autosave = Autosave(
                stop, run.folder, seconds=job.machine.checkpoint_seconds
            )
            spatial, temporal = (
                snippet_features(
                    network,
                    job,
                    role=role,
                    tap=recipe.tap,
                    snippets=recipe.snippets,
                    parts=parts,
                    run=run,
                    autosave=autosave,
                )
                for role, network in (("first", first), ("second", second))
            )
            model = _fitted(
                recipe,
                job,
                (spatial, temporal),
                heads=_heads(first, second) if recipe.heads == "streams" else None,
                run=run,
                autosave=autosave,
            )
        write_training_ids(run, parts)
        weights = {name: value.cpu() for name, value in model.state_dict().items()}
        checkpoint.save_weights(run.path(WEIGHTS), weights)
        accuracies = _evaluate(model, job, first, spatial, temporal, run=run)
        run.finish(
            Results(
                what=f"collaboration of {' and '.join(stream_names((first, second)))}",
                split=config.split,
                videos=used_videos(parts),
                held_out=accuracies.get("held_out"),
                test=accuracies.get("test"),
            )
        )
        forget_features(run)
    return run


def _stream(run: Run) -> NetworkStream:
    recipe = run.config().recipe
    return NetworkStream(
        name=recipe.name, settings=recipe.settings, weights=fingerprint_of(run)
    )


def held_out_by_all(parts: SplitParts, streams: Sequence[Run]) -> SplitParts:
    """The parts, held out of them the training videos that no stream has learned from."""
    learned = training_ids(streams)
    return parts._replace(
        train=tuple(video for video in parts.train if video.id in learned),
        held_out=tuple(video for video in parts.train if video.id not in learned),
        held_out_rule="those that neither stream was trained on",
    )


def _heads(first: Run, second: Run) -> tuple[nn.Linear, nn.Linear]:
    """The last layers of the two networks."""
    one, two = (split_head(trained_model(run)[0])[1] for run in (first, second))
    return one, two


def _fitted(
    recipe: CollaborateRecipe,
    job: StoreJob,
    streams: Sequence[dict[str, SnippetFeatures]],
    *,
    heads: tuple[nn.Linear, nn.Linear] | None,
    run: Run,
    autosave: Autosave,
) -> Collaborative:
    """The trained layers, from the start or from the run's checkpoint."""
    learned, held = (
        [stream[part] for stream in streams if part in stream]
        for part in ("train", "held_out")
    )
    fit = CollaborativeFit(
        learned[0].features,
        learned[1].features,
        learned[0].labels,
        len(job.store.classes),
        config=recipe.learning,
        seed=job.seed,
        heads=heads,
        held_out=(held[0].features, held[1].features, held[0].labels) if held else None,
        device=job.machine.device,
    )
    path, title = run.path(CHECKPOINT), "collaborative layers"
    if checkpoint.newest(path, job.reporter.say):
        state = checkpoint.load(path)
        with checkpoint.of_this_run(path):
            fit.load_state_dict(state["fit"])
        job.reporter.say(f"{title}: resuming after step {fit.taken} of {fit.total}")

    def save() -> None:
        run.require()
        state = {"version": checkpoint.VERSION, "fit": fit.state_dict()}
        checkpoint.save(path, state)

    job.reporter.begin(title, fit.total, fit.taken)
    try:
        while fit.taken < fit.total:
            loss = fit.step()
            job.reporter.step(fit.taken, f"loss {loss:.3f}")
            autosave.after_step(save, f"step {fit.taken} of {fit.total} of the {title}")
    finally:
        job.reporter.end()
    return fit.best_model()


def _evaluate(
    model: Collaborative,
    job: StoreJob,
    first: Run,
    spatial: Mapping[str, SnippetFeatures],
    temporal: Mapping[str, SnippetFeatures],
    *,
    run: Run,
) -> dict[str, Accuracy]:
    """Score the held-out and the test part; save the scores, also those of each stream.

    Args:
        first: its scores have the groups of the videos, and all classes of each.
    """
    accuracies: dict[str, Accuracy] = {}
    for part in ("held_out", "test"):
        if part not in spatial:
            continue
        predicted = predict(model, spatial[part].features, temporal[part].features)
        like = _in_order(first.path(SCORES.format(part=part)), spatial[part].ids)
        for name, logits, probabilities in (
            ("", np.log(np.maximum(predicted.softmax, 1e-12)), predicted.softmax),
            ("_spatial", predicted.spatial, softmax(predicted.spatial)),
            ("_motion", predicted.motion, softmax(predicted.motion)),
        ):
            scores = Scores(
                ids=spatial[part].ids,
                labels=spatial[part].labels,
                logits=logits,
                softmax=probabilities,
                relevant=like.relevant,
                aggregate="softmax",
                classes=job.store.classes,
                split=job.split,
                part=part,
                groups=like.groups,
            )
            scores.save(run.path(SCORES.format(part=part + name)))
            if not name:
                accuracies[part] = assessment(scores, job.store.classes)
    return accuracies


def _in_order(path: Path, ids: tuple[str, ...]) -> Scores:
    """Scores in a file, of these videos in this order."""
    found = Scores.load(path)
    place = {video: i for i, video in enumerate(found.ids)}
    return found.rows([place[video] for video in ids])
