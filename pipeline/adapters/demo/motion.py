"""A clip's name -> where its camera and its object are, so what moves by how much.

    world = pixel + camera          object = turn(-angle) (world - centre) / scale

Camera and object are drawn independently: the object of a "left" clip goes left in the
world, and on the screen by that plus what the camera does to object and background alike.
All is known in closed form, so the motion of every pixel is exact.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

WIDTH, HEIGHT, FRAMES, RATE = 128, 96, 24, 25
MIDDLE = (FRAMES - 1) / 2
"""Trajectories are centred on the middle of the clip, so no single frame tells the way."""

MOTION_CLASSES = (
    "left",
    "right",
    "cw",
    "ccw",
    "expand",
    "contract",
    "osc_h",
    "osc_v",
)
"""Motion alone tells these apart."""
PAIR_CLASSES = ("rise_bright", "rise_dark", "fall_warm", "fall_cool")
"""Two motions, and in each two appearances that flow cannot know."""
CLASSES = MOTION_CLASSES + PAIR_CLASSES

SPEED = (1.1, 2.3)  # px per frame
TURN = 3.0  # degrees per px of speed
GROWTH = (0.0145, 0.008)  # of the logarithm of the size: at rest, per px of speed
RADIUS = (18.0, 25.0)  # px
EDGE = 3.0  # px from outside to inside of the object
PAN, WALK = 0.8, 0.3  # px per frame


class Clip(NamedTuple):
    """Names a clip: nothing else goes into what it shows."""

    seed: int
    group: int
    kind: str
    """One of `CLASSES`."""


class Scene(NamedTuple):
    """Camera, object and outline of a clip; T frames, x to the right, y down."""

    camera: np.ndarray
    """(T, 2) px: what is added to a pixel to find it in the world."""
    centre: np.ndarray
    """(T, 2) px: the object in the world."""
    angle: np.ndarray
    """(T,) radians, clockwise on the screen."""
    scale: np.ndarray
    """(T,) size of the object, 1 as drawn."""
    radius: float
    """px, before scaling."""
    harmonics: np.ndarray
    """(3, 2) amplitude and phase of the outline's 2nd, 3rd and 4th harmonic."""


def stream(clip: Clip, purpose: int) -> np.random.Generator:
    """Random numbers of a clip, for one purpose."""
    return np.random.default_rng(
        (clip.seed, clip.group, CLASSES.index(clip.kind), purpose)
    )


def scene(clip: Clip) -> Scene:
    """Draws speed, path and outline. Classes differ in the sign or kind of motion only:
    those that stay get the places, sizes and angles that the moving ones sweep."""
    rng = stream(clip, 0)
    time = np.arange(FRAMES) - MIDDLE
    speed = rng.uniform(*SPEED)
    period = rng.uniform(8, 11)  # frames
    angle, pan_angle, *phases = rng.uniform(0, 2 * np.pi, 4)
    place, size = rng.uniform(-MIDDLE, MIDDLE, 2)  # a time that a moving one passes
    jitter = rng.uniform((-6, -4), (6, 4))
    pan = min(rng.rayleigh(PAN), PAN * np.sqrt(-2 * np.log(0.05)))
    steps = rng.normal(0, WALK, (FRAMES, 2))
    harmonics = np.stack([rng.uniform(0, 0.1, 3), rng.uniform(0, 2 * np.pi, 3)], axis=1)
    radius = rng.uniform(*RADIUS)

    walk = np.cumsum(steps, axis=0)
    heading = np.array([np.cos(pan_angle), np.sin(pan_angle)])
    camera = time[:, None] * pan * heading + walk - walk.mean(axis=0)

    sway = 1.25 * speed * period / (2 * np.pi)
    swing = sway * np.sin(2 * np.pi * time[:, None] / period + phases)
    sweep, turning = speed * time, np.radians(TURN) * speed * time
    growth = GROWTH[0] + GROWTH[1] * speed  # per frame
    rest = swing[0]
    path = np.tile(rest + (speed * place, 0), (FRAMES, 1))
    turned, grown = np.full(FRAMES, angle), np.full(FRAMES, growth * size)
    match clip.kind:
        case "left":
            path[:, 0] = rest[0] - sweep
        case "right":
            path[:, 0] = rest[0] + sweep
        case "cw":
            turned += turning
        case "ccw":
            turned -= turning
        case "expand":
            grown = growth * time
        case "contract":
            grown = -growth * time
        case "osc_h":
            path[:, 0] += swing[:, 0] - rest[0]
        case "osc_v":
            path[:, 1] += swing[:, 1] - rest[1]
        case "rise_bright" | "rise_dark":
            path = rest - 0.8 * np.outer(sweep, (0, 1))
        case "fall_warm" | "fall_cool":
            path = rest + 0.8 * np.outer(sweep, (0, 1))
    origin = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2]) + jitter
    return Scene(
        camera=camera,
        centre=origin + path,
        angle=turned,
        scale=np.exp(grown),
        radius=radius,
        harmonics=harmonics,
    )


@cache
def screen() -> np.ndarray:
    """(H, W, 2): x and y of every pixel's centre. Not to be written to."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    places = np.stack([x, y], axis=2)
    places.flags.writeable = False
    return places


def on_object(view: Scene, k: int) -> np.ndarray:
    """(H, W, 2): where each pixel of frame k lies on the object, px as drawn."""
    away = screen() + (view.camera[k] - view.centre[k])
    return turned(away, -view.angle[k], 1 / view.scale[k])


def opacity(view: Scene, at: np.ndarray) -> np.ndarray:
    """(H, W): 1 inside the object, 0 outside, a ramp of `EDGE` px between (as drawn).

    Args:
        at: (H, W, 2) places on the object, from `on_object`.
    """
    direction = np.arctan2(at[..., 1], at[..., 0])
    outline = np.ones_like(direction)
    for order, (amplitude, phase) in enumerate(view.harmonics.tolist(), start=2):
        outline += amplitude * np.cos(order * direction + phase)
    inside = view.radius * outline - np.hypot(at[..., 0], at[..., 1])
    return np.clip(inside / EDGE + 0.5, 0, 1)


def turned(points: np.ndarray, angle: float, scale: float) -> np.ndarray:
    """(H, W, 2) points scaled and turned about the origin, clockwise on the screen."""
    x, y = points[..., 0], points[..., 1]
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.stack([c * x - s * y, s * x + c * y], axis=2)
