"""Optimizer, checkpoint and signals."""

import os
import signal

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training.engine import checkpoint, signals
from training.engine.loop import StepOutput, fit
from training.engine.optim import OptimConfig, Schedule, build_optimizer, factor
from training.engine.signals import stop_on_signal
from training.errors import CheckpointError, RecipeError


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_one_cycle_rises_then_falls():
    config = OptimConfig(schedule="one_cycle", warm_up=0.15)
    rates = [factor(config, share / 100) for share in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[15] == pytest.approx(1)
    assert rates[:16] == sorted(rates[:16])
    assert rates[15:] == sorted(rates[15:], reverse=True)
    assert rates[-1] < 1e-4


def test_steps_are_tenths_after_shares_of_the_run():
    config = OptimConfig(schedule="steps", milestones=(0.5, 0.75))
    rates = [factor(config, share) for share in (0, 0.49, 0.5, 0.8)]
    assert rates == pytest.approx([1, 1, 0.1, 0.01])


def test_plateau_drops_after_patience_and_remembers():
    config = OptimConfig(schedule="plateau", patience=1, learning_rate=1.0)
    model = net()
    schedule = Schedule(build_optimizer(model, config), config)
    rates = []
    for loss in (3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0):
        schedule.after_epoch(loss)
        rates.append(schedule.before_step(0, 10))
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])
    again = Schedule(build_optimizer(model, config), config)
    again.load_state_dict(schedule.state_dict())
    assert again.before_step(0, 10) == pytest.approx(0.01)


def test_weights_decay_and_biases_and_norms_do_not():
    optimizer = build_optimizer(net(), OptimConfig(name="adamw", weight_decay=0.1))
    sizes = [
        ([tuple(weight.shape) for weight in group["params"]], group["weight_decay"])
        for group in optimizer.param_groups
    ]
    assert sizes == [([(3, 2)], 0.1), ([(3,), (3,), (3,)], 0.0)]


def test_dampened_sgd_moves_by_the_rate():
    """With dampening 0.9 a constant gradient g moves a weight by rate times g."""
    weight = nn.Parameter(torch.zeros(1, 1))
    holder = nn.Module()
    holder.weight = weight
    config = OptimConfig(learning_rate=0.1, dampening=0.9, weight_decay=0.0)
    optimizer = build_optimizer(holder, config)
    for _ in range(200):
        before = weight.item()
        weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert weight.item() - before == pytest.approx(-0.1, rel=1e-3)


def test_milestones_are_shares_of_the_run():
    """1/3 and 7/9 of 90 steps are after 30 and 70."""
    config = OptimConfig(schedule="steps", milestones=(1 / 3, 7 / 9), learning_rate=1.0)
    schedule = Schedule(build_optimizer(net(), config), config)
    rates = [schedule.before_step(step, 90) for step in range(90)]
    assert rates == pytest.approx([1] * 30 + [0.1] * 40 + [0.01] * 20)


def test_motionnet_warms_up_and_halves():
    """1k of 400k steps rise evenly; halves after 100k, 200k, 250k, 300k, 350k."""
    config = OptimConfig(
        name="adam",
        learning_rate=3.2e-5,
        schedule="steps",
        milestones=(1 / 4, 1 / 2, 5 / 8, 3 / 4, 7 / 8),
        drop=0.5,
        warm_up_steps=1000,
    )
    schedule = Schedule(build_optimizer(net(), config), config)
    rates = {
        step: schedule.before_step(step, 400_000) / 3.2e-5
        for step in (0, 499, 999, 1000, 99_999, 100_000, 200_000, 250_000, 399_999)
    }
    assert list(rates.values()) == pytest.approx(
        [1 / 1000, 1 / 2, 1, 1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 32]
    )


def groups_of(optimizer) -> dict[tuple, list[tuple]]:
    return {
        (group["lr"], group["weight_decay"]): [tuple(p.shape) for p in group["params"]]
        for group in optimizer.param_groups
    }


def test_caffes_biases_learn_twice_as_fast_and_do_not_decay():
    config = OptimConfig(learning_rate=0.5, weight_decay=0.1, bias_rate=2.0)
    assert groups_of(build_optimizer(net(), config)) == {
        (0.5, 0.1): [(3, 2)],
        (0.5, 0.0): [(3,)],  # scale of the norm
        (1.0, 0.0): [(3,), (3,)],
    }


def test_everything_decays_where_the_recipe_says_so():
    config = OptimConfig(learning_rate=0.5, weight_decay=0.1, decays="all")
    assert groups_of(build_optimizer(net(), config)) == {
        (0.5, 0.1): [(3, 2), (3,), (3,), (3,)]
    }


