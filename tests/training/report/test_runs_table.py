"""A table of runs: how far each is, who writes it, what is wrong with it."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from made_runs import hits, made_run
from tiny_runs import StopAt, taught

from training.commands.cli import main
from training.errors import Interrupted, RunError
from training.report.files import report_of
from training.report.runs_table import runs_below
from training.run_files.run_config import StartedOn
from training.runs.record import Run


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["runs", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(store, teacher, tmp_path_factory) -> Path:
    """A complete run, one that was stopped, one that begins, and other folders."""
    runs = tmp_path_factory.mktemp("runs")
    shutil.copytree(teacher.folder, runs / "more" / "teacher")
    with pytest.raises(Interrupted):
        taught(store, runs / "stopped", reporter=StopAt(1))
    Run.open(
        runs / "new", Run(runs / "stopped").config(), machine=StartedOn(store="/a/b")
    )
    (runs / "photos" / "of" / "me" / "deep" / "down").mkdir(parents=True)
    (runs / "photos" / "a.jpg").write_text("")
    return runs


def test_each_run_says_how_far_it_is(folder, store, teacher):
    found = {one.folder.name: one for one in runs_below(folder, verify=True)}
    assert sorted(found) == ["new", "stopped", "teacher"]
    complete = found["teacher"]
    results = teacher.results()
    assert complete.state_text == "complete"
    assert complete.top1 is not None
    assert complete.top1 == results.test.top1
    assert complete.seconds == results.training.seconds
    assert (complete.recipe, complete.store) == ("tiny", store.folder.name)
    assert (complete.split, complete.seed) == ("1", 0)
    stopped = found["stopped"]
    assert stopped.state_text == "interrupted: epoch 1 of 2, step 1"
    assert stopped.top1 is None
    assert found["new"].state_text == "interrupted: before its first step"
    assert found["new"].store == "b"


def test_a_run_that_is_written_now_says_by_whom(folder):
    with Run(folder / "stopped").writing():
        (one,) = [x for x in runs_below(folder) if x.folder.name == "stopped"]
    assert one.state == "running"
    assert one.detail.startswith("epoch 1 of 2, step 1, process ")
    (one,) = [x for x in runs_below(folder) if x.folder.name == "stopped"]
    assert one.state == "interrupted"


def test_the_table_and_its_json(folder):
    shown = call(folder)
    assert shown.exit_code == 0, shown.output
    head, *lines = shown.output.splitlines()
    assert head.split()[:4] == ["run", "recipe", "store", "split"]
    assert [line.split()[0] for line in lines] == ["more/teacher", "new", "stopped"]
    assert " % (" in lines[0] and lines[0].endswith("complete")
    told = json.loads(call(folder, "--json").output)
    assert [one["state"] for one in told] == ["complete", "interrupted", "interrupted"]
    assert told[0]["top1"].keys() == {"mean", "low", "high"}
    assert call(folder / "photos").output == f"{folder / 'photos'}: no runs\n"


def test_damage_is_named_and_is_an_exit_code(folder, tmp_path):
    runs = tmp_path / "runs"
    for name in ("emptied", "flipped", "strange", "record", "whole"):
        shutil.copytree(folder / "more" / "teacher", runs / name)
    (runs / "emptied" / "model.pt").write_bytes(b"")
    scores = bytearray((runs / "flipped" / "scores_test.npz").read_bytes())
    scores[300] ^= 1
    (runs / "flipped" / "scores_test.npz").write_bytes(scores)
    (runs / "strange" / "recipe.json").write_text("[]")
    (runs / "record" / "metrics.jsonl").write_text("{}\n{}\n")
    found = {one.folder.name: one.state_text for one in runs_below(runs)}
    assert found == {
        "emptied": "damaged: model.pt: is empty",
        "flipped": "complete",
        "strange": "damaged: recipe.json: expected an object, got a list",
        "record": "damaged: metrics.jsonl:1: expected kind in it, but it is missing",
        "whole": "complete",
    }
    shown = call(runs, "--verify")
    assert shown.exit_code == 3 and "Traceback" not in shown.output
    (line,) = [one for one in shown.output.splitlines() if "flipped" in one]
    assert line.endswith(
        "damaged: scores_test.npz: the file has changed since it was written"
    )


def test_a_report_names_runs_that_are_not_complete(folder, tmp_path):
    complete = made_run(tmp_path / "a", "fts_small", hits(0.7, 0))
    said: list[str] = []
    page = report_of([complete, folder / "stopped"], tmp_path / "out", say=said.append)
    line = f"{folder / 'stopped'}: interrupted: epoch 1 of 2, step 1"
    assert said == [f"not in the report: {line}"]
    assert "interrupted: epoch 1 of 2, step 1" in page.with_suffix(".md").read_text()
    alone = report_of([complete], tmp_path / "alone")
    tables = [path.with_name("table.json").read_bytes() for path in (page, alone)]
    assert tables[0] == tables[1]
    with pytest.raises(RunError, match="expected a complete run, got .*: interrupted"):
        report_of([folder / "stopped"], tmp_path / "none")
