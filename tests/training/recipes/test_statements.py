"""Every setting of every system has a statement of its paper, about the value it has."""

from dataclasses import replace

import pytest
from torch import nn

from training.commands.recipe_facts import lines_of, net_of
from training.commands.recipe_page import recipe_text
from training.commands.recipe_record import recipe_json
from training.models.sizes import without_numbers
from training.models.tvl1 import TVL1Config
from training.papers.differences import (
    STATEMENTS,
    UNKNOWN,
    leaves,
    paper_lines,
    statement_of,
)
from training.papers.stated_all import EVERYWHERE
from training.recipes import SIZES, SYSTEMS, get_recipe, system_at
from training.run_files.settings_json import as_json

ADD = "classify it in training/papers/stated_{paper}.py, with the paper's section"
PUBLISHED = [system_at(s.name, SIZES["paper"]) for s in SYSTEMS.values() if s.paper]
ELSEWHERE = [one.on(name) for one in PUBLISHED for name in sorted(one.system.epochs_on)]
"""The same where a paper has other epochs on a data set."""


def name_of(recipe):
    return "-".join((recipe.name, *recipe.datasets))


@pytest.mark.parametrize("recipe", [*PUBLISHED, *ELSEWHERE], ids=name_of)
def test_every_setting_has_a_statement_about_its_value(recipe):
    """A new field, and a value that changes without its statement, fail here."""
    system, paper = recipe.system.name, recipe.system.paper
    for path, value in leaves(as_json(recipe.settings)):
        found = statement_of(STATEMENTS[paper], system, path)
        add = ADD.format(paper=paper)
        assert found is not None, f"{system}: {path} = {value}: {add}"
        if found.verdict != "free":
            assert found.values, (
                f"{found.path}: a statement needs the value it is about"
            )
            assert value in found.values, (
                f"{system}: {path} = {value}, but the statement is about"
                f" {found.values}: {add}"
            )


@pytest.mark.parametrize("paper", STATEMENTS)
def test_statements_are_complete_and_about_something(paper):
    own = [one for one in PUBLISHED if one.system.paper == paper]
    used = [
        statement_of(STATEMENTS[paper], one.system.name, path)
        for one in own
        for path, _ in leaves(as_json(one.settings))
    ]
    for one in STATEMENTS[paper]:
        if one in EVERYWHERE:
            continue
        about = any(one.concerns(recipe.system.name) for recipe in own)
        assert one in used if one.setting else about, f"about nothing: {one}"
        assert one.setting or one.here
        if one.verdict in ("as stated", "other"):
            assert one.says and one.where, one
        if one.verdict != "as stated":
            assert one.why, one


def test_the_value_is_the_recipes_not_the_tables():
    usual = get_recipe("dtmv").settings
    changed = replace(
        usual, optim=replace(usual.optim, momentum=0.5, learning_rate=0.25)
    )
    lines = {
        line.setting: line for line in paper_lines("dtmv", "dtmv", as_json(changed))
    }
    momentum, rate = lines["optim.momentum"], lines["optim.learning_rate"]
    assert momentum.here == "0.5" and momentum.why == "at paper size 0.9"
    assert rate.here == "0.25" and rate.verdict == "other"
    assert rate.paper == "1e-3 (sections IV-A, IV-B and IV-D)"
    assert lines["clip.crop_px"].verdict == "as stated"
    small = {line.setting: line for line in lines_of(get_recipe("dtmv_small"))}
    assert small["clip.crop_px"].here == "40, 56"
    assert small["clip.crop_px"].why == "at paper size 224, 224"
    unknown = paper_lines("dtmv", "dtmv", {"is": "A", "brand_new": 1})[0]
    assert (unknown.setting, unknown.here, unknown.why) == ("brand_new", "1", UNKNOWN)


@pytest.mark.parametrize("name", ["frame", "dtmv", "vgg_frame", "hidden_temporal"])
def test_what_a_net_has_itself_is_said_as_it_is(name):
    """The dropout of a net is in its layout, not in a setting."""
    recipe = get_recipe(name)
    net = without_numbers(net_of(recipe.settings), 5)
    rates = [part.p for part in net.modules() if isinstance(part, nn.Dropout)]
    (line,) = {
        line._replace(setting="")
        for line in lines_of(recipe)
        if "dropout" in line.setting
    } & {
        line._replace(setting="")
        for line in lines_of(recipe)
        if line.setting.split(".")[0] in ("model", "student", "classifier")
    }
    assert len(rates) == 2
    assert f"{rates[0]:g} after fc6, {rates[1]:g} after fc7" in line.here


def test_a_net_of_another_size_has_another_dropout():
    (line,) = (
        one
        for one in lines_of(get_recipe("mv_small"))
        if one.setting == "model.dropout"
    )
    assert (line.verdict, line.here) == ("other", "that of clarifai_tiny")
    assert line.why.startswith("at paper size the net's own for motion: 0.9")


def test_numbers_of_tvl1_as_layers_are_its_own():
    (line,) = (
        one for one in lines_of(get_recipe("r3d_layer")) if one.setting == "TV-L1"
    )
    usual = TVL1Config()
    assert line.here.startswith(
        f"{usual.scales} scales of {usual.warps} warps of {usual.iterations} iterations,"
        f" tau {usual.tau}, theta {usual.theta}, lambda {usual.lam};"
    )


def test_rows_of_table_one_differ_in_connections_alone():
    """At paper size: a weight found for each would be a second difference."""
    rows = [get_recipe(f"dtmv_{start}") for start in ("fc7", "fc6", "conv5", "conv4")]
    usual = get_recipe("dtmv").settings
    deep = usual.terms["deep"]
    assert usual.balance == {} and deep.weight == 0.2
    for row in rows:
        same = replace(row.settings.terms["deep"], taps=deep.taps)
        assert replace(
            row.settings, terms=dict(row.settings.terms) | {"deep": same}
        ) == replace(usual, terms=dict(usual.terms))
    assert get_recipe("dtmv_small").settings.balance == {"deep": 0.5}


def test_a_page_has_every_statement():
    for name in ("fts", "ds", "frame_dtmv", "htsc_small"):
        text = recipe_text(name)
        told = recipe_json(name)
        assert told["settings"] == as_json(get_recipe(name).settings)
        for line in told["statements"]:
            assert line["setting"] in text
            if line["verdict"] != "free":
                assert line["why"] in text and line["here"] in text
    assert "paper says" not in recipe_text("demo")
    assert recipe_json("demo")["statements"] == []
    ds = recipe_text("ds")
    assert (
        "            terms.gram.norm: the sum over the matrix, divided by channels and"
        " positions (equation 3) / mean\n" in ds
    )
