"""A recipe refuses when it is made what its experiment would ignore or cannot do."""

from dataclasses import replace

import pytest
import tiny_recipe as tiny

from training.data.clip_config import ClipConfig
from training.errors import RecipeError
from training.experiments.fuse import FuseRecipe
from training.experiments.joint import check_joint
from training.experiments.motion import motion
from training.experiments.teach import TeachRecipe, teach
from training.losses.attention import AttentionTransfer
from training.losses.photometric import FlowLoss
from training.losses.relational import DIST, RelationalKD
from training.losses.terms import FeatureMSE, SoftTargets
from training.models.backbones import BackboneConfig
from training.recipes import get_recipe
from training.scoring.clip_protocol import ClipProtocol
from training.scoring.fusion import AttentionConfig
from training.scoring.weighting import AdaptiveWeighting

MOTION = get_recipe("motionnet_tiny").settings
HIDDEN = get_recipe("hidden_temporal_tiny").settings
DISTILL = tiny.distill("flow", "mv")
SOFT = {"soft": SoftTargets()}

REFUSED = {
    "a step between validations": (
        DISTILL,
        {"validate_every": 0},
        "validate_every of 1 epoch or more",
    ),
    "a share": (DISTILL, {"held_out": 1.0}, "held_out from 0 to below 1"),
    "a choice": (DISTILL, {"select": "bset"}, "select last or best, got bset"),
    "no share": (
        DISTILL,
        {"gradients_at": "fc", "balance": {"soft": 0.0}},
        "shares above 0",
    ),
    "who is reached": (
        DISTILL,
        {"labels_reach": "trunk"},
        "labels_reach all or head, got trunk",
    ),
    "nobody teaches the last layer": (
        DISTILL,
        {"feature_only": 2},
        "feature_only from 0 to below the 2 epochs",
    ),
    "a name that is taken": (
        DISTILL,
        {"terms": {"labels": SoftTargets()}},
        "other names than labels",
    ),
    "two first weights": (
        DISTILL,
        {
            "init": "teacher",
            "student": BackboneConfig(net="r3d_tiny", sees="mv", weights="a.pt"),
        },
        "from the teacher .* or from a file .*, got both: a.pt",
    ),
    "a weight beside no term": (
        DISTILL,
        {"init": "teacher", "terms": {}, "label_weight": 0.5},
        "label_weight 1, labels_reach all and feature_only 0 .* got 0.5, all and 0",
    ),
    "reach without a term": (
        DISTILL,
        {"init": "teacher", "terms": {}, "labels_reach": "head"},
        "got 1, head and 0",
    ),
    "no loss": (
        DISTILL,
        {"terms": {"soft": SoftTargets(weight=0.0)}, "label_weight": 0.0},
        "a loss with a weight other than 0, got none among labels, soft",
    ),
    "balance of a loss of weight 0": (
        DISTILL,
        {
            "terms": {"soft": SoftTargets(weight=0.0)},
            "gradients_at": "fc",
            "balance": {"soft": 0.5},
        },
        "a weight other than 0 of soft, whose gradient is to be balanced",
    ),
    "balance against labels of weight 0": (
        DISTILL,
        {
            "terms": SOFT,
            "label_weight": 0.0,
            "gradients_at": "fc",
            "balance": {"soft": 0.5},
        },
        "a weight other than 0 of labels, whose gradient",
    ),
    "attention at one position": (
        DISTILL,
        {"terms": {"at": AttentionTransfer(taps=("layer4", "avgpool"))}},
        "^term at: .* student r3d_tiny with several positions, .* got avgpool$",
    ),
    "relations of two clips": (
        DISTILL,
        {"terms": {"related": RelationalKD()}, "batch_size": 2},
        "^term related: expected at least 3 clips .* got 2$",
    ),
    "relations of two clips at a time": (
        DISTILL,
        {
            "terms": {"related": DIST()},
            "batch_size": 4,
            "optim": replace(DISTILL.optim, accumulate=2),
        },
        "^term related: expected at least 3 clips .* got 2$",
    ),
    "an estimator without weights": (
        MOTION,
        {"motion": replace(MOTION.motion, estimator="tvl1")},
        "a MotionNet that learns .* got tvl1",
    ),
    "an estimator of other losses": (
        MOTION,
        {"motion": replace(MOTION.motion, estimator="tvl1_learnable")},
        "a MotionNet that learns .* got tvl1_learnable",
    ),
    "nothing learns": (
        MOTION,
        {"motion": replace(MOTION.motion, learns=False)},
        "a MotionNet that learns .* got motionnet_tiny, learns False",
    ),
    "another loss of motion": (
        MOTION,
        {"gradients_at": "encoder.0", "balance": {"flow": 0.5}},
        "no balance, as a motion network has one loss, got .*flow",
    ),
    "a protocol of no classes": (
        MOTION,
        {"protocol": ClipProtocol(clips=25)},
        "no protocol of clips and scores, as a motion network classifies nothing",
    ),
    "weights that a run replaces": (
        HIDDEN,
        {"classifier": replace(HIDDEN.classifier, weights="a.pt")},
        "no weights of the classifier, .* stored flow, got a.pt",
    ),
    "px of MotionNet": (
        MOTION,
        {"motion": replace(MOTION.motion, stored_px=2.0)},
        "no stored_px in a recipe, .* got 2",
    ),
    "px end to end": (
        HIDDEN,
        {"motion": replace(HIDDEN.motion, stored_px=2.0)},
        "no stored_px in a recipe, .* got 2",
    ),
    "a classifier of frames": (
        HIDDEN,
        {"classifier": replace(HIDDEN.classifier, sees="rgb")},
        "a classifier that sees motion",
    ),
    "a loss below 0": (HIDDEN, {"flow_weight": -1.0}, "flow_weight of 0 or more"),
    "no flows at several levels": (
        HIDDEN,
        {"motion": replace(HIDDEN.motion, estimator="tvl1_learnable")},
        "flow_weight 0 with the estimator tvl1_learnable, .* got 1",
    ),
    "attention of an average": (
        FuseRecipe(),
        {"attention": AttentionConfig(hidden=8)},
        "settings of attention with attention only, got average",
    ),
    "adaptive settings of a search": (
        FuseRecipe(how="search"),
        {"adaptive": AdaptiveWeighting(balanced=True)},
        "settings of adaptive with adaptive only, got search",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_it_is_refused_in_one_line(case):
    settings, changes, message = case
    with pytest.raises(RecipeError, match=message) as error:
        replace(settings, **changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: RelationalKD(distance=0.0, angle=0.0),
            "RelationalKD: expected a share",
        ),
        (lambda: DIST(inter=0.0, intra=0.0), "DIST: expected a share"),
        (lambda: FlowLoss(scales=(0.0,) * 5), "photometric, smoothness or ssim weight"),
    ],
)
def test_a_loss_of_nothing_is_refused(make, message):
    with pytest.raises(RecipeError, match=message):
        make()


