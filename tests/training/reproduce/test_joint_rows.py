"""Rows that learn two data sets together, as DTMV learns HMDB51 with UCF101."""

from pathlib import Path

import pytest
from moving_store import videos, write_store
from tiny_recipe import tiny_context

from pipeline.store import Store
from training.errors import DataError, RecipeError, RunError
from training.recipes import get_recipe
from training.recipes.run import run_recipe
from training.reproduce.plan import Holdings, Stage, plan
from training.reproduce.run import reproduce
from training.reproduce.stages import run_stage_alone
from training.runs.progress import SilentReporter
from training.runs.record import Run

MACHINE = {"device": "cpu", "precision": "float32", "workers": 0}
HMDB = Holdings("hmdb51", ("rgb", "flow", "mv"), 100)


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> tuple[Store, Store]:
    """HMDB51 and UCF101 in name; the second has a class more."""
    root = tmp_path_factory.mktemp("stores")
    small = write_store(root / "small", videos(groups=5, tested=2), dataset="hmdb51")
    large = write_store(
        root / "large",
        videos(groups=6, tested=2),
        dataset="ucf101",
        classes=("left", "right", "rest"),
    )
    return Store(small), Store(large)


def planned(store: Holdings, paper: str = "dtmv"):
    return plan(paper, size="small", seeds=(0,), splits=("1",), store=store)


def test_without_a_second_store_they_are_not_run():
    why = planned(HMDB).not_run
    asked = (
        "it learns a second data set together with this one; name its store with --also"
    )
    assert why["dtmv_joint"] == why["mv_joint"] == why["frame_dtmv_joint"] == asked
    poor = HMDB._replace(also=(HMDB._replace(dataset="ucf101", modalities=("rgb",)),))
    assert planned(poor).not_run["mv_joint"] == "ucf101: the store has no mv"
    short = HMDB._replace(also=(HMDB._replace(dataset="ucf101", longest=5),))
    assert "ucf101: its clips need 11 frames" in planned(short).not_run["flow2d_joint"]
    both = planned(HMDB._replace(also=(HMDB._replace(dataset="ucf101"),)))
    assert {"mv_joint", "emv_joint", "frame_dtmv_joint"} <= both.recipe_of.keys()


def test_the_papers_rows_of_hmdb51_have_both_ways():
    rows = {(f.table, f.row): set() for f in planned(HMDB).rows}
    for fact in planned(HMDB).rows:
        rows[fact.table, fact.row].add(fact.system)
    assert rows["III", "DTMV-CNN ST+TI+DC"] == {"dtmv", "dtmv_joint"}
    assert {"frame_dtmv", "frame_dtmv_joint"} < rows["VIII", "DTMV+RGB-CNN"]
    ucf = planned(HMDB._replace(dataset="ucf101"))
    assert "dtmv_joint" not in ucf.recipe_of.keys() | ucf.not_run.keys()


def test_with_it_the_joint_stages_alone_learn_both(stores, tmp_path):
    store, other = stores
    state = reproduce(
        "dtmv",
        size="tiny",
        seeds=(0,),
        store=store,
        also=[other],
        splits=("1",),
        out=tmp_path / "report",
        rows=("frame_dtmv_joint", "mv"),
        machine=MACHINE,
        controls=False,
        reporter=SilentReporter(),
    )
    assert state.done == state.total == 5
    runs = {key: Run(Path(folder)) for key, folder in state.runs.items()}
    for name in ("flow2d_joint", "dtmv_joint"):
        run = runs[f"{name}_tiny@0"]
        assert run.config().joint.keys() == {"ucf101"}
        assert run.results().others["ucf101"].test.videos == 4
        assert run.folder.name == f"small+large-{name}_tiny-split1-seed0"
    for name in ("frame", "mv", "frame_dtmv_joint"):
        assert runs[f"{name}_tiny@0"].config().joint is None
    report = (tmp_path / "report" / "report.md").read_text()
    assert "53 (HMDB51; learned with UCF101, as the paper does)" in report


def test_a_stage_in_a_process_of_its_own_opens_the_further_stores(stores, tmp_path):
    for name, joint in (("mv_joint_tiny", True), ("mv_tiny", False)):
        folder = run_stage_alone(
            Stage(name, 0, "1"),
            {},
            store=stores[0].folder,
            also=[stores[1].folder],
            machine=MACHINE,
            runs=tmp_path,
        )
        assert (Run(Path(folder)).config().joint is not None) == joint


def test_what_cannot_be_learned_together_is_refused(stores, tmp_path):
    with pytest.raises(
        RecipeError, match="several stores for mv_joint_tiny, .* got one"
    ):
        run_recipe(get_recipe("mv_joint_tiny"), tiny_context(stores[0], tmp_path / "a"))
    options = {
        "size": "tiny",
        "seeds": (0,),
        "store": stores[0],
        "out": tmp_path / "report",
        "machine": MACHINE,
        "reporter": SilentReporter(),
    }
    with pytest.raises(RunError, match="several different stores to learn together"):
        reproduce("dtmv", also=[stores[0]], splits=("1",), **options)
    with pytest.raises(DataError, match="split"):
        reproduce("dtmv", also=[stores[1]], splits=("2",), **options)
