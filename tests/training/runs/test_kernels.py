"""The trial before a training on a GPU: what it compares, chooses, records, and leaves alone."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from small_steps import batch, distill
from small_trainings import CONFIG, adapted, trained
from tiny_runs import StopAt, Told
from torch import nn

from training.engine.processes import ALONE
from training.errors import Interrupted
from training.runs import kernels, train
from training.runs.kernels import (
    FEWEST_STEPS,
    FIRST,
    TIMED,
    Kernels,
    Trial,
    candidates,
    chosen,
    fastest,
    step_seconds,
)
from training.runs.machine import Machine

GPU = Machine(device=torch.device("cuda"))
USUAL, LAST = Kernels("contiguous"), Kernels("channels_last")
ALL = [USUAL, Kernels("contiguous", True), LAST, Kernels("channels_last", True)]


def test_a_long_training_on_a_gpu_compares_orders_and_the_search():
    assert candidates(GPU, FEWEST_STEPS) == ALL
    given = replace(GPU, memory_format="channels_last")
    assert candidates(given, FEWEST_STEPS) == ALL[2:]


def test_nothing_is_tried_where_it_would_not_pay_or_not_be_deterministic(monkeypatch):
    alone = [Kernels("auto", False)]
    assert candidates(GPU, FEWEST_STEPS - 1) == alone
    assert candidates(replace(GPU, compile=True), 10**6) == alone
    assert candidates(Machine(), 10**6) == alone
    given = replace(GPU, memory_format="channels_last")
    assert candidates(given, 1) == [LAST]
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert candidates(GPU, 10**6) == alone


def test_another_setting_must_be_3_percent_faster():
    assert fastest({USUAL: 1.03, LAST: 1.0}) == USUAL
    assert fastest({USUAL: 1.031, LAST: 1.0}) == LAST
    assert fastest({USUAL: 2.0, LAST: 1.0, ALL[3]: 0.5}) == ALL[3]
    assert fastest({USUAL: 1.0, LAST: 2.0}) == USUAL
    assert fastest({USUAL: math.inf, LAST: 9.0}) == LAST
    assert fastest({USUAL: math.inf, LAST: math.inf}) == USUAL


def line(device: str, kernels: Kernels) -> dict:
    return {"kind": "kernels", "device": device} | kernels.record()


def test_a_run_that_goes_on_has_the_settings_that_it_was_begun_with():
    def choose(lines: list[dict]) -> Trial:
        given = {"machine": Machine(), "lines": lambda: lines}
        return chosen(ALL, lambda it: 1.0 + (it != LAST), **given)

    device = Machine().facts().device
    other = {"kind": "steps", "epoch": 0}
    tried = choose([other])
    assert tried.kernels == LAST and list(tried.seconds.values()) == [
        2.0,
        2.0,
        1.0,
        2.0,
    ]
    assert choose([other, line(device, ALL[1])]) == Trial(ALL[1])
    assert choose([line(device, ALL[1]), line(device, ALL[3])]) == Trial(ALL[3])
    assert choose([line("another", ALL[1])]) == tried
    assert choose([line(device, Kernels("auto"))]) == tried


def test_of_one_setting_nothing_is_timed_or_read():
    def never(*given):
        raise AssertionError

    assert chosen([LAST], never, machine=GPU, lines=never) == Trial(LAST)


def test_what_was_found_is_told_in_a_line():
    told = Trial(ALL[3], {USUAL: 0.25, ALL[3]: 0.2}).text()
    assert told == (
        "channels last with cuDNN's search for algorithms: 1.25 times as fast as contiguous"
        " without cuDNN's search for algorithms (trial of 2 settings)"
    )
    told = Trial(USUAL, {USUAL: 1.0, LAST: 1.0}).text()
    assert told.endswith("algorithms: none is 3% faster (trial of 2 settings)")
    assert "too much memory" in Trial(LAST, {USUAL: math.inf, LAST: 1.0}).text()


def test_a_trial_leaves_weights_statistics_and_random_numbers_as_they_are():
    step, _ = adapted(CONFIG)
    step.student.fc = nn.Sequential(nn.Dropout(), step.student.fc)
    step.eval()
    values = [*step.named_parameters(), *step.named_buffers()]
    before = [value.clone() for _, value in values]
    strides = [value.stride() for _, value in values]
    small = {"mv": torch.rand(2, 2, 4, 16, 16), "flow": torch.rand(2, 2, 4, 16, 16)}
    small["label"] = torch.tensor([0, 1])
    random, search = torch.get_rng_state(), torch.backends.cudnn.benchmark
    for setting in (USUAL, ALL[3]):
        seconds = step_seconds(step, small, setting, Machine(), epoch=1)
        assert 0 < seconds < math.inf
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.backends.cudnn.benchmark is search and not step.student.training
    assert all(map(torch.equal, (value for _, value in values), before))
    assert [value.stride() for _, value in values] == strides
    assert all(weight.grad is None for weight in step.parameters())
    assert not any(part._forward_pre_hooks for part in step.modules())


def test_the_median_of_the_last_steps_counts():
    """The first ones search; a pause in one of the others does not matter."""
    taken = [100.0] * FIRST + [3.0, 1.0, 2.0, 90.0, 1.5]
    assert len(taken) == FIRST + TIMED
    times = iter(itertools.accumulate(it for each in taken for it in (0.0, each)))
    clock = times.__next__
    assert step_seconds(distill(), batch(), USUAL, Machine(), clock=clock) == 2.0


def test_a_setting_without_enough_memory_takes_for_ever(monkeypatch):
    def fails(step, settings):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(kernels, "use_kernels", fails)
    assert step_seconds(distill(), batch(), USUAL, Machine()) == math.inf


@pytest.fixture
def two_settings(monkeypatch):
    """A CPU's training tries two settings, the second of which is said to be faster."""
    tried: list[Kernels] = []

    def seconds(step, batch, setting, machine, **given):
        assert given == {"epoch": 1, "recomputed": False} and len(batch["label"]) == 2
        tried.append(setting)
        return 1.0 if setting == USUAL else 0.5

    monkeypatch.setattr(train, "candidates", lambda machine, steps: ALL[:1] + ALL[3:])
    monkeypatch.setattr(train, "step_seconds", seconds)
    return tried


