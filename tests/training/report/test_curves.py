"""Curves of runs: read, drawn with characters and as SVG, and shown by the command."""

import json
import os
import pty
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_runs import hits, made_run

from training.commands.cli import main
from training.errors import RunError
from training.report.charts import curves_svg, text_chart
from training.report.curves import Curve, curves_of
from training.report.watch import watch_text

ROOT = Path(__file__).parents[3]


def line(kind: str, step: int, **values) -> dict:
    clocks = {"seconds": 1.0, "waited": 0.5} if kind == "epoch" else {}
    return {"kind": kind, "epoch": 0, "step": step} | clocks | values


FIRST = [
    line("gradients", 1, at="layer4", norms={"labels": 1.0}),
    line("steps", 10, loss=2.0, learning_rate=0.1),
    line("steps", 20, loss=1.0, learning_rate=0.1),
    line("epoch", 20, loss=1.5, held_out_top1=0.25),
    line("steps", 30, loss=float("nan"), learning_rate=0.01),
]


def run_with(folder: Path, lines: list[dict]) -> Path:
    made_run(folder, "demo", hits(0.5, 0))
    (folder / "results.json").unlink()
    text = "".join(json.dumps(one) + "\n" for one in lines)
    (folder / "metrics.jsonl").write_text(text)
    return folder


@pytest.fixture
def runs(tmp_path) -> tuple[Path, Path]:
    second = [line("steps", 10, loss=4.0), line("steps", 20, loss=3.0, soft=0.5)]
    return run_with(tmp_path / "one", FIRST), run_with(tmp_path / "two", second)


def test_curves_are_the_finest_points_of_each_metric(runs):
    curves = curves_of(runs)
    assert curves["loss"] == [
        Curve("one", (10, 20), (2.0, 1.0)),
        Curve("two", (10, 20), (4.0, 3.0)),
    ]
    assert curves["held_out_top1"] == [Curve("one", (20,), (0.25,))]
    assert curves["learning_rate"] == [Curve("one", (10, 20, 30), (0.1, 0.1, 0.01))]
    assert list(curves)[:2] == ["loss", "held_out_top1"]
    assert list(curves)[-2:] == ["seconds", "waited"]
    assert list(curves_of(runs, ["soft", "loss"])) == ["soft", "loss"]


def test_runs_of_one_name_have_their_paths(tmp_path):
    same = [run_with(tmp_path / part / "run", FIRST) for part in "xy"]
    assert [one.run for one in curves_of(same)["loss"]] == list(map(str, same))


def test_a_chart_of_characters_by_hand():
    """Steps 0 to 4 on 9 columns; values 1 to 3 on 3 rows."""
    curves = [Curve("one", (0, 2, 4), (1.0, 2.0, 3.0)), Curve("two", (4,), (1.0,))]
    chart = text_chart(curves, "ab", title="loss", width=21, height=3)
    assert chart.splitlines() == [
        "loss",
        "         3 |        a",
        "           |    a",
        "         1 |a       b",
        "           +---------",
        "            0  step 4",
    ]
    flat = text_chart([Curve("one", (0,), (7.0,))], "a", title="x", width=21, height=3)
    assert flat.splitlines()[2] == "           |    a"


def test_a_chart_as_svg():
    curves = [Curve("<one>", (0, 10), (0.0, 1.0)), Curve("two", (5,), (0.5,))]
    svg = ET.fromstring(curves_svg(curves, [0, 2], width=176, height=140))
    names = [element.tag.partition("}")[2] for element in svg.iter()]
    assert names.count("polyline") == 1 and names.count("circle") == 1
    (polyline,) = (one for one in svg.iter() if one.tag.endswith("polyline"))
    # 100 px wide from 64, 100 px high from 10: the first is left below
    assert polyline.attrib["points"] == "64.0,110.0 164.0,10.0"
    (circle,) = (one for one in svg.iter() if one.tag.endswith("circle"))
    assert (circle.attrib["cx"], circle.attrib["cy"]) == ("114.0", "60.0")
    assert circle.attrib["fill"] != polyline.attrib["stroke"]
    texts = [one.text for one in svg.iter() if one.tag.endswith("text")]
    assert "<one>: 1" in texts and "two: 0.5" in texts and "step 10" in texts


def test_the_terminal_shows_states_and_the_main_curves(runs):
    text = watch_text(runs)
    assert "a  one: interrupted: epoch 1, step 30" in text
    assert "b  two: interrupted: epoch 1, step 20" in text
    assert "\n\nloss\n         4 |" in text and "\n\nheld_out_top1\n" in text
    assert "learning_rate" not in text
    assert "learning_rate" in watch_text(runs, ["learning_rate"])


def test_a_run_without_steps(tmp_path):
    text = watch_text([run_with(tmp_path / "new", [])])
    assert text.splitlines() == [
        "a  new: interrupted: before its first step",
        "no steps so far",
    ]


def call(*arguments: str):
    return CliRunner().invoke(main, ["watch", *arguments])


def test_the_command_prints_once_where_there_is_no_terminal(runs):
    done = call(*map(str, runs))
    assert done.exit_code == 0, done.output
    assert done.stdout == watch_text(runs) + "\n"


def test_a_page_of_curves_side_by_side(runs, tmp_path):
    page = tmp_path / "curves.html"
    done = call(*map(str, runs), "--html", str(page))
    assert done.exit_code == 0 and done.stdout == f"{page}\n"
    text = page.read_text("utf-8")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in text
    assert text.count("<svg") == len(curves_of(runs))
    assert text.count("<polyline") == 3  # the losses, and the learning rate of one
    assert "interrupted: epoch 1, step 30" in text


def test_refusals_are_one_line(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    one = str(runs[0])
    for arguments, message in (
        ((str(tmp_path / "empty"),), "expected a run, but it has no recipe.json"),
        ((one, "--metric", "los"), "got los: did you mean loss?"),
        ((one, "--html", "/proc/x.html"), "/proc/x.html: cannot be written"),
    ):
        refused = call(*arguments)
        assert refused.exit_code == 1, refused.output
        assert message in refused.stderr and refused.stderr.count("\n") == 1
    (runs[0] / "metrics.jsonl").write_text("{}\n{}\n")
    with pytest.raises(RunError, match="metrics.jsonl:1"):
        watch_text(runs)


@pytest.mark.slow
def test_a_terminal_is_drawn_again_until_the_runs_are_complete(tmp_path):
    run = made_run(tmp_path / "run", "demo", hits(0.5, 0))
    results = (run / "results.json").rename(tmp_path / "later.json")
    (run / "metrics.jsonl").write_text(json.dumps(line("steps", 10, loss=2.0)) + "\n")
    code = "from training.commands.cli import main; main()"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code, "watch", str(run), "--every", "0.1"]
    with subprocess.Popen(command, stdout=theirs, cwd=ROOT) as watching:
        os.close(theirs)
        shown = ""

        def shows(text: str) -> None:
            nonlocal shown
            while text not in shown:
                shown += os.read(ours, 65536).decode()

        shows("step 10")
        with (run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line("steps", 4321, loss=1.0)) + "\n")
        shows("step 4321")
        results.rename(run / "results.json")
        assert watching.wait(60) == 0
    os.close(ours)
