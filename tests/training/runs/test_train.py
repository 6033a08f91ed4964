"""The loop around the steps, on numbers instead of videos: every figure by hand."""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_runs import job_on
from torch import Tensor, nn
from torch.utils.data import Dataset

from training.engine import checkpoint, loop
from training.engine.optim import OptimConfig
from training.engine.signals import Stop
from training.errors import Diverged, Interrupted
from training.runs import autosave, train
from training.runs.autosave import Autosave
from training.runs.config import TrainConfig
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run
from training.runs.validation import Validation
from training.steps.step import Step

CONSTANT = OptimConfig(learning_rate=0.01, momentum=0.0, weight_decay=0.0)
CONFIG = TrainConfig(optim=CONSTANT, epochs=2, batch_size=2)


class Numbers(Dataset):
    """Clip k is the number k; reading it takes a while on a clock."""

    def __init__(self, count: int, clock: "Clock | None" = None) -> None:
        self.count, self.clock = count, clock

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place) -> dict[str, Tensor]:
        if self.clock:
            self.clock.now += 0.5
        return {"number": torch.tensor([float(place.video)])}


class Factor(Step):
    """A weight w, and the loss w x number + noise: every step remembers what it lost."""

    def __init__(self, *, noise: bool = False, clock: "Clock | None" = None) -> None:
        super().__init__()
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.model.weight, 1)
        self.weights = {"product": 1.0}
        self.noise, self.clock = noise, clock
        torch.manual_seed(0)  # for the noise
        self.lost: list[float] = []
        self.epochs: list[int] = []

    def begin_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        value = self.model(batch["number"]).mean()
        if self.noise:
            value = value * torch.rand(())
        if self.clock:
            self.clock.now += 3
        self.lost.append(value.item())
        return {"product": value}


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    monotonic = perf_counter


class StopAt(SilentReporter):
    """Sends SIGINT to this process after each of these steps."""

    def __init__(self, *steps: int) -> None:
        self.steps = steps

    def step(self, done: int, text: str) -> None:
        if done in self.steps:
            os.kill(os.getpid(), signal.SIGINT)


class Script:
    """Validates as written: one value for every time."""

    def __init__(self, values: Sequence[Validation]) -> None:
        self.values, self.weights = list(values), list[float]()

    def __call__(self, model: nn.Module) -> Validation:
        self.weights.append(model.weight.item())
        return self.values.pop(0)


def trained(
    out: Path,
    step: Factor,
    *,
    config: TrainConfig = CONFIG,
    clips: Dataset | None = None,
    validator: Script | None = None,
    stops: Sequence[int] = (),
    last: SilentReporter | None = None,
) -> tuple[Run, dict]:
    """Train on 6 numbers; after every stop go on with a new step, as a new process does.

    Args:
        last: looks on after the last stop.
    """
    run = Run.open(out, {"course": "numbers"}, machine={})
    numbers = clips or Numbers(6)

    def once(step: Factor, reporter: SilentReporter) -> dict:
        job = job_on(None, out.parent, reporter=reporter)
        options = {"clips": numbers, "validator": validator, "run": run}
        return train.train(config, job, step, step.model, **options, title="numbers")

    for at in stops:
        with pytest.raises(Interrupted, match=f"stopped after step {at} of"):
            once(Factor(noise=step.noise, clock=step.clock), StopAt(at))
    return run, once(step, last or SilentReporter())


def lines(run: Run, kind: str) -> list[dict]:
    return [line for line in run.metrics() if line["kind"] == kind]


def without_clocks(run: Run) -> list[dict]:
    clocks = {"seconds", "waited", "clips_per_second"}
    return [{k: v for k, v in x.items() if k not in clocks} for x in run.metrics()]


def test_a_line_is_the_mean_of_ten_steps_or_of_the_rest_of_an_epoch(tmp_path):
    step = Factor()
    run, _ = trained(tmp_path / "run", step, clips=Numbers(46))
    steps, lost = lines(run, "steps"), step.lost
    assert [line["step"] for line in steps] == [10, 20, 23, 33, 43, 46]
    cut = [lost[:10], lost[10:20], lost[20:23], lost[23:33], lost[33:43], lost[43:]]
    for line, values in zip(steps, cut, strict=True):
        assert (
            line["loss"] == line["product"] == pytest.approx(sum(values) / len(values))
        )
        assert line["learning_rate"] == 0.01
    first, second = lines(run, "epoch")
    assert (first["step"], second["step"]) == (23, 46)
    assert first["loss"] == pytest.approx(sum(lost[:23]) / 23)
    assert second["loss"] == pytest.approx(sum(lost[23:]) / 23)


