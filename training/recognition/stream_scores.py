"""Clips of one network -> its logits and probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from motion_shards.choices import MOTION

from ..data.clip_arrays import stated_views
from ..data.clip_config import ClipConfig
from ..data.sampling import clip_entries
from ..data.transforms import crop_views
from ..errors import CheckpointError, RecipeError
from ..scoring.clip_protocol import ClipProtocol
from ..scoring.scores import softmax
from .backends import Backend
from .entries import EntryBuffer

BATCH = 16
"""Inputs seen at once, at most."""


NOTHING = np.empty((0, 0))


class ClipScores(NamedTuple):
    """Means over crops, of V clips or videos."""

    logits: np.ndarray
    """(V, K) float64; empty where the stream gives features."""
    softmax: np.ndarray
    """(V, K) float64, likewise."""
    features: np.ndarray = NOTHING
    """(V, N, d) of N snippets of each; empty where the stream gives logits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamNetwork:
    """A network, and how clips of a video become its input."""

    name: str
    sees: str
    """Modality."""
    clip: ClipConfig
    protocol: ClipProtocol
    backend: Backend
    features: bool = False
    """Whether it gives features, which layers of the fusion combine, instead of logits."""
    outputs: int | None = None
    """Number of its classes or features; None: any."""

    def buffer(self, *, height: int, width: int) -> EntryBuffer:
        """A buffer for the entries of a video with frames of this size."""
        return EntryBuffer(self.sees, self.clip, height=height, width=width)

    def inputs(self, buffer: EntryBuffer, start: int) -> np.ndarray:
        """The views of the clip that starts at an entry: (crops, C, T, H, W) float32.

        A clip that reaches beyond the last entry goes on as the settings say.
        """
        config = self.clip
        entries = clip_entries(
            start,
            length=config.length,
            stride=config.stride,
            available=buffer.count,
            short=config.short,
        )
        views = crop_views(
            buffer.size.grid,
            config.crop_px,
            crops=self.protocol.crops,
            scaled=config.test_scaled,
        )
        seen = stated_views(
            buffer.read(entries), views, config, modality=self.sees, of=buffer.size
        )
        if self.protocol.crops != 10:
            return seen
        return np.concatenate((seen, mirrored(seen, motion=self.sees in MOTION)))

    def scores(self, clips: Sequence[np.ndarray]) -> ClipScores:
        """Scores of clips, each (crops, C, T, H, W), seen in batches.

        Raises:
            CheckpointError: the network gives something else than scores of its classes.
        """
        crops = len(clips[0])
        inputs = [view for clip in clips for view in clip]
        logits = np.concatenate(
            [
                self._logits(np.stack(inputs[first : first + BATCH]))
                for first in range(0, len(inputs), BATCH)
            ]
        )
        each = (len(clips), crops, logits.shape[1])
        if self.features:
            means = logits.reshape(each).mean(axis=1)
            return ClipScores(NOTHING, NOTHING, means[:, None])
        return ClipScores(
            logits.reshape(each).mean(axis=1),
            softmax(logits).reshape(each).mean(axis=1),
        )

    def _logits(self, inputs: np.ndarray) -> np.ndarray:
        found = self.backend.logits(inputs)
        width = self.outputs or (found.shape[-1] if found.ndim == 2 else "K")
        if found.shape != (len(inputs), width):
            raise CheckpointError(
                f"{self.name}: expected a network that gives ({len(inputs)}, {width})"
                f" scores, got {found.shape}"
            )
        if not np.isfinite(found).all():
            raise CheckpointError(f"{self.name}: expected finite scores of the network")
        return found


def mirrored(clips: np.ndarray, *, motion: bool) -> np.ndarray:
    """(B, C, T, H, W) from right to left; what moved right moves left."""
    flipped = clips[..., ::-1].copy()
    if motion:
        flipped[:, 0] *= -1
    return flipped


def check_mirrors(stream: StreamNetwork, *, mirror_safe: bool) -> None:
    """Check that a protocol mirrors only where a mirrored video keeps its class.

    Raises:
        RecipeError: it does not.
    """
    if stream.protocol.crops == 10 and not mirror_safe:
        raise RecipeError(
            f"{stream.name}: expected 1 or 3 crops, got 10: they mirror, and mirrored"
            " videos of this data set are of other classes"
        )
