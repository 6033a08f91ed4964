import numpy as np
import pytest

from training.data.order import (
    ClipPosition,
    Order,
    batches_per_epoch,
    draw_generator,
    epoch_order,
)


def test_an_epoch_is_a_permutation_and_each_is_another():
    orders = [
        tuple(epoch_order(20, seed=seed, epoch=epoch))
        for seed in (0, 1)
        for epoch in (0, 1)
    ]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len(set(orders)) == 4


def test_beginning_in_the_middle_gives_the_rest():
    order = Order(23, 4, seed=3)
    order.begin(2)
    whole = list(order)
    assert len(whole) == len(order) == 5
    order.begin(2, 3)
    assert list(order) == whole[3:]
    assert len(order) == 2


def test_processes_share_every_batch():
    alone = Order(20, 6, seed=1)
    both = [Order(20, 6, seed=1, rank=rank, world_size=2) for rank in (0, 1)]
    for one, first, second in zip(alone, *both, strict=True):
        assert len(first) == len(second) == 3
        assert sorted(first + second) == sorted(one)


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="that 4 processes can share equally, got 6"):
        Order(20, 6, seed=1, world_size=4)


def test_set_smaller_than_a_batch_is_one_batch():
    assert batches_per_epoch(3, 8) == 1
    assert [len(batch) for batch in Order(3, 8, seed=0)] == [3]


def test_draws_follow_from_the_place_alone():
    position = ClipPosition(epoch=4, position=7, video=2)
    first, again = (draw_generator(position, seed=5).random(3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for other in (position._replace(epoch=5), position._replace(position=8)):
        assert not np.array_equal(first, draw_generator(other, seed=5).random(3))
    assert not np.array_equal(first, draw_generator(position, seed=6).random(3))
