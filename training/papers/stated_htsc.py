"""Statements of the paper on hidden two-stream collaborative learning about our recipes.

Source:
    Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
    Recognition", CMC 2020. It gives no optimizer, rate, batch, length or protocol: those
    are of the program of its hidden streams (Zhu et al., "Hidden Two-Stream Convolutional
    Networks", ACCV 2018), here "Zhu", where that has them.
"""

from .statement import Statement, beyond, free, other, silent, stated

VGG = "vgg_frame vgg_flow"
HIDDEN = "hidden_temporal*"
MOTION = f"motionnet* {HIDDEN}"
FITTED = "htsc*"

HTSC: tuple[Statement, ...] = (
    # The clip
    stated(
        "clip.length",
        1,
        says="one static frame",
        where="section 3.1.1",
        systems="vgg_frame",
    ),
    stated(
        "clip.length",
        10,
        says="20 channels of flow",
        where="table 1",
        systems="vgg_flow",
    ),
    stated(
        "clip.length", 11, says="33 channels of frames", where="table 2", systems=MOTION
    ),
    stated("clip.stride", 1, says="adjacent frames", where="section 3.1.2"),
    silent("clip.short", "hold", why="the last entry again, as in Zhu"),
    silent("clip.grid_short_px", 256, why="340x256, as in Zhu"),
    stated("clip.crop_px", [224, 224], says="224x224", where="tables 1 and 2"),
    silent("clip.crop_scales", [1.0, 0.875, 0.75], why="as in Zhu"),
    silent("clip.uneven_crops", True, why="height and width apart, as in Zhu"),
    silent("clip.corners", True, why="the centre or a corner, as in Zhu"),
    silent("clip.test_crop", "input", why="224x224 unscaled, as in Zhu"),
    silent("clip.flip", True, why="as in Zhu"),
    silent(
        "clip.rgb_mean",
        [0.0, 0.0, 0.0],
        why="MotionNet takes frames from 0 to 1",
        systems=MOTION,
    ),
    silent(
        "clip.rgb_std",
        [1.0, 1.0, 1.0],
        why="MotionNet takes frames from 0 to 1",
        systems=MOTION,
    ),
    silent(
        "clip.rgb_mean",
        [0.485, 0.456, 0.406],
        why="torchvision's, of the ImageNet weights",
        systems="vgg_frame",
    ),
    silent(
        "clip.rgb_std",
        [0.229, 0.224, 0.225],
        why="torchvision's, of the ImageNet weights",
        systems="vgg_frame",
    ),
    silent(
        "clip.rgb_order",
        "rgb",
        why="torchvision's, of the ImageNet weights",
        systems=f"vgg_frame {MOTION}",
    ),
    free(
        "clip.rgb_*",
        why="of RGB, which this network does not see",
    ),
    free(
        "clip.motion_gain",
        why="of motion, which this network does not see",
        systems="vgg_frame",
    ),
    # The networks
    stated("*.net", "vgg16", says="VGG16", where="section 4.2.1, table 1"),
    beyond(
        "fc6 to fc8",
        says="printed as 3x3 convolutions of 7x7x512",
        where="table 1",
        here="a window over the whole map, then linear layers, as in VGG16",
        why="3x3 does not give the printed output of 1x1",
        systems=f"{VGG} {HIDDEN}",
    ),
    stated(
        "model.sees", "rgb", says="frames", where="section 3.1.1", systems="vgg_frame"
    ),
    silent(
        "model.sees",
        "flow",
        why="a stage on the way: the hidden stream starts from it",
        systems="vgg_flow",
    ),
    stated("classifier.sees", "flow", says="the estimated flow", where="section 3.1.2"),
    stated(
        "model.weights",
        "torchvision:IMAGENET1K_V1",
        says="VGG16 of ImageNet",
        where="section 4.2.1",
        systems="vgg_frame",
    ),
    free(
        "classifier.weights",
        why="it has those of the temporal network that it goes on from",
    ),
    free(
        "classifier.first_layer",
        why="of first weights, which are the temporal network's",
    ),
    silent(
        "*.weights",
        "torchvision:IMAGENET1K_V1",
        why="pretraining is stated for the spatial stream; as there, and as in Zhu",
    ),
    silent(
        "*.first_layer",
        "plain",
        why="the mean of RGB's kernels, as in temporal segment networks",
        systems="vgg_flow",
    ),
    silent("learning.dropout", 0.5, why="few videos for many weights"),
    silent(
        "model.dropout",
        None,
        why="VGG16's usual",
        here="the net's own for RGB: 0.5 after fc6, 0.5 after fc7",
        net="vgg16",
        systems="vgg_frame",
    ),
    silent(
        "*.dropout",
        None,
        why="as in Zhu",
        here="the net's own for motion: 0.9 after fc6, 0.8 after fc7",
        net="vgg16",
    ),
    stated(
        "motion.estimator", "motionnet", says="the layers of table 2", where="table 2"
    ),
    beyond(
        "upflow",
        says="absent from the table, whose sums of channels need it",
        where="table 2",
        here="a transposed convolution of each level's flow, as in Zhu",
        why="1,044 = 512 + 512 + 20 channels",
        systems=MOTION,
    ),
    stated("motion.frames", 11, says="33 channels", where="table 2"),
    stated("motion.learns", True, says="trained end to end", where="section 4.2.3"),
    # Losses without labels
    silent("loss.photometric", [1.0] * 5, why="lambda 1 of equation 5 has no value"),
    silent(
        "loss.smoothness",
        [0.01] * 5,
        why="lambda 2 of equation 5 has no value; near Zhu's",
    ),
    silent(
        "loss.ssim",
        [0.1] * 5,
        why="lambda 3 has no value; a tenth of MotionNet's alone, as in Zhu",
        systems=HIDDEN,
    ),
    silent("loss.ssim", [1.0] * 5, why="lambda 3 of equation 5 has no value"),
    silent("loss.scales", [1.0] * 5, why="delta of equation 6 has no value"),
    other(
        "loss.photometric_power",
        0.4,
        says="one exponent for both losses, without a value",
        where="equations 1 and 2",
        why="as in Zhu",
    ),
    other(
        "loss.smoothness_power",
        0.3,
        says="one exponent for both losses, without a value",
        where="equations 1 and 2",
        why="as in Zhu",
    ),
    silent("loss.border", 0.1, why="a border does not count, as in Zhu"),
    stated(
        "loss.window", "uniform", says="averages of blocks of 8x8", where="equation 3"
    ),
    silent(
        "loss.normalise_contrast",
        False,
        why="frames as they are; Zhu divides by the contrast around",
    ),
    silent("flow_weight", 1.0, why="both losses of the end-to-end training alike"),
    other(
        "clip.motion_gain",
        2.2,
        says="flow is normalised to a range between 0 and 255",
        where="section 3.1.2",
        why="20 px become 2.2, the range of inputs that the ImageNet weights know",
        systems=f"vgg_flow {MOTION}",
    ),
    # Optimizers
    silent("optim.name", "adam", why="as in Zhu", systems="motionnet*"),
    silent("optim.learning_rate", 3.2e-5, why="as in Zhu", systems="motionnet*"),
    silent("optim.weight_decay", 4e-4, why="as in Zhu", systems="motionnet*"),
    silent(
        "optim.warm_up_steps",
        1000,
        why="Zhu's program is known to diverge in its first steps",
        systems="motionnet*",
    ),
    silent(
        "optim.milestones",
        [0.25, 0.5, 0.625, 0.75, 0.875],
        why="100k, 200k, 250k, 300k and 350k of 400k, as in Zhu",
        systems="motionnet*",
    ),
    silent("optim.drop", 0.5, why="as in Zhu", systems="motionnet*"),
    silent(
        "optim.gradient_clip",
        10.0,
        why="Zhu's program is known to diverge in its first steps",
        systems="motionnet*",
    ),
    silent(
        "epochs",
        745,
        why="400k batches of UCF101's split 1, as in Zhu",
        systems="motionnet*",
    ),
    silent("batch_size", 16, why="as in Zhu", systems="motionnet*"),
    silent("optim.learning_rate", 1e-6, why="as in Zhu", systems=HIDDEN),
    silent(
        "optim.milestones",
        [5 / 16, 9.5 / 16],
        why="5k and 9.5k of 16k, as in Zhu",
        systems=HIDDEN,
    ),
    silent(
        "epochs", 240, why="16k batches of UCF101's split 1, as in Zhu", systems=HIDDEN
    ),
    silent(
        "batch_size",
        128,
        why="8 clips, 16 times accumulated, as in Zhu",
        systems=HIDDEN,
    ),
    silent(
        "optim.learning_rate",
        0.005,
        why="as the temporal nets of two-stream networks",
        systems="vgg_flow",
    ),
    silent(
        "epochs",
        300,
        why="longer than the spatial net, which knows its input",
        systems="vgg_flow",
    ),
    silent("optim.learning_rate", 0.001, why="usual for VGG16 from ImageNet"),
    silent("epochs", 100, why="usual for VGG16 from ImageNet"),
    silent("batch_size", 64, why="what one GPU holds"),
    silent("optim.milestones", [1 / 3, 2 / 3], why="usual for VGG16 from ImageNet"),
    silent("optim.name", "sgd", why="as in Zhu"),
    silent("optim.momentum", 0.9, why="as in Zhu; Adam has its own"),
    silent("optim.dampening", 0.0, why="Caffe has none"),
    silent("optim.weight_decay", 5e-4, why="as in Zhu"),
    silent("optim.schedule", "steps", why="as in Zhu"),
    silent("optim.drop", 0.1, why="as in Zhu"),
    free("optim.patience", why="of the schedule plateau"),
    silent(
        "optim.gradient_clip", 20.0, why="as in temporal segment networks' flow solver"
    ),
    other(
        "held_out",
        0.1,
        says="the cross-validation model is selected",
        where="section 4.2.2",
        why="a tenth of the training groups is held out; weights of a fusion are found on it",
    ),
    silent("select", "last", why="the networks of the streams stop at a given length"),
    # Evaluation
    free(
        "protocol.*", why="of classes, and this network has none", systems="motionnet"
    ),
    silent("protocol.clips", 25, why="25 snippets, as in Zhu"),
    silent("protocol.aggregate", "softmax", why="as in Zhu"),
    silent("protocol.crops", 1, why="the centre; Zhu's ten cost ten times as much"),
    # Fusion of the two streams
    stated("how", "average", says="late fusion", where="section 4.2.4", systems="hts"),
    silent(
        "on",
        "softmax",
        why="Zhu divides scores above 0 by their sum (`clipped`)",
        systems="hts",
    ),
    silent(
        "weights", [1.0, 1.5], why="spatial 1, temporal 1.5, as in Zhu", systems="hts"
    ),
    # Collaborative learning
    silent(
        "snippets", 25, why="N of equation 7 has no number; those of the evaluation"
    ),
    stated("tap", "fc7", says="features of 1x1x4096", where="section 4.2.1, table 1"),
    silent("heads", "streams", why="classifiers start from those of the networks"),
    other(
        "learning.hidden",
        512,
        says="N hidden units, N the number of classes, in the two softmax layers",
        where="section 4.2.2",
        why="read as the outputs of the classifiers; rows of W in equation 7 have no number",
    ),
    other(
        "learning.rounds",
        2,
        says="repeated until the loss converges",
        where="section 3.2.2, step 7",
        why="a fixed number: weights hardly change after the second",
    ),
    silent("learning.learning_rate", 1e-4, why="Adam, small for trained classifiers"),
    silent("learning.weight_decay", 5e-4, why="as the other nets"),
    silent("learning.batch_size", 64, why="videos, of 25 snippets each"),
    silent("learning.epochs", 50, why="the lowest held-out loss is selected"),
    silent(
        "learning.fewest_snippets",
        8,
        why="8 to 25 snippets at random in training, so that numbers may differ",
    ),
    beyond(
        "networks",
        says="trained end to end",
        where="section 4.2.3",
        here="frozen while collaborative layers learn",
        why="25 snippets through two VGG16 for each video and step; MotionNet and its"
        " classifier were trained end to end before",
        systems="hts_cln*",
    ),
    beyond(
        "first coefficients",
        says="initialised, without a value",
        where="section 3.2.2, step 2",
        here="equal",
        why="no snippet is known to be better",
        systems="hts_cln*",
    ),
    beyond(
        "fusion of the two classifiers",
        says='"HTS+CLN", without a fusion',
        where="table 4",
        here="the mean of both softmax scores",
        why="both are of the same size",
        systems="hts_cln*",
    ),
    # Adaptive weights
    stated(
        "how",
        "adaptive",
        says="weights of every class",
        where="section 3.3",
        systems=FITTED,
    ),
    stated(
        "on",
        "softmax",
        says="the softmax layer's output",
        where="equation 14",
        systems=FITTED,
    ),
    stated(
        "weights",
        None,
        says="learned for every class",
        where="section 3.3",
        here="found",
        systems=FITTED,
    ),
    stated(
        "adaptive.form",
        "lp",
        says="linear programming",
        where="equation 13",
        systems="htsc_literal",
    ),
    other(
        "adaptive.form",
        "bounded",
        says="linear programming with weights above 0",
        where="equation 13",
        why="its solution gives one stream all the weight; here no weight is below"
        " min_weight",
        systems="htsc",
    ),
    silent("adaptive.min_weight", 0.1, why="both streams count", systems="htsc"),
    stated(
        "adaptive.c",
        0.005,
        says="5e-3",
        where="equation 10, section 4.2.2",
        systems=FITTED,
    ),
    stated(
        "adaptive.balanced",
        False,
        says="one c for all data sets",
        where="section 4.2.2",
        systems=FITTED,
    ),
    beyond(
        "videos of the weights",
        says="the cross-validation model",
        where="section 4.2.2",
        here="held-out videos",
        why="on training videos both streams are nearly always right",
        systems=FITTED,
    ),
)
