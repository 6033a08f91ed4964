from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from small_steps import CPU, Tiny, batch, both_sets, distill, joint_distill, sgd
from torch import Tensor, nn

from training.engine.loop import TimedBatches, fit
from training.errors import Diverged, RecipeError
from training.losses.terms import (
    FeatureMSE,
    Outputs,
    SoftTargets,
    Term,
    check_taps,
    pairs,
)
from training.models.adapters import build_adapter
from training.models.heads import TwoHeads
from training.run_files.settings_json import as_json
from training.steps.distill import Distill, JointDistill
from training.steps.labels import JointSupervised, Supervised
from training.steps.step import Step
from training.steps.teachers import Teacher, windows


def test_loss_is_the_weighted_sum_of_its_parts():
    output = distill(label_weight=0.5)(batch())
    parts = output.parts
    assert parts.keys() == {"labels", "match", "soft"}
    expected = 0.5 * parts["labels"] + 2.0 * parts["match"] + 4.0 * parts["soft"]
    torch.testing.assert_close(output.loss, expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine(Term):
    """A term as its base says how to write one: nothing but what it must have."""

    weight: float = 3.0
    taps: tuple[str, ...] = ("hidden",)

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        ((ours, theirs),) = pairs(student, teacher, self.taps)
        return 1 - F.cosine_similarity(ours, theirs).mean()


def test_a_term_of_ones_own_needs_no_more_than_it_must_have():
    step = distill(terms={"cosine": Cosine()})
    assert step.weights == {"labels": 1.0, "cosine": 3.0} and not step.adapters
    output = step(batch())
    expected = output.parts["labels"] + 3.0 * output.parts["cosine"]
    torch.testing.assert_close(output.loss, expected)
    before = output.parts["cosine"]
    *_, last = fit(step, [batch()] * 30, sgd(step), device=CPU)
    assert last["cosine"] < 0.5 * before
    assert as_json(Cosine()) == {"is": "Cosine", "weight": 3.0, "taps": ["hidden"]}


class Contrast(Step):
    """A step as its base says how to write one, with a teacher."""

    def __init__(self, model: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.model, self.weights = model, {"contrast": 2.0}
        self.frozen_teachers = (teacher.requires_grad_(False).eval(),)

    def losses(self, batch) -> dict[str, Tensor]:
        difference = self.model(batch["flow"]) - self.frozen_teachers[0](batch["flow"])
        return {"contrast": difference.square().mean()}


def test_a_step_of_ones_own_learns_and_its_teacher_goes_along():
    torch.manual_seed(0)
    step = Contrast(Tiny(2), Tiny(2))
    output = step(batch())
    torch.testing.assert_close(output.loss, 2 * output.parts["contrast"])
    losses = [x["loss"] for x in fit(step, [batch()] * 40, sgd(step), device=CPU)]
    assert losses[-1] < 0.1 * losses[0]
    teacher = step.frozen_teachers[0]
    assert not teacher.training and teacher.norm.num_batches_tracked == 0
    assert not any(name.startswith("frozen") for name in step.state_dict())
    assert step.double() is step
    assert {w.dtype for w in teacher.parameters()} == {torch.float64}
    assert step.networks() == [step.model]
    assert step.current_weights() == {"contrast": 2.0}


def test_a_students_networks_are_its_own_and_its_teachers():
    step = distill(
        teacher={"a": Tiny(2), "b": Tiny(2)},
        teacher_sees={"a": "flow", "b": "flow"},
        terms={"soft": SoftTargets()},
    )
    streams = list(step.teacher.streams.values())
    assert len(streams) == 2
    assert step.networks() == [step.student, step.adapters, *streams]


def test_supervised_loss_is_cross_entropy():
    model = Tiny(2).eval()
    output = Supervised(model, sees="flow")(batch())
    expected = F.cross_entropy(model(batch()["flow"]), batch()["label"])
    torch.testing.assert_close(output.loss, expected)


def test_student_learns_and_teacher_stands_still():
    step = distill()
    before = {k: v.clone() for k, v in step.teacher.state_dict().items()}
    losses = [
        metrics["loss"]
        for metrics in fit(step, map(batch, range(40)), sgd(step), device=CPU)
    ]
    assert losses[-1] < 0.5 * losses[0]
    after = step.teacher.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert step.student.norm.num_batches_tracked == 40
    assert not any(weight.grad is not None for weight in step.teacher.parameters())


def test_student_follows_its_teacher_without_labels():
    step = distill(label_weight=0.0)
    *_, last = fit(step, [batch()] * 60, sgd(step), device=CPU)
    first = next(fit(distill(label_weight=0.0), [batch()], sgd(step), device=CPU))
    assert last["soft"] < 0.1 * first["soft"]


def test_a_loss_that_is_no_number_names_its_parts_and_takes_no_step():
    step = distill()
    before = {k: v.clone() for k, v in step.student.named_parameters()}
    broken = batch()
    broken["rgb"] = broken["rgb"] * float("nan")
    with pytest.raises(Diverged, match="the loss is not finite: loss nan, labels nan"):
        list(fit(step, [broken], sgd(step), device=CPU))
    assert all(torch.equal(before[k], v) for k, v in step.student.named_parameters())


def test_gradient_is_clipped_to_its_norm():
    step = Supervised(Tiny(2), sees="flow")
    before = [weight.detach().clone() for weight in step.parameters()]
    next(fit(step, [batch()], sgd(step, 1.0), device=CPU, gradient_clip=1e-3))
    moved = [(w - b).flatten() for w, b in zip(step.parameters(), before, strict=True)]
    assert torch.cat(moved).norm().item() == pytest.approx(1e-3, rel=0.01)


def test_bfloat16_learns_too():
    step = distill()
    losses = [
        metrics["loss"]
        for metrics in fit(
            step, map(batch, range(40)), sgd(step), device=CPU, precision="bfloat16"
        )
    ]
    assert losses[-1] < 0.5 * losses[0]
    assert all(weight.dtype == torch.float32 for weight in step.student.parameters())


def test_waiting_is_counted():
    batches = TimedBatches(batch(i) for i in range(3))
    assert len(list(batches)) == 3
    assert batches.seconds > 0


def test_unknown_taps_are_refused_by_name():
    terms = {"match": FeatureMSE(taps=("layer9",))}
    with pytest.raises(
        RecipeError,
        match="term match: expected taps of teacher r3d among stem, fc, got layer9",
    ):
        check_taps(terms, {"teacher r3d": ("stem", "fc")})


def test_a_teacher_is_no_part_of_what_torch_knows_of_the_step():
    step = distill()
    teachers = {id(weight) for weight in step.teacher.parameters()}
    assert teachers and not teachers & {id(weight) for weight in step.parameters()}
    assert not any("teacher" in name for name in step.state_dict())
    moved = step.to(torch.float64)  # goes where the step goes all the same
    assert all(w.dtype == torch.float64 for w in moved.teacher.parameters())


def test_a_teacher_can_not_be_set_to_train():
    teacher = distill().train().teacher.train()
    assert not any(module.training for module in teacher.modules())
    assert not any(weight.requires_grad for weight in teacher.parameters())


def test_labels_take_the_weight_where_equation_4_is_read_as_printed():
    terms = {"soft": SoftTargets(weight=9.0, weight_on="hard")}
    output = distill(terms=terms, label_weight=0.5)(batch())
    expected = 4.5 * output.parts["labels"] + output.parts["soft"]
    torch.testing.assert_close(output.loss, expected)


class Says(nn.Module):
    """Has its own prediction for whatever it sees."""

    def __init__(self, *chances: float) -> None:
        super().__init__()
        self.logits = nn.Identity()
        self.chances = nn.Parameter(torch.tensor(chances).log())

    def forward(self, clips: Tensor) -> Tensor:
        return self.logits(self.chances.expand(len(clips), -1))


def test_several_streams_teach_the_mean_of_their_chances():
    """(3/4 + 1/8) / 2 = 7/16; features are named by stream."""
    streams = {"rgb": Says(3 / 4, 1 / 4), "flow": Says(1 / 8, 7 / 8)}
    teacher = Teacher(streams, {"rgb": "rgb", "flow": "flow"})
    teacher.set_taps(["flow.logits"])
    logits, features, _ = teacher(batch())
    torch.testing.assert_close(
        logits.softmax(1), torch.tensor([[7 / 16, 9 / 16]]).expand(8, 2)
    )
    torch.testing.assert_close(
        features["flow.logits"].softmax(1), torch.tensor([[1 / 8, 7 / 8]]).expand(8, 2)
    )
    assert features.keys() == {"flow.logits"}


def test_each_stream_sees_its_own_modality_and_two_may_see_the_same():
    torch.manual_seed(0)
    one, other, third = Tiny(3).eval(), Tiny(2).eval(), Tiny(3).eval()
    teacher = Teacher(
        {"rgb": one, "flow": other, "estimated": third},
        {"rgb": "rgb", "flow": "flow", "estimated": "rgb"},
    )
    given = batch()
    expected = [one(given["rgb"]), other(given["flow"]), third(given["rgb"])]
    mean = sum(logits.softmax(1) for logits in expected) / 3
    torch.testing.assert_close(teacher(given).logits.softmax(1), mean)


def test_a_mean_of_teachers_has_weights_and_a_term_may_hear_one_alone():
    """3 to 1: 3/4 * 3/4 + 1/4 * 1/8 = 19/32. A weight of 0 counts nothing."""
    nets = {"rgb": Says(3 / 4, 1 / 4), "flow": Says(1 / 8, 7 / 8)}
    sees, given = {"rgb": "rgb", "flow": "flow"}, batch()
    for weights, mean in (({"rgb": 3.0}, 19 / 32), ({"flow": 0.0}, 3 / 4)):
        found = Teacher(nets, sees, weights=weights)(given)
        torch.testing.assert_close(
            found.logits.softmax(1)[:, 0], torch.full((8,), mean)
        )
        assert found.streams["flow"].softmax(1)[0, 0] == pytest.approx(1 / 8)
    torch.manual_seed(0)
    step = Distill(
        student := Tiny(3),
        nets,
        student_sees="rgb",
        teacher_sees=sees,
        teacher_weights={"rgb": 3.0},
        terms={"all": SoftTargets(), "one": SoftTargets(teacher="flow")},
    )
    ours, parts = Outputs(student(given["rgb"]), {}), step(given).parts
    for name, first in (("all", 19 / 32), ("one", 1 / 8)):
        logits = torch.tensor([[first, 1 - first]]).log().expand(8, 2)
        wanted = SoftTargets()(ours, Outputs(logits, {})).item()
        assert parts[name] == pytest.approx(wanted, rel=1e-4)


def test_a_student_learns_from_a_stream_of_several():
    torch.manual_seed(0)
    terms = {
        "match": FeatureMSE(weight=2.0, taps=("hidden:flow.hidden",)),
        "soft": SoftTargets(),
    }
    step = Distill(
        Tiny(3),
        {"rgb": Tiny(3), "flow": Tiny(2)},
        student_sees="rgb",
        teacher_sees={"rgb": "rgb", "flow": "flow"},
        terms=terms,
    )
    before = {k: v.clone() for k, v in step.teacher.state_dict().items()}
    *_, last = fit(step, [batch()] * 40, sgd(step), device=CPU)
    assert last["match"] < 0.05
    after = step.teacher.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


class SaysFirst(nn.Module):
    """Has for its prediction what the first entry of what it sees has."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Identity()

    def forward(self, clips: Tensor) -> Tensor:
        return self.logits(clips[:, :, 0].mean(dim=(2, 3)))


def test_a_teacher_of_fewer_entries_sees_windows_over_the_whole_clip():
    """Windows of 4 of 10 entries begin at 0, 3 and 6; each clip has its own mean."""
    clips = torch.randn(2, 3, 10, 1, 1)
    teacher = Teacher({"flow": SaysFirst()}, {"flow": "flow"}, {"flow": 4})
    teacher.set_taps(["logits"])
    logits, features, _ = teacher({"flow": clips})
    seen = torch.stack([clips[:, :, start, 0, 0] for start in (0, 3, 6)])
    torch.testing.assert_close(logits.softmax(1), seen.softmax(2).mean(0))
    torch.testing.assert_close(features["logits"], seen.mean(0))
    assert [len(windows(torch.zeros(1, 1, n, 1, 1), 4)) for n in (4, 5, 8, 9)] == [
        1,
        2,
        2,
        3,
    ]


def test_teachers_that_do_not_fit_are_refused():
    with pytest.raises(
        RecipeError, match="a modality for every stream .* rgb and flow"
    ):
        Teacher({"rgb": Tiny(3)}, {"flow": "flow"})
    two = Teacher({"a": Tiny(3), "b": Tiny(3)}, {"a": "rgb", "b": "rgb"})
    with pytest.raises(RecipeError, match="streams? of a, b as a.layer4, got hidden"):
        two.set_taps(["hidden"])
    with pytest.raises(RecipeError, match="got nothing"):
        distill(terms={"match": FeatureMSE(taps=("hidden:nothing",))})


class Wide(Tiny):
    """As `Tiny`, with another width of hidden."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.hidden, self.fc = nn.Linear(channels, 12), nn.Linear(12, 2)


@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_an_adapter_makes_features_comparable_and_learns(kind):
    torch.manual_seed(0)
    terms = {"match": FeatureMSE(weight=2.0, taps=("hidden", "pool"), adapter=kind)}
    step = Distill(
        Tiny(3),
        Wide(2),
        student_sees="rgb",
        terms=terms,
        example=batch(),
        label_weight=0,
    )
    assert {name.partition(".")[0] for name in step.state_dict()} == {
        "student",
        "adapters",
        "_extra_state",
    }
    before = {k: v.clone() for k, v in step.adapters.named_parameters()}
    counted = step.student.norm.num_batches_tracked.item()
    assert counted == 0  # the example left no trace
    first, *_, last = fit(step, [batch()] * 60, sgd(step), device=CPU)
    assert last["match"] < 0.3 * first["match"]
    assert all(
        not torch.equal(before[k], v) for k, v in step.adapters.named_parameters()
    )


def test_an_adapter_of_channels_keeps_positions():
    ours, theirs = torch.Size([2, 3, 4, 5, 6]), torch.Size([2, 7, 4, 5, 6])
    layer = build_adapter("conv", ours, theirs, tap="layer1")
    assert sum(p.numel() for p in layer.parameters()) == 3 * 7 + 7
    clips = torch.randn(2, 3, 4, 5, 6)
    expected = torch.einsum("oc,bcthw->bothw", layer.weight[:, :, 0, 0, 0], clips)
    expected = expected + layer.bias[:, None, None, None]
    torch.testing.assert_close(layer(clips), expected, rtol=1e-4, atol=1e-5)
    flat = build_adapter(
        "linear", torch.Size([2, 3, 1, 1, 1]), torch.Size([2, 7]), tap=""
    )
    assert flat(torch.randn(4, 3, 1, 1, 1)).shape == (4, 7)


def test_adapters_that_can_not_be_are_refused():
    one, other = torch.Size([1, 2, 4]), torch.Size([1, 3, 5])
    with pytest.raises(
        RecipeError, match="layer1: .* same positions for the adapter conv"
    ):
        build_adapter("conv", one, other, tap="layer1")
    with pytest.raises(RecipeError, match="the adapter conv or linear, got mlp"):
        build_adapter("mlp", one, other, tap="layer1")
    with pytest.raises(
        RecipeError, match="for the adapter linear, got 401408 x 401408"
    ):
        stage = torch.Size([1, 64, 2, 56, 56])
        build_adapter("linear", stage, stage, tap="layer1")
    with pytest.raises(RecipeError, match="expected an example batch"):
        distill(terms={"match": FeatureMSE(taps=("hidden",), adapter="conv")})


def moved(step: nn.Module) -> set[str]:
    """Names of weights that have a gradient other than zero."""
    step(batch()).loss.backward()
    return {
        name
        for name, weight in step.named_parameters()
        if weight.grad is not None and weight.grad.abs().sum() > 0
    }


def test_labels_reach_the_head_only_where_the_recipe_says_so():
    """MERS: features by the terms, the classifier by the labels."""
    head = {"student.fc.weight", "student.fc.bias"}
    nothing = {"match": FeatureMSE(weight=0.0, taps=("hidden",))}
    assert moved(distill(terms=nothing, labels_reach="head")) == head
    assert moved(distill(terms=nothing)) > head
    terms = {"match": FeatureMSE(taps=("hidden",))}
    both = moved(distill(terms=terms, labels_reach="head"))
    assert both > head
    torch.manual_seed(0)
    step = distill(terms=terms, labels_reach="head")
    only = distill(terms=terms, label_weight=0.0)
    step(batch()).loss.backward(), only(batch()).loss.backward()
    gradients = dict(only.named_parameters())
    for name, weight in step.named_parameters():
        if name not in head:
            torch.testing.assert_close(weight.grad, gradients[name].grad)


def test_soft_targets_reach_everything_also_where_labels_do_not():
    step = distill(terms={"soft": SoftTargets()}, labels_reach="head", label_weight=0.0)
    assert "student.hidden.weight" in moved(step)


def test_first_epochs_may_be_for_features_only():
    step = distill(feature_only=2)
    for epoch, weights in enumerate(
        [{"labels": 0, "match": 2, "soft": 0}] * 2
        + [{"labels": 1, "match": 2, "soft": 4}]
    ):
        step.begin_epoch(epoch)
        output = step(batch())
        expected = sum(weights[name] * output.parts[name] for name in weights)
        torch.testing.assert_close(output.loss, expected)


def test_weights_that_were_chosen_are_in_the_steps_state():
    step, again = distill(), distill()
    step.weights["match"] = 0.125
    again.load_state_dict(step.state_dict())
    assert again.weights == {"labels": 1.0, "match": 0.125, "soft": 4.0}


def test_wrong_names_are_refused():
    with pytest.raises(RecipeError, match="other names than labels"):
        distill(terms={"labels": SoftTargets()})
    with pytest.raises(RecipeError, match="labels to reach all or head, got trunk"):
        distill(labels_reach="trunk")


def test_taps_of_two_names_are_checked_on_their_own_sides():
    terms = {"match": FeatureMSE(taps=("stem:flow.layer1",))}
    check_taps(terms, {"student a": ("stem",), "teacher b": ("flow.layer1",)})
    with pytest.raises(RecipeError, match="teacher b among stem, got flow.layer1"):
        check_taps(terms, {"student a": ("stem",), "teacher b": ("stem",)})


# ---- several data sets


def test_joint_loss_is_the_sum_of_the_heads_losses():
    torch.manual_seed(0)
    model = TwoHeads(Tiny(2), {"ucf101": 2, "hmdb51": 3})
    step = JointSupervised(model, sees="flow").eval()
    given = both_sets()
    output = step(given)
    for name, part in given.items():
        logits = model.alone(name)(part["flow"])
        expected = F.cross_entropy(logits, part["label"])
        torch.testing.assert_close(output.parts[f"{name}.labels"], expected)
    torch.testing.assert_close(output.loss, sum(output.parts.values()))


def test_each_head_learns_from_its_own_clips_only_and_the_trunk_from_all():
    torch.manual_seed(0)
    model = TwoHeads(Tiny(2), {"ucf101": 2, "hmdb51": 2})
    losses = JointSupervised(model, sees="flow").losses(both_sets())
    losses["ucf101.labels"].backward()
    assert model.heads["hmdb51"].weight.grad is None
    assert model.heads["ucf101"].weight.grad.abs().sum() > 0
    assert model.trunk.hidden.weight.grad.abs().sum() > 0


def test_joint_distillation_is_that_of_both_halves():
    """In evaluation mode, where halves do not meet in batch norm."""
    joint = joint_distill().eval()
    given = both_sets()
    output = joint(given)
    assert len(output.parts) == 6
    total = 0.0
    for place, (name, part) in enumerate(given.items()):
        alone = Distill(
            joint.student.alone(name),
            dict(joint.frozen_teachers[place].streams),
            student_sees="rgb",
            teacher_sees={"flow": "flow"},
            terms=joint.terms,
        ).eval()
        half = alone(part)
        total = total + half.loss
        for what, value in half.parts.items():
            torch.testing.assert_close(output.parts[f"{name}.{what}"], value)
    torch.testing.assert_close(output.loss, total)


@pytest.mark.parametrize("reach", ["all", "head"])
def test_a_joint_student_learns_and_its_teachers_stand_still(reach):
    step = joint_distill(labels_reach=reach)
    before = [
        {k: v.clone() for k, v in teacher.state_dict().items()}
        for teacher in step.frozen_teachers
    ]
    first, *_, last = fit(step, [both_sets()] * 40, sgd(step), device=CPU)
    assert last["loss"] < 0.5 * first["loss"]
    for teacher, old in zip(step.frozen_teachers, before, strict=True):
        now = teacher.state_dict()
        assert all(torch.equal(old[name], now[name]) for name in old)


def test_joint_labels_may_reach_the_heads_only():
    step = joint_distill(
        terms={"match": FeatureMSE(weight=0.0, taps=("hidden",))}, labels_reach="head"
    )
    step(both_sets()).loss.backward()
    trunk = [w.grad for w in step.student.trunk.parameters() if w.grad is not None]
    assert all(gradient.abs().sum() == 0 for gradient in trunk)
    assert step.student.heads["hmdb51"].weight.grad.abs().sum() > 0


def test_a_joint_student_needs_a_teacher_of_every_data_set():
    step = joint_distill()
    with pytest.raises(RecipeError, match="teachers of ucf101, hmdb51, got ucf101"):
        JointDistill(
            step.student,
            {"ucf101": step.frozen_teachers[0]},
            student_sees="rgb",
            terms={},
        )
