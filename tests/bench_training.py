"""Milliseconds of a training step per clip on a CPU: weights as built, and channels last.

    python tests/bench_training.py

One JSON line per network. First the two are compared: same loss, same gradient.
"""

import copy
import json
import platform
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names

from training.models.backbones import BackboneConfig, build_backbone
from training.runs.machine import place_on_device

SHAPES = {"r3d_tiny": (8, 2, 16, 40, 56), "r3d_narrow": (16, 2, 8, 56, 72)}


def loss(model: nn.Module, clips: Tensor) -> Tensor:
    labels = torch.arange(len(clips)) % 12
    return F.cross_entropy(model(clips), labels)


def milliseconds(model: nn.Module, clips: Tensor, *, repeats: int = 10) -> list[float]:
    """Per clip, sorted."""
    taken = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        loss(model, clips).backward()
        taken.append(1000 * (time.perf_counter() - started) / len(clips))
    return sorted(taken[2:])


def main() -> None:
    for net, shape in SHAPES.items():
        torch.manual_seed(0)
        built = build_backbone(BackboneConfig(net=net, sees="flow"), 12)
        last = place_on_device(copy.deepcopy(built), torch.device("cpu"))
        clips = torch.randn(*shape)
        losses = [loss(model, clips) for model in (built, last)]
        torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
        for value in losses:
            value.backward()
        gradients = [model.layer1.conv1[0].weight.grad for model in (built, last)]
        torch.testing.assert_close(*gradients, rtol=1e-2, atol=1e-3)
        rows = {
            "built": milliseconds(built, clips),
            "channels_last": milliseconds(last, clips),
        }
        told = {
            "what": f"{net} training step, ms per clip of {shape[1:]}, batch {shape[0]}",
            **{
                name: {"best": v[0], "median": v[len(v) // 2]}
                for name, v in rows.items()
            },
            "ratio_of_best": rows["built"][0] / rows["channels_last"][0],
            "threads": torch.get_num_threads(),
            "machine": platform.processor() or platform.machine(),
            "torch": str(torch.__version__),
        }
        print(json.dumps(told))


if __name__ == "__main__":
    main()
