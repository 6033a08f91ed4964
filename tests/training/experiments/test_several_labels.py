"""A data set as THUMOS14 is: several labels a video, and background in the test part."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_recipe as tiny
from moving_store import Made, videos, write_store
from tiny_runs import job_on

from pipeline.store import Store
from training.experiments.evaluate import evaluate
from training.experiments.teach import teach
from training.report.text import results_text
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run
from training.scoring import metrics
from training.scoring.clip_protocol import ClipProtocol
from training.scoring.scores import Scores

PROTOCOL = ClipProtocol(clips=25, aggregate="softmax", crops=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Right movers also fall; one video of the test part is of no class."""
    made = [
        replace(video, labels=(1, 2) if video.label else (0,)) for video in videos(8, 3)
    ]
    made += [
        Made(id="nothing", label=0, labels=(), group="n", part="test"),
        Made(id="unlabelled", label=0, labels=(), group="u"),
    ]
    folder = tmp_path_factory.mktemp("several") / "store"
    return Store(write_store(folder, made, classes=("left", "right", "fall")))


@pytest.fixture(scope="module")
def run(store, tmp_path_factory) -> Run:
    runs = tmp_path_factory.mktemp("runs")
    return teach(
        replace(tiny.teach("flow"), epochs=12, protocol=PROTOCOL),
        job_on(store, runs),
    )


def test_both_classes_of_a_video_are_learned(run):
    """Right and fall get half of the probability each, left gets all of its own."""
    scores = Scores.load(run.path("scores_test.npz"))
    movers = scores.labels == 1
    assert scores.relevant is not None and movers.sum() == 3
    assert (scores.softmax[movers][:, 1:] > scores.softmax[movers][:, :1]).all()
    assert (scores.softmax[scores.labels == 0].argmax(axis=1) == 0).all()


def test_results_tell_precision_and_leave_background_out_of_accuracies(run, store):
    results = run.results()
    told, scores = results.test, Scores.load(run.path("scores_test.npz"))
    assert (told.videos, told.background) == (6, 1)
    assert told.top1.mean == 1
    expected = metrics.mean_average_precision(scores.softmax, scores.relevant)
    assert told.map.mean == expected
    assert results.videos.left_out == {"unlabelled": "no label"}
    assert results.videos.test == 7
    assert f"mAP {100 * expected:5.1f} %" in results_text(results, title="here")


def test_evaluating_again_is_by_the_same_protocol(run, store: Store, tmp_path: Path):
    before = Scores.load(run.path("scores_test.npz"))
    told = evaluate(run, store=store, machine=Machine(), reporter=SilentReporter())
    after = Scores.load(run.path("scores_test.npz"))
    assert told.result == run.results().test
    assert (after.part, after.split, after.aggregate) == ("test", "1", "softmax")
    assert after.classes == store.classes
    np.testing.assert_array_equal(before.logits, after.logits)
