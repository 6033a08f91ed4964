"""Snippets of videos -> features of a trained network, in files that can be resumed."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data.dataset import Clips, frames_of
from ..data.splits import SplitParts
from ..runs.autosave import Autosave
from ..runs.context import StoreJob
from ..runs.machine import place_on_device
from ..runs.record import Run
from ..runs.trained import clip_of, trained_model
from ..scoring.clip_protocol import ClipProtocol
from ..scoring.protocols import Scorer, first_labels
from .feature_rows import DONE, ROWS, rows_on_disk

PARTS = ("train", "held_out", "test")


class SnippetFeatures(NamedTuple):
    """Features of snippets at one layer: V videos, N snippets, d numbers."""

    ids: tuple[str, ...]
    labels: np.ndarray
    """(V,) int64."""
    features: Tensor
    """(V, N, d) float32; read from their file when they are used."""


def snippet_features(
    network: Run,
    job: StoreJob,
    *,
    role: str,
    tap: str,
    snippets: int,
    parts: SplitParts,
    run: Run,
    autosave: Autosave,
) -> dict[str, SnippetFeatures]:
    """Part -> features of the snippets of its labelled videos.

    Features that are in the run's folder already are not computed again.

    Args:
        network: a complete run of one network.
        role: of the network, for the files' names.
        tap: a submodule of it.
        snippets: of every video.
        run: whose folder keeps the features until `forget_features`.

    Raises:
        Interrupted: a signal came; the same call resumes.
        RunError, CheckpointError: see `trained_model`.
    """
    machine = job.machine
    model, config = trained_model(network)
    place_on_device(model, machine.device)
    clip = clip_of(network)
    frames = frames_of(job.store, clip, memory_bytes=machine.worker_bytes)
    told = {}
    for part in PARTS:
        videos = [video for video in getattr(parts, part) if video.labels]
        if not videos:
            continue
        scorer = Scorer(
            Clips(frames, videos, [config.sees], clip),
            sees=config.sees,
            protocol=ClipProtocol(clips=snippets, aggregate="softmax"),
            device=machine.device,
            precision=machine.precision,
            workers=machine.workers,
            inputs=machine.inputs,
        )
        title = f"{network.folder.name}: features of {len(videos)} videos ({part})"
        path = rows_on_disk(
            run.folder,
            f"{role}_{part}",
            scorer,
            model,
            tap,
            autosave,
            job.reporter,
            title=title,
        )
        shape = (len(videos), snippets, -1)
        kept = np.memmap(path, np.float32, "c").reshape(shape)
        told[part] = SnippetFeatures(
            tuple(video.id for video in videos),
            first_labels(videos),
            torch.from_numpy(kept),
        )
    return told


def forget_features(run: Run) -> None:
    """Remove what `snippet_features` left in a run's folder."""
    for name in (ROWS, DONE):
        for path in run.folder.glob(name.format(name="*")):
            path.unlink()
