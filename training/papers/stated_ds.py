"""Statements of the paper on the Dual-action Stream about our recipes' settings.

Source:
    "Dual-action Stream": multi-level distillation and attention-based fusion, whose
    baseline and teacher are MARS (Crasto et al., "MARS: Motion-Augmented RGB Stream for
    Action Recognition", CVPR 2019), with the settings of its program where the paper
    refers to it.
"""

from .statement import Statement, beyond, control, free, other, silent, stated

ALONE = "resnext*"
NUMBERS = "section 4.2"
LEVELS: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4", "avgpool")

DS: tuple[Statement, ...] = (
    # The clip
    stated(
        "clip.length",
        64,
        says="64 consecutive frames",
        where=NUMBERS,
        systems="*64*",
    ),
    stated("clip.length", 16, says="16 consecutive frames", where=NUMBERS),
    stated("clip.stride", 1, says="consecutive frames", where=NUMBERS),
    silent("clip.short", "loop", why="short videos begin again, as in MARS"),
    other(
        "clip.grid_short_px",
        None,
        says="frames and flow resized to 256x256",
        where=NUMBERS,
        why="--short-side 256 of `pipeline extract` is meant: the shape of a frame stays,"
        " as in MARS",
        here="frames as stored",
    ),
    stated("clip.crop_px", [112, 112], says="cropped to 112x112", where=NUMBERS),
    other(
        "clip.crop_scales",
        [1.0, 2**-0.25, 2**-0.5, 2**-0.75, 0.5],
        says="cropped into the region of 112x112",
        where=NUMBERS,
        why="five sizes, reduced to 112, as in MARS, whose training is said to be the same",
    ),
    silent("clip.uneven_crops", False, why="square crops, as in MARS"),
    silent("clip.corners", True, why="crops at the centre or a corner, as in MARS"),
    silent("clip.test_crop", "largest", why="the centre at the largest training size"),
    stated("clip.flip", True, says="horizontal flips at random", where=NUMBERS),
    free(
        "clip.rgb_*",
        why="of RGB, which this network does not see",
        systems="resnext*_flow",
    ),
    silent(
        "clip.rgb_mean",
        [0.43216, 0.394666, 0.37645],
        why="torchvision's, of Kinetics; MARS' weights want ActivityNet's mean of values to"
        " 255 (`MARS` in training/data/normal.py)",
    ),
    silent(
        "clip.rgb_std",
        [0.22803, 0.22145, 0.216989],
        why="torchvision's, of Kinetics; MARS does not divide",
    ),
    silent("clip.rgb_order", "rgb", why="as in MARS"),
    free(
        "clip.motion_gain",
        why="of motion, which this network does not see",
        systems="resnext*_rgb",
    ),
    silent("clip.motion_gain", 1.0, why="20 px become 1; MARS' weights want 127.5"),
    beyond(
        "frames",
        says="frames at 25 per second",
        where=NUMBERS,
        here="every frame of a file",
        why="UCF101 has 25 per second nearly everywhere; HMDB51 30",
    ),
    beyond(
        "flow",
        says="TV-L1 with its default setting",
        where=NUMBERS,
        here="TV-L1 of the store, in its flow profile",
        why="`pipeline extract --flow-profile` chooses; a report names the store's",
        systems=f"{ALONE} mars* ds* mers",
    ),
    # The networks
    other(
        "*.net",
        "resnext3d_101",
        says="3D ResNet-101 [32]",
        where=NUMBERS,
        why="the reference [32] and the released teacher of MARS are ResNeXt-101",
    ),
    stated("teacher.sees", "flow", says="the motion stream", where="section 3.1"),
    stated("student.sees", "rgb", says="RGB clips", where="section 3.1"),
    stated(
        "model.sees",
        "rgb",
        "flow",
        says="RGB and motion stream",
        where="table 1",
    ),
    silent("*.dropout", None, why="ResNeXt has none", here="none"),
    other(
        "*.weights",
        None,
        says="pretrained on Kinetics400",
        where="section 4.2, table 1",
        why="no such weights travel with this program; the recipes *_kinetics start from"
        " files",
        here="drawn",
    ),
    other(
        "optim.rates",
        {},
        says="of the motion stream, the last block and the last layer are fine-tuned",
        where=NUMBERS,
        why="from random weights all layers have to learn",
        systems="resnext*_flow",
    ),
    silent("init", "none", why="the student starts from its own weights"),
    stated("other_teachers", [], says="one teacher", where="section 3.1"),
    # The optimizer
    stated("optim.name", "sgd", says="mini-batch SGD", where=NUMBERS),
    stated("optim.learning_rate", 0.1, says="initial rate 0.1", where=NUMBERS),
    stated("optim.momentum", 0.9, says="momentum 0.9", where=NUMBERS),
    silent(
        "optim.dampening",
        0.9,
        why="as in MARS, of whose rate 0.1 it is a part: without it a step is ten times as"
        " long",
    ),
    stated(
        "optim.weight_decay",
        0.0005,
        says="weight decay 0.0005, by which the rate is said to fall",
        where=NUMBERS,
    ),
    silent(
        "optim.schedule",
        "plateau",
        why="weight decay is no schedule; MARS follows the held-out loss",
    ),
    silent("optim.drop", 0.1, why="as in MARS"),
    silent("optim.patience", 10, why="as in MARS"),
    silent("optim.milestones", [], why="the plateau schedule has none"),
    silent("optim.gradient_clip", None, why="none, as in MARS"),
    silent(
        "epochs",
        200,
        why="a bound, for the schedule follows the held-out loss; MARS has 400",
    ),
    silent("batch_size", 32, why="as in MARS for one stream", systems=ALONE),
    silent("batch_size", 16, why="as in MARS for two networks"),
    silent("select", "best", why="the weights of the lowest held-out loss"),
    silent("validate_every", 1, why="schedule and selection need every epoch"),
    silent(
        "held_out",
        0.1,
        why="a tenth of the training groups decides the schedule, so that the test part"
        " decides nothing (MARS' program validates on it)",
    ),
    # The losses
    stated(
        "terms.match",
        "FeatureMSE",
        says="mean squared error of MARS",
        where="section 3.1",
    ),
    stated(
        "terms.match.weight",
        50.0,
        says="50, based on the experience of MARS",
        where=NUMBERS,
    ),
    stated(
        "terms.match.taps",
        ["avgpool"],
        says="the layer before the final linear layer",
        where="equation 1",
    ),
    other(
        "terms.match.form",
        "mean",
        says='a norm without a square, called "mean squared error"',
        where="equation 1",
        why="the mean of squares, as the name says and MARS does",
    ),
    other(
        "terms.levels",
        "MultiLevelMAE",
        says="the L1 norm of the features' difference, averaged over layers",
        where="equation 2",
        why="the mean of absolute values, as the name says: as a norm the first stage"
        " alone is a million times the cross-entropy",
    ),
    stated(
        "terms.levels.weight", 50.0, says="alpha = 50", where="equation 4, section 4.2"
    ),
    other(
        "terms.*.taps",
        list(LEVELS),
        says="layers 1 to n - 1 of n",
        where="equations 2 and 3",
        why="the four stages and the pooled feature, which is the layer before the final"
        " linear one; which layers count is not in the text",
    ),
    stated(
        "terms.gram",
        "GramMatching",
        says="L1 distance of Gram matrices",
        where="equation 3",
    ),
    stated(
        "terms.gram.weight", 50.0, says="alpha = 50", where="equation 4, section 4.2"
    ),
    stated(
        "terms.gram.norm",
        "paper",
        says="the sum over the matrix, divided by channels and positions",
        where="equation 3",
        systems="ds_literal",
    ),
    other(
        "terms.gram.norm",
        "mean",
        says="the sum over the matrix, divided by channels and positions",
        where="equation 3",
        why="divided by channels once more: from random weights the printed sum is some 400"
        " times the cross-entropy",
    ),
    stated(
        "label_weight", 1.0, says="cross-entropy without a factor", where="equation 4"
    ),
    control(
        "labels_reach",
        "head",
        why="MERS of MARS' authors: features learn from the teacher alone",
        systems="mers",
    ),
    stated("labels_reach", "all", says="one joint loss", where="equation 4"),
    stated("feature_only", 0, says="one joint loss", where="equation 4"),
    # Evaluation and fusion
    silent(
        "protocol.clips",
        None,
        why="as in MARS",
        here="all clips without overlap",
    ),
    silent("protocol.aggregate", "logits", why="as in MARS"),
    silent("protocol.crops", 1, why="the centre, as in MARS"),
    stated(
        "how",
        "attention",
        says="weights from a network over both scores",
        where="section 3.4",
        systems="ds_attention*",
    ),
    silent(
        "on",
        "softmax",
        why='of "scores" and "outputs", probabilities have one scale in both streams',
        systems="ds_attention*",
    ),
    stated(
        "weights",
        None,
        says="weights are learned",
        where="section 3.4",
        here="found",
        systems="ds_attention*",
    ),
    silent(
        "attention.hidden",
        64,
        why="a width that no text gives",
        systems="ds_attention*",
    ),
    silent(
        "attention.learning_rate", 0.001, why="Adam's usual", systems="ds_attention*"
    ),
    silent(
        "attention.epochs",
        50,
        why="a bound, as it stops early",
        systems="ds_attention*",
    ),
    silent(
        "attention.batch_size", 16, why="few held-out videos", systems="ds_attention*"
    ),
    silent(
        "attention.validation_share",
        0.25,
        why="a part of the held-out videos says when to stop",
        systems="ds_attention*",
    ),
    silent(
        "attention.patience", 10, why="as the other schedules", systems="ds_attention*"
    ),
    beyond(
        "layers of attention",
        says="two fully connected layers, a linear model",
        where="section 3.4",
        here="a ReLU between the two",
        why="without it the two are one layer",
        systems="ds_attention*",
    ),
    beyond(
        "videos of attention",
        says="both streams are frozen; not on which videos the module learns",
        where="sections 3.4 and 4.2",
        here="held-out videos",
        why="on training videos both streams are nearly always right, and nothing is"
        " learned",
        systems="ds_attention*",
    ),
    stated("how", "average", says="averaging fusion", where="section 4.3"),
    silent("on", "logits", why='of "scores", logits as in MARS'),
    stated("weights", [1.0, 1.0], says="averaging fusion", where="section 4.3"),
)
