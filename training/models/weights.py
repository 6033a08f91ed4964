"""Weights from elsewhere -> a network, with a report of what fitted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from torch import Tensor, nn

from motion_shards.plain_text import first_names

from ..errors import CheckpointError
from ..run_files.weights import named_tensors, read_saved

Scale = Literal["response", "plain"]
"""Scaling of a first layer for another number of channels: see `adapt_input`."""


class Fitted(NamedTuple):
    """Names of tensors, by the way in which each was handled."""

    copied: tuple[str, ...]
    adapted: tuple[str, ...]
    """Copied with another number of input channels."""
    missing: tuple[str, ...]
    """Left as the network had them: not in the file, or of another shape."""
    unused: tuple[str, ...] = ()
    """Names that are in the file, but not in the network."""

    def text(self) -> str:
        """One line for a log."""
        parts = [f"{len(self.copied)} tensors copied"]
        if self.adapted:
            parts.append(f"adapted: {first_names(self.adapted, 6, count=True)}")
        if self.missing:
            parts.append(f"not taken: {first_names(self.missing, 6, count=True)}")
        if self.unused:
            parts.append(f"left over: {first_names(self.unused, 6, count=True)}")
        return "; ".join(parts)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a run. Nothing in the file is executed.

    Raises:
        CheckpointError: the file is not there, has changed, or is something else.
    """
    state = read_saved(path, what="weights saved by a training")
    return named_tensors(state, what=str(path))


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
        if tensor.dtype != state[name].dtype:
            raise CheckpointError(
                f"{what}: {name}: expected {tensor.dtype}, got {state[name].dtype}"
            )
    model.load_state_dict(dict(state))


def transfer(
    model: nn.Module,
    state: Mapping[str, Tensor],
    *,
    scale: Scale = "response",
    but: tuple[str, ...] | None = None,
    what: str = "weights",
) -> Fitted:
    """Start a network from the weights of a similar one.

    Args:
        scale: of a first layer for another number of channels; see `adapt_input`.
        but: parts that may differ, such as the head, while all else must fit. None: what does not fit is left as it is, and reported.
        what: named in the message.

    Raises:
        CheckpointError: weights of another net; what does not fit is named, and
            the network is as it was.
    """
    copied, adapted, missing = [], [], []
    own = model.state_dict()
    new = dict(own)
    first = first_layer(model)
    for name, tensor in own.items():
        theirs = state.get(name)
        if theirs is None:
            missing.append(name)
        elif theirs.shape == tensor.shape:
            new[name] = theirs
            copied.append(name)
        elif name == first and _same_but_channels(theirs, tensor):
            new[name] = adapt_input(theirs, tensor.shape[1], scale=scale)
            adapted.append(name)
        else:
            missing.append(name)
    unused = [name for name in state if name not in own]
    if but is not None:
        wrong = [
            name
            for name in (*missing, *unused)
            if not belongs(name, but)
            and not name.endswith("num_batches_tracked")  # torch 0.4 had none
        ]
        if wrong:
            name = wrong[0]
            ours = f"{tuple(own[name].shape)}" if name in own else "no such tensor"
            theirs_is = f"{tuple(state[name].shape)}" if name in state else "none"
            raise CheckpointError(
                f"{what}: weights of another net: {len(copied) + len(adapted)} of"
                f" {len(own)} tensors fit; {name}: expected {ours}, got {theirs_is}"
            )
    model.load_state_dict(new)
    return Fitted(tuple(copied), tuple(adapted), tuple(missing), tuple(unused))


def adapt_input(weight: Tensor, channels: int, *, scale: Scale = "response") -> Tensor:
    """A first layer for another number of channels: for each new one the mean of the old.

    Args:
        weight: (outputs, inputs, ...) of a convolution.
        scale: "response" multiplies by old over new count (2 -> 3 channels: 2/3), so
            that the same picture in all channels is answered as before. "plain" leaves
            the mean as it is (3 -> 20 channels of motion).

    Source:
        Wang et al., "Temporal Segment Networks", ECCV 2016, section 3.2 (plain).
    """
    mean = weight.mean(dim=1, keepdim=True)
    if scale == "response":
        mean = mean * (weight.shape[1] / channels)
    return mean.repeat_interleave(channels, dim=1)


def first_layer(model: nn.Module) -> str | None:
    """The name of the first convolution's weights."""
    return next((n for n, w in model.named_parameters() if w.dim() > 3), None)


def belongs(name: str, parts: tuple[str, ...]) -> bool:
    """Whether a tensor lies in one of the named parts: conv1.0.weight in conv1, not conv."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _same_but_channels(first: Tensor, second: Tensor) -> bool:
    return (first.shape[0], *first.shape[2:]) == (second.shape[0], *second.shape[2:])
