"""Parts of a network that stand still while the others learn.

A step that owns the network keeps it so, as nothing else knows when it starts to train:

    def __init__(self, model, *, freeze=()):
        self.frozen = Frozen(model, freeze)

    def train(self, mode=True):
        super().train(mode)
        self.frozen.hold()
        return self
"""

from torch import nn

from ..errors import RecipeError
from .weights import belongs, check_parts


class Frozen:
    """The named parts have no gradient and stay in eval mode: their dropout is off and
    their batch norm neither looks at the batch nor follows it.

    Fine-tuning from the fourth stage on, as MARS does (ft_begin_index 4), freezes
    ("stem", "layer1", "layer2", "layer3").

    Args:
        parts: of the network: "layer1" is layer1.0.conv1.weight and all else in it.

    Raises:
        RecipeError: the network has no such part, or nothing else that could learn.
    """

    def __init__(self, model: nn.Module, parts: tuple[str, ...]) -> None:
        check_parts(model, parts)
        named = dict(model.named_parameters())
        still = [name for name in named if belongs(name, parts)]
        if len(still) == len(named):
            raise RecipeError(
                f"expected parts that leave something to learn, got {', '.join(parts)}"
            )
        for name in still:
            named[name].requires_grad_(False)
        self.names = tuple(still)
        self._modules = [m for name, m in model.named_modules() if belongs(name, parts)]
        self.hold()

    def hold(self) -> None:
        """Back to eval mode; to be called after every `train()` of the network."""
        for module in self._modules:
            module.eval()
