"""What a reproduction plans: every stage once, in order, and why rows are left out."""

import pytest

from training.errors import RecipeError
from training.papers.facts import PAPERS
from training.recipes import SYSTEMS, get_recipe, system_at
from training.recipes.sizes import SIZES
from training.reproduce.plan import Holdings, Stage, in_order, plan

DEMO = Holdings("demo", ("rgb", "flow", "mv"), 24)


def planned(paper="all", **changes):
    settings = {"size": "small", "seeds": (0, 1), "splits": ("1",)} | changes
    return plan(paper, **{"store": DEMO} | settings)


def test_what_rows_share_is_trained_once_per_seed():
    made = planned()
    assert len(set(made.stages)) == len(made.stages)
    assert made.stages.count(Stage("flow2d_small", 0, "1")) == 1
    # the Dual-action Stream's teacher and baseline are FTSnet's at this size
    assert (
        made.recipe_of["resnext_flow"] == made.recipe_of["r3d_flow"] == "r3d_flow_small"
    )
    assert made.recipe_of["mars"] == "fts_small"


def test_what_a_stage_needs_stands_before_it():
    made = planned()
    done: set[Stage] = set()
    for stage in made.stages:
        for needed in get_recipe(stage.recipe).needs.values():
            assert stage._replace(recipe=needed.name) in done
            assert stage._replace(recipe=needed.name) in made.needs[stage].values()
        done.add(stage)
    seeds = [stage.seed for stage in made.stages]
    assert seeds == sorted(seeds)  # the first seed is complete before the next


def test_a_recipe_needs_each_other_one_once():
    """`ds_flow` fuses a student with its own teacher, which both sides need."""
    needed = [one.name for one in in_order(system_at("ds_flow", SIZES["small"]))]
    assert needed == ["r3d_flow_small", "ds_small", "ds_flow_small"]


def test_controls_of_mars_are_those_of_the_paper_that_has_it_too():
    """It stands beside the Dual-action Stream, whose control is about its step."""
    assert "mers" in planned("mars").recipe_of
    assert "mers" not in planned("mars", controls=False).recipe_of
    assert "mers" not in planned("dtmv").recipe_of


def test_every_split_is_trained_and_named_where_there_are_several():
    one, two = (planned("fts", splits=splits) for splits in (("1",), ("1", "2")))
    assert [s for s in two.stages if s.split == "1"] == list(one.stages)
    of_two = [s._replace(split="1") for s in two.stages if s.split == "2"]
    assert of_two == list(one.stages)
    last = [
        max(i for i, s in enumerate(two.stages) if s.seed == seed) for seed in (0, 1)
    ]
    assert last == [len(two.stages) // 2 - 1, len(two.stages) - 1]
    assert one.key(Stage("fts_small", 1, "1")) == "fts_small@1"
    assert two.key(Stage("fts_small", 1, "2")) == "fts_small@1@2"


def test_rows_that_do_not_fit_are_left_out_with_the_reason():
    made = planned("ds")
    assert made.not_run["ds64"] == "its clips need 65 frames, the longest video has 24"
    assert planned("ds", store=DEMO._replace(longest=65)).recipe_of["ds64"]
    short = planned("ds", store=DEMO._replace(longest=64)).not_run["ds64"]
    assert short == "its clips need 65 frames, the longest video has 64"
    blind = planned("dtmv", store=DEMO._replace(modalities=("rgb", "flow")))
    assert blind.not_run["dtmv"] == "the store has no mv"
    assert blind.not_run["frame_dtmv"] == "the store has no mv"
    assert "frame_flow" in blind.recipe_of


def test_a_paper_on_its_own_data_set_has_its_own_rows():
    hmdb = planned("dtmv", store=DEMO._replace(dataset="hmdb51", longest=200))
    assert {fact.dataset for fact in hmdb.rows} == {"hmdb51"}
    assert len(planned("dtmv").rows) > len(hmdb.rows)


def test_all_has_the_rows_of_every_paper_alone():
    ucf = DEMO._replace(dataset="ucf101", longest=200)
    rows = set(planned(store=ucf).rows)
    assert {fact.paper for fact in rows} >= {"fts", "ds", "dtmv", "htsc"}
    for paper in PAPERS:
        assert set(planned(paper, store=ucf).rows) <= rows


def test_combinations_that_an_ordering_needs_are_made_where_nothing_more_is_trained():
    """On UCF101 DTMV's fusion with vectors alone is in no table, but in an ordering."""
    ucf = DEMO._replace(dataset="ucf101", longest=200)
    made = planned("dtmv", store=ucf, controls=False)
    assert "frame_mv" not in {fact.system for fact in made.rows}
    assert {"frame_mv", "frame_flow"} <= made.recipe_of.keys()
    places = {stage.recipe: i for i, stage in reversed([*enumerate(made.stages)])}
    assert places["frame_mv_small"] > places["mv_small"]
    assert "r3d_two_stream" in planned("ds", store=ucf).recipe_of
    paper_size = planned("ds", size="paper", store=ucf)
    assert "r3d_two_stream" not in paper_size.recipe_of
    assert "frame_mv" not in planned("dtmv", store=ucf, wanted=("ti",)).recipe_of
    assert "frame_mv" in planned("dtmv", store=ucf, wanted=("frame_mv",)).recipe_of


def test_rows_may_be_chosen_by_system_or_table():
    made = planned("dtmv", wanted=("ti", "I"), controls=False)
    assert {"ti", "dtmv", "dtmv_fc7", "flow2d"} <= made.recipe_of.keys()
    assert "st" not in made.recipe_of and made.not_run["st"] == "not asked for"
    with pytest.raises(
        RecipeError, match="rows among .*ti.* tables among .*II.* got X"
    ):
        planned("dtmv", wanted=("X",))
    with pytest.raises(
        RecipeError, match="a paper among fts, mars, ds, dtmv, htsc or all"
    ):
        planned("resnet")


def test_controls_are_beside_the_rows():
    with_them, without = planned(), planned(controls=False)
    extra = with_them.recipe_of.keys() - without.recipe_of.keys()
    assert extra == {
        "r3d_rgb_long",
        "r3d_rgb_decay",
        "r3d_layer",
        "fts_m1",
        "mers",
        "ds_literal",
        "dtmv_literal",
        "mv_long",
        "htsc_literal",
    }
    assert all(SYSTEMS[name].control for name in extra)
    with pytest.raises(RecipeError, match="got mers, which is a control$"):
        planned(wanted=("mers",), controls=False)
