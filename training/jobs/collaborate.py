"""Snippets of two trained networks -> classifiers of videos that attend to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn

from pipeline.store import Store

from ..data.splits import parts
from ..engine import checkpoint
from ..engine.record import CHECKPOINT, SCORES, WEIGHTS, Run, as_json
from ..engine.signals import asked_to_stop
from ..errors import RecipeError
from ..models.collaborative import Collaborative, CollaborativeConfig, predict
from ..models.collaborative_fit import CollaborativeFit
from ..models.heads import split_head
from ..progress import Watch
from ..scores import Scores
from .description import fingerprint_of, split_facts, store_facts
from .evaluate import assessment, told_videos, trained_model
from .features import SnippetFeatures, forget_features, snippet_features
from .machine import Machine
from .needed import check_same
from .saving import Saving
from .whole import begun, kept


@dataclass(frozen=True, slots=True, kw_only=True)
class CollaborateRecipe:
    """Everything that decides the result, apart from the data and the two networks."""

    snippets: int = 25
    """Of every video."""
    tap: str = "fc7"
    """Where a network's features are taken."""
    heads: Literal["streams", "new"] = "streams"
    """What the classifiers start from: the last layers of the networks, which need their
    own features (the tap before them), or random weights."""
    learning: CollaborativeConfig = field(default_factory=CollaborativeConfig)
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if self.snippets < 1:
            raise RecipeError(f"expected at least one snippet, got {self.snippets}")
        if self.heads not in ("streams", "new"):
            raise RecipeError(f"expected the heads streams or new, got {self.heads}")


def collaborate(
    recipe: CollaborateRecipe,
    *,
    recipe_name: str,
    first: Run,
    second: Run,
    store: Store,
    split: str,
    seed: int,
    runs: Path,
    out: Path | None = None,
    base: str,
    machine: Machine,
    watch: Watch,
) -> Run:
    """Train the collaborative layers on frozen features, judge, leave a complete run.

    Beside the scores of both classifiers' mean lie those of each, as streams that may
    be weighted adaptively. The features lie in the run's folder until it is complete.

    Args:
        first, second: complete runs of the spatial and the temporal network.
        runs, out, base: as in `teach`.

    Raises:
        RunError: a run is of another data set or split, or not complete.
        DataError: the store lacks what is needed.
        Interrupted: a signal came; the same call goes on, to the same result.
    """
    for run in (first, second):
        check_same(run, store, split)
    modalities = list(
        dict.fromkeys(m for run in (first, second) for m in run.decided()["modalities"])
    )
    found = parts(
        store, split=split, modalities=modalities, held_out=recipe.held_out, seed=seed
    )
    what: dict[str, Any] = {
        "kind": "collaborate",
        "recipe": {"name": recipe_name, "settings": as_json(recipe)},
        "model": None,
        "modalities": modalities,
        "store": store_facts(store, modalities),
        "split": split_facts(store, split),
        "seed": seed,
        "precision": machine.precision,
        "streams": [
            run.decided()["recipe"] | {"weights": fingerprint_of(run)}
            for run in (first, second)
        ],
    }
    with begun(
        what,
        about={"store": store, "first": first, "second": second},
        runs=runs,
        out=out,
        base=base,
        machine=machine,
        watch=watch,
    ) as run:
        if run.results() is not None:
            forget_features(run)  # a kill may have come between the results and this
            return run
        watch.say(
            f"{run.folder}: {recipe.snippets} snippets of {first.folder.name} and"
            f" {second.folder.name} attend to each other"
        )
        with asked_to_stop() as stop:
            saving = Saving(stop, run.folder, seconds=machine.checkpoint_seconds)
            spatial, temporal = (
                snippet_features(
                    network,
                    role=role,
                    tap=recipe.tap,
                    snippets=recipe.snippets,
                    found=found,
                    store=store,
                    run=run,
                    saving=saving,
                    machine=machine,
                    watch=watch,
                )
                for role, network in (("first", first), ("second", second))
            )
            model = _fitted(
                recipe,
                (spatial, temporal),
                heads=_heads(first, second) if recipe.heads == "streams" else None,
                classes=len(store.classes),
                seed=seed,
                run=run,
                saving=saving,
                machine=machine,
                watch=watch,
            )
        kept(run, found, first=True)
        weights = {name: value.cpu() for name, value in model.state_dict().items()}
        checkpoint.save(run.path(WEIGHTS), weights)
        run.finish(
            {
                "what": f"collaboration of {first.folder.name} and {second.folder.name}",
                "split": what["split"],
                "videos": told_videos(found),
            }
            | _judged(
                model, first, spatial, temporal, store=store, split=split, run=run
            )
        )
        forget_features(run)
    return run


