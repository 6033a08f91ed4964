"""Real networks in training: stopped anywhere, they go on as if they had not been."""

from dataclasses import replace

import pytest
import torch
from small_trainings import CONFIG, OPTIM, adapted, joint, net, trained
from tiny_runs import StopAt

from training.engine import checkpoint
from training.errors import Interrupted, RecipeError
from training.runs.machine import Machine
from training.runs.record import Run


def final(run: Run) -> dict:
    """All that learned, and all lines, without clocks."""
    state = checkpoint.load(run.path("checkpoint.pt"))
    clocks = {"seconds", "waited", "clips_per_second"}
    return {
        "weights": torch.load(run.path("model.pt"), weights_only=True),
        "model": state["model"],
        "others": state["others"],
        "scaler": state["scaler"],
        "lines": [
            {k: v for k, v in line.items() if k not in clocks} for line in run.metrics()
        ],
    }


def equal(first, second) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            equal(value, second[name]) for name, value in first.items()
        )
    return first == second


@pytest.fixture(scope="module")
def student(store, tmp_path_factory) -> Run:
    """A course that nothing stopped. Read only."""
    return trained(store, tmp_path_factory.mktemp("adapted") / "run", adapted)


@pytest.fixture(scope="module")
def of_both(store, tmp_path_factory) -> Run:
    """The same with two data sets. Read only."""
    return trained(store, tmp_path_factory.mktemp("joint") / "run", joint)


@pytest.mark.parametrize(("make", "whole"), [(adapted, "student"), (joint, "of_both")])
def test_stopping_and_going_on_changes_nothing(store, tmp_path, make, whole, request):
    """At the end of the first epoch, and in the middle of the second."""
    expected = final(request.getfixturevalue(whole))
    ends = [line["step"] for line in expected["lines"] if line["kind"] == "epoch"]
    assert len(ends) == 2 and ends[1] > ends[0] + 1
    for at in (ends[0], ends[0] + 1):
        with pytest.raises(Interrupted):
            trained(store, tmp_path / "run", make, reporter=StopAt(at))
        torch.manual_seed(99)  # whatever happened in between
    assert equal(expected, final(trained(store, tmp_path / "run", make)))


def test_clips_of_the_device_teach_the_same_and_go_on_to_the_bit(
    store, tmp_path, of_both
):
    """Also mixed ones, of which nothing is mixed before it is unpacked."""
    machine = Machine(inputs="device")
    whole = trained(store, tmp_path / "whole", joint, machine=machine)
    other = final(of_both)["weights"]
    for name, value in final(whole)["weights"].items():
        torch.testing.assert_close(value, other[name], rtol=1e-3, atol=1e-4)
    mixed = replace(CONFIG, mixup=0.4, cutmix=1.0)
    once = trained(store, tmp_path / "once", joint, config=mixed, machine=machine)
    with pytest.raises(Interrupted):
        trained(
            store,
            tmp_path / "run",
            joint,
            config=mixed,
            machine=machine,
            reporter=StopAt(3),
        )
    again = trained(store, tmp_path / "run", joint, config=mixed, machine=machine)
    assert equal(final(once), final(again))
    assert not equal(final(once)["weights"], final(whole)["weights"])


def test_what_learns_beside_the_model_is_saved_and_no_teacher(student):
    state = checkpoint.load(student.path("checkpoint.pt"))
    assert set(state["others"]) == {
        "_extra_state",
        *(
            f"adapters.match_{tap}.{kind}"
            for tap in ("layer4", "avgpool")
            for kind in ("weight", "bias")
        ),
    }
    tiny_net = net("r3d_tiny", "mv")
    assert set(state["model"]) == set(tiny_net.state_dict())
    learned = sum(len(group["params"]) for group in state["optimizer"]["param_groups"])
    assert learned == len(list(tiny_net.parameters())) + 4


def test_the_other_head_is_saved_too_and_the_judged_one_is_a_network(of_both):
    state = checkpoint.load(of_both.path("checkpoint.pt"))
    assert {n for n in state["others"] if "ucf101" in n} == {
        "student.heads.ucf101.weight",
        "student.heads.ucf101.bias",
    }
    alone = net("r3d_tiny", "mv", classes=3)
    alone.load_state_dict(torch.load(of_both.path("model.pt"), weights_only=True))
    (line, *_) = [line for line in of_both.metrics() if line["kind"] == "epoch"]
    assert {
        "ucf101.labels",
        "hmdb51.labels",
        "ucf101.soft",
        "hmdb51.gram",
    } <= line.keys()


def test_weights_are_chosen_by_gradient_once_and_recorded(student):
    (line,) = [line for line in student.metrics() if line["kind"] == "gradients"]
    norms, weights = line["norms"], line["weights"]
    assert line["at"] == "layer4" and norms.keys() == {"labels", "match", "soft"}
    assert weights == {"soft": pytest.approx(0.5 * norms["labels"] / norms["soft"])}
    state = checkpoint.load(student.path("checkpoint.pt"))
    kept = state["others"]["_extra_state"]
    assert kept == {"labels": 1.0, "match": 1.0} | weights


def test_looking_at_gradients_changes_nothing(store, tmp_path):
    looking = replace(CONFIG, balance={}, epochs=1)
    silent = replace(looking, gradients_at=None)
    first = final(trained(store, tmp_path / "a", adapted, config=silent))
    second = final(trained(store, tmp_path / "b", adapted, config=looking))
    assert equal(first["model"], second["model"])


def test_features_only_in_the_first_epoch(store, tmp_path):
    """The head has no reason to move: no labels, no soft targets; and no decay of its
    own, since dampened steps of nothing are nothing."""
    config = replace(
        CONFIG, epochs=1, select="last", optim=replace(OPTIM, weight_decay=0.0)
    )
    run = trained(store, tmp_path / "run", adapted, config=config)
    weights = torch.load(run.path("model.pt"), weights_only=True)
    before = adapted(config)[1].state_dict()
    assert torch.equal(weights["fc.weight"], before["fc.weight"])
    assert not torch.equal(
        weights["layer4.conv1.0.weight"], before["layer4.conv1.0.weight"]
    )


def test_labels_and_logits_count_from_the_second_epoch_on(student):
    first, second = [line for line in student.metrics() if line["kind"] == "epoch"]
    (chosen,) = [line for line in student.metrics() if line["kind"] == "gradients"]
    soft = chosen["weights"]["soft"]
    assert first["loss"] == pytest.approx(first["match"])
    expected = second["labels"] + second["match"] + soft * second["soft"]
    assert second["loss"] == pytest.approx(expected)


@pytest.mark.slow
def test_the_scale_of_float16_goes_on(store, tmp_path):
    """On a CPU, where nobody trains so, but the scaler is the same."""
    half, config = Machine(precision="float16"), replace(CONFIG, balance={})
    options = {"config": config, "machine": half}
    expected = final(trained(store, tmp_path / "whole", adapted, **options))
    assert expected["scaler"]["_growth_tracker"] == 4
    with pytest.raises(Interrupted):
        trained(store, tmp_path / "run", adapted, reporter=StopAt(3), **options)
    assert equal(expected, final(trained(store, tmp_path / "run", adapted, **options)))


def test_balance_needs_a_place_and_a_loss_that_is_there(store, tmp_path):
    with pytest.raises(RecipeError, match="gradients_at, a module where"):
        replace(CONFIG, gradients_at=None)
    config = replace(CONFIG, balance={"dc": 0.5})
    with pytest.raises(RecipeError, match="among labels, match, soft .* got dc"):
        trained(store, tmp_path / "run", adapted, config=config)