def test_a_training_records_and_tells_its_settings_and_keeps_them(
    store, tmp_path, two_settings
):
    """Stopped and gone on, it is the same to the bit; and without a trial, but for rounding."""
    reporter = Told()
    whole = trained(store, tmp_path / "whole", adapted, reporter=reporter)
    assert two_settings == [USUAL, ALL[3]]
    assert "test: channels last with cuDNN's search for algorithms: 2.00 times" in str(
        reporter.lines
    )
    (found,) = [it for it in whole.metrics() if it["kind"] == "kernels"]
    assert (
        found["memory_format"] == "channels_last" and found["cudnn_benchmark"] is True
    )
    assert [it["seconds"] for it in found["tried"]] == [1.0, 0.5]
    assert not torch.backends.cudnn.benchmark
    with pytest.raises(Interrupted):
        trained(store, tmp_path / "stopped", adapted, reporter=StopAt(2))
    stopped = trained(store, tmp_path / "stopped", adapted)
    assert len(two_settings) == 4  # not tried again
    weights = [
        torch.load(run.path("model.pt"), weights_only=True) for run in (whole, stopped)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_settings_change_a_training_by_rounding_only(
    store, tmp_path, two_settings, monkeypatch
):
    short = replace(CONFIG, epochs=1, gradients_at=None, balance={})
    monkeypatch.setattr(
        train, "step_seconds", lambda step, batch, setting, machine, **given: 1.0
    )
    runs = [trained(store, tmp_path / "contiguous", adapted, config=short)]
    monkeypatch.setattr(train, "candidates", lambda machine, steps: ALL[3:])
    runs.append(trained(store, tmp_path / "last", adapted, config=short))
    first, second = (
        torch.load(run.path("model.pt"), weights_only=True) for run in runs
    )
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-3, atol=1e-4)


def test_all_processes_take_what_the_first_one_measured(monkeypatch):
    """Each times its own part of the batch; theirs could disagree."""
    monkeypatch.setattr(
        kernels.processes, "broadcast_first", lambda values, group: [2.0, 1.0, 4.0, 4.0]
    )
    machine = replace(Machine(), processes=ALONE)
    found = chosen(ALL, lambda setting: 1.0 + (setting != LAST), machine=machine)
    assert found.kernels == ALL[1]
