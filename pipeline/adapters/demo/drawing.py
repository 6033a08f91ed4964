"""A clip of the demo data set -> frames -> an H.264 file in memory.

Background and object wear the same kind of texture, so a single frame does not show what
moves. The pair classes wear spots whose sign tells them apart: the negative of a grey
texture has the same flow, and the orange-blue axis has no luma, so motion cannot know.
"""

import io

import av
import cv2
import numpy as np

from .motion import (
    FRAMES,
    HEIGHT,
    RATE,
    WIDTH,
    Clip,
    on_object,
    opacity,
    scene,
    screen,
    stream,
)

GREY = np.array([1.0, 1.0, 1.0])
ORANGE_BLUE = np.array([1.0, -0.3, -1.0777])
GREEN_RED = np.array([-1.0, 0.509, 0.0])
"""RGB axes; luma (.299, .587, .114) of the last two is 0."""

CRF = 20
MARGIN = 48
"""px of world beyond the screen: more than the camera ever moves."""

SPOTS = {"rise_bright": 1, "rise_dark": -1, "fall_warm": 1, "fall_cool": -1}


def frames(clip: Clip) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB."""
    view, rng = scene(clip), stream(clip, 1)
    base = np.float32(rng.uniform(118, 138))
    fine = rng.uniform(2, 4)  # px
    luma = 26 * rng.uniform(0.7, 1.3)
    noise = np.float32(rng.uniform(1, 2.5))
    world = _texture(rng, (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN), fine, luma)
    side = int(2 * 1.5 * view.radius) + 1
    skin = _texture(rng, (side, side), fine, luma)
    if clip.kind in SPOTS:
        skin = _spotted(rng, clip.kind, skin)
    shown = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for k in range(FRAMES):
        behind = _sampled(world, screen() + (view.camera[k] + MARGIN))
        at = on_object(view, k).astype(np.float32)
        front = _sampled(skin, at + (side - 1) / 2)
        cover = opacity(view, at)[..., None]
        scenery = base + behind + cover * (front - behind)
        grain = rng.standard_normal((HEIGHT, WIDTH, 4), np.float32)
        scenery += noise * (grain[..., :1] + grain[..., 1:] / 2)
        shown[k] = np.clip(np.rint(scenery), 0, 255)
    return shown


def encoded(shown: np.ndarray) -> bytes:
    """(T, H, W, 3) uint8 RGB -> an MP4 file. Every frame refers to the one before it, or,
    each twelfth, to none."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=RATE)
        video.height, video.width = shown.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.options = {
            "crf": str(CRF),
            "preset": "medium",
            "bf": "0",
            "refs": "1",
            "g": "12",
            "sc_threshold": "0",
            "threads": "1",
        }
        for image in shown:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return file.getvalue()


def _field(rng: np.random.Generator, shape: tuple[int, int], sigma: float):
    """(H, W) float32 noise of one band: mean 0, variance 1, `sigma` px smooth."""
    white = rng.standard_normal(shape, np.float32)
    band = cv2.GaussianBlur(white, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return (band - band.mean()) / band.std()


def _texture(
    rng: np.random.Generator, shape: tuple[int, int], fine: float, luma: float
) -> np.ndarray:
    """(H, W, 3) float32 around 0: two bands of luma, and chroma without luma."""

    def bands():
        return 0.8 * _field(rng, shape, fine) + 0.6 * _field(rng, shape, 2.5 * fine)

    chroma = bands()[..., None] * ORANGE_BLUE + bands()[..., None] * GREEN_RED
    return (luma * bands()[..., None] * GREY + 10 * chroma).astype(np.float32)


def _spotted(rng: np.random.Generator, kind: str, skin: np.ndarray) -> np.ndarray:
    """The skin of a pair class: luma spots on half the texture, or chroma spots on it."""
    spots = np.maximum(_field(rng, skin.shape[:2], 3.0), 0.4)
    spots = SPOTS[kind] * ((spots - spots.mean()) / spots.std())[..., None]
    if kind.startswith("rise"):
        grey = skin @ np.array([0.299, 0.587, 0.114])
        return (skin - grey[..., None] / 2 + 42 * spots * GREY).astype(np.float32)
    return (skin + 40 * spots * ORANGE_BLUE).astype(np.float32)


def _sampled(texture: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(H, W, 3): the texture at (H, W, 2) places, to 1/64 px."""
    return cv2.remap(
        texture,
        at.astype(np.float32),
        np.empty(0),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
