"""Speeds of networks: medians of windows, one measurement for each architecture."""

import json
from types import SimpleNamespace

import pytest
import torch
from made_runs import hits, made_run

from training.engine.checkpoint import save_weights
from training.models.backbones import BackboneConfig, build_backbone
from training.models.collaborative import Collaborative
from training.reproduce import networks, throughput
from training.reproduce.networks import (
    Measurable,
    collaboration,
    network,
    window_rates,
)
from training.reproduce.throughput import collaborations_of, measured_speeds
from training.run_files.reproduction import NetworkSpeed, StageSpeed
from training.run_files.sealed import checked_seal
from training.runs.machine import CPU, Machine
from training.runs.record import Run

CLIP = {
    "is": "ClipConfig",
    "length": 4,
    "crop_px": [20, 24],
    "grid_short_px": 24,
}
CLOCKS = {"taken": [0.25] * 2 + [0.5] * 2 + [0.25] * 4 + [1.25]}


def test_each_window_has_a_rate_of_its_own(monkeypatch):
    """Two calls to warm up; then 2 calls a second, 4, and one call of 1.25 s."""
    now, coming = [0.0], iter(CLOCKS["taken"])

    def once():
        now[0] += next(coming)

    monkeypatch.setattr(networks.time, "perf_counter", lambda: now[0])
    assert window_rates(once, CPU, seconds=1.0, windows=3) == [2.0, 4.0, 0.8]
    assert next(coming, None) is None


def test_a_speed_is_that_of_the_median_window(monkeypatch):
    rates = [3.0, 9.0, 4.0, 5.0, 2.0]
    monkeypatch.setattr(networks, "window_rates", lambda *_: rates)
    model = torch.nn.Linear(3, 5)
    made = Measurable(model, ((3,),), "a layer", "key", "rgb", 1)
    speed = made.speed(CPU, seconds=1.0, windows=5)
    batch = networks.BATCH
    assert (speed.per_second, speed.slowest, speed.fastest) == (
        4.0 * batch,
        2.0 * batch,
        9.0 * batch,
    )
    assert (speed.parameters, speed.multiply_adds) == (20, 15)


def with_weights(folder, weights, **values):
    """A complete run of a model, with settings in its recipe."""
    made_run(folder, "mv_tiny", hits(0.5, 0), classes=("a", "b", "c"))
    recipe = json.loads((folder / "recipe.json").read_text())
    recipe["run"] |= values
    (folder / "recipe.json").write_text(json.dumps(recipe))
    save_weights(folder / "model.pt", weights.state_dict())
    results = json.loads((folder / "results.json").read_text())
    results["files"] = {"model.pt": checked_seal(folder / "model.pt")}
    (folder / "results.json").write_text(json.dumps(results))
    return Run(folder)


def classifier(folder, *, crop=(20, 24), **model):
    config = {"net": "clarifai_tiny", "sees": "mv", "frames": 4, "lrn_k": 1.0} | model
    recipe = {"name": "mv_tiny", "settings": {"clip": CLIP | {"crop_px": list(crop)}}}
    built = build_backbone(BackboneConfig(**config), 3)
    return with_weights(folder, built, model=config, recipe=recipe)


def test_networks_of_one_architecture_and_input_are_the_same_to_measure(tmp_path):
    first, second, values, sees, crop = (
        network(classifier(tmp_path / name, **options))
        for name, options in {
            "a": {},
            "b": {},
            "values": {"lrn_k": 2.0},
            "sees": {"sees": "flow"},
            "crop": {"crop": (24, 24)},
        }.items()
    )
    assert first.key == second.key == values.key
    assert len({first.key, sees.key, crop.key}) == 3
    assert first.architecture == "clarifai_tiny on mv, 4 x 24x20 px"
    assert first.shapes == ((2, 4, 20, 24),) and first.frames == 1


