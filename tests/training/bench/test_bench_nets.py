"""Clips per second of networks, by a clock that we turn."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from training.bench import nets
from training.commands.cli import main
from training.errors import RecipeError
from training.models.backbones import NETS, build_backbone


def ticking(*seconds: float) -> Callable[[], float]:
    """A clock by which the first steps take these seconds, and all others the last."""
    now, left = [0.0], list(seconds)
    calls = [0]

    def clock() -> float:
        calls[0] += 1
        if calls[0] % 2 == 0:  # the end of a step
            now[0] += left.pop(0) if len(left) > 1 else left[0]
        return now[0]

    return clock


def test_small_batches_grow_until_a_step_takes_long_enough():
    clock = ticking(9.0, 0.2, 9.0, 0.4, 9.0, 0.8, 1.0, 1.6, 9.0, 0.1, 0.2, 0.4)
    found = nets.measure(["grid_tiny"], rounds=3, classes=3, device="cpu", clock=clock)
    (row,) = found.rows
    assert row.batch == 4
    assert (row.training, *row.training_range) == pytest.approx((4.0, 2.5, 5.0))
    assert (row.forward, *row.forward_range) == pytest.approx((20.0, 10.0, 40.0))
    assert row.clip == (3, 16, 28, 28) and row.sees == "mv"
    built = build_backbone(nets.config_of("grid_tiny"), 3)
    assert row.parameters == sum(weight.numel() for weight in built.parameters())


def test_a_batch_has_a_limit():
    found = nets.measure(
        ["grid_tiny"], rounds=1, classes=3, device="cpu", clock=ticking(0.01)
    )
    assert found.rows[0].batch == 16
    assert found.rows[0].training == pytest.approx(1600)


def test_clips_are_those_of_the_trainings():
    clips = {name: nets.clip_of(nets.config_of(name)) for name in NETS}
    assert clips["r3d_18"] == (3, 16, 112, 112)
    assert clips["s3d"] == clips["swin3d_t"] == clips["mvit_v2_s"] == (3, 16, 224, 224)
    assert clips["clarifai"] == (2, 10, 224, 224)
    assert clips["resnet18"] == clips["vgg16"] == (3, 1, 224, 224)
    assert set(nets.FAMILIES) <= set(NETS) and set(nets.SIZES) <= set(NETS)


def test_the_command_prints_a_row_for_each_network():
    asked = ["bench", "nets", "--net", "grid_tiny", "--rounds", "1", "--device", "cpu"]
    printed = CliRunner().invoke(main, asked).output
    header, row = printed.splitlines()[1:]
    assert header.split()[0] == "net" and row.split()[:3] == [
        "grid_tiny",
        "mv",
        "3x16x28x28",
    ]
    (told,) = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)["rows"]
    assert told["training"] > 0 and told["forward"] > told["training"]


def test_an_unknown_network_is_refused():
    with pytest.raises(RecipeError, match="got grdi: did you mean grid?"):
        nets.measure(["grid", "grdi"])
