"""Scores or features of several streams -> the probabilities of their combination.

Axes: S streams, V videos, N snippets of a video, d features, K classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import RunError
from ..scoring.scores import softmax
from ..scoring.weighted_average import as_probabilities, weighable
from .contract import Fusion

Layers = Mapping[str, np.ndarray]
"""Name -> weights of the layers of a fusion, as in its file of safetensors."""


def combined(
    logits: np.ndarray, probabilities: np.ndarray, fusion: Fusion, layers: Layers
) -> np.ndarray:
    """The probabilities of the classes from the scores of several streams.

    Args:
        logits: (S, V, K), means over a video's clips and crops.
        probabilities: (S, V, K), likewise.
        layers: of a fusion by attention; others have none here.

    Returns:
        (V, K) float64.
    """
    if fusion.layers == "attention":
        weights = attention_weights(probabilities, layers)
        values = np.einsum("vs,svk->vk", weights, probabilities.astype(np.float32))
        return as_probabilities(values.astype(np.float64), on=fusion.on)
    scores = probabilities if fusion.on == "softmax" else logits
    scores = weighable(scores, on=fusion.on)
    if fusion.weights is not None:
        weights = np.array(fusion.weights) / sum(fusion.weights)
        values = np.tensordot(weights, scores, axes=1)
    else:
        values = np.einsum("ks,svk->vk", np.array(fusion.class_weights), scores)
    return as_probabilities(values, on=fusion.on)


def combined_features(
    features: Sequence[np.ndarray], fusion: Fusion, layers: Layers
) -> np.ndarray:
    """The probabilities of the classes from features of the snippets of two streams.

    Args:
        features: (V, N, d) of each stream, means over the crops of a snippet.

    Returns:
        (V, K) float64.
    """
    logits = collaborative_logits(
        features[0], features[1], layers, rounds=fusion.rounds
    )
    probabilities = np.stack([softmax(each) for each in logits])
    return combined(logits, probabilities, fusion, layers)


def attention_weights(probabilities: np.ndarray, layers: Layers) -> np.ndarray:
    """(S, V, K) -> (V, S) float32, as `AttentionFusion` weights the streams."""
    by_video = probabilities.astype(np.float32).transpose(1, 0, 2)
    flat = by_video.reshape(len(by_video), -1)
    hidden = np.maximum(_linear(flat, layers, "hidden"), 0)
    return softmax(_linear(hidden, layers, "weigh"))


def collaborative_logits(
    spatial: np.ndarray, motion: np.ndarray, layers: Layers, *, rounds: int
) -> np.ndarray:
    """(V, N, d) of two streams -> (2, V, K) float64 logits, as `Collaborative` finds them."""
    spatial, motion = spatial.astype(np.float32), motion.astype(np.float32)
    seen = spatial.mean(axis=1)
    moved = seen
    for _ in range(rounds):
        moved = _guided(motion, seen, layers, "motion_by_spatial")
        seen = _guided(spatial, moved, layers, "spatial_by_motion")
    both = (
        _linear(seen, layers, "spatial_head"),
        _linear(moved, layers, "motion_head"),
    )
    return np.stack(both).astype(np.float64)


def check_layers(
    layers: Layers, fusion: Fusion, *, streams: int, classes: int, where: str
) -> None:
    """Check that the weights of a fusion's layers fit each other.

    Raises:
        RunError: one is missing or of another shape.
    """
    if fusion.layers == "attention":
        hidden = _width(layers, "hidden.weight", where)
        wanted = _linear_shapes("hidden", hidden, streams * classes)
        wanted |= _linear_shapes("weigh", streams, hidden)
    elif fusion.layers == "collaborative":
        first, second = "spatial_by_motion", "motion_by_spatial"
        hidden = _width(layers, f"{first}.own.weight", where)
        spatial = _width(layers, f"{first}.own.weight", where, axis=1)
        motion = _width(layers, f"{second}.own.weight", where, axis=1)
        wanted = _linear_shapes("spatial_head", classes, spatial)
        wanted |= _linear_shapes("motion_head", classes, motion)
        for name, own, guide in ((first, spatial, motion), (second, motion, spatial)):
            wanted[f"{name}.own.weight"] = (hidden, own)
            wanted[f"{name}.guide.weight"] = (hidden, guide)
            wanted[f"{name}.weigh.weight"] = (1, hidden)
    else:
        wanted = {}
    for name in sorted(wanted.keys() | layers.keys()):
        got = layers[name].shape if name in layers else None
        if got != wanted.get(name):
            raise RunError(
                f"{where}: {name}: expected {wanted.get(name, 'no such tensor')}, got"
                f" {got or 'none'}"
            )
        if layers[name].dtype != np.float32 or not np.isfinite(layers[name]).all():
            raise RunError(f"{where}: {name}: expected finite float32 numbers")


def _linear_shapes(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _width(layers: Layers, name: str, where: str, *, axis: int = 0) -> int:
    if name not in layers or layers[name].ndim != 2:
        raise RunError(f"{where}: expected a matrix {name}")
    return layers[name].shape[axis]


def _linear(inputs: np.ndarray, layers: Layers, name: str) -> np.ndarray:
    return inputs @ layers[f"{name}.weight"].T + layers[f"{name}.bias"]


def _guided(
    snippets: np.ndarray, guide: np.ndarray, layers: Layers, name: str
) -> np.ndarray:
    """(V, N, d) of one stream and (V, d) of the other -> (V, d), as `GuidedAttention`."""
    own, guided, weigh = (
        layers[f"{name}.{part}.weight"].T for part in ("own", "guide", "weigh")
    )
    hidden = np.tanh(snippets @ own + (guide @ guided)[:, None])
    weights = softmax((hidden @ weigh)[..., 0])
    return np.einsum("vn,vnd->vd", weights, snippets)
