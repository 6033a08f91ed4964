"""A recipe refuses when it is made what its experiment would ignore or cannot do."""

from dataclasses import replace

import pytest
import tiny_recipe as tiny

from training.errors import RecipeError
from training.experiments.fuse import FuseRecipe
from training.experiments.joint import check_joint
from training.experiments.motion import motion
from training.losses.terms import FeatureMSE, SoftTargets
from training.models.backbones import BackboneConfig
from training.recipes import get_recipe
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
