"""Statements of the paper on deeply transferred motion vectors about our recipes' settings.

Source:
    Zhang, Wang, Wang, Qiao, Wang, "Real-Time Action Recognition With Deeply Transferred
    Motion Vector CNNs", IEEE TIP 2018. "Release" is its program MV-release.
"""

from .statement import Statement, beyond, control, free, other, silent, stated

JOINT = "flow2d_joint mv_joint"
ALONE = f"flow2d mv mv_long {JOINT}"
TAUGHT = "st* emv emv_joint dtmv* ti_dc"
"""Students with a teacher beside them while they learn."""
MOTION = f"{ALONE} ti {TAUGHT}"
FRAME = "frame frame_[!fmed]*"

DTMV: tuple[Statement, ...] = (
    # The clip
    stated("clip.length", 1, says="one RGB image", where="figure 2", systems=FRAME),
    stated(
        "clip.length", 10, says="10 frames of motion vectors", where="section III-B"
    ),
    stated("clip.stride", 1, says="10 fields stacked", where="figure 2"),
    silent("clip.short", "hold", why="the last field again, as in the release"),
    stated(
        "clip.grid_short_px",
        256,
        says="crops of 256, 224 and 192 pixels for ratios 1, 0.875 and 0.75",
        where="section V-B",
    ),
    stated("clip.crop_px", [224, 224], says="resized to 224x224", where="section V-B"),
    stated(
        "clip.crop_scales",
        [1.0, 0.875, 0.75],
        says="ratios 1, 0.875 and 0.75",
        where="section V-B",
    ),
    other(
        "clip.uneven_crops",
        True,
        says="patches of 256, 224 and 192",
        where="section V-B",
        why="height and width are drawn apart, equal or next to each other, as in the"
        " program [45] that it follows",
    ),
    other(
        "clip.corners",
        True,
        says="randomly cropped",
        where="section V-B",
        why="at the centre or a corner, as in the program [45] that it follows",
    ),
    stated(
        "clip.test_crop",
        "input",
        says="one 224x224 patch from the center",
        where="section V-B",
    ),
    stated("clip.flip", True, says="random horizontal flipping", where="section V-B"),
    free(
        "clip.rgb_*",
        why="of RGB, which these networks do not see",
        systems=MOTION,
    ),
    free(
        "clip.motion_gain",
        why="of motion, which this network does not see",
        systems=FRAME,
    ),
    free(
        "clip.fill",
        why="of motion vectors, which this network does not see",
        systems=f"{FRAME} flow2d",
    ),
    silent(
        "clip.rgb_mean",
        [123 / 255, 117 / 255, 104 / 255],
        why="the mean of ImageNet in Caffe, where ClarifaiNet comes from",
    ),
    silent(
        "clip.rgb_std",
        [1 / 255] * 3,
        why="values to 255, as in Caffe, where the weights come from",
        systems="frame_imagenet",
    ),
    silent(
        "clip.rgb_std",
        [1.0] * 3,
        why="values to 1, not Caffe's 255: there random first weights start at several"
        " times the loss of a guess",
    ),
    silent("clip.rgb_order", "bgr", why="as in Caffe"),
    silent(
        "clip.motion_gain",
        1.0,
        why="20 px become 1, not 127.5 as in fields coded in 8 bit: there random first"
        " weights start at 2 to 3 times the loss of a guess, with dropout at 15 to 27",
    ),
    stated(
        "clip.fill",
        "previous",
        says="the previous frame's vectors for an empty I-frame",
        where="section III-A",
    ),
    beyond(
        "motion vectors",
        says="of the original videos for UCF101 and THUMOS14, of videos re-encoded by ffmpeg"
        " for HMDB51",
        where="section V-B",
        here="those of the store: re-encoded by default, as distributed with --mv-source"
        " original of `pipeline extract`",
        why="without B-frames and with one reference every vector is of the frame before;"
        " original streams tell how they were encoded",
        systems=f"mv mv_long ti {TAUGHT} frame_mv frame_emv frame_dtmv",
    ),
    beyond(
        "flow",
        says="TV-L1",
        where="section V-B",
        here="TV-L1 of the store",
        systems="flow2d frame_flow",
    ),
    beyond(
        "HMDB51",
        says="the temporal nets learn HMDB51 together with UCF101, with two heads",
        where="section V-B",
        here="both stores' videos, with two heads",
        systems=f"{JOINT} emv_joint dtmv_joint",
    ),
    beyond(
        "HMDB51",
        says="the temporal nets learn HMDB51 together with UCF101, with two heads",
        where="section V-B",
        here="the store's data set alone",
        why="one data set decides orderings; those of two are `flow2d_joint`, `mv_joint`,"
        " `emv_joint` and `dtmv_joint`",
        systems="flow2d mv mv_long ti st* emv dtmv dtmv_[!j]* ti_dc",
    ),
    # The networks
    stated("*.net", "clarifai", says="ClarifaiNet", where="section III-B"),
    beyond(
        "activation",
        says="PReLU in the temporal net",
        where="section III-B",
        here="PReLU, a slope per channel that starts at 0.25",
        systems=MOTION,
    ),
    stated("teacher.sees", "flow", says="optical flow", where="section IV"),
    stated("student.sees", "mv", says="motion vectors", where="section IV"),
    stated(
        "model.sees",
        "rgb",
        "flow",
        "mv",
        says="RGB, optical flow, motion vectors",
        where="section III-B",
    ),
    stated(
        "model.dropout",
        None,
        says="0.5",
        where="section III-B",
        here="the net's own for RGB: 0.5 after fc6, 0.5 after fc7",
        net="clarifai",
        systems=FRAME,
    ),
    stated(
        "*.dropout",
        None,
        says="0.9 after FC6, 0.8 after FC7",
        where="section III-B",
        here="the net's own for motion: 0.9 after fc6, 0.8 after fc7",
        net="clarifai",
    ),
    silent(
        "*.lrn_k",
        2.0,
        why="the response norm's constant in the original network, whose weights these are",
        systems="frame_imagenet",
    ),
    silent(
        "*.lrn_k",
        1.0,
        why="the response norm's constant in the release; the original network has 2",
    ),
    stated(
        "model.weights",
        "named:imagenet",
        says="pretrained on ImageNet, then fine-tuned",
        where="section III-B",
        here="a file of CNN-M-2048",
        systems="frame_imagenet",
    ),
    other(
        "model.weights",
        None,
        says="pretrained on ImageNet, then fine-tuned",
        where="section III-B",
        why="no such weights travel with this program; `frame_imagenet` starts from a file",
        here="drawn",
        systems="frame",
    ),
    stated(
        "model.weights",
        None,
        says="from scratch",
        where="table II",
        here="drawn",
        systems="mv mv_long",
    ),
    silent(
        "*.weights", None, why="no pretraining of motion is mentioned", here="drawn"
    ),
    silent("init", "none", why="no first weights are mentioned", systems="st*"),
    stated(
        "init",
        "teacher",
        says="the teacher's parameters",
        where="sections IV-A and IV-C",
    ),
    silent("other_teachers", [], why="one teacher"),
    # The optimizer
    silent("optim.name", "sgd", why="Caffe's"),
    stated(
        "optim.learning_rate",
        0.01,
        says="from 1e-2",
        where="section III-B",
        systems=ALONE,
    ),
    stated(
        "optim.learning_rate", 0.001, says="1e-3", where="section III-B", systems=FRAME
    ),
    stated(
        "optim.learning_rate",
        0.001,
        says="1e-3",
        where="sections IV-A, IV-B and IV-D",
    ),
    silent("optim.momentum", 0.9, why="as in the release's lineage"),
    silent("optim.dampening", 0.0, why="Caffe has none"),
    silent("optim.weight_decay", 0.0005, why="as in the release's lineage"),
    silent(
        "optim.bias_rate",
        1.0,
        why="biases learn at the rate of the weights; at twice it in Caffe's files",
    ),
    stated(
        "optim.schedule",
        "steps",
        says="rates fall at given iterations",
        where="sections III-B and IV",
    ),
    other(
        "optim.milestones",
        [0.7],
        says="after 14k iterations, of 20k on UCF101, 10k on HMDB51, 50k on THUMOS14",
        where="section III-B",
        why="the same share of every length: 10k would never reach 14k",
        systems=FRAME,
    ),
    stated(
        "optim.milestones",
        [1 / 3, 7 / 9],
        says="after 30k and 70k of 90k",
        where="sections III-B and IV-A",
        systems=f"{ALONE} ti",
    ),
    stated(
        "optim.milestones",
        [5 / 9, 7 / 9],
        says="after 50k and 70k of 90k",
        where="sections IV-B and IV-D",
    ),
    stated("optim.drop", 0.1, says="by ten", where="sections III-B and IV"),
    free("optim.patience", why="of the schedule plateau"),
    silent(
        "optim.gradient_clip", 20.0, why="as in temporal segment networks' flow solver"
    ),
    other(
        "epochs",
        606,
        833,
        1000,
        says="20k iterations on UCF101, 10k on HMDB51, 50k on THUMOS14",
        where="section III-B",
        why="whole epochs: 606 of 33 batches on UCF101 are 19,998, 833 of 12 on HMDB51"
        " 9,996, 1,000 of 50 on THUMOS14 50,000",
        systems=FRAME,
    ),
    control(
        "epochs",
        5454,
        15000,
        3600,
        why="twice those of mv, about as many as teacher and student together",
        systems="mv_long",
    ),
    other(
        "epochs",
        2727,
        7500,
        1800,
        says="90k iterations",
        where="sections III-B and IV",
        why="whole epochs: 2,727 of 33 batches on UCF101 are 89,991, 7,500 of 12 on HMDB51"
        " and 1,800 of 50 on THUMOS14 90,000",
    ),
    silent("batch_size", 256, why="as in two-stream networks [1]"),
    other(
        "held_out",
        0.1,
        says="no held-out part: temperature and connections are chosen by the accuracy on"
        " split 1 of UCF101",
        where="section V-C",
        why="the test part decides nothing here",
    ),
    stated("select", "last", says="stops at a given iteration", where="section III-B"),
    # The losses
    stated(
        "terms",
        {},
        says="fine-tuned on vectors without the teacher",
        where="section IV-A",
        here="none",
        systems="ti",
    ),
    other(
        "terms.soft",
        "SoftTargets",
        says="cross-entropy of the softened predictions",
        where="equation 2",
        why="Kullback-Leibler divergence, which differs by a constant: the same gradient",
    ),
    stated(
        "terms.soft.temperature",
        2.0,
        1.0,
        3.0,
        says="1, 2 and 3; 2 from then on",
        where="section V-C",
    ),
    stated(
        "terms.soft.weight",
        4.0,
        1.0,
        9.0,
        says="the temperature squared",
        where="section V-C",
    ),
    other(
        "terms.soft.weight_on",
        "soft",
        says="w on the labels' loss in equation 4, on the soft targets in section V-C",
        where="equation 4, section V-C",
        why="the paper contradicts itself; on the soft targets it is Hinton's rule [32]",
    ),
    stated(
        "terms.deep",
        "DeeplyConnectedL2",
        says="L2 distance of connected layers",
        where="equation 5",
    ),
    stated(
        "terms.deep.taps",
        ["fc7"],
        ["fc6", "fc7"],
        ["conv5", "fc6", "fc7"],
        ["conv4", "conv5", "fc6", "fc7"],
        ["conv2", "conv3", "conv4", "conv5", "fc6", "fc7"],
        says="connected from FC7, FC6, Conv5, Conv4, Conv2 on",
        where="table I",
        systems="dtmv_fc* dtmv_conv*",
    ),
    stated(
        "terms.deep.taps",
        ["conv3", "conv4", "conv5", "fc6", "fc7"],
        says="Conv3-FC8, of which FC8 has the soft targets",
        where="section V-C, table I",
    ),
    beyond(
        "place of a connection",
        says='the "output" of a layer',
        where="section IV-D",
        here="after the activation, before normalisation, pooling and dropout",
        why="the student's dropout would be the greatest difference",
        systems="dtmv* ti_dc",
    ),
    stated(
        "terms.deep.form",
        "paper",
        says="a norm divided by the number of values",
        where="equation 6",
        systems="dtmv_literal",
    ),
    other(
        "terms.deep.form",
        "mse",
        says="a norm divided by the number of values",
        where="equation 6",
        why="squares: the printed gradient is 1e-5 at conv3 however far features are apart",
    ),
    silent("terms.deep.weight", 1.0, why="none is printed", systems="dtmv_literal"),
    silent(
        "terms.deep.weight",
        0.2,
        why="one weight for all rows of table I, so that they differ in connections only;"
        " in our tests 0.1 to 0.3 is about half of the labels' gradient at fc6",
    ),
    stated("label_weight", 1.0, says="the labels' loss", where="equation 3"),
    stated(
        "labels_reach",
        "all",
        says="all parameters of the student",
        where="section IV-B",
    ),
    silent("feature_only", 0, why="one training"),
    # Evaluation and fusion
    silent("protocol.clips", 25, why="25 snippets, as the lists of the release have"),
    silent("protocol.aggregate", "softmax", why="as in the release"),
    stated(
        "protocol.crops",
        1,
        says="the center crop; in table II ten crops, too",
        where="sections V-B and V-D",
    ),
    stated("how", "average", says="weighted average", where="section III-B"),
    silent("on", "softmax", why='of "prediction scores", probabilities'),
    stated("weights", [1.0, 2.0], says="1 spatial, 2 temporal", where="section III-B"),
)
