"""Read activations inside a network without changing it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd


def channels_last(module: nn.Module) -> None:
    """Mark a module whose output is (B, ..., C): its features are tapped as (B, C, ...)."""
    module._channels_last = True  # type: ignore[assignment]


def of_tokens(module: nn.Module, *, prefix: int) -> None:
    """Mark a module whose output may be tokens (B, N, C): its features are tapped as
    (B, C, N - prefix).

    Args:
        prefix: tokens at the beginning that have no position, as a class token.
    """
    module._prefix = prefix  # type: ignore[assignment]


def of_entries(module: nn.Module, entries: int) -> None:
    """Mark a module that sees the entries of clips as images (B*T, C, ...): its features
    are tapped as (B, C, T, ...)."""
    module._entries = entries  # type: ignore[assignment]


def as_map(module: nn.Module, output: Any) -> Tensor:
    """The output of a module as features (B, C, ...).

    A pair of tokens (B, 1 + T*H*W, C) and (T, H, W), as a block of an MViT has it,
    becomes (B, C, T, H, W), without the class token; of the pair that attention gives, the
    weights are left out. Of a module that nothing marks, channels are the axis that its
    linear layers and norms give, (B, ..., C) where there are such.
    """
    if isinstance(output, tuple):
        output, size = output
        if isinstance(size, tuple | list):
            return output[:, 1:].transpose(1, 2).unflatten(2, tuple(size))
    prefix = getattr(module, "_prefix", None)
    if prefix is not None and output.ndim == 3:
        output = output[:, prefix:].movedim(-1, 1)
    elif getattr(module, "_channels_last", False) or (
        prefix is None and _gives_channels_last(module, output)
    ):
        output = output.movedim(-1, 1)
    entries = getattr(module, "_entries", None)
    return output.unflatten(0, (-1, entries)).movedim(1, 2) if entries else output


def _gives_channels_last(module: nn.Module, output: Tensor) -> bool:
    """Whether the last axis has the size that a linear layer or norm of the module gives,
    and not the second, too, in a module that convolves."""
    if output.ndim < 3:
        return False
    parts = list(module.modules())
    sizes = {part.out_features for part in parts if isinstance(part, nn.Linear)}
    sizes |= {part.normalized_shape[-1] for part in parts if type(part) is nn.LayerNorm}
    convolves = any(isinstance(part, _ConvNd | _BatchNorm) for part in parts)
    return output.shape[-1] in sizes and not (convolves and output.shape[1] in sizes)


@contextmanager
def tap(model: nn.Module, *names: str) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of the named submodules during the forward passes inside.

    >>> with tap(model, "layer4") as features:
    ...     logits = model(clips)
    >>> features["layer4"].shape

    Raises:
        AttributeError: the model has no submodule of that name.
    """
    features: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple, Tensor], None]:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            features[name] = as_map(module, output)

        return hook

    handles = []
    try:
        for name in names:
            module = model.get_submodule(name)
            handles.append(module.register_forward_hook(keep(name)))
        yield features
    finally:
        for handle in handles:
            handle.remove()


class Taps:
    """Calls a network again and again, and hands out activations with its output.

    As `tap`, but the hooks stay: a network that is compiled must have them before.

    >>> taps = Taps(model, ["layer4"], inputs=["fc"])
    >>> logits, features, given = taps(clips)
    """

    def __init__(
        self, model: nn.Module, names: Iterable[str], *, inputs: Iterable[str] = ()
    ) -> None:
        """
        Args:
            inputs: submodules of which the input is wanted.

        Raises:
            AttributeError: the model has no submodule of a name.
        """
        self.model, self.collects = model, False
        self.features: dict[str, Tensor] = {}
        self.given: dict[str, Tensor] = {}
        for name in names:
            module = model.get_submodule(name)
            module.register_forward_hook(partial(self._output, name))
        for name in inputs:
            module = model.get_submodule(name)
            module.register_forward_pre_hook(partial(self._input, name))

    def __call__(self, clips: Any) -> tuple[Any, dict[str, Tensor], dict[str, Tensor]]:
        """The network's output, outputs by name, and inputs by name."""
        self.collects = True  # not during a validation in between
        try:
            output = self.model(clips)
        finally:
            self.collects = False
        features, given = dict(self.features), dict(self.given)
        self.features.clear()
        self.given.clear()
        return output, features, given

    def _output(
        self, name: str, module: nn.Module, given: tuple, output: Tensor
    ) -> None:
        if self.collects:
            self.features[name] = as_map(module, output)

    def _input(self, name: str, module: nn.Module, given: tuple) -> None:
        if self.collects:
            self.given[name] = given[0]


class PooledFeatures(nn.Module):
    """The features of a network at one of its layers instead of its output.

    Gives (B, d): the mean of the layer's output over space and time.
    """

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        self.model, self.name = model, name

    def forward(self, clips: Tensor) -> Tensor:
        with tap(self.model, self.name) as taps:
            self.model(clips)
        return pooled(taps[self.name])


def pooled(features: Tensor) -> Tensor:
    """(B, d, ...) -> (B, d) float32 means."""
    features = features.float()
    return features.flatten(2).mean(2) if features.ndim > 2 else features
