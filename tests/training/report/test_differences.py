"""Given runs with their settings -> what their papers say, beside what was recorded."""

import json
from dataclasses import replace

from made_runs import hits, made_run

from training.recipes import get_recipe
from training.report.differences import rows_of
from training.report.files import write_report
from training.run_files.reproduction import Reproduction
from training.run_files.settings_json import as_json


def reported(tmp_path, recipes):
    """A report of one seed of each, whose recipe.json has these settings."""
    runs = {}
    for system, recipe in recipes.items():
        folder = made_run(tmp_path / system, recipe.name, hits(0.5, 0))
        path = folder / "recipe.json"
        record = json.loads(path.read_text())
        record["run"]["recipe"]["settings"] = as_json(recipe.settings)
        path.write_text(json.dumps(record))
        runs[f"{recipe.name}@0"] = str(folder)
    (out := tmp_path / "report").mkdir()
    names = {system: recipe.name for system, recipe in recipes.items()}
    write_report(out, Reproduction(paper="all", recipe_of=names, runs=runs))
    return (out / "report.md").read_text(), json.loads((out / "table.json").read_text())


def test_a_report_says_what_papers_say_of_its_runs(tmp_path):
    dtmv, emv = get_recipe("dtmv"), get_recipe("emv")
    optim = replace(dtmv.settings.optim, gradient_clip=7.5)
    dtmv = replace(dtmv, settings=replace(dtmv.settings, optim=optim))
    text, table = reported(
        tmp_path, {"dtmv": dtmv, "emv": emv, "mv": get_recipe("mv_small")}
    )
    rows = [line.split(" | ") for line in text.splitlines()]
    of_clip = [row for row in rows if row[0] == "| optim.gradient_clip"]
    assert [row[1:4] for row in of_clip] == [
        ["dtmv", "not stated", "7.5"],  # as recorded, whatever the recipe says
        ["emv", "not stated", "20"],
        ["mv", "not stated", "10"],
    ]
    assert of_clip[0][4] == of_clip[2][4] == "at paper size 20 |"
    (held_out,) = (row for row in rows if row[0] == "| held_out")
    assert held_out[1] == "all" and held_out[3] == "0.1"
    (deep,) = (row for row in rows if row[0] == "| terms.deep.form")
    (lrn,) = (row for row in rows if row[0] == "| student.lrn_k")
    assert lrn[1] == "all"  # that have a student
    assert deep[1:4] == [
        "dtmv",
        "a norm divided by the number of values (equation 6)",
        "mse",
    ]
    assert not [row for row in rows if row[0] in ("| clip.fill", "| validate_every")]
    assert "`clip.fill`" in text.split("As this paper states, in all its systems")[1]
    (rate,) = (
        one
        for one in table["differences"]["dtmv"]
        if one["setting"] == "optim.learning_rate"
    )
    assert rate == {
        "setting": "optim.learning_rate",
        "verdict": "other",
        "paper": "from 1e-2 (section III-B)",
        "here": "0.002",
        "why": "at paper size 0.01",
        "systems": ["mv"],
    }


def test_runs_of_no_paper_have_no_such_section(tmp_path):
    text, table = reported(tmp_path, {"r3d": get_recipe("demo")})
    assert "What the papers say" not in text and table["differences"] == {}
    assert rows_of({}) == []
