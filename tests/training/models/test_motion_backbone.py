import pytest
import torch
from torch import Tensor, nn

from training.data.clip_config import ClipConfig
from training.engine.loop import fit
from training.errors import RecipeError
from training.losses.terms import FeatureMSE
from training.models.backbones import BackboneConfig, build_backbone
from training.models.motion_backbone import (
    ESTIMATORS,
    MotionBackbone,
    MotionConfig,
    build_motion_backbone,
    unnormalised,
)
from training.models.taps import tap
from training.steps.distill import Distill
from training.steps.gradients import gradient_norms
from training.steps.labels import Supervised
from training.steps.motion import EndToEnd, Unsupervised

CLIP = ClipConfig(motion_gain=10.0, rgb_mean=(0.5, 0.4, 0.3), rgb_std=(0.2, 0.3, 0.4))


class Given(nn.Module):
    """An estimator that keeps what it is shown and answers with a known flow."""

    def __init__(self, flow: Tensor) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, frames: Tensor) -> Tensor:
        self.shown = frames
        return self.flow


def backbone(flow: Tensor, **options) -> MotionBackbone:
    return MotionBackbone(
        Given(flow),
        nn.Identity(),
        rgb_mean=CLIP.rgb_mean,
        rgb_std=CLIP.rgb_std,
        **options,
    )


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def built(estimator: str, *, frames: int = 5, classes: int = 3) -> MotionBackbone:
    torch.manual_seed(0)
    net = build_backbone(BackboneConfig(net="r3d_tiny", sees="flow"), classes)
    return build_motion_backbone(
        MotionConfig(estimator=estimator, frames=frames), net, CLIP
    )


def test_motion_becomes_what_stored_flow_becomes():
    flow = torch.tensor([5.0, -30.0]).view(1, 2, 1, 1, 1).expand(1, 2, 3, 4, 6)
    seen = backbone(flow, motion_gain=8.0)(torch.zeros(1, 3, 4, 4, 6))
    assert torch.equal(seen[0, :, 2, 1, 1], torch.tensor([2.0, -8.0]))
    assert seen.shape == flow.shape
    halved = backbone(flow, motion_gain=8.0, stored_px=2.0)
    assert halved(torch.zeros(1, 3, 4, 4, 6))[0, 0, 0, 0, 0] == 4.0


def test_estimator_is_shown_frames_from_0_to_1():
    model = backbone(torch.zeros(1, 2, 1, 4, 4))
    clips = torch.zeros(1, 3, 2, 4, 4)
    clips[:, :, 1] = 1.0
    model(clips)
    shown = model.estimator.shown[0, :, :, 0, 0]
    torch.testing.assert_close(
        shown, torch.tensor([[0.5, 0.7], [0.4, 0.7], [0.3, 0.7]])
    )


def test_frames_are_those_of_the_data_set():
    from training.data.dataset import to_tensor
    from training.data.transforms import rgb_input

    pixels = (255 * drawn(2, 4, 5, 3)).byte()
    clip = to_tensor(rgb_input(pixels.numpy(), mean=CLIP.rgb_mean, std=CLIP.rgb_std))
    frames = unnormalised(clip[None], mean=CLIP.rgb_mean, std=CLIP.rgb_std)
    expected = pixels.permute(3, 0, 1, 2)[None] / 255
    torch.testing.assert_close(frames, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(8, 12), (7, 11)])
def test_smaller_fields_are_enlarged_and_keep_their_values(size):
    flow = torch.zeros(2, 2, 3, 4, 6)
    flow[1, 1, 2] = torch.arange(6.0)  # grows by 1 px a column
    seen = backbone(flow, motion_gain=20.0)(torch.zeros(2, 3, 4, *size))
    assert seen.shape == (2, 2, 3, *size)
    expected = (torch.arange(size[1]) / 2 - 0.25).clamp(0, 5)
    torch.testing.assert_close(seen[1, 1, 2, 3], expected)
    assert not seen[0].any() and not seen[1, 0].any() and not seen[1, 1, :2].any()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_makes_a_backbone_with_the_inner_taps(name):
    model = built(name) if name != "motionnet" else None
    if model is None:  # too large to run here; its parts are tested elsewhere
        with torch.device("meta"):
            model = built(name)
    device = next(model.net.parameters()).device
    clips = drawn(2, 3, 5, 32, 40).to(device)
    with tap(model, "layer4", "avgpool", "net.fc") as features:
        logits = model(clips)
    assert logits.shape == (2, 3)
    assert features["layer4"].shape == (2, 64, 1, 2, 3)
    assert features["net.fc"].shape == (2, 3)
    with pytest.raises(AttributeError, match="layer9"), tap(model, "layer9"):
        pass


def test_weights_are_saved_under_the_names_of_the_parts():
    names = built("motionnet_tiny").state_dict()
    assert "estimator.encoder.0.0.weight" in names and "net.fc.weight" in names
    built("motionnet_tiny").load_state_dict(names)


