"""Epochs with as many clips of every class."""

from training.data.order import Order, balanced_order

CLASSES = [0] * 7 + [1] * 2 + [5] * 1


def test_every_class_has_as_many_clips():
    extra = set()
    for epoch in range(20):
        order = balanced_order(CLASSES, seed=0, epoch=epoch)
        assert len(order) == 10
        of_class = {
            k: [v for v in order.tolist() if CLASSES[v] == k] for k in (0, 1, 5)
        }
        counts = {k: len(videos) for k, videos in of_class.items()}
        assert sorted(counts.values()) == [3, 3, 4]
        extra.add(max(counts, key=counts.__getitem__))
        assert len(set(of_class[0])) == counts[0]  # none twice, as 7 are there
        twice = [of_class[1].count(v) for v in (7, 8)]
        assert max(twice) - min(twice) <= 1
    assert extra == {0, 1, 5}


def test_the_order_follows_seed_and_epoch():
    def batches(seed, epoch, first=0):
        order = Order(10, 4, seed=seed, classes=CLASSES)
        order.begin(epoch, first)
        return list(order)

    assert batches(0, 1) == batches(0, 1) != batches(0, 2)
    assert batches(0, 1) != batches(1, 1)
    assert batches(0, 1)[1:] == batches(0, 1, 1)
    halves = [
        Order(10, 4, seed=0, rank=r, world_size=2, classes=CLASSES) for r in (0, 1)
    ]
    whole = {
        p.position: p.video for p in next(iter(Order(10, 4, seed=0, classes=CLASSES)))
    }
    parts = [p for half in halves for p in next(iter(half))]
    assert {p.position: p.video for p in parts} == whole
