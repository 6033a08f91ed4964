"""A short clip as the channels of one picture: how 2D nets see motion."""

from torch import Tensor

from ..errors import RecipeError


def stacked(clips: Tensor, channels: int) -> Tensor:
    """(B, C, T, H, W) -> (B, T*C, H, W), time before channel: u0, v0, u1, v1, ...

    Args:
        channels: T*C of the network.

    Raises:
        RecipeError: the clips have another number.
    """
    if clips.dim() != 5 or clips.shape[1] * clips.shape[2] != channels:
        raise RecipeError(
            f"expected clips (B, C, T, H, W) that stack to {channels} channels,"
            f" got {tuple(clips.shape)}"
        )
    return clips.transpose(1, 2).flatten(1, 2)
