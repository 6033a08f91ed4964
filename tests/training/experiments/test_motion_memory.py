"""A motion network is judged batch by batch: the clips of UCF101 are 40 GB."""

import torch
from tiny_runs import Machine

from training.experiments import motion


class Clips:
    """Clips of one number each; `made` counts them."""

    def __init__(self, count: int) -> None:
        self.videos, self.made = list(range(count)), 0
        self.config = type("Config", (), {"span": 2})

    def __len__(self) -> int:
        return len(self.videos)

    def available(self, video: int) -> int:
        return 12

    def views(self, video: int, count: int) -> int:
        return count

    def stated(self, video: int, start: int, views: int) -> dict[str, torch.Tensor]:
        assert (start, views) == (5, 1)  # in the middle
        self.made += 1
        return {"rgb": torch.full((1, 3), float(video))}


def test_clips_are_read_while_the_network_works():
    clips = Clips(40)
    batches = motion._middles(clips, Machine())
    first = next(batches)
    assert clips.made == 16 and first["rgb"].shape == (16, 3)
    assert torch.equal(first["rgb"][:, 0], torch.arange(16.0))
    assert [len(batch["rgb"]) for batch in batches] == [16, 8]
