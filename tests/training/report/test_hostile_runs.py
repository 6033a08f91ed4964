"""What training prints and reports of names that are hostile."""

import io
import json
import re

from click.testing import CliRunner
from hostile import CLASSES, FORGED, assert_harmless
from made_runs import hits, made_run
from moving_store import videos, write_store

from training.commands.cli import main
from training.report.page import Page, markdown
from training.runs.progress import LineReporter


def call(*arguments: object):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert_harmless(result.output)
    assert "Traceback" not in result.output
    return result


def test_a_training_prints_harmless_lines(tmp_path):
    store = write_store(
        tmp_path / f"st\x1b[2J\n{FORGED}", videos(), classes=CLASSES[:2]
    )
    run = tmp_path / f"run\u202e\n{FORGED}"
    how = ["--modality", "mv", "--recipe", "tiny", "--store", store, "--out", run]
    trained = call("teach", *how)
    assert trained.exit_code == 0, trained.output
    assert r"a\nforged" in trained.stdout and r"b\x1b[2J" in trained.stdout
    judged = call("evaluate", run)
    assert judged.exit_code == 0 and r"a\nforged" in judged.stdout
    other = call("teach", *how, "--seed", "1")
    assert other.exit_code == 1 and r"run\u202e\n" in other.stderr


def test_a_report_of_hostile_names_has_no_markup_of_theirs(tmp_path):
    classes = ("<b>a</b>\n# forged", "![x](y) [z](w)", "| *b* ` \x1b[2J\u202e")
    recipe = "../../<script>x</script>|*r*"
    run = made_run(tmp_path / "run", recipe, hits(0.7, 0), classes=classes)
    written = call("report", run, "--out", tmp_path / "out")
    assert written.exit_code == 0, written.output
    inside = {p.relative_to(tmp_path).parts[0] for p in tmp_path.rglob("*")}
    assert inside == {"run", "out"}
    for path in [*(tmp_path / "out").rglob("*.*")]:
        text = path.read_text("utf-8")
        assert_harmless(text)
        if path.suffix != ".json":
            assert not {"<script>", "<b>"} & set(re.findall(r"(?<!\\)<\w+>", text))
    report = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert not re.search(r"^# forged", report, re.MULTILINE)
    assert r"\<script>" in report and r"\*r\*" in report
    json.loads((tmp_path / "out" / "table.json").read_text("utf-8"))


def test_markdown_keeps_code_numbers_and_ordinary_names():
    page = Page(title="a_b <c>\n# d\x1b")
    page.text("`holds *x*` if 67.5 [64.1, 70.8] _so_ 日本 [a](b) http://c &amp; !")
    page.table(("row",), [("a|b",), ("odd ` one",), ("`x|y`",)])
    assert markdown(page) == (
        "# a_b \\<c>\\\\n# d\\\\x1b\n\n"
        "`holds *x*` if 67.5 [64.1, 70.8] \\_so\\_ 日本 [a\\](b) http\\://c \\&amp; !\n\n"
        "| row |\n| --- |\n| a\\|b |\n| odd \\` one |\n| `x\\|y` |\n"
    )


def test_lines_of_a_log_stay_lines():
    log = io.StringIO()
    lines = LineReporter(log, seconds=0)
    lines.say(f"teacher: x\n{FORGED}\x1b[2J")
    lines.begin(f"run\r{FORGED}", total=1)
    lines.step(1, "loss 1")
    assert log.getvalue().count("\n") == 2
    assert_harmless(log.getvalue())
