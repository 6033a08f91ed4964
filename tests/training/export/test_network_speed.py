"""Speeds of networks in a model card."""

import time
from types import SimpleNamespace

import pytest
import torch

from training.export import network_speed
from training.export.network_speed import network_speeds


class Slow(torch.nn.Module):
    """A network that takes 20 ms for a clip, and 100 ms for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.threads: set[int] = set()

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02 if self.shapes else 0.1)
        self.shapes.append(tuple(clips.shape))
        self.threads.add(torch.get_num_threads())
        return torch.zeros(len(clips), 2)


def test_a_speed_is_the_median_of_clips_after_the_first_on_one_thread(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(network_speed, "processor_name", lambda: "a processor")
    before = torch.get_num_threads()
    stream = SimpleNamespace(name="mv", onnx=None, input_shape=(3, 8, 4, 5))
    network = Slow()
    try:
        torch.set_num_threads(2)
        (line,) = network_speeds(tmp_path, [stream], [network])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert network.shapes == [(1, 3, 8, 4, 5)] * 6 and network.threads == {1}
    ms = float(line.split("takes ")[1].split()[0])
    assert 20 <= ms < 60
    assert line.startswith("The network mv takes ")
    assert "for a clip of 8 entries, " in line
    rate = float(line.split("entries, ")[1].split()[0].replace(",", ""))
    assert rate == pytest.approx(8000 / ms, rel=0.02)
    assert "one core of a processor, PyTorch " in line
