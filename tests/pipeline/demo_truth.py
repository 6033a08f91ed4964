"""The exact motion of the demo data set, in closed form."""

import numpy as np

from pipeline.adapters.demo.motion import (
    HEIGHT,
    WIDTH,
    Clip,
    Scene,
    on_object,
    opacity,
    scene,
    screen,
    turned,
)


def true_flow(clip: Clip, k: int) -> np.ndarray:
    """Exact forward motion of what frame k shows, to frame k + 1.

    Returns:
        (H, W, 2) float32, px; u to the right, v down. Where object and background mix
        (at the object's soft edge), the motion of the one that shows more.
    """
    view = scene(clip)
    shows_object = opacity(view, on_object(view, k)) > 0.5
    return np.where(
        shows_object[..., None],
        _object_flow(view, k),
        view.camera[k] - view.camera[k + 1],
    ).astype(np.float32)


def object_mask(clip: Clip, k: int) -> np.ndarray:
    """(H, W) bool: pixels of frame k that show the object alone, off its soft edge, and
    that are still on the screen at frame k + 1."""
    view = scene(clip)
    to = screen() + _object_flow(view, k)
    stays = np.all((to >= 0) & (to <= (WIDTH - 1, HEIGHT - 1)), axis=2)
    return (opacity(view, on_object(view, k)) >= 1) & stays


def _object_flow(view: Scene, k: int) -> np.ndarray:
    away = screen() + (view.camera[k] - view.centre[k])
    turn = view.angle[k + 1] - view.angle[k]
    moved = turned(away, turn, view.scale[k + 1] / view.scale[k])
    return moved + (view.centre[k + 1] - view.camera[k + 1]) - screen()
