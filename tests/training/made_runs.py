"""Run folders with known scores: what a report reads, without any training."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.scoring.scores import Scores

CLASSES = ("left", "right", "up")
VIDEOS = 60


def hits(share: float, seed: int) -> list[bool]:
    """Which videos of a split are recognised, about this share of them."""
    return (np.random.default_rng(seed).random(VIDEOS) < share).tolist()


def scores_of(
    hits: Sequence[bool],
    *,
    classes: tuple[str, ...] = CLASSES,
    part: str = "test",
    split: str = "1",
    sure: float = 2.0,
) -> Scores:
    """Video k is of class k mod K, and is recognised where `hits` says so."""
    count = len(classes)
    labels = np.arange(len(hits)) % count
    logits = np.zeros((len(hits), count))
    called = np.where(hits, labels, (labels + 1) % count)
    logits[np.arange(len(hits)), called] = sure
    powers = np.exp(logits)
    return Scores(
        ids=tuple(f"{part}{k:03d}" for k in range(len(hits))),
        labels=labels,
        logits=logits,
        softmax=powers / powers.sum(axis=1, keepdims=True),
        classes=classes,
        split=split,
        part=part,
    )


def made_run(
    folder: Path,
    recipe: str,
    hits: Sequence[bool],
    *,
    seed: int = 0,
    dataset: str = "folder",
    classes: tuple[str, ...] = CLASSES,
    split: str = "1",
    held_out: Sequence[bool] | None = None,
    learned_from: Sequence[str] = (),
) -> Path:
    """A complete run's files."""
    folder.mkdir(parents=True)
    decided = {
        "kind": "teach",
        "recipe": {"name": recipe, "settings": {}},
        "model": {"net": "r3d_tiny", "sees": "flow"},
        "modalities": ["flow"],
        "store": {"dataset": dataset, "classes": list(classes)},
        "split": {"name": split, "kind": "official", "videos": f"hash{split}"},
        "seed": seed,
        "precision": "float32",
    }
    record = {"run": decided, "machine": {"store": ""}}
    (folder / "recipe.json").write_text(json.dumps(record))
    results = {
        "what": recipe,
        "split": decided["split"],
        "videos": {
            "train": 1,
            "held_out": 0,
            "test": len(hits),
            "left_out": {},
            "untaught": [],
            "held_out_by_video": [],
        },
    }
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "learned_from.json").write_text(json.dumps(list(learned_from)))
    test = scores_of(hits, classes=classes, split=split)
    test.save(folder / "scores_test.npz")
    if held_out is not None:
        held = scores_of(held_out, classes=classes, split=split, part="held_out")
        held.save(folder / "scores_held_out.npz")
    return folder
