"""Runs that another one needs: complete, of its classes, and of its split."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_recipe as tiny

from pipeline.store import Store
from training.errors import RunError
from training.runs.compatibility import check_same, check_teacher
from training.runs.record import Run

DISTILL = tiny.distill("flow", "mv")


@pytest.fixture
def unfinished(teacher: Run, tmp_path: Path) -> Run:
    """The teacher as it lay there before its end."""
    shutil.copytree(teacher.folder, tmp_path / "run")
    (tmp_path / "run/results.json").unlink()
    return Run(tmp_path / "run")


def with_classes(*names: str) -> Any:
    return SimpleNamespace(classes=names)


def test_a_complete_run_of_the_same_classes_and_split_fits(teacher, store):
    check_same(teacher, store, "1")
    check_teacher(teacher, DISTILL, DISTILL.teachers[0], store=store, split="1")


def test_a_run_that_is_not_complete_does_not_fit(unfinished, store: Store):
    with pytest.raises(
        RunError, match="expected a complete run, but it has no results"
    ):
        check_same(unfinished, store, "1")
    with pytest.raises(RunError, match="expected a complete run of a teacher"):
        check_teacher(unfinished, DISTILL, DISTILL.teachers[0], store=store, split="1")


@pytest.mark.parametrize(
    "classes", [("right", "left"), ("left",), ("left", "right", "up"), ("a", "b")]
)
def test_classes_are_the_same_in_the_same_order(classes, teacher):
    """The place of a class is what a network says."""
    with pytest.raises(RunError, match=f"a run on the store's {len(classes)} classes"):
        check_same(teacher, with_classes(*classes), "1")


def test_a_run_of_another_split_may_know_the_test_videos(teacher, store):
    with pytest.raises(RunError, match="split 2, got split 1: it may know the test"):
        check_same(teacher, store, "2")
    with pytest.raises(RunError, match="split 2, got split 1: it may know the test"):
        check_teacher(teacher, DISTILL, DISTILL.teachers[0], store=store, split="2")


def test_a_teacher_sees_what_the_recipe_says_with_the_net_that_it_says(teacher, store):
    wanted = DISTILL.teachers[0]
    blind = replace(wanted, sees="rgb")
    with pytest.raises(RunError, match="expected a teacher that sees rgb"):
        check_teacher(teacher, DISTILL, blind, store=store, split="1")
    other = replace(wanted, net="r3d_18")
    with pytest.raises(RunError, match="teacher of the recipe's net r3d_18, got"):
        check_teacher(teacher, DISTILL, other, store=store, split="1")
