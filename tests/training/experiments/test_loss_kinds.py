"""Every kind of loss, named on the command line, trains a student."""

import math

import pytest
import torch
from tiny_runs import distilled, weights

from training.losses.kinds import TERMS
from training.runs.record import Run

ALONE = ("epochs=1", "terms.soft=off", "terms.match=off")
TAPS = {
    "AttentionTransfer": "terms.new.taps=layer3,layer4",
    "DeeplyConnectedL2": "terms.new.taps=layer4",
}
"""Of those whose own are of other networks, or have no positions."""


@pytest.fixture(scope="module")
def student(store, teacher, tmp_path_factory):
    """Trains a student by labels and one term, in two steps."""
    runs = tmp_path_factory.mktemp("students")

    def trained(kind: str, *more: str) -> Run:
        changes = (*ALONE, f"terms.new={kind}", *more)
        return distilled(store, runs, teacher_runs=[teacher.folder], changes=changes)

    return trained


@pytest.fixture(scope="module")
def by_labels(student) -> dict[str, torch.Tensor]:
    """Weights of the same student, whose term counts nothing."""
    return weights(student("SoftTargets", "terms.new.weight=0"))


@pytest.mark.parametrize("kind", TERMS)
def test_a_student_learns_by_each_kind(student, by_labels, kind):
    run = student(kind, *filter(None, [TAPS.get(kind)]))
    recorded = run.setting("terms")
    assert recorded.keys() == {"new"} and recorded["new"]["is"] == kind
    values = [line["new"] for line in run.metrics() if "new" in line]
    assert values and all(math.isfinite(value) and value > 0 for value in values)
    learned = weights(run)
    assert all(value.isfinite().all() for value in learned.values())
    assert any(not torch.equal(learned[name], by_labels[name]) for name in learned)
