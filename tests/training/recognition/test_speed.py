"""`training bench predict`: its figures, its checks, and one command with `training bench`."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from training.commands.cli import main
from training.errors import DataError
from training.recognition import many, speed
from training.recognition.backends import TorchBackend
from training.recognition.speed_text import text


@pytest.fixture
def one_core(monkeypatch):
    """Processes take seconds to start."""
    monkeypatch.setattr(speed, "worker_cores", lambda: 1)


@pytest.fixture(scope="module")
def model(model_of):
    return model_of("mv_tiny").folder


@pytest.fixture(scope="module")
def clips(videos):
    return [videos / "right" / f"v_right_g{number:02}.mp4" for number in (2, 4)]


def test_a_slow_network_is_seen_where_it_is(one_core, monkeypatch, model, clips):
    inner = TorchBackend.logits

    def slow(self, inputs):
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
        return inner(self, inputs)

    monkeypatch.setattr(TorchBackend, "logits", slow)
    found = speed.measure(model, clips, seconds=0.1, device="cpu")
    assert (found.files, found.frames, found.all_cores) == (2, 63, None)
    assert found.mv_source == "canonical"
    stages = {stage.name: stage for stage in found.stages}
    assert list(stages) == [
        "demux and decode",
        "colour and size",
        "encode and vectors",
        "clips",
        "network",
    ]
    assert stages["network"].fps < 63 / 0.4
    assert stages["network"].share > 0.8
    assert found.total < stages["network"].fps
    assert found.total_range[0] <= found.total <= found.total_range[1]
    assert found.first_ms > 200 and found.peak_mb > 100
    assert found.clips and f"clips of a video: {found.clips[0]}\n" in text(found)
    assert "mv_tiny" in text(found) and "390.7" in text(found)


def test_answers_that_differ_are_no_figures(one_core, monkeypatch, model, clips):
    random = np.random.default_rng(0)
    monkeypatch.setattr(
        TorchBackend,
        "logits",
        lambda self, inputs: random.normal(size=(len(inputs), 2)),
    )
    with pytest.raises(DataError, match=r"v_right_g02\.mp4: expected the same prob"):
        speed.measure(model, clips, seconds=0.1, device="cpu")


def test_of_all_cores_the_second_half_of_the_time_counts(monkeypatch, model, clips):
    """Answers come after 0, 5, 6, 7 and so on seconds: 5 are those of a process's start."""
    now = [0.0]
    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    asked = many.Asked(model=model, options={"device": "cpu"})
    answers = list(many.predictions(clips, asked))

    def in_time(files, wanted, *, jobs):
        assert (len(files), wanted, jobs) == (200, asked, 3)
        for number in range(len(files)):
            now[0] = number + 4 if number else 0
            yield answers[number % 2]

    monkeypatch.setattr(speed, "predictions", in_time)
    counted = {"cores": 3, "times": 100, "seconds": 10}
    fps = speed._all_cores(asked, clips, answers, **counted)
    assert now == [20]
    assert fps == pytest.approx((40 + 23) / 2)  # 10 answers in the last 10 s


def test_videos_are_taken_evenly_over_the_folder():
    files = [Path(f"{number}.mp4") for number in range(23)]
    taken = speed.spread(files, 12)
    assert [path.stem for path in taken] == list("013579") + [
        "11",
        "13",
        "15",
        "17",
        "19",
        "21",
    ]
    assert speed.spread(files[:3], 12) == files[:3]
    assert speed.spread([], 12) == []


def test_the_command_takes_files_and_says_what_is_wrong(
    one_core, model, videos, tmp_path
):
    def call(*words):
        return CliRunner().invoke(main, ["bench", "predict", *map(str, words)])

    words = (model, "--clips", videos, "--limit", "2", "--seconds", "0.1")
    done = call(*words, "--mv-source", "original", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["files"] == 2 and found["mv_source"] == "original"
    assert [stage["name"] for stage in found["stages"]][:2] == [
        "demux and decode",
        "vectors",
    ]
    (tmp_path / "empty").mkdir()
    for wrong in (
        (model, "--clips", tmp_path / "empty"),
        (tmp_path, "--clips", videos),
    ):
        done = call(*wrong)
        assert done.exit_code == 1 and done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"Error: {tmp_path}")
