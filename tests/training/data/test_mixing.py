"""Mixtures of the clips of a batch, by hand and alike in all modalities."""

import numpy as np
import pytest
import torch

from training.data.mixing import Mixing, box_area, draw_box


def batch(height: int = 8, width: int = 8):
    """Clip k is k everywhere, in vectors of cells half as large, too."""
    numbers = torch.arange(1.0, 5).view(4, 1, 1, 1, 1)
    return {
        "flow": numbers.expand(4, 2, 3, height, width).clone(),
        "mv": 10 * numbers.expand(4, 2, 3, height // 2, width // 2).clone(),
        "label": torch.tensor([0, 1, 2, 3]),
    }


def test_mixup_is_one_sum_for_all_modalities():
    given = batch()
    mixed = Mixing(mixup=1.0, seed=0).mixed(given, np.random.default_rng(3))
    share, other = mixed["share"], mixed["other_label"]
    assert len(set(share.tolist())) == 1 and 0 < share[0] < 1
    assert sorted(other.tolist()) == [0, 1, 2, 3] and (other != given["label"]).any()
    own = torch.arange(1.0, 5)
    expected = share * own + (1 - share) * (other + 1)
    for name, scale in (("flow", 1), ("mv", 10)):
        value = mixed[name]
        assert value.dtype == torch.float32 and value.shape == given[name].shape
        torch.testing.assert_close(value.amax((1, 2, 3, 4)), scale * expected)
        torch.testing.assert_close(value.amin((1, 2, 3, 4)), scale * expected)
    assert torch.equal(mixed["label"], given["label"])


def test_shares_of_mixup_are_of_the_beta_distribution():
    given = {"mv": torch.zeros(2, 2, 1, 1, 1), "label": torch.tensor([0, 1])}
    mixing = Mixing(mixup=0.5, seed=0)
    shares = np.array(
        [
            float(mixing.mixed(given, np.random.default_rng(k))["share"][0])
            for k in range(2000)
        ]
    )
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / 8, abs=0.01)  # ab / ((a+b)^2 (a+b+1))


def test_cutmix_cuts_the_same_box_of_all_modalities_and_entries():
    given, seen = batch(), 0
    for seed in range(20):
        mixed = Mixing(cutmix=1.0, seed=0).mixed(given, np.random.default_rng(seed))
        other = mixed["other_label"]
        for k in range(4):
            flow, mv = mixed["flow"][k], mixed["mv"][k]
            coarse = flow[:, :, ::2, ::2]
            assert torch.equal(
                coarse.repeat_interleave(2, 2).repeat_interleave(2, 3), flow
            )
            assert torch.equal(10 * coarse, mv)
            assert (flow == flow[:1, :1]).all()
            if other[k] != k:
                taken = (flow[0, 0] == other[k] + 1).float().mean()
                assert 1 - taken.item() == pytest.approx(mixed["share"][k].item())
                seen += 0 < taken < 1
    assert seen > 20


def test_box_by_hand():
    class Fixed:
        def __init__(self, *values):
            self.values = list(values)

        def integers(self, limit):
            return self.values.pop(0)

    box = draw_box(Fixed(5, 2), 8, 8, share=0.75)  # 4 x 4 around (5, 2)
    assert box == (3, 0, 7, 4) and box_area(box) == 16
    assert draw_box(Fixed(0, 7), 8, 8, share=0.75) == (0, 5, 2, 8)
    assert box_area(draw_box(Fixed(3, 3), 8, 8, share=1.0)) == 0


def test_mixtures_follow_seed_step_and_process_alone():
    def first(mixing, step):
        return next(iter(mixing([batch()], step)))["share"][0].item()

    mixing = Mixing(mixup=0.8, cutmix=0.8, seed=1)
    assert first(mixing, 7) == first(Mixing(mixup=0.8, cutmix=0.8, seed=1), 7)
    values = {
        first(mixing, 7),
        first(mixing, 8),
        first(Mixing(mixup=0.8, cutmix=0.8, seed=2), 7),
        first(Mixing(mixup=0.8, cutmix=0.8, seed=1, rank=1), 7),
    }
    assert len(values) == 4
    both = [next(iter(mixing([batch()], s)))["flow"] for s in range(40)]
    cut = [bool((flow == flow.round()).all()) for flow in both]
    assert 8 < sum(cut) < 32


def test_several_data_sets_are_mixed_each_by_itself():
    mixed = Mixing(mixup=1.0, seed=0).mixed(
        {"a": batch(), "b": batch()}, np.random.default_rng(0)
    )
    assert mixed["a"]["share"][0] != mixed["b"]["share"][0]
    assert mixed["a"].keys() == mixed["b"].keys() >= {"flow", "mv", "other_label"}