def test_collaborative_layers_cost_what_their_equations_say(tmp_path):
    snippets, spatial, motion, hidden, classes, rounds = 5, 8, 6, 4, 3, 2
    layers = Collaborative(
        classes, spatial=spatial, motion=motion, hidden=hidden, rounds=rounds
    )
    learning = {"is": "CollaborativeConfig", "hidden": hidden, "rounds": rounds}
    settings = {"snippets": snippets, "learning": learning}
    run = with_weights(
        tmp_path / "cln",
        layers,
        kind="collaborate",
        model=None,
        recipe={"name": "hts_cln_tiny", "settings": settings},
    )
    found = collaboration(run)
    speed = found.speed(CPU, seconds=0.001, windows=1)

    def attention(own: int, guide: int) -> int:
        """Equations 7 to 9: W F, U V, w^T H, F c."""
        return snippets * own * hidden + guide * hidden + snippets * (hidden + own)

    expected = rounds * (attention(motion, spatial) + attention(spatial, motion))
    assert speed.multiply_adds == expected + classes * (spatial + motion)
    assert speed.parameters == sum(weight.numel() for weight in layers.parameters())
    assert speed.frames == snippets and speed.per_second > 0
    assert speed.slowest == speed.fastest == speed.per_second


class Fake:
    """A run of a kind, and what is measured of it."""

    def __init__(self, kind, key, per_second, frames=1, sees="rgb"):
        self.kind, self.key, self.measured = kind, key, 0
        self.speeds = NetworkSpeed(
            system="",
            per_second=per_second,
            slowest=per_second / 2,
            fastest=per_second * 2,
            parameters=1,
            multiply_adds=1,
            frames=frames,
            sees=sees,
        )

    def config(self):
        return SimpleNamespace(kind=self.kind)

    def speed(self, device, seconds, windows):
        self.measured += 1
        return self.speeds


def test_the_collaboration_adds_its_own_time(monkeypatch):
    """25 snippets of 10 videos a second are 250 frames."""
    for name in ("network", "collaboration"):
        monkeypatch.setattr(throughput, name, lambda run: run)
    runs = {
        "vgg_frame": Fake("teach", "a", 100.0),
        "hidden_temporal": Fake("hidden", "b", 50.0),
        "hts": Fake("fuse", "", 0.0),
        "hts_cln": Fake("collaborate", "c", 10.0, frames=25, sees="features"),
        "htsc": Fake("fuse", "", 0.0),
    }
    rgb = StageSpeed(
        stage="rgb",
        frames_per_second=1000.0,
        slowest=800.0,
        fastest=1000.0,
        device="a CPU",
        how="by hand",
    )
    found = measured_speeds(runs, Machine(), {"rgb": rgb})
    totals = {one.system: one for one in found.systems}
    without = 1 / 1000 + 1 / 100 + 1 / 50
    assert totals["hts"].total == pytest.approx(1 / without)
    for system in ("hts_cln", "htsc"):
        assert totals[system].total == pytest.approx(1 / (without + 1 / 250))
        assert totals[system].stages["layers hts_cln"] == 250.0
        slow = 1 / 800 + 2 / 100 + 2 / 50 + 2 / 250
        assert totals[system].slowest == pytest.approx(1 / slow)
    assert totals["vgg_frame"].fastest == pytest.approx(1 / (1 / 1000 + 1 / 200))
    assert collaborations_of("htsc") == collaborations_of("hts_cln") == ("hts_cln",)
    assert collaborations_of("hts") == ()


def test_systems_of_one_architecture_share_one_measurement(monkeypatch):
    monkeypatch.setattr(throughput, "network", lambda run: run)
    runs = {
        "mv": Fake("teach", "same", 100.0),
        "emv": Fake("distill", "same", 90.0),
        "flow2d": Fake("teach", "other", 80.0),
    }
    found = measured_speeds(runs, Machine(), {})
    assert [run.measured for run in runs.values()] == [1, 0, 1]
    assert {row.system: row.per_second for row in found.rows} == {
        "mv": 100.0,
        "emv": 100.0,
        "flow2d": 80.0,
    }
