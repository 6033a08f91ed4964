"""Clips to compare an exported network on: of the run's store, or random ones."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.store import Store, StoreError

from ..data.dataset import Clips, frames_of
from ..errors import TrainingError
from ..recognition.contract import input_shape
from ..recognition.network_runs import NetworkRun

COUNT = 4


class Sample(NamedTuple):
    """Clips, and where they come from."""

    clips: Tensor
    """(B, C, T, H, W) float32."""
    source: str
    """In words."""


def sample_of(network: NetworkRun) -> Sample:
    """Some clips of a run's test videos, or random numbers where the store is gone."""
    folder = (network.run.machine().store or "").split(", ")[0]
    try:
        store = Store(folder) if folder else None
        if store and store.fingerprint == network.run.config().store.fingerprint:
            return Sample(_clips(store, network), f"clips of {store.dataset}")
    except (StoreError, TrainingError, OSError):
        pass
    return Sample(_random(network), "random clips, as the store of the run is gone")


def _clips(store: Store, network: NetworkRun) -> Tensor:
    split = network.run.config().split.name
    videos = [one for one in store.videos() if one.splits.get(split) == "test"]
    videos = [one for one in videos if network.sees in one.rows] or list(store.videos())
    chosen = [videos[i] for i in np.linspace(0, len(videos) - 1, COUNT).astype(int)]
    clips = Clips(frames_of(store, network.clip), chosen, [network.sees], network.clip)
    shown = []
    for video in chosen:
        start = max(clips.available(video) - network.clip.span, 0) // 2
        view = clips.views(video, 1)
        shown.append(clips.stated(video, start, view)[network.sees])
    return torch.cat(shown)


def _random(network: NetworkRun) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (COUNT, *input_shape(network.sees, network.clip))
    if network.sees == "rgb":
        values = torch.rand(shape, generator=generator)
        mean, std = network.clip.rgb_mean, network.clip.rgb_std
        sides = (1, 3, 1, 1, 1)
        return (values - values.new_tensor(mean).view(sides)) / values.new_tensor(
            std
        ).view(sides)
    values = torch.randn(shape, generator=generator).clamp(-1, 1)
    values *= network.clip.motion_gain / 4
    if shape[1] == 3:
        values[:, 2] = 1  # all vectors are known
    return values
