"""Clips of a store at an address are those of its folder, a batch of them read side by side."""

from collections.abc import Iterator

import pytest
import torch
from small_clips import CONFIG
from web_server import WebServer, served

from pipeline.store import Store
from training.data import StoreClips
from training.data.dataset import Clips, StatedClips, frames_of
from training.data.joined import JoinedClips, JoinedPosition
from training.data.order import ClipPosition


@pytest.fixture(scope="module")
def server(store: Store) -> Iterator[WebServer]:
    with served(store.folder) as server:
        yield server


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_folder(
    workers: int, store: Store, server: WebServer
) -> None:
    server.reset()
    options = {"modalities": ["rgb", "mv"], "config": CONFIG, "seed": 3}
    there = StoreClips(server.address, **options)
    assert repr(there).startswith(f"StoreClips({server.address}: ")
    batches = zip(
        there.loader(4, workers=workers),
        StoreClips(store, **options).loader(4),
        strict=True,
    )
    for remote, local in batches:
        assert remote["video"] == local["video"]
        for name in ("rgb", "mv", "label", "start"):
            assert torch.equal(remote[name], local[name])


def test_the_clips_of_a_batch_are_read_side_by_side(
    store: Store, server: WebServer
) -> None:
    def made(opened: Store) -> Clips:
        return Clips(
            frames_of(opened, CONFIG, memory_bytes=10_000),
            opened.videos(),
            ["rgb"],
            CONFIG,
        )

    remote, local = made(Store(server.address)), made(store)
    remote.__getitems__([ClipPosition(0, k, k) for k in range(8)])  # opens the shards
    server.reset()
    server.delay_seconds = 0.05
    drawn = [ClipPosition(1, k, k) for k in range(8)]
    for clip, position in zip(remote.__getitems__(drawn), drawn, strict=True):
        assert torch.equal(clip["rgb"], local[position]["rgb"])
    assert server.most_at_once >= 4
    starts = [(k, 0) for k in range(8)]
    server.reset()
    server.delay_seconds = 0.05
    stated = StatedClips(remote, starts).__getitems__(range(8))
    assert [int(clip["index"]) for clip in stated] == list(range(8))
    assert server.most_at_once >= 4
    server.reset()
    server.delay_seconds = 0.05
    JoinedClips({"a": remote}).__getitems__([JoinedPosition("a", p) for p in drawn])
    assert server.most_at_once >= 4
