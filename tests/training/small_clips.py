"""Clips of a store, as a network of the tests sees them."""

from training.data.clip_config import ClipConfig
from training.data.dataset import Clips, frames_of

CONFIG = ClipConfig(length=4, grid_short_px=24, crop_px=(16, 20), motion_gain=20.0)


def clips_of(store, modalities, config=CONFIG, *, memory_bytes=0, **options) -> Clips:
    frames = frames_of(store, config, memory_bytes=memory_bytes)
    return Clips(frames, store.videos(), modalities, config, **options)