@pytest.mark.parametrize("stops", [(1,), (3,), (2, 4), (6,), (13, 23, 29)])
def test_drawn_numbers_and_sums_go_on_where_they_stopped(tmp_path, stops):
    """Steps draw from torch's generator; lines end in the middle of ten steps."""
    config = replace(CONFIG, optim=replace(CONSTANT, momentum=0.9))
    clips = Numbers(46) if max(stops) > 6 else None
    whole, told = trained(
        tmp_path / "whole", Factor(noise=True), config=config, clips=clips
    )
    part, again = trained(
        tmp_path / "part", Factor(noise=True), config=config, clips=clips, stops=stops
    )
    assert without_clocks(part) == without_clocks(whole)
    names = ("epochs", "steps", "selected_epoch", "parameters")
    assert [getattr(again, name) for name in names] == [
        getattr(told, name) for name in names
    ]
    ours, theirs = (
        torch.load(run.path("model.pt"), weights_only=True) for run in (part, whole)
    )
    assert torch.equal(ours["weight"], theirs["weight"])


def test_steps_are_told_their_epoch_also_when_they_go_on(tmp_path):
    step = Factor()
    trained(tmp_path / "whole", step)
    assert step.epochs == [0, 1]
    step = Factor()
    trained(tmp_path / "part", step, stops=(4,))
    assert step.epochs == [1]


@pytest.mark.parametrize("stops", [(), (7,), (9, 10)])
def test_the_first_of_the_best_epochs_is_selected(tmp_path, stops):
    config = replace(CONFIG, epochs=4, select="best")
    validator = Script([Validation(1.0, top1) for top1 in (0.5, 0.75, 0.75, 0.25)])
    run, told = trained(
        tmp_path / "run",
        step := Factor(),
        config=config,
        validator=validator,
        stops=stops,
    )
    assert told.selected_epoch == 1
    weights = torch.load(run.path("model.pt"), weights_only=True)
    assert float(weights["weight"]) == validator.weights[1] != validator.weights[3]
    assert step.model.weight.item() == validator.weights[1]
    found = [(x["held_out_top1"], x["held_out_loss"]) for x in lines(run, "epoch")]
    assert found == [(0.5, 1.0), (0.75, 1.0), (0.75, 1.0), (0.25, 1.0)]


def test_without_classes_the_lowest_loss_is_best(tmp_path):
    config = replace(CONFIG, epochs=3, select="best")
    validator = Script([Validation(3.0), Validation(1.0), Validation(2.0)])
    run, told = trained(tmp_path / "run", Factor(), config=config, validator=validator)
    assert told.selected_epoch == 1
    assert all("held_out_top1" not in line for line in lines(run, "epoch"))


def test_the_last_epoch_is_selected_unless_the_best_is_asked_for(tmp_path):
    validator = Script([Validation(1.0, 0.75), Validation(1.0, 0.25)])
    run, told = trained(tmp_path / "run", Factor(), validator=validator)
    weights = torch.load(run.path("model.pt"), weights_only=True)
    assert told.selected_epoch == 1
    assert float(weights["weight"]) == validator.weights[1]


def test_validated_are_every_second_epoch_and_the_last(tmp_path):
    config = replace(CONFIG, epochs=5, validate_every=2)
    validator = Script([Validation(float(n)) for n in (1, 2, 3)])
    run, _ = trained(tmp_path / "run", Factor(), config=config, validator=validator)
    found = [line.get("held_out_loss") for line in lines(run, "epoch")]
    assert found == [None, 1.0, None, 2.0, 3.0]


@pytest.mark.parametrize("stops", [(), (4, 8), (3, 6, 9, 12)])
def test_a_plateau_lowers_the_rate_wherever_it_was_stopped(tmp_path, stops):
    """Losses 2, 2, 1, 1, 1 and no patience: it drops after the 2nd, 4th and 5th."""
    plateau = replace(CONSTANT, schedule="plateau", patience=0)
    config = replace(CONFIG, optim=plateau, epochs=6)
    validator = Script([Validation(float(loss)) for loss in (2, 2, 1, 1, 1, 1)])
    run, _ = trained(
        tmp_path / "run", Factor(), config=config, validator=validator, stops=stops
    )
    rates = [line["learning_rate"] for line in lines(run, "steps")]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-5])