def test_two_clips_are_enough_for_relations_between_classes():
    replace(DISTILL, batch_size=2, terms={"related": DIST(intra=0.0)})


@pytest.mark.parametrize("at", ["encoder.0", "model.encoder.0"])
def test_gradients_of_motion_without_labels_are_recorded(store, tmp_path, at):
    settings = replace(MOTION, gradients_at=at, epochs=1)
    job = tiny.tiny_context(store, tmp_path).job("motion")
    (line,) = [m for m in motion(settings, job).metrics() if m["kind"] == "gradients"]
    assert line["norms"].keys() == {"flow"} and line["norms"]["flow"] > 0


def test_an_adapter_that_cannot_be_is_refused_before_the_teacher_is_trained():
    with pytest.raises(
        RecipeError, match="^term match, layer1:layer4: .* adapter conv"
    ):
        replace(
            DISTILL,
            terms={"match": FeatureMSE(taps=("layer1:layer4",), adapter="conv")},
        ).check_shapes()
    replace(
        DISTILL, terms={"match": FeatureMSE(taps=("layer1:layer4",), adapter="linear")}
    ).check_shapes()


def test_a_student_that_cannot_start_from_the_teacher_is_refused_before_it_is_trained():
    """Features and shapes fit, weights do not: r3d_narrow has more channels."""
    taught = replace(DISTILL, terms=SOFT, init="teacher")
    taught.check_shapes()
    other = replace(taught, student=replace(taught.student, net="r3d_narrow"))
    with pytest.raises(
        RecipeError,
        match=r"of the teacher's net, r3d_tiny, .*got r3d_narrow: .*init=none",
    ):
        other.check_shapes()
    replace(other, init="none").check_shapes()


@pytest.mark.parametrize(
    ("net", "size", "message"),
    [
        ({"net": "vgg16"}, (1, 16, 16), "that vgg16 takes, got 1 frames of 16x16"),
        ({"net": "mvit_v2_s", "size": (4, 60, 64)}, (4, 60, 64), "got 4x60x64"),
    ],
)
def test_a_net_that_does_not_take_the_clips_leaves_no_folder(
    store, tmp_path, net, size, message
):
    clip = ClipConfig(length=size[0], crop_px=size[1:])
    recipe = TeachRecipe(model=BackboneConfig(**net), clip=clip, epochs=1)
    with pytest.raises(RecipeError, match=message):
        teach(recipe, tiny.tiny_context(store, tmp_path).job("rgb"))
    assert not list(tmp_path.rglob("recipe.json"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"select": "best"}, "the last weights"),
        (
            {
                "other_teachers": (BackboneConfig(net="r3d_tiny", sees="rgb"),),
                "terms": SOFT,
            },
            "one teacher for several stores",
        ),
    ],
)
def test_several_stores_refuse_before_the_teacher_is_trained(changes, message):
    check_joint(DISTILL, teachers=len(DISTILL.teachers))
    changed = replace(DISTILL, **changes)
    with pytest.raises(RecipeError, match=message):
        check_joint(changed, teachers=len(changed.teachers))
