"""Read activations inside a network without changing it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