def test_a_learnable_estimator_learns_from_labels_and_a_frozen_one_does_not():
    batch = {"rgb": drawn(2, 3, 3, 24, 24), "label": torch.tensor([0, 1])}
    model = built("tvl1_learnable", frames=3)
    Supervised(model, sees="rgb")(batch).loss.backward()
    assert model.estimator.changes["lam"].grad.abs() > 0
    model = build_motion_backbone(
        MotionConfig(estimator="motionnet_tiny", frames=3, learns=False),
        built("tvl1").net,
        CLIP,
    )
    Supervised(model, sees="rgb")(batch).loss.backward()
    assert all(weight.grad is None for weight in model.estimator.parameters())
    assert all(weight.grad is not None for weight in model.net.parameters())


def test_a_teacher_of_estimated_motion_can_be_distilled():
    """The teacher makes its flow from the clip that the student sees."""
    teacher = built("tvl1", frames=5)
    student = build_backbone(BackboneConfig(net="r3d_tiny", sees="rgb"), 3)
    step = Distill(
        student,
        teacher,
        student_sees="rgb",
        teacher_sees="rgb",
        terms={"match": FeatureMSE()},
    )
    output = step({"rgb": drawn(2, 3, 5, 24, 24), "label": torch.tensor([0, 1])})
    output.loss.backward()
    assert output.parts["match"] > 0


def test_unsupervised_step_lowers_its_loss_and_tells_the_kinds():
    torch.manual_seed(0)
    model = built("motionnet_tiny", frames=3).estimator
    step = Unsupervised(model, rgb_mean=CLIP.rgb_mean, rgb_std=CLIP.rgb_std)
    batch = {"rgb": drawn(2, 3, 3, 24, 32), "label": torch.tensor([0, 1])}
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(6):
        output = step(batch)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.loss.item())
    assert losses[-1] < losses[0]
    parts = output.parts
    assert parts.keys() == {"photometric", "smoothness", "ssim"}
    expected = 5 * (parts["photometric"] + 0.01 * parts["smoothness"] + parts["ssim"])
    torch.testing.assert_close(output.loss, expected)


def test_bfloat16_learns_too():
    """The net computes in 16 bits, the losses and TV-L1 in 32."""
    batch = {"rgb": drawn(2, 3, 3, 24, 32), "label": torch.tensor([0, 1])}
    for step in (
        EndToEnd(built("motionnet_tiny", frames=3)),
        Supervised(built("tvl1_learnable", frames=3), sees="rgb"),
    ):
        optimizer = torch.optim.Adam(step.parameters(), 1e-3)
        values = list(
            fit(
                step,
                [batch] * 4,
                optimizer,
                device=torch.device("cpu"),
                precision="bfloat16",
            )
        )
        assert values[-1]["loss"] < values[0]["loss"]


def test_end_to_end_both_learn_and_the_loss_is_the_sum():
    model = built("motionnet_tiny", frames=3)
    batch = {"rgb": drawn(2, 3, 3, 24, 32), "label": torch.tensor([0, 1])}
    output = EndToEnd(model, flow_weight=0.5)(batch)
    parts = output.parts
    torch.testing.assert_close(output.loss, parts["labels"] + 0.5 * parts["flow"])
    torch.testing.assert_close(
        parts["labels"],
        nn.functional.cross_entropy(model(batch["rgb"]), batch["label"]),
    )
    EndToEnd(model, flow_weight=0.0)(batch).loss.backward()  # labels reach it too
    assert model.estimator.encoder[0][0].weight.grad.abs().sum() > 0
    assert model.net.fc.weight.grad.abs().sum() > 0


def test_losses_without_labels_have_gradients_to_measure():
    batch = {"rgb": drawn(2, 3, 3, 24, 32), "label": torch.tensor([0, 1])}
    model = built("motionnet_tiny", frames=3)
    step = EndToEnd(model, flow_weight=0.5)
    norms = gradient_norms(step, batch, at="estimator.encoder.0")
    step.losses(batch)["flow"].backward()
    gradients = [w.grad.flatten() for w in model.estimator.encoder[0].parameters()]
    assert norms.keys() == {"labels", "flow"} and norms["labels"] > 0
    assert norms["flow"] == pytest.approx(float(torch.cat(gradients).norm()), rel=1e-4)
    alone = Unsupervised(model.estimator, rgb_mean=CLIP.rgb_mean, rgb_std=CLIP.rgb_std)
    found = gradient_norms(alone, batch, at="encoder.0")
    assert found == {"flow": pytest.approx(norms["flow"], rel=1e-4)}
    torch.testing.assert_close(alone(batch).loss, step(batch).parts["flow"])


def test_what_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="estimator among tvl1, .* got farneback"):
        MotionConfig(estimator="farneback")
    with pytest.raises(RecipeError, match="2 frames or more, got 1"):
        MotionConfig(frames=1)
    batch = {"rgb": drawn(1, 3, 3, 24, 24), "label": torch.tensor([0])}
    with pytest.raises(
        RecipeError, match=r"several levels \(MotionNet\), got TVL1Flow"
    ):
        EndToEnd(built("tvl1", frames=3))(batch)
