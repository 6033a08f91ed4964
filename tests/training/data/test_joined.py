import pytest
import torch
from torch.utils.data import DataLoader

from training.data.clip_config import ClipConfig
from training.data.dataset import Clips, frames_of
from training.data.joined import JoinedClips, JoinedOrder, grouped, order_of
from training.data.order import Order

CONFIG = ClipConfig(length=4, grid_short_px=24, crop_px=(20, 24))


def joined(large: int = 10, small: int = 4, size: int = 2, **options) -> JoinedOrder:
    return JoinedOrder(
        {
            "large": Order(large, size, seed=0, **options),
            "small": Order(small, size, seed=0, **options),
        }
    )


def test_an_epoch_is_one_of_the_larger_set_and_the_smaller_goes_round():
    order = joined()
    assert order.per_epoch == len(order) == 5 and order.batch_size == 4
    videos = {"large": [], "small": []}
    for epoch in range(2):
        order.begin(epoch)
        for batch in order:
            assert [position.dataset for position in batch] == ["large"] * 2 + [
                "small"
            ] * 2
            for dataset, position in batch:
                videos[dataset].append(position)
    assert sorted(p.video for p in videos["large"][:10]) == list(range(10))
    for first in range(0, 20, 4):  # its own epochs, five of them
        turn = videos["small"][first : first + 4]
        assert sorted(p.video for p in turn) == list(range(4))
        assert {p.epoch for p in turn} == {first // 4}
    assert len({(p.epoch, p.position) for p in videos["small"]}) == 20


def test_each_set_has_the_order_it_has_alone():
    order, alone = joined(), Order(10, 2, seed=0)
    ours = [[p.position for p in batch if p.dataset == "large"] for batch in order]
    assert ours == list(alone)


def test_going_on_anywhere_is_the_same():
    order = joined()
    order.begin(3)
    whole = list(order)
    for first in range(5):
        order.begin(3, first)
        assert list(order) == whole[first:] and len(order) == 5 - first


def test_processes_share_every_batch():
    whole = list(joined(size=4))
    shares = [list(joined(size=4, rank=rank, world_size=2)) for rank in range(2)]
    for batch, first, second in zip(whole, *shares, strict=True):
        assert sorted(batch) == sorted(first + second)
        assert len(first) == len(second) == 4


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_batches_have_clips_of_each_set_and_go_on_anywhere(store, workers):
    frames = frames_of(store, CONFIG)
    videos = store.videos()
    clips = JoinedClips(
        {
            "ucf101": Clips(frames, videos[:7], ["mv"], CONFIG),
            "hmdb51": Clips(frames, videos[7:], ["flow"], CONFIG, seed=1),
        }
    )
    order = order_of(clips, 2, seed=0)
    loader = DataLoader(
        clips, batch_sampler=order, collate_fn=grouped, num_workers=workers
    )
    whole = list(loader)
    assert len(whole) == 3
    for batch in whole:
        assert batch["ucf101"]["mv"].shape == (2, 2, 4, 20, 24)
        assert batch["hmdb51"]["flow"].shape == (2, 2, 4, 20, 24)
        assert batch["hmdb51"]["label"].shape == (2,)
    order.begin(0, 2)
    (last,) = list(loader)
    assert torch.equal(last["ucf101"]["mv"], whole[2]["ucf101"]["mv"])
    assert torch.equal(last["hmdb51"]["flow"], whole[2]["hmdb51"]["flow"])


def test_one_data_set_is_ordered_and_batched_as_before(store):
    clips = Clips(frames_of(store, CONFIG), store.videos(), ["mv"], CONFIG)
    order = order_of(clips, 100, seed=3)
    assert isinstance(order, Order) and order.batch_size == len(clips)
    batch = grouped([clips[position] for position in next(iter(order))])
    assert batch["mv"].shape[0] == batch["label"].shape[0] == len(clips)
