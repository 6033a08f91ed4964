"""First weights that others have trained: torchvision's, a file's, or those of a name.

A file may be torchvision's own, a state dict of ours, or a checkpoint of 3D-ResNets-PyTorch
(Hara et al.) or MARS: in a {"state_dict": ...}, from several GPUs ("module."), in torch's
old format; or one of safetensors. Nothing in it is executed.
"""

from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from motion_shards.plain_text import first_line

from ..errors import CheckpointError
from ..run_files.safetensors import SUFFIX, read_safetensors
from ..run_files.weights import DAMAGED, named_tensors, read_saved
from .backbones import BackboneConfig, build_backbone, net_named
from .named_weights import DOWNLOADED, is_named, lacking, named_file
from .timm2d import pretrained_timm
from .weights import Fitted, transfer


def first_weights(model: nn.Module, config: BackboneConfig) -> Fitted | None:
    """Put `config.weights` into a network made of `config`; None where there are none.

    The head is taken where it has as many classes, and else left; the first layer is
    adapted where it sees another number of channels.

    Raises:
        CheckpointError: there is no file, it holds something else or weights of another
            net, or torchvision's could not be downloaded.
    """
    if config.weights is None:
        return None
    net = net_named(config.net)
    state = _renamed(_state(config, config.weights), net.aliases)
    if net.inside and not any(key.startswith(net.inside) for key in state):
        state = {net.inside + key: value for key, value in state.items()}
    state = named_tensors(state, what=config.weights, repeated=True)
    if any(weight.is_meta for weight in model.parameters()):
        state = {name: value.to("meta") for name, value in state.items()}
    return transfer(
        model, state, scale=config.first_layer, but=(net.head,), what=config.weights
    )


def _state(config: BackboneConfig, weights: str) -> dict[str, Tensor]:
    source, _, name = weights.rpartition(":")
    if source == "torchvision":
        return _downloaded(config.net, name)
    if source == "timm":
        return _from_timm(name)
    if not is_named(config):
        return read_state(Path(weights))
    if reason := lacking(config):
        raise CheckpointError(reason)
    return read_state(named_file(config))


def download(config: BackboneConfig) -> None:
    """Fetch first weights that are downloaded into the cache, where they are not there yet.

    Raises:
        CheckpointError: they could not be downloaded, or are damaged.
    """
    if config.weights and config.weights.startswith(DOWNLOADED):
        _state(config, config.weights)


def check_weights(config: BackboneConfig) -> None:
    """Check that the first weights of a file fit a network, without building it.

    Those that are downloaded are not looked at.

    Raises:
        CheckpointError: see `first_weights`.
    """
    if config.weights is None or config.weights.startswith(DOWNLOADED):
        return
    with torch.device("meta"):
        model = build_backbone(config, 2)
    first_weights(model, config)


def unobtainable(config: BackboneConfig) -> str:
    """The reason for which a network's first weights cannot be had, or nothing.

    Those of torchvision and timm are downloaded to their caches.
    """
    source, _, name = (config.weights or "").rpartition(":")
    if source in ("torchvision", "timm"):
        try:
            _from_timm(name) if source == "timm" else _downloaded(config.net, name)
        except CheckpointError as error:
            return f"needs weights {error}"
        return ""
    if config.weights and not is_named(config) and not Path(config.weights).is_file():
        return f"needs weights {config.weights}; there is no such file"
    return lacking(config)


def _downloaded(net: str, name: str) -> dict[str, Tensor]:
    """Torchvision's, from its cache ($TORCH_HOME) or its site."""
    weights = get_model_weights(net)[name]
    try:
        return dict(
            weights.get_state_dict(
                progress=False, check_hash=True, map_location="cpu", weights_only=True
            )
        )
    except (OSError, HTTPException, *DAMAGED) as error:  # no network, another hash
        reason = first_line(error)
        raise CheckpointError(
            f"torchvision:{name}: could not be downloaded or read ({reason}); fetch"
            f" {weights.url} elsewhere and give the file's path as weights, or put it"
            f" into {Path(torch.hub.get_dir()) / 'checkpoints'}"
        ) from None


def _from_timm(name: str) -> dict[str, Tensor]:
    """timm's, from its cache ($HF_HOME) or the Hugging Face hub."""
    try:
        return pretrained_timm(name)
    except (OSError, RuntimeError, ValueError, *DAMAGED) as error:
        reason = first_line(error)
        raise CheckpointError(
            f"timm:{name}: could not be downloaded or read ({reason}); give a file's path"
            " as weights instead"
        ) from None


def read_state(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file of torch or of safetensors.

    Raises:
        CheckpointError: there is no file, it is damaged, or holds something else.
    """
    if path.suffix == SUFFIX and path.is_file():
        return read_safetensors(path)
    state = read_saved(path, what="a file of weights", ours=False, old_format=True)
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if (
        not isinstance(state, Mapping)
        or not state
        or not all(
            isinstance(name, str) and isinstance(value, Tensor)
            for name, value in state.items()
        )
    ):
        raise CheckpointError(
            f"{path}: expected named tensors, or a checkpoint with them as state_dict"
        )
    return {name.removeprefix("module."): value for name, value in state.items()}


def _renamed(
    state: Mapping[str, Tensor], aliases: Mapping[str, str]
) -> dict[str, Tensor]:
    """With our names for the parts that a released checkpoint calls otherwise."""
    renamed = {}
    for name, tensor in state.items():
        part, _, rest = name.partition(".")
        ours = f"{aliases[part]}.{rest}" if part in aliases else name
        renamed[aliases.get(name, ours)] = tensor
    return renamed
