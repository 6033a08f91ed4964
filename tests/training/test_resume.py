"""Real networks in training: stopped anywhere, they go on as if they had not been."""

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_recipe as tiny
import torch
from tiny_runs import StopAt, job_on
from torch import nn

from training.data.joined import JoinedClips
from training.engine import checkpoint
from training.engine.optim import OptimConfig
from training.errors import Interrupted, RecipeError
from training.losses.gram import GramMatching
from training.losses.terms import FeatureMSE, SoftTargets
from training.models.backbones import BackboneConfig, build_backbone
from training.models.heads import TwoHeads
from training.runs.config import Data, TrainConfig, open_data
from training.runs.context import StoreJob
from training.runs.machine import Machine
from training.runs.record import Run
from training.runs.train import train
from training.runs.validation import classifier_validator
from training.steps.distill import Distill, JointDistill
from training.steps.teachers import Teacher

OPTIM = OptimConfig(
    learning_rate=0.01,
    momentum=0.9,
    dampening=0.9,
    schedule="steps",
    milestones=(1 / 3, 7 / 9),
    warm_up_steps=2,
    bias_rate=2.0,
    gradient_clip=10.0,
    accumulate=2,
)
CONFIG = TrainConfig(
    clip=tiny.CLIP,
    optim=OPTIM,
    epochs=2,
    batch_size=3,
    protocol=tiny.PROTOCOL,
    held_out=0.25,
    select="best",
    gradients_at="layer4",
    balance={"soft": 0.5},
)
CLASSES = {"ucf101": 2, "hmdb51": 3}


def net(name: str, sees: str, classes: int = 2) -> nn.Module:
    return build_backbone(BackboneConfig(net=name, sees=sees), classes)


def adapted(config: TrainConfig) -> tuple[nn.Module, nn.Module]:
    """A narrow student of a wider teacher: projections learn with it."""
    torch.manual_seed(0)
    student, teacher = net("r3d_tiny", "mv"), net("r3d_narrow", "flow")
    terms = {
        "match": FeatureMSE(weight=1.0, taps=("layer4", "avgpool"), adapter="conv"),
        "soft": SoftTargets(),
    }
    size = (config.clip.length, *config.clip.crop_px)
    step = Distill(
        student,
        teacher,
        student_sees="mv",
        terms=terms,
        feature_only=1,
        example={
            "mv": torch.zeros(1, 2, *size),
            "flow": torch.zeros(1, 2, *size),
            "label": torch.zeros(1, dtype=torch.int64),
        },
    )
    return step, student


def joint(config: TrainConfig) -> tuple[nn.Module, nn.Module]:
    """Two data sets, two heads, and a teacher of two heads; the second is judged."""
    torch.manual_seed(0)
    student = TwoHeads(net("r3d_tiny", "mv"), CLASSES)
    expert = TwoHeads(net("r3d_tiny", "flow"), CLASSES)
    teachers = {
        name: Teacher({"flow": expert.alone(name)}, {"flow": "flow"})
        for name in CLASSES
    }
    terms = {"gram": GramMatching(taps=("layer2",), norm="mean"), "soft": SoftTargets()}
    step = JointDistill(student, teachers, student_sees="mv", terms=terms)
    return step, student.alone("hmdb51")


def data_of(job: StoreJob, config: TrainConfig, make) -> Data:
    data = open_data(config, job, ["mv", "flow"])
    if make is joint:
        clips = data.clips["train"]
        other = open_data(
            replace(config, held_out=0.5), replace(job, seed=1), ["mv", "flow"]
        )
        both = JoinedClips({"ucf101": clips, "hmdb51": other.clips["train"]})
        return Data(data.parts, data.clips | {"train": both})
    return data


def trained(store, out: Path, make, *, config: TrainConfig = CONFIG, **changes) -> Run:
    step, model = make(config)
    run = Run.open(out, {"config": "test"}, machine={})
    job = job_on(store, out.parent, **changes)
    data = data_of(job, config, make)
    train(
        config,
        job,
        step,
        model,
        clips=data.clips["train"],
        validator=classifier_validator(config, data, sees="mv", machine=job.machine),
        run=run,
        title="test",
    )
    return run


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
            trained(store, tmp_path / "run", make, watch=StopAt(at))
        torch.manual_seed(99)  # whatever happened in between
    assert equal(expected, final(trained(store, tmp_path / "run", make)))


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
        trained(store, tmp_path / "run", adapted, watch=StopAt(3), **options)
    assert equal(expected, final(trained(store, tmp_path / "run", adapted, **options)))


def test_balance_needs_a_place_and_a_loss_that_is_there(store, tmp_path):
    with pytest.raises(RecipeError, match="gradients_at, a module where"):
        replace(CONFIG, gradients_at=None)
    config = replace(CONFIG, balance={"dc": 0.5})
    with pytest.raises(RecipeError, match="among labels, match, soft .* got dc"):
        trained(store, tmp_path / "run", adapted, config=config)
