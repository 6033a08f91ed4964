"""Bytes and CPU time of the clips of a training, normalised on the host and on the device.

    python tests/bench_input.py --store STORE

One JSON line for each modality and size of input: what a process that reads clips takes per
clip, the bytes it sends, and what the device takes, here the CPU. First the two are compared.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names

from motion_shards.choices import MODALITIES
from pipeline.store import Store
from training.data.clip_config import ClipConfig
from training.data.dataset import Clips, frames_of
from training.data.order import ClipPosition
from training.data.packed import collated, memory_of, unpacked
from training.data.packing import packing_of
from training.data.workers import single_threaded
from training.recipes.sizes import PAPER

CPU = torch.device("cpu")
TOLERANCE_PX = 1e-5
"""Of motion; frames are equal to the bit."""


def milliseconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU time of this process, and the result."""
    started = time.process_time()
    result = work()
    return 1000 * (time.process_time() - started), result


def measured(store: Store, modality: str, config: ClipConfig, rounds: int) -> dict:
    """One line."""
    frames = frames_of(store, config)
    host = Clips(frames, store.videos(), [modality], config)
    ways = {"host": host, "device": packing_of(host)}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    sent: dict[str, list[float]] = {name: [] for name in ways}
    on_device = list[float]()
    for epoch in range(rounds + 1):
        clips = {}
        for name, way in ways.items():
            places = [ClipPosition(epoch, i, i) for i in range(len(way))]
            taken, batch = milliseconds(
                lambda way=way, places=places: collated([way[at] for at in places])
            )
            if epoch:
                sent[name].append(memory_of(batch[modality]) / len(way))
            taken_there, batch = milliseconds(lambda batch=batch: unpacked(batch, CPU))
            clips[name] = batch[modality]
            if epoch:
                spent[name].append(taken / len(way))
                if name == "device":
                    on_device.append(taken_there / len(way))
        tolerance = 0.0
        if modality != "rgb":
            tolerance = TOLERANCE_PX * config.motion_gain / 20
        torch.testing.assert_close(*clips.values(), rtol=0, atol=tolerance)
    reading = {name: median(values) for name, values in spent.items()}
    sizes = {name: mean(values) for name, values in sent.items()}
    return {
        "what": f"{modality}, {config.length} entries of {config.crop_px[0]} px",
        "cpu_ms": reading,
        "cpu_ratio": reading["host"] / reading["device"],
        "bytes": sizes,
        "bytes_ratio": sizes["host"] / sizes["device"],
        "device_ms": median(on_device),
        "store": f"{store.videos()[0].width}x{store.videos()[0].height}",
        "machine": platform.processor() or platform.machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True, help="a store of all modalities")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    single_threaded(0)
    store = Store(options.store)
    for config in (PAPER.clip3d, PAPER.fields):
        for modality in MODALITIES:
            print(json.dumps(measured(store, modality, config, options.rounds)))


if __name__ == "__main__":
    main()
