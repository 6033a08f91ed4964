"""Projections that make a student's feature comparable with its teacher's."""

from torch import Size, nn

from ..errors import RecipeError

LARGEST = 1 << 28
"""Weights of a linear projection: more is a first stage flattened by mistake."""


def build_adapter(kind: str, student: Size, teacher: Size, *, tap: str) -> nn.Module:
    """A projection with first weights drawn from torch's global generator.

    Args:
        kind: "conv" for a 1x1 convolution over the channels, which keeps positions;
            "linear" for a linear layer over the whole feature, flattened.
        student, teacher: shapes of the features, (B, C, ...).
        tap: named in the message.

    Raises:
        RecipeError: this kind can't make the shapes equal.
    """
    if kind == "conv":
        if student[2:] != teacher[2:] or len(student) > 5:
            raise RecipeError(
                f"{tap}: expected features with the same positions for the adapter conv,"
                f" got student {tuple(student)}, teacher {tuple(teacher)}"
            )
        if len(student) == 2:
            return nn.Linear(student[1], teacher[1])
        layer = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[len(student)]
        return layer(student[1], teacher[1], 1)
    if kind == "linear":
        inputs, outputs = student[1:].numel(), teacher[1:].numel()
        if inputs * outputs > LARGEST:
            raise RecipeError(
                f"{tap}: expected features of {LARGEST} products at most for the adapter"
                f" linear, got {inputs} x {outputs}"
            )
        return nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, outputs), nn.Unflatten(1, teacher[1:])
        )
    raise RecipeError(f"{tap}: expected the adapter conv or linear, got {kind}")
