"""Statements of the papers about recipes that start from weights of Kinetics400.

Source:
    The Dual-action Stream's paper, section 4.2 and table 1; where it refers to MARS
    (Crasto et al., CVPR 2019), the released program and models of that. FTSnet's papers
    mention no pretraining.
"""

from .stated_fts import BOTH
from .statement import Statement, control, other, silent, stated

RECIPES = "*_kinetics *_kinetics_whole"
WHOLE = "ds_kinetics_whole"
FROM_MARS = "as in MARS' commands for weights of Kinetics"

DS_KINETICS: tuple[Statement, ...] = (
    silent(
        "clip.rgb_mean",
        [114.7748 / 255, 107.7354 / 255, 99.475 / 255],
        why="of ActivityNet, as MARS' weights want",
        systems=RECIPES,
    ),
    silent(
        "clip.rgb_std",
        [1 / 255] * 3,
        why="values to 255, as MARS' weights want",
        systems=RECIPES,
    ),
    silent(
        "clip.motion_gain",
        127.5,
        why="20 px become 127.5, as MARS' weights want",
        systems=RECIPES,
    ),
    stated(
        "*.weights",
        *(
            f"named:kinetics{frames}_{what}"
            for frames in ("", "64")
            for what in ("rgb", "flow", "mars")
        ),
        says="pretrained on Kinetics400",
        where="section 4.2, table 1",
        here="files of MARS",
        systems=RECIPES,
    ),
    control(
        "optim.rates",
        {},
        why="all layers learn: in frozen ones the terms of three levels teach nothing",
        systems=WHOLE,
    ),
    stated(
        "optim.rates.*",
        0.0,
        says="the last block and the last layer are fine-tuned",
        where="section 4.2",
        systems="resnext*_flow_kinetics",
    ),
    silent(
        "optim.rates.*",
        0.0,
        why="frozen but for the last block, " + FROM_MARS,
        systems=RECIPES,
    ),
    other(
        "optim.learning_rate",
        0.001,
        says="initial rate 0.1",
        where="section 4.2",
        why=FROM_MARS + "; 0.1 is its rate from random weights",
        systems=RECIPES,
    ),
    other(
        "optim.weight_decay",
        1e-5,
        says="weight decay 0.0005",
        where="section 4.2",
        why=FROM_MARS,
        systems=RECIPES,
    ),
    stated(
        "terms.gram.norm",
        "paper",
        says="the sum over the matrix, divided by channels and positions",
        where="equation 3",
        systems=RECIPES,
    ),
)

FTS_KINETICS: tuple[Statement, ...] = (
    control(
        "model.weights",
        "torchvision:KINETICS400_V1",
        why="no pretraining is mentioned: what would it be worth?",
        systems=RECIPES,
    ),
    control(
        "student.weights",
        "torchvision:KINETICS400_V1",
        why="no pretraining is mentioned: what would it be worth?",
        systems=RECIPES,
    ),
    other(
        "optim.learning_rate",
        0.001,
        says="initial rate 0.1",
        where=BOTH,
        why=FROM_MARS,
        systems=RECIPES,
    ),
    other(
        "optim.weight_decay",
        1e-5,
        says="weight decay 0.0005",
        where=BOTH,
        why=FROM_MARS,
        systems=RECIPES,
    ),
)
