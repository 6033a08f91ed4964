"""Weights from elsewhere -> a network, with a report of what fitted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from torch import Tensor, nn

from ..errors import CheckpointError, RecipeError
from ..saved import read_saved

Scale = Literal["response", "plain"]
"""Of a first layer for another number of channels: see `adapt_input`."""


class Fitted(NamedTuple):
    """What became of every tensor."""

    copied: tuple[str, ...]
    adapted: tuple[str, ...]
    """Copied with another number of input channels."""
    kept: tuple[str, ...]
    """The network's own: excluded, not there, or of another shape."""
    unused: tuple[str, ...] = ()
    """There, but nothing of the network's."""

    def text(self) -> str:
        """One line for a log."""
        parts = [f"{len(self.copied)} tensors copied"]
        if self.adapted:
            parts.append(f"adapted: {_few(self.adapted)}")
        if self.kept:
            parts.append(f"not taken: {_few(self.kept)}")
        if self.unused:
            parts.append(f"left over: {_few(self.unused)}")
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
    model: nn.Module,
    state: Mapping[str, Tensor],
    *,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    scale: Scale = "response",
) -> Fitted:
    """Start a network from the weights of a similar one.

    What does not fit is left as it is, and reported: `check_all_fitted` refuses it.

    Args:
        include: parts ("layer1", "fc6.0") that are taken; none named: all.
        exclude: parts that keep the network's own values all the same.
        scale: of a first layer for another number of channels; see `adapt_input`.

    Raises:
        RecipeError: the network has no such part.
    """
    check_parts(model, (*include, *exclude))
    copied, adapted, kept = [], [], []
    own = model.state_dict()
    first = first_layer(model)
    for name, tensor in own.items():
        theirs = state.get(name)
        wanted = not include or belongs(name, include)
        if theirs is None or not wanted or belongs(name, exclude):
            kept.append(name)
        elif theirs.shape == tensor.shape:
            own[name] = theirs
            copied.append(name)
        elif name == first and _same_but_channels(theirs, tensor):
            own[name] = adapt_input(theirs, tensor.shape[1], scale=scale)
            adapted.append(name)
        else:
            kept.append(name)
    model.load_state_dict(own)
    unused = tuple(name for name in state if name not in own)
    return Fitted(tuple(copied), tuple(adapted), tuple(kept), unused)


def check_all_fitted(
    model: nn.Module,
    state: Mapping[str, Tensor],
    fitted: Fitted,
    *,
    but: tuple[str, ...],
    what: str,
) -> None:
    """Check that a transfer took all that it should.

    Args:
        but: parts that may differ: the head, and what was excluded.
        what: named in the message.

    Raises:
        CheckpointError: weights of another net; the first that does not fit is named.
    """
    own = model.state_dict()
    wrong = [
        name
        for name in (*fitted.kept, *fitted.unused)
        if not belongs(name, but) and not name.endswith("num_batches_tracked")
    ]
    if not wrong:
        return
    name = wrong[0]
    ours = f"{tuple(own[name].shape)}" if name in own else "no such tensor"
    theirs = f"{tuple(state[name].shape)}" if name in state else "none"
    count = len(fitted.copied) + len(fitted.adapted)
    raise CheckpointError(
        f"{what}: weights of another net: {count} of {len(own)} tensors fit;"
        f" {name}: expected {ours}, got {theirs}"
    )


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


def check_parts(model: nn.Module, parts: tuple[str, ...]) -> None:
    """Check that a network has these parts, with tensors in them.

    Raises:
        RecipeError: one is not there; those that are are named.
    """
    names = model.state_dict().keys()
    for part in parts:
        if not any(belongs(name, (part,)) for name in names):
            tops = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            raise RecipeError(f"expected parts of the net among {tops}, got {part}")


def _same_but_channels(first: Tensor, second: Tensor) -> bool:
    return (first.shape[0], *first.shape[2:]) == (second.shape[0], *second.shape[2:])


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
