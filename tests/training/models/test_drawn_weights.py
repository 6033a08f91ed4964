"""First weights that are drawn for dropout keep the size of the logits in training."""

from dataclasses import replace

import torch

from training.models.clarifai import FULL, NARROW, TINY, ClarifaiNet


def spread(net: torch.nn.Module, clips: torch.Tensor, *, training: bool) -> float:
    """Root of the mean square of the logits, over clips, classes and masks."""
    with torch.no_grad():
        net.train(training)
        squares = [net(clips).square().mean() for _ in range(40 if training else 1)]
    return float(torch.stack(squares).mean().sqrt())


def test_dropout_does_not_enlarge_logits_where_weights_are_drawn_for_it():
    """A share kept of .1 and .2 enlarges them by the root of 50 otherwise."""
    assert FULL.drawn_for_dropout and not NARROW.drawn_for_dropout
    clips = torch.randn(4, 2, 10, 40, 56, generator=torch.Generator().manual_seed(0))
    found = {}
    for drawn in (False, True):
        layout = replace(TINY, dropout_motion=(0.9, 0.8), drawn_for_dropout=drawn)
        layout = replace(layout, hidden=(1024, 1024))
        torch.manual_seed(0)
        net = ClarifaiNet(20, 50, layout, motion=True)
        found[drawn] = {
            mode: spread(net, clips, training=mode) for mode in (False, True)
        }
    plain = found[False][False]
    assert 5 < found[False][True] / plain < 9
    assert 0.7 < found[True][True] / plain < 1.3
    assert 0.1 < found[True][False] / plain < 0.2
