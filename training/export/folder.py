"""A complete run -> a model folder, written whole or not at all."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from ..errors import RunError
from ..models.backbones import is_ours
from ..models.taps import PooledFeatures
from ..recognition.contract import CARD, LABELS, Stream, sha256_of
from ..recognition.from_run import contract_of, networks_of
from ..recognition.network_runs import NetworkRun, network_runs
from ..recognition.read_model import NETWORK_VERSION, NetworkFile
from ..recognition.run_layers import layers_of
from ..run_files.json_dataclasses import to_json
from ..run_files.names import CONTRACT
from ..run_files.tensor_file import save_arrays
from ..run_files.writing import write_bytes, write_sealed, write_text
from ..runs.record import Run
from . import program
from .card import card
from .clips import Sample, sample_of
from .network_speed import network_speeds
from .target import new_folder, require_free

FORMATS = ("folder", "onnx", "torch")
"""folder: weights and their network for this program. onnx: for onnxruntime. torch: a
program of torch.export."""
WEIGHTS, RECIPE, ONNX, PROGRAM = (
    "model.safetensors",
    "recipe.json",
    "model.onnx",
    "model.pt2",
)
LAYERS = "fusion.safetensors"


@dataclass(frozen=True, slots=True)
class Exported:
    """A model folder that was written."""

    folder: Path
    name: str
    files: dict[str, int]
    """Name -> bytes."""
    checks: list[str]
    """Largest differences of other formats from PyTorch, as lines for people."""


def export_model(
    run: Run,
    folder: Path,
    *,
    formats: Collection[str] = ("folder",),
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Write the model of a complete run.

    Args:
        folder: new or empty, or with an export of the same run, which is replaced.
        formats: some of `FORMATS`.
        force: also replace the export of another run.
        say: takes lines about what takes its time.

    Raises:
        RunError: the run is no model, a format cannot hold it, or an exported network
            gives other outputs; or the folder has something else.
        MachineError: a library that ONNX needs is missing.
        WriteError: it cannot be written.
    """
    if "onnx" in formats:
        program.require_onnx()
    contract, labels = contract_of(run)
    networks = network_runs(run)
    formats = _possible(formats, networks)
    require_free(folder, contract, force=force)
    layers = layers_of(run, contract)
    models = [model for _, model in networks_of(run)]
    with new_folder(folder) as partial:
        streams, checks = [], []
        for stream, network, model in zip(
            contract.streams, networks, models, strict=True
        ):
            prefix = f"{stream.name}/" if len(networks) > 1 else ""
            (partial / prefix).mkdir(exist_ok=True)
            if "folder" in formats:
                stream = _write_weights(partial, prefix, stream, network, model)
            if {"onnx", "torch"} & set(formats):
                say(f"{stream.name}: exporting the network")
                sample = sample_of(network)
                stream, lines = _write_programs(
                    partial, prefix, stream, model, sample, formats
                )
                checks += lines
            streams.append(stream)
        fusion = contract.fusion
        if fusion and layers:
            save_arrays(partial / LAYERS, layers)
            fusion = replace(fusion, layers_weights=LAYERS)
        _write_labels(partial / LABELS, labels)
        hashes = {
            str(path.relative_to(partial)): sha256_of(path)
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
        contract = replace(
            contract, streams=tuple(streams), fusion=fusion, files=hashes
        )
        speeds = network_speeds(partial, streams, models)
        write_text(
            partial / CARD,
            card(run, contract, networks, checks=checks, speeds=speeds),
        )
        write_sealed(partial / CONTRACT, to_json(contract))
        sizes = {
            str(path.relative_to(partial)): path.stat().st_size
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
    return Exported(folder, contract.name, sizes, checks)


def _possible(formats: Collection[str], networks: list[NetworkRun]) -> Collection[str]:
    """The formats that can hold the networks: weights alone only of ours.

    Raises:
        RunError: none can.
    """
    theirs = [net for one in networks if not is_ours(net := str(one.run.config().net))]
    if not theirs:
        return formats
    others = [name for name in formats if name != "folder"]
    if not others:
        raise RunError(
            f"{networks[0].run.folder}: expected --format onnx or torch for the network"
            f" {theirs[0]}, whose code no model folder holds"
        )
    return others


def _write_weights(
    folder: Path, prefix: str, stream: Stream, network: NetworkRun, model: nn.Module
) -> Stream:
    """Write the weights of a network, and what builds it again."""
    inner = model.model if isinstance(model, PooledFeatures) else model
    config = network.run.config()
    save_arrays(
        folder / f"{prefix}{WEIGHTS}",
        {name: value.cpu().numpy() for name, value in inner.state_dict().items()},
    )
    record = NetworkFile(
        version=NETWORK_VERSION,
        network=config.model or {},
        classes=len(config.store.classes),
        tap=network.tap,
    )
    write_sealed(folder / f"{prefix}{RECIPE}", to_json(record))
    return replace(stream, recipe=f"{prefix}{RECIPE}", weights=f"{prefix}{WEIGHTS}")


def _write_programs(
    folder: Path,
    prefix: str,
    stream: Stream,
    model: nn.Module,
    sample: Sample,
    formats: Collection[str],
) -> tuple[Stream, list[str]]:
    """Write a network as a program of torch.export or as ONNX, and compare both with it."""
    graph, lines = program.exported_program(model, sample.clips[:2]), []

    def checked(name: str, differ: float) -> None:
        lines.append(
            f"`{name}` differs from PyTorch's {stream.output} by at most {differ:.1e}, on"
            f" {sample.source}"
        )

    if "torch" in formats:
        name = f"{prefix}{PROGRAM}"
        program.save_program(graph, folder / name)
        checked(name, program.check_program(folder / name, model, sample.clips))
        stream = replace(stream, program=name)
    if "onnx" in formats:
        name, path = f"{prefix}{ONNX}", folder / f"{prefix}{ONNX}"
        program.save_onnx(graph, path, output=stream.output)
        for clips in (sample.clips[:1], sample.clips):
            differ = program.check_onnx(path, model, clips, output=stream.output)
        checked(name, differ)
        stream = replace(stream, onnx=name)
    return stream, lines


def _write_labels(path: Path, labels: tuple[str, ...]) -> None:
    """
    Raises:
        RunError: a name cannot stand on a line.
    """
    for name in labels:
        if not name or "\n" in name or name != name.encode("utf-8", "replace").decode():
            raise RunError(
                f"{path.name}: expected class names of one line, got {name!r}"
            )
    write_bytes(path, "".join(f"{name}\n" for name in labels).encode())
