"""Scores of the streams of a model -> probabilities of its classes."""

from collections.abc import Sequence

import numpy as np

from ..scoring.scores import softmax
from .combination import Layers, combined, combined_features
from .contract import Fusion
from .stream_scores import ClipScores, StreamNetwork


class Combination:
    """The combination of a model's streams, as its contract states it."""

    def __init__(
        self, fusion: Fusion | None, streams: Sequence[StreamNetwork], layers: Layers
    ) -> None:
        """
        Args:
            layers: weights of the layers of a fusion that has some.
        """
        self._fusion, self._streams, self._layers = fusion, tuple(streams), layers

    def __call__(self, found: Sequence[ClipScores]) -> np.ndarray:
        """Scores or features of each stream for V videos -> (V, K) float64 probabilities."""
        fusion = self._fusion
        if fusion is None:
            by_logits = self._streams[0].protocol.aggregate == "logits"
            return softmax(found[0].logits) if by_logits else found[0].softmax
        if fusion.layers == "collaborative":
            features = [each.features for each in found]
            return combined_features(features, fusion, self._layers)
        return combined(
            np.stack([each.logits for each in found]),
            np.stack([each.softmax for each in found]),
            fusion,
            self._layers,
        )
