"""Statements of the two texts on FTSnet about the settings of our recipes.

Source:
    Zhao and Lee, "FTSnet: A Simple Convolutional Neural Networks for Action Recognition",
    ACK 2021, here "2021"; and its extended version "Teacher-Student Architecture Based
    CNN for Action Recognition", KTSDE 2022, here "2022".
"""

from .statement import Statement, beyond, control, free, other, silent, stated

BOTH = "section 4 of both"
LAYER = "r3d_layer fts_m1*"
"""Systems whose flow is computed by layers, from one frame more."""

FTS: tuple[Statement, ...] = (
    # The clip
    stated(
        "clip.length",
        25,
        says="25 RGB frames of each video",
        where=BOTH,
        systems=LAYER,
    ),
    other(
        "clip.length",
        24,
        says="25 RGB frames of each video",
        where=BOTH,
        why="25 frames have 24 intervals, and features that are compared need as many"
        " entries of both",
    ),
    other(
        "clip.stride",
        1,
        says='frames "extracted randomly"',
        where=BOTH,
        why="consecutive frames from a random start: flow is of adjacent frames (2022,"
        " section 3.1)",
    ),
    silent("clip.short", "loop", why="short videos begin again, as in MARS"),
    silent(
        "clip.grid_short_px",
        None,
        why="no size of frames is mentioned",
        here="frames as stored",
    ),
    other(
        "clip.crop_px",
        [112, 112],
        says="crops of 112x112 (2021), of 224x224 (2022)",
        where=BOTH,
        why="the texts contradict each other; 112 is R3D-18's usual input, at a quarter of"
        " the cost",
    ),
    silent(
        "clip.crop_scales",
        [1.0, 2**-0.25, 2**-0.5, 2**-0.75, 0.5],
        why='only that a crop is "sampled"; five sizes as in MARS',
    ),
    silent("clip.uneven_crops", False, why="square crops"),
    silent("clip.corners", True, why="crops at the centre or a corner, as in MARS"),
    silent("clip.test_crop", "largest", why="the centre at the largest training size"),
    silent("clip.flip", True, why="half of the clips are mirrored, as is usual"),
    free(
        "clip.rgb_*",
        why="of RGB, which this network does not see",
        systems="r3d_flow",
    ),
    free(
        "clip.motion_gain",
        why="of motion, which this network does not see",
        systems="r3d_rgb*",
    ),
    silent(
        "clip.rgb_mean",
        [0.0, 0.0, 0.0],
        why="TV-L1 as layers takes frames from 0 to 1",
        systems=LAYER,
    ),
    silent(
        "clip.rgb_std",
        [1.0, 1.0, 1.0],
        why="TV-L1 as layers takes frames from 0 to 1",
        systems=LAYER,
    ),
    silent(
        "clip.rgb_mean",
        [0.43216, 0.394666, 0.37645],
        why="torchvision's, of its R3D-18 on Kinetics",
    ),
    silent(
        "clip.rgb_std",
        [0.22803, 0.22145, 0.216989],
        why="torchvision's, of its R3D-18 on Kinetics",
    ),
    silent("clip.rgb_order", "rgb", why="torchvision's"),
    silent("clip.motion_gain", 1.0, why="20 px become 1: inputs of the size of RGB's"),
    # The networks
    other(
        "*.net",
        "r3d_18",
        says="3D ResNeXt-18 in the text, R3D-18 in the table",
        where="2021: section 4, table 1",
        why="the texts contradict each other; R3D-18 has a definition (torchvision)",
    ),
    stated("teacher.sees", "flow", says="optical flow", where="section 3.1 of both"),
    stated("student.sees", "rgb", says="RGB frames", where="section 3.2 of both"),
    stated("classifier.sees", "flow", says="optical flow", where="section 3.1 of both"),
    stated(
        "model.sees",
        "rgb",
        "flow",
        says="R3D-18 RGB, R3D-18 TV-L1",
        where="table 1 of both",
    ),
    silent("*.dropout", None, why="R3D-18 has none", here="none"),
    silent("*.weights", None, why="no pretraining is mentioned", here="drawn"),
    beyond(
        "flow",
        says="module M1 computes TV-L1 inside the teacher, by 3D residual networks",
        where="section 3.1 of both",
        here="stored TV-L1; r3d_layer computes it by layers",
        why="the same values once, not in every epoch",
        systems="r3d_flow fts r3d_two_stream",
    ),
    # Module M1
    stated(
        "motion.estimator",
        "tvl1",
        says="iterations of TV-L1",
        where="2022: equations 3 to 6",
    ),
    silent("motion.learns", False, why="no parameter of TV-L1 is said to learn"),
    other(
        "optim.learning_rate",
        0.001,
        says="initial rate 0.1",
        where=BOTH,
        why="it goes on from a trained network, whose flow it only computes anew",
        systems="r3d_layer",
    ),
    silent(
        "epochs",
        20,
        why="it goes on from a trained network",
        systems="r3d_layer",
    ),
    beyond(
        "TV-L1",
        says="one scale without warps; tau at most 1/8; no numbers of iterations, theta or"
        " lambda",
        where="2022: equations 1 to 6",
        here="3 scales of 2 warps of 10 iterations, tau 0.25, theta 0.3, lambda 0.15;"
        " the signs and the divisor of equations 1, 2 and 4 corrected",
        why="as printed, equal frames seem to move by 0.7 px, and one scale without a warp"
        " finds about 1 px of motion only",
        systems=LAYER,
    ),
    free("loss.*", why="TV-L1 does not learn, so nothing is lost"),
    free("flow_weight", why="TV-L1 does not learn, so nothing is lost"),
    # The optimizer
    stated("optim.name", "sgd", says="SGD", where=BOTH),
    stated("optim.learning_rate", 0.1, says="initial rate 0.1", where=BOTH),
    stated("optim.momentum", 0.9, says="momentum 0.9", where=BOTH),
    silent(
        "optim.dampening",
        0.9,
        why="as in MARS, of whose rate 0.1 it is a part: without it a step is ten times as"
        " long",
    ),
    control(
        "optim.weight_decay",
        0.005,
        why="ten times the decay: did the baseline lack regularization?",
        systems="r3d_rgb_decay",
    ),
    stated("optim.weight_decay", 0.0005, says="weight decay 0.0005", where=BOTH),
    silent(
        "optim.schedule",
        "plateau",
        why='"initial" rate, but no schedule; MARS follows the held-out loss',
    ),
    silent("optim.drop", 0.1, why="as in MARS"),
    silent("optim.patience", 10, why="as in MARS"),
    free("optim.milestones", why="a plateau schedule has none"),
    silent("optim.gradient_clip", None, why="none is mentioned"),
    control(
        "epochs",
        400,
        300,
        why="more epochs: did the baseline lack steps?",
        systems="r3d_rgb_long r3d_rgb_decay",
    ),
    silent(
        "epochs",
        200,
        why="a bound, for the schedule follows the held-out loss; MARS has 400",
    ),
    silent("batch_size", 32, why="as in MARS for one stream"),
    silent("select", "best", why="the weights of the lowest held-out loss"),
    silent("validate_every", 1, why="schedule and selection need every epoch"),
    silent(
        "held_out",
        0.1,
        why="a tenth of the training groups decides the schedule, so that the test part"
        " decides nothing",
    ),
    # The loss
    stated(
        "terms.match",
        "FeatureMSE",
        says="mean squared error of the features",
        where="section 3.2 of both",
    ),
    silent(
        "terms.match.weight",
        50.0,
        why="alpha (2021, equation 3) and lambda (2022, equation 7) have no value; 50 is"
        " MARS'",
    ),
    silent(
        "terms.match.taps",
        ["avgpool"],
        why='features "F", without the name of a layer; pooled ones as in MARS',
    ),
    other(
        "terms.match.form",
        "mean",
        says='the square of a norm, called "mean squared error"',
        where="2021: equation 3; 2022: equation 7",
        why="the mean, as the name says and MARS does",
    ),
    stated(
        "label_weight",
        1.0,
        says="cross-entropy without a factor",
        where="2021: equation 3; 2022: equation 7",
    ),
    stated(
        "labels_reach", "all", says="trains the student entirely", where="section 3.2"
    ),
    other(
        "feature_only",
        0,
        says="the features' error trains the early part of the student, then both losses"
        " all of it",
        where="section 3.2 of both",
        why="read as the two losses of one training: no phase has a length",
    ),
    silent("init", "none", why="the student starts from its own weights"),
    stated("other_teachers", [], says="one teacher", where="section 3 of both"),
    # The evaluation
    silent(
        "protocol.clips",
        None,
        why="as in MARS",
        here="all clips without overlap",
    ),
    silent("protocol.aggregate", "logits", why="as in MARS"),
    silent("protocol.crops", 1, why="the centre, as in MARS"),
    beyond(
        "split",
        says="3,570 clips to train on, 1,530 to test; not which of HMDB51's three splits",
        where=BOTH,
        here="the split of --split, 1 where none is given",
        why="all three have these numbers",
    ),
    stated(
        "how",
        "average",
        says="scores are fused late",
        where="2022: section 2.1",
    ),
    silent("on", "softmax", why="probabilities of both"),
    silent("weights", [1.0, 1.0], why="both streams alike"),
)
