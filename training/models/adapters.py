"""Projections that make a student's feature comparable with its teacher's."""

from torch import Size, nn

from ..errors import RecipeError

LARGEST = 1 << 28
"""Weights of a linear projection: more is a first stage flattened by mistake."""


def build_adapter(kind: str, ours: Size, theirs: Size, *, tap: str) -> nn.Module:
    """A projection with first weights drawn from torch's global generator.

    Args:
        kind: "conv" for a 1x1 convolution over the channels, which keeps positions;
            "linear" for a linear layer over the whole feature, flattened.
        ours, theirs: shapes of the features, (B, C, ...).
        tap: named in the message.

    Raises:
        RecipeError: this kind can't make the shapes equal.
    """
    if kind == "conv":
        if ours[2:] != theirs[2:] or len(ours) > 5:
            raise RecipeError(
                f"{tap}: expected features with the same positions for the adapter conv,"
                f" got student {tuple(ours)}, teacher {tuple(theirs)}"
            )
        if len(ours) == 2:
            return nn.Linear(ours[1], theirs[1])
        layer = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[len(ours)]
        return layer(ours[1], theirs[1], 1)
    if kind == "linear":
        inputs, outputs = ours[1:].numel(), theirs[1:].numel()
        if inputs * outputs > LARGEST:
            raise RecipeError(
                f"{tap}: expected features of {LARGEST} products at most for the adapter"
                f" linear, got {inputs} x {outputs}"
            )
        return nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, outputs), nn.Unflatten(1, theirs[1:])
        )
    raise RecipeError(f"{tap}: expected the adapter conv or linear, got {kind}")
