"""What a run begins with: its first weights follow its seed."""

from dataclasses import replace

import pytest
import tiny_recipe as tiny
import torch
from tiny_runs import Machine, Told, job_on, taught

from training.experiments.teach import teach
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


def test_a_run_whose_name_another_has_says_what_differs(store, tmp_path):
    """`--precision` given later trains anew, and does not do so in silence."""
    taught(store, tmp_path / "tiny")
    told = Told()
    job = job_on(store, tmp_path, machine=Machine(precision="bfloat16"), reporter=told)
    run = teach(tiny.teach("mv"), job)
    assert run.folder == tmp_path / "tiny-2"
    assert told.lines[0] == (
        f"{tmp_path / 'tiny'} is another run, as there and here differ in precision: "
        '"float32", "bfloat16": this one is tiny-2'
    )
    again = Told()
    teach(tiny.teach("mv"), replace(job, reporter=again))
    assert again.lines == [f"{run.folder}: complete, nothing to do"]
