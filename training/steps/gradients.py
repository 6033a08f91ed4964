"""Gradient norms of the parts of a loss, from which loss weights are computed."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RecipeError
from ..models.taps import tap
from .step import LABELS, Step


def gradient_norms(step: Step, batch: Any, *, at: str) -> dict[str, float]:
    """The norm of every unweighted loss's gradient at one module of a network.

    The measurement changes nothing: no weight, no running mean, no random generator.

    Args:
        batch: on the step's device.
        at: name of a module, in the network that learns ("fc6") or in the step
            ("adapters.match_fc6"). Its weights count; where it has none, as a pooling,
            its output does.

    Returns:
        By the loss's name, over all data sets of a batch; 0 for one that does not
        depend on the module.

    Raises:
        RecipeError: there is no such module.
    """
    place = _place(step, at)
    weights = [w for w in place.parameters() if w.requires_grad]
    device = next(step.parameters()).device
    buffers = {name: value.clone() for name, value in step.named_buffers()}
    cuda = [device] if device.type == "cuda" else []
    with (
        torch.compiler.set_stance("force_eager"),  # compiled code ignores new hooks
        torch.random.fork_rng(cuda),
        tap(place, "") as seen,
    ):
        losses = step.losses(batch)
        ends: Sequence[Tensor] = weights or [seen[""]]
        if not ends[0].requires_grad:
            raise RecipeError(
                f"expected a module after something that learns, got {at}"
            )
        sums: dict[str, Tensor] = {}
        for name, loss in losses.items():
            name = name.rpartition(".")[2]
            sums[name] = sums[name] + loss if name in sums else loss
        norms = {name: _norm(loss, ends) for name, loss in sums.items()}
    with torch.no_grad():
        for name, value in step.named_buffers():
            value.copy_(buffers[name])
    return norms


def balanced_weight(
    norms: dict[str, float], name: str, *, against: str = LABELS, share: float = 0.5
) -> float:
    """The weight at which a loss's gradient norm is a share of another's.

    Args:
        norms: of unweighted losses, from `gradient_norms`.

    Raises:
        RecipeError: there is no such loss, or it has no gradient there, so that no weight
            is possible.
    """
    for wanted in (name, against):
        if wanted not in norms:
            raise RecipeError(
                f"expected a loss among {', '.join(norms)} to balance, got {wanted}"
            )
    if not norms[name] > 0 or not norms[against] > 0:
        raise RecipeError(
            f"expected gradients of {name} and {against} to balance,"
            f" got lengths {norms[name]:g} and {norms[against]:g}"
        )
    return share * norms[against] / norms[name]


def balanced_weights(
    norms: dict[str, float], shares: Mapping[str, float]
) -> dict[str, float]:
    """Loss -> the weight at which its gradient norm is its share of that of the labels.

    Losses are left out where either gradient is next to nothing: see `pulls`.

    Raises:
        RecipeError: there is no such loss.
    """
    return {
        name: balanced_weight(norms, name, share=share)
        for name, share in shares.items()
        if not norms.keys() >= {name, LABELS} or pulls(norms, name, LABELS)
    }


def pulls(norms: dict[str, float], *names: str, share: float = 1e-6) -> bool:
    """Whether each of these losses has a gradient that is not negligible against the longest.

    That of the labels is negligible where the first weights already fit them.
    """
    longest = max(norms.values())
    return longest > 0 and all(norms[name] >= share * longest for name in names)


def _place(step: Step, at: str) -> nn.Module:
    inside = [step, *step.children()]
    inside += [below for child in step.children() for below in child.children()]
    for module in inside:
        try:
            return module.get_submodule(at)
        except AttributeError:
            continue
    raise RecipeError(f"expected a module of the network that learns, got {at}")


def _norm(loss: Tensor, ends: Sequence[Tensor]) -> float:
    if not loss.requires_grad:
        return 0.0
    found = torch.autograd.grad(loss, ends, retain_graph=True, allow_unused=True)
    lengths = [torch.linalg.vector_norm(g.float()) for g in found if g is not None]
    return float(torch.linalg.vector_norm(torch.stack(lengths))) if lengths else 0.0