class Holder(nn.Module):
    """A step: the network's names begin after its own."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.flow = nn.Linear(2, 2)
        self.model.conv1 = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        self.model.fc = nn.Linear(2, 2)

    def forward(self, batch):
        x = self.model.conv1(self.model.flow(batch["x"]))
        loss = F.cross_entropy(self.model.fc(x), batch["label"])
        return StepOutput(loss, {})


def test_rates_by_name_slow_down_and_freeze():
    step = Holder()
    config = OptimConfig(
        learning_rate=0.1,
        weight_decay=0.0,
        rates={"flow.": 0.01, "model.conv1": 0.0, "flow.bias": 0.5},
    )
    optimizer = build_optimizer(step, config)
    Schedule(optimizer, config).before_step(0, 10)
    found = {
        name: group["lr"]
        for group in optimizer.param_groups
        for weight in group["params"]
        for name, own in step.model.named_parameters()
        if own is weight
    }
    assert found == pytest.approx(
        {"flow.weight": 0.001, "flow.bias": 0.05, "fc.weight": 0.1, "fc.bias": 0.1}
    )
    assert optimizer.param_groups[0]["lr"] == 0.1  # what the record tells
    frozen = {k: v.clone() for k, v in step.model.conv1.state_dict().items()}
    batch = {"x": torch.randn(8, 2), "label": torch.arange(8) % 2}
    list(fit(step, [batch] * 3, optimizer, device=torch.device("cpu")))
    now = step.model.conv1.state_dict()  # running means too
    assert all(torch.equal(frozen[name], now[name]) for name in frozen)
    assert not step.model.conv1.training and step.model.fc.training


def test_rates_for_nothing_and_of_nothing_are_refused():
    with pytest.raises(RecipeError, match="but none begins with conv9"):
        build_optimizer(Holder(), OptimConfig(rates={"conv9": 0.1}))
    with pytest.raises(RecipeError, match="expected weights that learn"):
        build_optimizer(Holder(), OptimConfig(rates={"": 0.0}))


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_decays_as_its_name_says(name):
    """Without a gradient, adamw shrinks a weight by rate times decay; adam takes the
    decay for a gradient, and so a step of the whole rate."""
    holder = nn.Module()
    holder.weight = nn.Parameter(torch.ones(1, 1))
    config = OptimConfig(name=name, learning_rate=0.01, weight_decay=0.5)
    optimizer = build_optimizer(holder, config)
    holder.weight.grad = torch.zeros(1, 1)
    optimizer.step()
    expected = {"adam": 1 - 0.01, "adamw": 1 - 0.01 * 0.5}[name]
    assert holder.weight.item() == pytest.approx(expected)


def test_unknown_names_are_refused():
    with pytest.raises(RecipeError, match="the optimizer sgd, adam or adamw, got lion"):
        OptimConfig(name="lion")
    with pytest.raises(RecipeError, match="the schedule .* got linear"):
        OptimConfig(schedule="linear")
    with pytest.raises(RecipeError, match="the decay of weights or all, got none"):
        OptimConfig(decays="none")
    with pytest.raises(RecipeError, match="1 part or more .* got 0 and 0"):
        OptimConfig(accumulate=0)


def test_checkpoint_comes_back_and_is_replaced_whole(tmp_path):
    path = tmp_path / "checkpoint.pt"
    for value in (1.0, 2.0):
        state = {
            "version": checkpoint.VERSION,
            "w": torch.full((2,), value),
            "n": {"a": 3, "b": None},
        }
        checkpoint.save(path, state)
    loaded = checkpoint.load(path)
    assert loaded["w"].tolist() == [2, 2] and loaded["n"] == {"a": 3, "b": None}
    assert checkpoint.load(checkpoint.before(path))["w"].tolist() == [1, 1]
    assert len(list(tmp_path.iterdir())) == 2


def test_failing_save_leaves_the_one_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"version": checkpoint.VERSION})
    with pytest.raises(Exception, match="local object"):
        checkpoint.save(path, {"version": checkpoint.VERSION, "f": lambda: 0})
    assert checkpoint.load(path) == {"version": checkpoint.VERSION}
    assert len(list(tmp_path.iterdir())) == 1


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_of_another_version_is_refused(tmp_path):
    """It is whole, but what stands in it means something else."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"version": checkpoint.VERSION + 1, "step": 3})
    with pytest.raises(CheckpointError, match=f"of version {checkpoint.VERSION}, got"):
        checkpoint.load(path)


@pytest.mark.parametrize("content", ["text", "pickle", "cut", "version", "empty"])
def test_what_is_no_checkpoint_is_refused_and_not_executed(tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"version": checkpoint.VERSION, "w": torch.zeros(1000)})
    if content == "text":
        path.write_text("hello")
    elif content == "pickle":
        torch.save(Evil(tmp_path / "evil-was-here"), path)
    elif content == "cut":
        path.write_bytes(path.read_bytes()[:700])
    elif content == "version":
        torch.save({"version": 99}, path)
    else:
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="checkpoint.pt: expected a checkpoint"):
        checkpoint.load(path)
    assert not (tmp_path / "evil-was-here").exists()


def test_random_numbers_go_on():
    torch.manual_seed(3)
    state = checkpoint.random_state()
    expected = torch.rand(4)
    torch.manual_seed(4)
    checkpoint.restore_random_state(state)
    assert torch.equal(torch.rand(4), expected)


def test_first_signal_asks_second_ends(monkeypatch):
    """Two right after one another are one: `timeout` sends each twice."""
    before = signal.getsignal(signal.SIGINT)
    now = 0.0
    monkeypatch.setattr(signals.time, "monotonic", lambda: now)
    with stop_on_signal() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        now = 0.9
        os.kill(os.getpid(), signal.SIGINT)
        now = 1.1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
