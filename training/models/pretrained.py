"""First weights that others have trained: torchvision's, or a file's.

A file may be torchvision's own, a state dict of ours, or a checkpoint of 3D-ResNets-PyTorch
(Hara et al.) or MARS: in a {"state_dict": ...}, from several GPUs ("module."), in torch's
old format. Nothing in it is executed.
"""

from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

from torch import Tensor, nn
from torchvision.models import get_model_weights

from ..errors import CheckpointError
from ..run_files.weights import DAMAGED, named_tensors, read_saved
from .backbones import NETS, BackboneConfig
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
    net = NETS[config.net]
    source, _, name = config.weights.rpartition(":")
    if source == "torchvision":
        state = _downloaded(config.net, name)
    else:
        state = _read(Path(config.weights))
    state = _renamed(state, net.aliases)
    state = named_tensors(state, what=config.weights, repeated=True)
    return transfer(
        model, state, scale=config.first_layer, but=(net.head,), what=config.weights
    )


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
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"torchvision:{name}: could not be downloaded or read ({reason}); fetch"
            f" {weights.url} elsewhere and give the file's path as weights"
        ) from None


def _read(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file."""
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
        renamed[f"{aliases[part]}.{rest}" if part in aliases else name] = tensor
    return renamed
