"""Clips of a video -> scores of a video: how a trained network is judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from .data.dataset import Clips, StatedClips
from .data.sampling import consecutive_starts, even_starts
from .engine.loop import Precision, on_device
from .errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipProtocol:
    """Which clips of a video are looked at, and how their scores become one."""

    clips: int | None = None
    """So many spread evenly over the video; None: all that follow without overlap."""
    aggregate: Literal["logits", "softmax"] = "logits"
    """What is averaged over the clips."""

    def __post_init__(self) -> None:
        if self.aggregate not in ("logits", "softmax"):
            raise RecipeError(
                f"expected to aggregate logits or softmax, got {self.aggregate}"
            )

    def starts(self, available: int, clip_span: int) -> np.ndarray:
        """First entries of the clips of a video."""
        if self.clips is None:
            return consecutive_starts(available=available, clip_span=clip_span)
        return even_starts(self.clips, available=available, clip_span=clip_span)


class Scores(NamedTuple):
    """What a network makes of each video: V videos, K classes."""

    ids: tuple[str, ...]
    labels: np.ndarray
    """(V,) int64."""
    scores: np.ndarray
    """(V, K) float64: mean logits, or mean probabilities."""
    loss: float
    """Mean cross-entropy of the videos' scores."""

    def save(self, path: Path) -> None:
        """As an .npz without pickles, for fusion and comparison later."""
        np.savez(
            path, ids=np.array(self.ids, "U"), labels=self.labels, scores=self.scores
        )


class Scorer:
    """Scores the same videos again and again; workers stay between."""

    def __init__(
        self,
        clips: Clips,
        *,
        sees: str,
        protocol: ClipProtocol,
        device: torch.device,
        precision: Precision = "float32",
        batch_size: int = 32,
        workers: int = 0,
    ) -> None:
        self.clips, self.sees, self.protocol = clips, sees, protocol
        self.device, self.precision = device, precision
        wanted = [
            (index, int(start))
            for index, video in enumerate(clips.videos)
            for start in protocol.starts(clips.available(video), clips.config.span)
        ]
        self.loader = DataLoader(
            StatedClips(clips, wanted),
            batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=single_threaded,
            generator=torch.Generator(),  # else iterating would draw from dropout's
        )

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> Scores:
        """Look at every clip once, in evaluation mode; the mode is put back."""
        training = model.training
        model.eval()
        videos = self.clips.videos
        total: np.ndarray | None = None
        counts = np.zeros(len(videos))
        for batch in self.loader:
            index = batch.pop("video").numpy()
            with torch.autocast(
                self.device.type,
                getattr(torch, self.precision),
                enabled=self.precision != "float32",
            ):
                logits = model(on_device(batch, self.device)[self.sees]).double()
            values = (
                logits.softmax(1) if self.protocol.aggregate == "softmax" else logits
            )
            if total is None:
                total = np.zeros((len(videos), values.shape[1]))
            np.add.at(total, index, values.cpu().numpy())
            np.add.at(counts, index, 1)
        model.train(training)
        if total is None:
            raise ValueError("expected at least one video to score")
        scores = total / counts[:, None]
        labels = np.array([video.labels[0] for video in videos])
        ids = tuple(video.id for video in videos)
        loss = cross_entropy(scores, labels, logits=self.protocol.aggregate == "logits")
        return Scores(ids, labels, scores, loss)


def cross_entropy(scores: np.ndarray, labels: np.ndarray, *, logits: bool) -> float:
    """Mean of -log p(true class). Probabilities are kept away from 0."""
    if logits:
        scores = scores - scores.max(axis=1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    else:
        logs = np.log(np.maximum(scores, 1e-12))
    return float(-np.take_along_axis(logs, labels[:, None], axis=1).mean())


def single_threaded(worker: int) -> None:
    """One thread for a loader's worker: they are many, and share the cores."""
    import cv2  # here, because only workers need to be told

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