def _heads(first: Run, second: Run) -> tuple[nn.Linear, nn.Linear]:
    """The last layers of the two networks."""
    one, two = (split_head(trained_model(run)[0])[1] for run in (first, second))
    return one, two


def _fitted(
    recipe: CollaborateRecipe,
    streams: Sequence[dict[str, SnippetFeatures]],
    *,
    heads: tuple[nn.Linear, nn.Linear] | None,
    classes: int,
    seed: int,
    run: Run,
    saving: Saving,
    machine: Machine,
    watch: Watch,
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
        classes,
        config=recipe.learning,
        seed=seed,
        heads=heads,
        watched=(held[0].features, held[1].features, held[0].labels) if held else None,
        device=machine.device,
    )
    path, title = run.path(CHECKPOINT), "collaborative layers"
    if path.exists():
        fit.load_state_dict(checkpoint.load(path)["fit"])
        watch.say(f"{title}: goes on after step {fit.taken} of {fit.total}")

    def save() -> None:
        state = {"version": checkpoint.VERSION, "fit": fit.state_dict()}
        checkpoint.save(path, state)

    watch.begin(title, fit.total, fit.taken)
    try:
        while fit.taken < fit.total:
            loss = fit.step()
            watch.step(fit.taken, f"loss {loss:.3f}")
            saving.after_step(save, f"step {fit.taken} of {fit.total} of the {title}")
    finally:
        watch.end()
    return fit.chosen()


def _judged(
    model: Collaborative,
    first: Run,
    spatial: Mapping[str, SnippetFeatures],
    temporal: Mapping[str, SnippetFeatures],
    *,
    store: Store,
    split: str,
    run: Run,
) -> dict[str, Any]:
    """Score the held-out and the test part, and keep the scores, those of each stream
    too.

    Args:
        first: whose scores know of several labels.
    """
    told: dict[str, Any] = {}
    for part in ("held_out", "test"):
        if part not in spatial:
            continue
        predicted = predict(model, spatial[part].features, temporal[part].features)
        like = Scores.load(first.path(SCORES.format(part=part)))
        for name, logits, softmax in (
            ("", np.log(np.maximum(predicted.softmax, 1e-12)), predicted.softmax),
            ("_spatial", predicted.spatial, _softmax(predicted.spatial)),
            ("_motion", predicted.motion, _softmax(predicted.motion)),
        ):
            scores = Scores(
                ids=spatial[part].ids,
                labels=spatial[part].labels,
                logits=logits,
                softmax=softmax,
                relevant=_relevant(like, spatial[part].ids),
                aggregate="softmax",
                classes=store.classes,
                split=split,
                part=part,
            )
            scores.save(run.path(SCORES.format(part=part + name)))
            if not name:
                told[part] = assessment(scores, store.classes)
    return told


def _relevant(like: Scores, ids: tuple[str, ...]) -> np.ndarray | None:
    """Which classes videos have, where some have several: from scores that know it."""
    if like.relevant is None:
        return None
    place = {video: i for i, video in enumerate(like.ids)}
    return like.relevant[[place[video] for video in ids]]


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