@pytest.mark.parametrize("stops", [(), (1,), (2, 3)])
def test_the_rate_is_that_of_the_step_not_of_the_epoch(tmp_path, stops):
    """It rises over six steps; lines stand after the third and the sixth."""
    config = replace(CONFIG, optim=replace(CONSTANT, warm_up_steps=6))
    run, _ = trained(tmp_path / "run", Factor(), config=config, stops=stops)
    rates = [line["learning_rate"] for line in lines(run, "steps")]
    assert rates == pytest.approx([0.005, 0.01])


@pytest.mark.parametrize("stops", [(), (2,), (4, 5)])
def test_seconds_of_an_epoch_and_of_waiting_add_up(tmp_path, monkeypatch, stops):
    """A step computes 3 s, and waits 2 x 0.5 s for its two clips."""
    clock = Clock()
    monkeypatch.setattr(train, "time", clock)
    monkeypatch.setattr(loop, "time", clock)
    run, told = trained(
        tmp_path / "run", Factor(clock=clock), clips=Numbers(6, clock), stops=stops
    )
    for line in lines(run, "epoch"):
        assert (line["seconds"], line["waited"]) == (12.0, 3.0)
        assert line["clips_per_second"] == 0.5
    assert (told.seconds, told.seconds_per_epoch) == (24.0, 12.0)
    assert told.share_of_waiting == 0.25


def test_a_loss_that_is_no_number_names_its_step(tmp_path):
    step = Factor()
    config = replace(CONFIG, optim=replace(CONSTANT, learning_rate=1e38))
    with pytest.raises(Diverged, match=r"run: step \d of 6: the loss is not finite"):
        trained(tmp_path / "run", step, config=config)
    with pytest.raises(Diverged, match=f"run: step {len(step.lost)} of 6: "):
        trained(tmp_path / "run", Factor(), config=config)


def test_what_is_complete_is_not_trained_again(tmp_path):
    run, told = trained(tmp_path / "run", Factor())
    before = run.metrics(), run.path("model.pt").read_bytes()
    step = Factor()
    _, again = trained(tmp_path / "run", step)
    assert (run.metrics(), run.path("model.pt").read_bytes()) == before
    assert again == told and not step.lost


@pytest.mark.parametrize(("at", "ended"), [(1, 0), (3, 0), (4, 1), (6, 1)])
def test_a_checkpoint_counts_steps_and_recorded_epochs(tmp_path, at, ended):
    """An epoch has 3 steps; a stop after its last one comes before its end."""
    found = []

    class Reads(SilentReporter):
        def begin(self, title: str, total: int, done: int = 0) -> None:
            state = checkpoint.load(tmp_path / "run/checkpoint.pt")
            found.append((done, state["steps_done"], state["epochs_done"]))

    trained(tmp_path / "run", Factor(), stops=(at,), last=Reads())
    assert found == [(at, at, ended)]
    state = checkpoint.load(tmp_path / "run/checkpoint.pt")
    assert (state["steps_done"], state["epochs_done"]) == (6, 2)


def test_autosave_saves_at_intervals_and_at_a_stop(tmp_path, monkeypatch):
    """Every 10 s, with steps of 4 s: after 12 s and 24 s."""
    clock, stop, saved = Clock(), Stop(), list[float]()
    monkeypatch.setattr(autosave, "time", clock)
    saver = Autosave(stop, tmp_path, seconds=10)
    for _ in range(7):
        clock.now += 4
        saver.after_step(lambda: saved.append(clock.now - 100), "step")
    assert saved == [12.0, 24.0]
    stop.requested = True
    with pytest.raises(Interrupted, match="stopped after step 8 of 9, everything is"):
        saver.after_step(lambda: saved.append(0.0), "step 8 of 9")
    assert saved == [12.0, 24.0, 0.0]


def test_checkpoints_are_written_between_steps(tmp_path):
    """With no interval: at step k the checkpoint is of step k - 1."""
    path, found = tmp_path / "run/checkpoint.pt", []

    class Reads(SilentReporter):
        def step(self, done: int, text: str) -> None:
            found.append(checkpoint.load(path)["steps_done"] if path.exists() else 0)

    run = Run.open(tmp_path / "run", {"course": "numbers"}, machine={})
    step = Factor()
    job = job_on(
        None, tmp_path, reporter=Reads(), machine=Machine(checkpoint_seconds=0.0)
    )
    options = {"clips": Numbers(6), "validator": None, "run": run, "title": "numbers"}
    train.train(CONFIG, job, step, step.model, **options)
    assert found == [0, 1, 2, 3, 4, 5]
