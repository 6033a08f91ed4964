"""What a run begins with: its first weights follow its seed."""

import pytest
import tiny_recipe as tiny
import torch
from tiny_runs import job_on

from training.runs.lifecycle import fresh_network


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_first_weights_follow_the_seed_and_nothing_that_was_drawn_before(
    seed, store, tmp_path
):
    """Runs of several seeds differ from the first step on, and each can be repeated."""
    config = tiny.teach("mv").model
    networks = []
    for drawn, of_seed in ((0, seed), (5, seed), (0, seed + 1)):
        torch.rand(drawn)
        network = fresh_network(config, job_on(store, tmp_path, seed=of_seed))
        networks.append(torch.cat([it.flatten() for it in network.parameters()]))
    first, again, other = networks
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
