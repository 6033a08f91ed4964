import time

import pytest
import torch
from test_dataset import CONFIG, clips_of
from test_protocols import CPU, Corners
from torch import nn

from training import speed
from training.protocols import ClipProtocol, Scorer
from training.speed import Rate, Stream, harmonic

CONDITIONS = {"device": "a CPU", "how": "pipeline bench decode"}


class Slow(nn.Module):
    """Takes 5 ms a pass, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: set[bool] = set()

    def forward(self, clips):
        self.modes.add(self.training)
        time.sleep(0.005)
        return clips.flatten(1)[:, :2]


def stream_of(store, sees="flow", model=None, batch_size=4) -> Stream:
    scorer = Scorer(
        clips_of(store, [sees]),
        sees=sees,
        protocol=ClipProtocol(),
        device=CPU,
        batch_size=batch_size,
    )
    return Stream(model or Slow(), scorer)


def test_total_is_the_harmonic_sum_that_the_papers_print():
    """DTMV-CNN, Table V: 675.7 and 925.9 are 390.6 together."""
    stages = [
        Rate(stage=stage, frames_per_second=rate, **CONDITIONS)
        for stage, rate in (("decode", 675.7), ("network", 925.9))
    ]
    assert harmonic(stages) == pytest.approx(390.6, abs=0.05)
    assert harmonic(stages[:1]) == pytest.approx(675.7)
    with pytest.raises(ValueError, match="at least one stage"):
        harmonic([])


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan")])
def test_a_rate_is_above_nothing(wrong):
    with pytest.raises(ValueError, match="decode: expected more than 0 frames per sec"):
        Rate(stage="decode", frames_per_second=wrong, **CONDITIONS)


def test_network_is_timed_alone(store):
    """4 clips of 4 frames in a pass of 5 ms: at most 3,200 frames per second."""
    stream = stream_of(store)
    rate = speed.network_rate(stream, frames_per_clip=4, seconds=0.1)
    assert 320 < rate.frames_per_second <= 3200
    assert rate.stage == "network flow" and rate.batch == 4
    assert rate.how.startswith("2 x 4 x 16 x 20, float32")
    assert stream.model.modes == {False}
    single = speed.network_rate(stream, frames_per_clip=1, seconds=0.1)
    assert single.frames_per_second <= 800


def test_whole_is_slower_than_its_parts_and_two_networks_than_one(store):
    streams = [stream_of(store), stream_of(store, "rgb")]
    options = {"frames_per_clip": 4, "seconds": 0.1}
    whole = speed.whole_rate(streams, **options)
    assert whole.frames_per_second <= 1600  # two passes of 5 ms
    assert speed.store_rate(streams, **options).frames_per_second > 0
    assert whole.how == "workers: 0, networks: 2"


def test_a_smaller_last_batch_is_not_counted_as_a_whole_one(store):
    """12 videos in batches of 5: 5, 5, 2."""
    sizes = []
    endless = speed._endless(stream_of(store, batch_size=5).scorer)
    for clips, _ in zip(endless, range(6), strict=False):
        sizes.append(len(clips))
    assert sizes == [5] * 6


def test_streams_of_other_batches_do_not_add_up(store):
    streams = [stream_of(store), stream_of(store, batch_size=3)]
    with pytest.raises(ValueError, match=r"batches of one size, got \[4, 3\]"):
        speed.whole_rate(streams, frames_per_clip=4)


def test_a_row_says_everything(store):
    decode = Rate(stage="decode and vectors", frames_per_second=500.0, **CONDITIONS)
    told = speed.speed(
        [stream_of(store, model=Corners())],
        frames_per_clip=CONFIG.length,
        before=[decode],
        measured=Rate(stage="videos to scores", frames_per_second=450.0, **CONDITIONS),
        seconds=0.02,
    )
    network = told["stages"][1]["frames_per_second"]
    assert told["total"] == pytest.approx(1 / (1 / 500 + 1 / network))
    assert told["total_is"] == "harmonic sum of decode and vectors, network flow"
    assert [row["stage"] for row in told["measured"]] == [
        "store",
        "store to scores",
        "videos to scores",
    ]
    page = speed.text(told)
    assert "decode and vectors      500.0  a CPU (pipeline bench decode)" in page
    assert "batch 4" in page and f"threads: {torch.get_num_threads()}" in page
    assert "videos to scores        450.0" in page
