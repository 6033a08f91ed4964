"""The evaluation protocol: the clips of a video, and the way their scores are averaged."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..data.sampling import consecutive_starts, even_starts
from ..errors import RecipeError
from .scores import Aggregate

Crops = Literal[1, 3, 10]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipProtocol:
    """Evaluation protocol: clips of a video, and the way their scores are averaged.

    3D networks of the papers: the default. 2D networks: 25 snippets, softmax.
    """

    clips: int | None = None
    """Number of clips, spread evenly over the video; None: consecutive without overlap.
    Where a video is too short, some count several times."""
    aggregate: Aggregate = "logits"
    """Scores that are averaged over clips and crops: logits or softmax."""
    crops: Crops = 1
    """1: the centre. 3: along the long side. 10: corners, centre, and their mirrors."""

    def __post_init__(self) -> None:
        if self.aggregate not in ("logits", "softmax"):
            raise RecipeError(
                f"expected to aggregate logits or softmax, got {self.aggregate}"
            )
        if self.crops not in (1, 3, 10):
            raise RecipeError(f"expected 1, 3 or 10 crops, got {self.crops}")
        if self.clips is not None and self.clips < 1:
            raise RecipeError(f"expected at least 1 clip, got {self.clips}")

    def starts(self, available: int, clip_span: int) -> np.ndarray:
        """First entries of the clips of a video, growing."""
        if self.clips is None:
            return consecutive_starts(available=available, clip_span=clip_span)
        return even_starts(self.clips, available=available, clip_span=clip_span)
