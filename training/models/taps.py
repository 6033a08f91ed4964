"""Read activations inside a network without changing it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn


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
            features[name] = output

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
            self.features[name] = output

    def _input(self, name: str, module: nn.Module, given: tuple) -> None:
        if self.collects:
            self.given[name] = given[0]
