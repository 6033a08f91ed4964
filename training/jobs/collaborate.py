"""Snippets of two trained networks -> classifiers of videos that attend to each other."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.store import Store

from ..data.dataset import Clips, frames_of
from ..data.splits import Parts, parts
from ..engine import checkpoint
from ..engine.record import SCORES, WEIGHTS, Run, as_json
from ..errors import RecipeError
from ..models.collaborative import (
    CollaborativeConfig,
    fit_collaborative,
    predict,
)
from ..progress import Watch
from ..protocols import ClipProtocol, Scorer, SnippetFeatures
from ..scores import Scores
from .description import run_of, split_facts, store_facts
from .distill import fingerprint_of
from .evaluate import assessment, clip_config, trained_model
from .hidden import check_same
from .machine import Machine, arranged
from .whole import kept, told_videos

PARTS = ("train", "held_out", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class CollaborateRecipe:
    """Everything that decides the result, apart from the data and the two networks."""

    snippets: int = 25
    """Of every video."""
    tap: str = "fc7"
    """Where a network's features are taken."""
    learning: CollaborativeConfig = field(default_factory=CollaborativeConfig)
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if self.snippets < 1:
            raise RecipeError(f"expected at least one snippet, got {self.snippets}")


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
    be weighted adaptively.

    Args:
        first, second: complete runs of the spatial and the temporal network.
        runs, out, base: as in `teach`.

    Raises:
        RunError: a run is of another data set or split, or not complete.
        DataError: the store lacks what is needed.
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
    folder = out or run_of(runs, base, what)
    about = {"store": str(store.folder.resolve())}
    about |= {"first": str(first.folder.resolve())}
    about |= {"second": str(second.folder.resolve())}
    run = Run.open(folder, what, machine=machine.told() | about)
    if run.results() is not None:
        watch.say(f"{run.folder}: complete, nothing to do")
        return run
    watch.say(
        f"{run.folder}: {recipe.snippets} snippets of {first.folder.name} and"
        f" {second.folder.name} attend to each other"
    )
    spatial, temporal = (
        _features(one, recipe, found, store, machine, watch) for one in (first, second)
    )
    classes = len(store.classes)
    watched = None
    if found.held_out:
        watched = (
            torch.from_numpy(spatial["held_out"].features),
            torch.from_numpy(temporal["held_out"].features),
            spatial["held_out"].labels,
        )
    model = fit_collaborative(
        torch.from_numpy(spatial["train"].features),
        torch.from_numpy(temporal["train"].features),
        spatial["train"].labels,
        classes,
        config=recipe.learning,
        seed=seed,
        watched=watched,
        device=machine.device,
    )
    kept(run, found, first=True)
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    checkpoint.save(run.path(WEIGHTS), weights)
    told: dict[str, Any] = {}
    for part in ("held_out", "test"):
        if part not in spatial:
            continue
        predicted = predict(
            model,
            torch.from_numpy(spatial[part].features),
            torch.from_numpy(temporal[part].features),
        )
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
    run.finish(
        {
            "what": f"collaboration of {first.folder.name} and {second.folder.name}",
            "split": what["split"],
            "videos": told_videos(found),
        }
        | told
    )
    return run


def _features(
    run: Run,
    recipe: CollaborateRecipe,
    found: Parts,
    store: Store,
    machine: Machine,
    watch: Watch,
) -> dict[str, SnippetFeatures]:
    """Part -> what a network makes of the snippets of its videos."""
    model, config = trained_model(run)
    arranged(model, machine.device)
    decided = run.decided()
    clip = clip_config(decided["recipe"]["settings"]["clip"])
    frames = frames_of(store, clip, memory_bytes=machine.worker_bytes)
    protocol = ClipProtocol(clips=recipe.snippets, aggregate="softmax")
    told = {}
    for part in PARTS:
        videos = [video for video in getattr(found, part) if video.labels]
        if not videos:
            continue
        watch.say(f"{run.folder.name}: features of {len(videos)} videos ({part})")
        scorer = Scorer(
            Clips(frames, videos, [config.sees], clip),
            sees=config.sees,
            protocol=protocol,
            device=machine.device,
            precision=machine.precision,
            workers=machine.workers,
        )
        told[part] = scorer.snippet_features(model, recipe.tap)
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
