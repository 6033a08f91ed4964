"""Speeds of whole systems: stages of `pipeline bench`, networks, harmonic sums."""

import itertools
import json

import pytest

from pipeline.bench import decode, flow, vectors
from training.errors import RunError
from training.recipes import SYSTEMS
from training.report.speed import speed_verdicts
from training.reproduce import throughput
from training.reproduce.throughput import READING, benched, harmonic, networks_of
from training.run_files.reproduction import Reproduction, Speeds, StageSpeed


def rate(stage: str, value: float) -> StageSpeed:
    return StageSpeed(
        stage=stage, frames_per_second=value, device="a CPU", how="by hand"
    )


def test_every_combination_of_modalities_has_its_stages():
    """Flow is made of decoded frames, which come with the vectors where these are read."""
    several = [
        tuple(sorted(seen))
        for count in (1, 2, 3)
        for seen in itertools.combinations(("rgb", "flow", "mv"), count)
    ]
    assert READING.keys() == set(several)
    for seen, stages in READING.items():
        assert ("flow" in seen) == ("flow" in stages)
        assert ("mv" in seen) == any("vectors" in stage for stage in stages)


def test_total_is_the_harmonic_sum_that_the_papers_print():
    """DTMV-CNN, Table V: 675.7 and 925.9 are 390.6 together."""
    stages = [rate("decode", 675.7), rate("network", 925.9)]
    assert harmonic(stages) == pytest.approx(390.6, abs=0.05)
    assert harmonic(stages[:1]) == pytest.approx(675.7)
    with pytest.raises(ValueError, match="at least one stage"):
        harmonic([])


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan")])
def test_a_rate_is_above_nothing(wrong):
    with pytest.raises(ValueError, match="decode: expected more than 0 frames per sec"):
        rate("decode", wrong)


def test_networks_of_a_combination_are_those_it_is_made_of():
    assert networks_of("dtmv") == ("dtmv",)
    assert networks_of("frame_dtmv") == ("frame", "dtmv")
    assert networks_of("htsc") == ("vgg_frame", "hidden_temporal")
    assert networks_of("motionnet") == ()  # it recognises nothing
    assert {"teach", "distill", "hidden"} <= set(throughput.CLASSIFIERS)
    assert not {"motion", "fuse", "collaborate"} & set(throughput.CLASSIFIERS)
    for system in SYSTEMS.values():
        assert all(
            SYSTEMS[name].kind in throughput.CLASSIFIERS
            for name in networks_of(system.name)
        )


def test_what_the_benchmarks_print_is_read(tmp_path):
    """The real output of each, on drawn clips."""
    outputs = {
        "decode": decode.run(rounds=1, clips=1),
        "vectors": vectors.run(rounds=1, clips=1),
        "flow": flow.run(pairs=1),
    }
    paths = []
    for name, told in outputs.items():
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(told))
    found = benched(paths)
    assert set(found) == {stage for stages in READING.values() for stage in stages}
    assert (
        found["vectors"].frames_per_second > found["vectors and rgb"].frames_per_second
    )
    ms = outputs["flow"]["profiles"]["default"]["ms"]
    assert found["flow"].frames_per_second == pytest.approx(1000 / ms)
    assert "one core" in found["flow"].device
    slowest = min(
        s["speeds"]["ours"]["fps"] for s in outputs["decode"]["sets"].values()
    )
    assert found["rgb"].frames_per_second == slowest


@pytest.mark.parametrize("text", ["", "[]", '{"sets": {}}', '{"profiles": {}}'])
def test_other_files_are_refused_in_one_line(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(
        RunError, match=r"other\.json: expected the output of `pipeline"
    ):
        benched([path])


def measured(vectors_fps: float) -> Reproduction:
    reading = {"vectors": rate("vectors", vectors_fps), "flow": rate("flow", 100.0)}
    speeds = Speeds(device="a CPU", batch_size=16, rows=(), reading=reading)
    return Reproduction(runs={}, speeds=speeds)


def test_o18_asks_for_ten_times_the_speed():
    ((name, _, _, ratio, word),) = speed_verdicts(measured(1500.0), "dtmv")
    assert (name, ratio, word) == ("O18", "15.0 x", "holds")
    ((*_, word),) = speed_verdicts(measured(900.0), "dtmv")
    assert word == "not reproduced"
    ((*_, word),) = speed_verdicts(Reproduction(runs={}), "dtmv")
    assert word == "not run"
