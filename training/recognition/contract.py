"""contract.json: how a caller's video becomes the input of an exported model.

A model folder has `contract.json`, `labels.txt`, `README.md`, and for each stream the files
that the contract names: `model.safetensors` with `recipe.json`, and `model.onnx` or a
program of torch where these were exported. Nothing in it is executed by being read.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pipeline.store import Json, LayoutError, open_regular

from ..data.clip_config import ClipConfig
from ..errors import RunError
from ..run_files.fields import recorded
from ..run_files.json_dataclasses import from_json
from ..run_files.names import CONTRACT
from ..run_files.reading import read_bytes, read_json
from ..run_files.run_config import Count, Modality
from ..run_files.shapes import NUMBER, SHARE
from ..scoring.clip_protocol import ClipProtocol

LABELS, CARD = "labels.txt", "README.md"
VERSION = 1
"""Version of contract.json that is written; older ones are read, newer ones refused."""

LABELS_BYTES = 16 << 20
MOST_VALUES = 1 << 28
"""Limit of one clip: 1 GB of float32."""
MOST_GRID_PX = 4096
"""Limit of the short side to which frames are scaled."""

Number = Annotated[float, NUMBER]
Share = Annotated[float, SHARE]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A network of a model, and the input that it takes."""

    name: str
    """Unique in its model: "mv", "rgb", ..."""
    sees: Modality
    """Modality of its input."""
    clip: Mapping[str, Json]
    """Fields of a `ClipConfig`: entries, stride, crop, scaling, fill rule."""
    protocol: Mapping[str, Json]
    """Fields of a `ClipProtocol`: clips of a video, crops, aggregation."""
    input_shape: tuple[Count, ...]
    """(C, T, H, W) of one clip."""
    output: Literal["logits", "features"] = "logits"
    """features: (B, d), the input of the fusion's layers."""
    recipe: str | None = None
    """File with the network's configuration, for torch."""
    weights: str | None = None
    """File of safetensors."""
    onnx: str | None = None
    """File with the network in ONNX: input "clips" (B, C, T, H, W) float32, output
    "logits" (B, K) float32."""
    program: str | None = None
    """File written by `torch.export.save`, of the same input and output."""

    def clip_config(self, where: str) -> ClipConfig:
        """The clip settings as a value; `where` is for messages."""
        return recorded(ClipConfig, dict(self.clip), where=f"{where}: clip")

    def clip_protocol(self, where: str) -> ClipProtocol:
        """The evaluation protocol as a value; `where` is for messages."""
        return recorded(ClipProtocol, dict(self.protocol), where=f"{where}: protocol")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """Combination of the streams' scores to those of a video."""

    on: Literal["logits", "softmax", "clipped"]
    weights: tuple[Number, ...] | None = None
    """A weight for each stream."""
    class_weights: tuple[tuple[Number, ...], ...] | None = None
    """(K, S): weights for each class, in the order of the labels."""
    layers: Literal["attention", "collaborative"] | None = None
    """Learned layers. attention: the streams' probabilities -> their weights for a video.
    collaborative: features of the snippets of two streams -> logits of each, which are
    weighted as those of any streams."""
    layers_weights: str | None = None
    """File of safetensors with the weights of these layers."""
    rounds: Count = 0
    """collaborative: number of times that each stream guides the other."""

    def fits(self, *, streams: int, classes: int) -> bool:
        """Whether there is one kind of weights, for this many streams and classes."""
        two = self.layers == "collaborative"
        if two != (self.rounds > 0) or (two and streams != 2):
            return False
        if self.layers == "attention":
            return self.weights is None is self.class_weights and self.on == "softmax"
        if (self.weights is None) == (self.class_weights is None):
            return False
        if self.weights is not None:
            positive = min(self.weights, default=0) >= 0 and sum(self.weights) > 0
            return len(self.weights) == streams and positive
        rows = self.class_weights or ()
        return len(rows) == classes and all(len(row) == streams for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """contract.json as a value."""

    version: Count
    name: str
    """Name of the model, for people: "dtmv_small of ucf101"."""
    extract: Mapping[str, Json]
    """Settings of the extraction: "common" and one entry for each modality that is seen, as
    in the manifest of a store (`pipeline.extract.settings.ExtractSettings.to_record`)."""
    mirror_safe: bool
    """Whether a mirrored video keeps its class."""
    streams: tuple[Stream, ...]
    fusion: Fusion | None = None
    """None for a single stream."""
    min_known_share: Share = 0.5
    """Least share of known motion vectors with which the model answers."""
    trained: str | None = None
    """SHA-256 of what the training found: the hashes of the weights of all streams, and
    the weights of their fusion. Exports of one run have the same."""
    files: Mapping[str, str] | None = None
    """Other files of the folder -> SHA-256 of their content."""


def read_contract(folder: Path) -> Contract:
    """The contract of a model folder.

    Raises:
        RunError: it is missing, damaged, of a newer version, or its parts do not fit.
    """
    path = folder / CONTRACT
    value = read_json(path, {"version": int})
    if not 1 <= value["version"] <= VERSION:
        newer = ": a newer version of this program wrote it"
        raise RunError(
            f"{path}: expected a contract of version {VERSION} or less, got"
            f" {value['version']}{newer if value['version'] > VERSION else ''}"
        )
    found = from_json(Contract, value, where=str(path))
    for file in found.files or {}:
        _check_inside(file, where=str(path))
    if LABELS in (found.files or {}):
        model_file(folder, found, LABELS)
    classes = len(read_labels(folder))
    names = [stream.name for stream in found.streams]
    if not names or len(set(names)) < len(names):
        raise RunError(f"{path}: expected streams of different names, got {names}")
    if (found.fusion is None) != (len(names) == 1):
        raise RunError(f"{path}: expected a fusion exactly where there are streams")
    if found.fusion and not found.fusion.fits(streams=len(names), classes=classes):
        raise RunError(
            f"{path}: expected weights of {len(names)} streams and {classes} classes"
        )
    outputs = {stream.output for stream in found.streams}
    of_features = found.fusion is not None and found.fusion.layers == "collaborative"
    if outputs != {"features" if of_features else "logits"}:
        raise RunError(f"{path}: expected features exactly where layers take them")
    layers = [found.fusion.layers_weights] if found.fusion else []
    for name in layers:
        if name is not None:
            _check_inside(name, where=str(path))
    for stream in found.streams:
        shape = input_shape(stream.sees, stream.clip_config(str(path)))
        if shape != stream.input_shape:
            raise RunError(
                f"{path}: {stream.name}: expected clips of {shape}, as its settings make"
                f" them, got {stream.input_shape}"
            )
        if math.prod(shape) > MOST_VALUES:
            raise RunError(
                f"{path}: {stream.name}: expected clips of at most {MOST_VALUES:,} values,"
                f" got {shape}"
            )
        grid = stream.clip_config(str(path)).grid_short_px
        if grid is not None and grid > MOST_GRID_PX:
            raise RunError(
                f"{path}: {stream.name}: expected grid_short_px of at most"
                f" {MOST_GRID_PX}, got {grid}"
            )
        stream.clip_protocol(str(path))
        for name in (stream.recipe, stream.weights, stream.onnx, stream.program):
            if name is not None:
                _check_inside(name, where=str(path))
    return found


def input_shape(sees: str, clip: ClipConfig) -> tuple[int, ...]:
    """(C, T, H, W) of one clip as a network takes it: cells instead of px of some vectors.

    Args:
        sees: modality of the network.
    """
    known = sees == "mv" and clip.cells is not None
    channels = 3 if sees == "rgb" or known else 2
    return (channels, clip.length, *clip.size_of(sees))


def model_file(folder: Path, contract: Contract, name: str) -> Path:
    """Path of a file of a model folder, as it was exported.

    Args:
        name: as the contract has it.

    Raises:
        RunError: it is missing, a link or no file, or has changed.
    """
    path = folder / name
    _check_no_link(folder, name)
    expected = (contract.files or {}).get(name)
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        raise RunError(
            f"{path}: expected a file of the model, but it is missing"
        ) from None
    except (LayoutError, OSError) as error:
        raise RunError(
            f"{path}: expected a file of the model: {str(error).removeprefix(f'{path}: ')}"
        ) from None
    if found != expected:
        raise RunError(f"{path}: the file has changed since the model was exported")
    return path


def read_labels(folder: Path) -> tuple[str, ...]:
    """The class names of a model folder, in the order of its scores: one per line.

    Raises:
        RunError: there is no such file, or a name is empty or given twice.
    """
    path = folder / LABELS
    _check_no_link(folder, LABELS)
    try:
        text = read_bytes(path, most=LABELS_BYTES).decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: expected class names: {error}") from None
    if text and not text.endswith("\n"):
        raise RunError(f"{path}: expected a line end behind the last class name")
    names = tuple(text.split("\n")[:-1])
    if not names or not all(names) or len(set(names)) < len(names):
        raise RunError(f"{path}: expected different class names, one per line")
    return names


def _check_no_link(folder: Path, name: str) -> None:
    inner = folder
    for part in PurePosixPath(name).parts:
        inner = inner / part
        if inner.is_symlink():
            raise RunError(f"{inner}: expected a file of the model, got a link")


def _check_inside(name: str, *, where: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise RunError(f"{where}: expected a file inside the folder, got {name!r}")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
        LayoutError: it is no file.
    """
    state = hashlib.sha256()
    with open_regular(path) as file:
        while part := file.read(1 << 20):
            state.update(part)
    return state.hexdigest()
