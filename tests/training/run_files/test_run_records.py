"""recipe.json and results.json as typed values, and their checksum."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import pytest
from made_runs import hits, made_run

from pipeline.store import Json
from training.errors import RunError
from training.report.runs_table import listed
from training.run_files.json_dataclasses import from_json, to_json
from training.run_files.reading import read_json
from training.run_files.results import Accuracy, Interval, Results, read_results
from training.run_files.run_config import RunConfig, read_recipe
from training.run_files.shapes import COUNT, SHARE
from training.runs.record import Run


@dataclass(frozen=True, kw_only=True)
class Inner:
    name: str | None
    share: Annotated[Interval, SHARE] | None = None


@dataclass(frozen=True, kw_only=True)
class Outer(Inner):
    count: Annotated[int, COUNT]
    kind: Literal["rgb", "mv"] = "mv"
    inner: tuple[Inner, ...]
    of: dict[str, Inner | tuple[Annotated[int, COUNT], ...]]
    free: Json = None


OUTER = Outer(
    name="a",
    count=3,
    inner=(Inner(name="b", share=Interval(0.5, 0, 1)),),
    of={"x": Inner(name="c"), "y": (1, 2)},
    free={"any": [1, None, {"thing": 2.5}]},
)
TEXT = {
    "name": "a",
    "count": 3,
    "kind": "mv",
    "inner": [{"name": "b", "share": {"mean": 0.5, "low": 0, "high": 1}}],
    "of": {"x": {"name": "c"}, "y": [1, 2]},
    "free": {"any": [1, None, {"thing": 2.5}]},
}


def test_a_dataclass_and_its_json():
    assert to_json(OUTER) == TEXT
    assert from_json(Outer, json.loads(json.dumps(TEXT)), where="f") == OUTER
    least = {"name": None, "count": 0, "inner": [], "of": {}, "unknown": 1}
    assert from_json(Outer, least, where="f") == Outer(
        name=None, count=0, inner=(), of={}
    )
    assert to_json(Inner(name=None)) == {"name": None}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"count": -1}, "f: count: expected a whole number from 0 to .*, got -1"),
        ({"count": None}, "f: count: expected a whole number from 0 to .*, got null"),
        ({"kind": "flow"}, 'f: kind: expected "rgb" or "mv", got "flow"'),
        ({"inner": [{}]}, r"f: inner\[0\]: expected name in it, but it is missing"),
        (
            {"inner": [{"name": "b", "share": {"mean": 2, "low": 0, "high": 1}}]},
            r"f: inner\[0\].share.mean: expected a number from 0 to 1, got 2",
        ),
        ({"of": {"x": [-1]}}, r"f: of.x\[0\]: expected a whole number from 0"),
        ({"of": []}, "f: of: expected an object, got a list"),
    ],
)
def test_what_does_not_fit_is_named(changes, line):
    with pytest.raises(RunError, match=line):
        from_json(Outer, TEXT | changes, where="f")


def test_files_of_a_run_come_back_as_they_were_written(teacher):
    for kind, name, part in (
        (RunConfig, "recipe.json", "run"),
        (Results, "results.json", None),
    ):
        text = json.loads(teacher.path(name).read_text())
        assert len(text.pop("checksum")) == 32
        assert read_json(teacher.path(name)) == text
        value = text[part] if part else text
        assert to_json(from_json(kind, value, where=name)) == value
    assert read_recipe(teacher.folder).run == teacher.config()
    test = read_results(teacher.folder).test
    assert isinstance(test, Accuracy) and isinstance(test.top1, Interval)
    assert sum(map(sum, test.confusion)) == test.videos == 4


@pytest.fixture
def run(teacher, tmp_path) -> Run:
    return Run(shutil.copytree(teacher.folder, tmp_path / "run"))


def places_of_digits(text: bytes) -> Iterator[int]:
    yield from (i for i, c in enumerate(text) if chr(c).isdigit())


def refusal(run: Run, name: str) -> str:
    read: Any = {"recipe.json": run.config, "results.json": run.results}[name]
    with pytest.raises(RunError) as told:
        read()
    return str(told.value)


@pytest.mark.parametrize("name", ["recipe.json", "results.json"])
def test_any_changed_digit_is_one_line_that_says_what_to_do(run, name):
    path = run.path(name)
    before = path.read_bytes()
    digits = list(places_of_digits(before))
    assert len(digits) > 100
    for place in digits[:: len(digits) // 40]:
        other = b"1" if before[place : place + 1] != b"1" else b"2"
        path.write_bytes(before[:place] + other + before[place + 1 :])
        assert refusal(run, name) == (
            f"{path}: the file has changed since it was written: restore it from a copy,"
            ' or, if the change is intended, delete its line "checksum"'
        )
        assert listed(run.folder).state == "damaged"
    path.write_bytes(before)
    assert listed(run.folder).state == "complete"


def test_a_meant_change_counts_after_the_checksum_is_deleted(run):
    path = run.path("results.json")
    text = path.read_text().replace("flow from labels", "flow, by hand")
    path.write_text(text)
    assert "delete its line" in refusal(run, "results.json")
    lines = text.splitlines(keepends=True)
    assert '"checksum"' in lines[1]
    path.write_text("".join(lines[:1] + lines[2:]))
    assert run.results().what == "flow, by hand"
    run.finish(run.results())
    assert '"checksum"' in path.read_text()
    assert run.results().what == "flow, by hand"


@pytest.mark.parametrize("checksum", [3, "", "0" * 32, "x" * 32])
def test_a_checksum_that_is_none_is_refused(run, checksum):
    value = json.loads(run.path("recipe.json").read_text())
    text = json.dumps(value | {"checksum": checksum}, indent=1, sort_keys=True)
    run.path("recipe.json").write_text(text + "\n")
    assert "has changed since it was written" in refusal(run, "recipe.json")


def test_runs_of_before_have_no_checksum_and_are_read(tmp_path):
    run = Run(made_run(tmp_path / "run", "mv_small", hits(0.5, 0)))
    assert run.config().recipe.name == "mv_small"
    assert run.results().test is None
    run.finish(replace(run.results(), what="mv"))
    assert run.results().what == "mv"
