"""A model: a run of `training`, or a folder of `training export`, ready to score clips."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from motion_shards.extras import TRAINING
from pipeline.extract.settings import ExtractSettings

from ..errors import MachineError, RunError
from ..run_files.names import CONTRACT, RECIPE
from .backends import Backend, OnnxBackend, TorchBackend
from .combination import Layers
from .contract import Contract, Stream, model_file, read_contract, read_labels
from .fused import Combination
from .read_model import layers_from_folder, networks_from_folder
from .stream_scores import StreamNetwork, check_mirrors

if TYPE_CHECKING:
    from torch import nn

Runtime = Literal["auto", "onnx", "torch"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Networks with their weights, and the way from a video to their input."""

    folder: Path
    contract: Contract
    classes: tuple[str, ...]
    streams: tuple[StreamNetwork, ...]
    combination: Combination
    settings: ExtractSettings
    """Settings of the extraction of exactly the modalities that are seen."""

    @property
    def sees(self) -> tuple[str, ...]:
        """Modalities that the networks see, each once."""
        return self.settings.modalities


def load_model(
    folder: Path,
    *,
    runtime: Runtime = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Model:
    """Read a model.

    Args:
        folder: of a complete run, or of an exported model.
        runtime: "onnx" (ONNX Runtime), "torch" (PyTorch), or "auto": ONNX where the folder
            has it and no GPU is asked for, else PyTorch.
        device: of PyTorch: "cpu", "cuda", or "auto".
        threads: of one inference; None: as the runtime decides.

    Raises:
        RunError: the folder is neither, or damaged.
        CheckpointError: its weights are.
        MachineError: a runtime or device that is not there.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: expected a run or a model folder, got no folder")
    layers: Layers
    if (folder / CONTRACT).is_file():
        contract, classes = read_contract(folder), read_labels(folder)
        backend = _exported(folder, contract, runtime, device, threads)
        layers = layers_from_folder(folder, contract)
    elif (folder / RECIPE).is_file():
        if runtime == "onnx":
            raise RunError(
                f"{folder}: expected a model in ONNX, got a run: `training export"
                f" {folder} --format onnx` makes one"
            )
        contract, classes, layers, networks = _of_run(folder)
        backend = _torch_backends(networks, device, threads)
    else:
        raise RunError(
            f"{folder}: expected a run ({RECIPE}) or a model folder ({CONTRACT}), got"
            " neither"
        )
    streams = tuple(
        StreamNetwork(
            name=stream.name,
            sees=stream.sees,
            clip=stream.clip_config(str(folder)),
            protocol=stream.clip_protocol(str(folder)),
            backend=backend(stream),
            features=stream.output == "features",
            outputs=None if stream.output == "features" else len(classes),
        )
        for stream in contract.streams
    )
    for stream in streams:
        check_mirrors(stream, mirror_safe=contract.mirror_safe)
    try:
        settings = ExtractSettings.from_record(contract.extract)
        settings = settings.only(dict.fromkeys(each.sees for each in streams))
    except ValueError as error:
        raise RunError(f"{folder}: {error}") from None
    return Model(
        folder=folder,
        contract=contract,
        classes=classes,
        streams=streams,
        combination=Combination(contract.fusion, streams, layers),
        settings=settings,
    )


def _exported(
    folder: Path,
    contract: Contract,
    runtime: Runtime,
    device: str,
    threads: int | None,
) -> Callable[[Stream], Backend]:
    onnx = all(stream.onnx for stream in contract.streams)
    torch = all(stream.weights for stream in contract.streams)
    if not (onnx or torch):
        raise RunError(
            f"{folder}: expected weights for PyTorch or a network in ONNX, got a program of"
            " torch.export only: export it with --format folder or --format onnx"
        )
    if runtime == "onnx" and not onnx:
        raise RunError(
            f"{folder}: expected a network in ONNX: export it with --format onnx"
        )
    wanted = runtime
    if runtime == "auto":
        usable = onnx and device != "cuda" and bool(find_spec("onnxruntime"))
        wanted = "onnx" if usable or not torch else "torch"
    if wanted == "onnx":
        return lambda stream: OnnxBackend(
            model_file(folder, contract, str(stream.onnx)), threads=threads
        )
    if not torch:
        raise RunError(f"{folder}: expected weights for PyTorch, got ONNX only")
    _require_torch(folder)
    return _torch_backends(dict(networks_from_folder(folder)), device, threads)


def _of_run(
    folder: Path,
) -> tuple[Contract, tuple[str, ...], Layers, Mapping[str, "nn.Module"]]:
    _require_torch(folder)
    from ..runs.record import Run
    from .from_run import contract_of, networks_of
    from .run_layers import layers_of

    run = Run(folder)
    contract, classes = contract_of(run)
    return contract, classes, layers_of(run, contract), dict(networks_of(run))


def _torch_backends(
    networks: Mapping[str, "nn.Module"], device: str, threads: int | None
) -> Callable[[Stream], Backend]:
    import torch

    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise MachineError("expected a CUDA device, got none that PyTorch can use")
    chosen = "cuda" if device != "cpu" and there else "cpu"
    return lambda stream: TorchBackend(
        networks[stream.name], device=chosen, threads=threads
    )


def _require_torch(folder: Path) -> None:
    if not TRAINING.installed:
        raise MachineError(
            f"{TRAINING.needed_by(f'{folder}: this model')},"
            " or export it with --format onnx where PyTorch is"
        )
