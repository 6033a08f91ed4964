"""The labels' loss: smoothed, weighted and mixed, by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from small_steps import batch, distill

from training.steps.label_loss import (
    LabelLoss,
    Mixed,
    balanced_class_weights,
    mixed_of,
)

LOGITS = torch.tensor([[0.0, math.log(3)], [math.log(7), 0.0]])  # .25 .75; .875 .125
LABELS = torch.tensor([0, 0])


def test_smoothing_by_hand():
    """Of .2, each class has .1: .9 and .1 of the logarithms."""
    found = LabelLoss(0.2)(LOGITS, LABELS, None)
    first = 0.9 * math.log(0.25) + 0.1 * math.log(0.75)
    second = 0.9 * math.log(0.875) + 0.1 * math.log(0.125)
    assert found.item() == pytest.approx(-(first + second) / 2)


def test_mixed_targets_by_hand():
    mixed = Mixed(torch.tensor([1, 0]), torch.tensor([0.7, 0.4]))
    found = LabelLoss()(LOGITS, LABELS, mixed)
    first = 0.7 * math.log(0.25) + 0.3 * math.log(0.75)
    assert found.item() == pytest.approx(-(first + math.log(0.875)) / 2)
    smooth = LabelLoss(0.1)(LOGITS, LABELS, mixed)
    targets = torch.tensor([[0.7, 0.3], [1.0, 0.0]]) * 0.9 + 0.05
    assert smooth.item() == pytest.approx(F.cross_entropy(LOGITS, targets).item())


def test_class_weights_by_hand():
    weights = {"": torch.tensor([2.0, 0.5])}
    labels = torch.tensor([0, 1])
    found = LabelLoss(0.0, weights)(LOGITS, labels, None)
    expected = -(2 * math.log(0.25) + 0.5 * math.log(0.125)) / 2.5
    assert found.item() == pytest.approx(expected)
    unmixed = Mixed(torch.tensor([1, 0]), torch.ones(2))
    smooth = LabelLoss(0.1, weights)
    torch.testing.assert_close(
        smooth(LOGITS, labels, unmixed), smooth(LOGITS, labels, None)
    )
    assert LabelLoss(0.0, weights)(LOGITS, labels, None, "other") != found


def test_balanced_weights_by_hand():
    """6 videos of 2 classes that occur: 3 / 4 of each of 4, 3 / 2 of each of 2."""
    found = balanced_class_weights([0, 0, 0, 0, 2, 2], 3)
    assert found.tolist() == [0.75, 0, 1.5]


def test_without_settings_it_is_torchs_to_the_bit():
    torch.manual_seed(0)
    logits, labels = torch.randn(7, 5), torch.randint(5, (7,))
    assert torch.equal(
        LabelLoss()(logits, labels, None), F.cross_entropy(logits, labels)
    )


def test_a_distillation_learns_mixed_labels():
    step, given = distill(), batch()
    assert mixed_of(given) is None
    swapped = given | {"other_label": 1 - given["label"], "share": torch.zeros(8)}
    mixed = step.losses(swapped)
    other = step.losses(given | {"label": 1 - given["label"]})
    assert mixed["labels"].item() == pytest.approx(other["labels"].item())
    assert mixed["soft"].item() == pytest.approx(other["soft"].item())
