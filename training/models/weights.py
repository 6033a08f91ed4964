"""Weights from elsewhere -> a network, with a report of what fitted."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from ..errors import CheckpointError
from ..saved import read_saved


class Fitted(NamedTuple):
    """What became of every tensor."""

    copied: tuple[str, ...]
    adapted: tuple[str, ...]
    """Copied with another number of input channels."""
    kept: tuple[str, ...]
    """The network's own: excluded, not there, or of another shape."""

    def text(self) -> str:
        """One line for a log."""
        parts = [f"{len(self.copied)} tensors copied"]
        if self.adapted:
            parts.append(f"adapted: {', '.join(self.adapted)}")
        if self.kept:
            parts.append(f"not taken: {', '.join(self.kept)}")
        return "; ".join(parts)


def read_weights(path: Path) -> dict[str, Tensor]:
    """A file of named tensors. Nothing in it is executed.

    Raises:
        CheckpointError: the file is not there, or something else.
    """
    state = read_saved(path, what="weights saved by a training")
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise CheckpointError(
            f"{path}: expected named tensors, got {type(state).__name__}"
        )
    return state


def load_exactly(model: nn.Module, state: Mapping[str, Tensor], *, what: str) -> None:
    """Put weights into the network they were made for.

    Args:
        what: named in the message.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape.
    """
    own = model.state_dict()
    missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
    if missing or unknown:
        name = min(missing | unknown)
        side = "missing" if name in missing else "unknown"
        raise CheckpointError(
            f"{what}: weights of another net: {len(missing)} tensors missing,"
            f" {len(unknown)} unknown (first: {name}, {side})"
        )
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise CheckpointError(
                f"{what}: {name}: expected {tuple(tensor.shape)}, got {tuple(state[name].shape)}"
            )
    model.load_state_dict(dict(state))


def transfer(
    model: nn.Module, state: Mapping[str, Tensor], *, exclude: tuple[str, ...] = ()
) -> Fitted:
    """Start a network from the weights of a similar one.

    Args:
        exclude: beginnings of names that keep the network's own values.
    """
    copied, adapted, kept = [], [], []
    own = model.state_dict()
    for name, tensor in own.items():
        theirs = state.get(name)
        if theirs is None or name.startswith(exclude):
            kept.append(name)
        elif theirs.shape == tensor.shape:
            own[name] = theirs
            copied.append(name)
        elif tensor.dim() > 2 and _same_but_channels(theirs, tensor):
            own[name] = adapt_input(theirs, tensor.shape[1])
            adapted.append(name)
        else:
            kept.append(name)
    model.load_state_dict(own)
    return Fitted(tuple(copied), tuple(adapted), tuple(kept))


def adapt_input(weight: Tensor, channels: int) -> Tensor:
    """A first layer for another number of channels, with the same mean response.

    The mean over the input channels, for each new one, times old by new count.

    Args:
        weight: (outputs, inputs, ...) of a convolution.

    Source:
        Wang et al., "Temporal Segment Networks", ECCV 2016, section 3.2 (which leaves
        out the factor, for inputs of another scale).
    """
    mean = weight.mean(dim=1, keepdim=True) * (weight.shape[1] / channels)
    return mean.repeat_interleave(channels, dim=1)


def _same_but_channels(first: Tensor, second: Tensor) -> bool:
    return (first.shape[0], *first.shape[2:]) == (second.shape[0], *second.shape[2:])
