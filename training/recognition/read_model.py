"""A model folder -> its networks, built again in torch. Nothing in it is executed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.store import Json

from ..data.clip_config import ClipConfig
from ..errors import RunError
from ..run_files.fields import recorded
from ..run_files.json_dataclasses import from_json
from ..run_files.names import CONTRACT
from ..run_files.reading import read_json
from ..run_files.run_config import Count
from ..run_files.tensor_file import load_arrays
from .combination import check_layers
from .contract import Contract, Stream, model_file, read_contract, read_labels

if TYPE_CHECKING:
    from torch import nn

NETWORK_VERSION = 1
"""Version of a stream's recipe.json; newer ones are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFile:
    """A stream's recipe.json: enough to build its network again."""

    version: Count
    network: Mapping[str, Json]
    """Fields of a `BackboneConfig` that determine which weights fit, and under "estimator"
    those of a `MotionConfig`."""
    classes: Count
    tap: str | None = None
    """Submodule whose output, averaged over space and time, is the stream's features."""


def networks_from_folder(folder: Path) -> "list[tuple[str, nn.Module]]":
    """Name and network of each stream of a model folder, ready for evaluation.

    They take (B, C, T, H, W) and give (B, K) logits, or (B, d) features where the contract
    says so.

    Raises:
        RunError: the folder lacks the weights (an export of ONNX alone), or a file is
            damaged or something else.
        CheckpointError: weights of another network.
        RecipeError: a network that is not known here, or needs a missing library.
    """
    contract, labels = read_contract(folder), read_labels(folder)
    return [
        (stream.name, _network(folder, contract, stream, len(labels)))
        for stream in contract.streams
    ]


def layers_from_folder(folder: Path, contract: Contract) -> dict[str, np.ndarray]:
    """The weights of the layers of a model's fusion; empty where it has none.

    Raises:
        RunError: the file is damaged, or its weights do not fit.
        CheckpointError: it is something else.
    """
    fusion = contract.fusion
    if fusion is None or fusion.layers is None:
        return {}
    if fusion.layers_weights is None:
        raise RunError(f"{folder / CONTRACT}: expected a file of the fusion's layers")
    path = model_file(folder, contract, fusion.layers_weights)
    layers = load_arrays(path)
    check_layers(
        layers,
        fusion,
        streams=len(contract.streams),
        classes=len(read_labels(folder)),
        where=str(path),
    )
    return layers


def _network(
    folder: Path, contract: Contract, stream: Stream, classes: int
) -> "nn.Module":
    from ..models.backbones import is_ours
    from ..models.taps import PooledFeatures
    from ..models.weights import load_exactly
    from ..run_files.safetensors import read_safetensors
    from ..run_files.weights import named_tensors
    from ..runs.trained import checked_clip, recorded_network

    if stream.recipe is None or stream.weights is None:
        raise RunError(
            f"{folder}: expected a model with weights for PyTorch, got one that was"
            " exported without (`training export RUN --format folder` writes them)"
        )
    path = model_file(folder, contract, stream.recipe)
    record = from_json(NetworkFile, read_json(path), where=str(path))
    if record.version > NETWORK_VERSION:
        raise RunError(
            f"{path}: expected version {NETWORK_VERSION} or less, got {record.version}: a"
            " newer version of this program wrote it"
        )
    net = record.network.get("net")
    if not isinstance(net, str) or not is_ours(net):
        raise RunError(f"{path}: expected a network that is known here, got {net}")
    if record.classes != classes:
        raise RunError(
            f"{path}: expected a network of the {classes} classes of the labels, got"
            f" {record.classes}"
        )
    clip = checked_clip(stream.clip_config(str(folder / CONTRACT)), f"{folder}: clip")
    _check_fits(record, stream, clip, where=f"{path}: network")
    model, _ = recorded_network(
        record.network, classes, clip=lambda: clip, where=f"{path}: network"
    )
    path = model_file(folder, contract, stream.weights)
    state = named_tensors(read_safetensors(path), what=str(path))
    load_exactly(model, state, what=str(path))
    if (record.tap is not None) != (stream.output == "features"):
        raise RunError(
            f"{path}: expected a tap exactly where the stream gives features"
        )
    if record.tap is not None:
        try:
            model.get_submodule(record.tap)
        except AttributeError:
            raise RunError(
                f"{path}: expected a layer as tap, got {record.tap}"
            ) from None
        return PooledFeatures(model, record.tap).eval()
    return model.eval()


def _check_fits(
    record: NetworkFile, stream: Stream, clip: ClipConfig, *, where: str
) -> None:
    """Check that a network takes the clips of its stream, before it is built.

    Raises:
        RunError, RecipeError: it does not.
    """
    from ..models.backbones import BackboneConfig, check_clip
    from ..models.motion_backbone import MotionConfig
    from ..runs.trained import MOST_FRAMES

    known = dict(record.network)
    estimator, sees, length = known.pop("estimator", None), stream.sees, clip.length
    config = recorded(BackboneConfig, known, where=where)
    if estimator is not None:
        motion = recorded(MotionConfig, estimator, where=f"{where}.estimator")
        if (sees, motion.frames) != ("rgb", length) or length > MOST_FRAMES:
            raise RunError(
                f"{where}.estimator: expected rgb clips of {motion.frames} frames, at most"
                f" {MOST_FRAMES}, got {sees} of {length}"
            )
        sees, length = config.sees, length - 1
    if config.sees != sees:
        raise RunError(f"{where}: expected a network of {sees}, got {config.sees}")
    size, cells = clip.size_of(sees), clip.cells is not None
    check_clip(config, length, size, cells=cells)
