"""Two stores learned together: one trunk, two heads, each judged on its own."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from moving_store import videos, write_store
from tiny_runs import StopAt, job_on

from pipeline.store import Store
from training.engine import checkpoint
from training.errors import Interrupted, RecipeError, RunError
from training.experiments.distill import distill
from training.experiments.joint import names_of
from training.experiments.teach import teach
from training.losses.terms import FeatureMSE
from training.recipes import get_recipe
from training.run_files.reading import read_json
from training.runs.context import StoreJob
from training.runs.record import Run
from training.runs.trained import trained_model
from training.scoring.scores import Scores

TEACH = replace(get_recipe("flow2d_tiny").settings, epochs=2)
DISTILL = get_recipe("dtmv_tiny").settings


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> list[Store]:
    """The second has a class more, and fewer groups."""
    root = tmp_path_factory.mktemp("joint")
    first = write_store(root / "large", videos(groups=8, tested=2), dataset="ucf101")
    second = write_store(
        root / "small",
        videos(groups=5, tested=2),
        dataset="hmdb51",
        classes=("left", "right", "rest"),
    )
    return [Store(first), Store(second)]


def joint_job(stores: list[Store], runs: Path, name: str = "tiny") -> StoreJob:
    first, *others = stores
    return job_on(first, runs, name, other_stores=tuple(others))


@pytest.fixture(scope="module")
def teacher(stores, tmp_path_factory) -> Run:
    runs = tmp_path_factory.mktemp("teacher")
    return teach(TEACH, joint_job(stores, runs, "flow"))


def test_each_head_is_judged_on_its_own_test_part(teacher):
    results = teacher.results()
    assert results.test.videos == 4
    assert results.others["hmdb51"].test.videos == 4
    assert teacher.config().joint
    other = Scores.load(teacher.path("scores_test.hmdb51.npz"))
    assert other.logits.shape == (4, 3)


def test_heads_share_the_trunk_and_nothing_else(teacher):
    own, config = trained_model(teacher)
    other = torch.load(teacher.path("model_hmdb51.pt"), weights_only=True)
    state = own.state_dict()
    assert config.sees == "flow"
    assert all(
        torch.equal(state[name], value)
        for name, value in other.items()
        if not name.startswith("fc8")
    )
    assert state["fc8.weight"].shape[0] == 2 and other["fc8.weight"].shape[0] == 3


def test_a_student_learns_from_both_heads_and_goes_on_exactly(
    stores, teacher, tmp_path
):
    settings = replace(DISTILL, batch_size=2)
    given = {"teacher": teacher}
    job = joint_job(stores, tmp_path / "a", "dtmv")
    whole = distill(settings, job, **given)
    job = replace(job, runs=tmp_path / "b")
    with pytest.raises(Interrupted):
        distill(settings, replace(job, reporter=StopAt(2)), **given)
    again = distill(settings, job, **given)
    for name in ("model.pt", "model_hmdb51.pt"):
        first, second = (
            torch.load(run.path(name), weights_only=True) for run in (whole, again)
        )
        assert all(torch.equal(first[key], second[key]) for key in first)
    lines = [m for m in whole.metrics() if m["kind"] == "epoch"]
    assert {"ucf101.soft", "hmdb51.soft", "hmdb51.deep"} <= lines[-1].keys()
    learned = read_json(whole.path("learned_from.json"))
    assert len(learned) == whole.results().videos.train


def test_an_adapter_learns_with_both_data_sets(stores, teacher, tmp_path):
    terms = {"match": FeatureMSE(weight=1.0, taps=("fc7",), adapter="linear")}
    settings = replace(DISTILL, terms=terms, balance={}, epochs=1)
    job = joint_job(stores, tmp_path, "dtmv")
    run = distill(settings, job, teacher=teacher)
    (line,) = [m for m in run.metrics() if m["kind"] == "epoch"]
    assert line["ucf101.match"] > 0 and line["hmdb51.match"] > 0
    others = checkpoint.load(run.path("checkpoint.pt"))["others"]
    assert any(name.startswith("adapters.match_fc7") for name in others)


def test_a_baseline_of_several_stores_stands_in_the_results(stores, teacher, tmp_path):
    """Also in those of a student that was complete before there was a baseline."""
    job = joint_job(stores, tmp_path, "dtmv")
    given = {"teacher": teacher}
    before = distill(DISTILL, job, **given)
    assert before.results().scratch is None
    scratch = teach(DISTILL.scratch(), joint_job(stores, tmp_path, "scratch"))
    run = distill(DISTILL, job, **given, scratch=scratch)
    assert [one.run for one in run.results().teachers] == [teacher.folder.name]
    told = run.results().scratch
    assert (told.run, told.videos_compared) == ("scratch", 4)


def test_senseless_pairs_are_refused(stores, teacher, tmp_path):
    with pytest.raises(RunError, match="several different stores to learn together"):
        names_of([stores[0], stores[0]])
    job = joint_job(stores, tmp_path)
    best = replace(TEACH, select="best")
    with pytest.raises(RecipeError, match="the last weights to be selected in joint"):
        teach(best, job)
    two = DISTILL.taught_by("rgb", "flow")
    with pytest.raises(RecipeError, match="one teacher for several stores"):
        distill(two, job, teacher=[teacher, teacher])
