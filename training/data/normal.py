"""Input scaling of pretrained networks for rgb and motion, as settings of a `ClipConfig`.

>>> ClipConfig(length=10, crop_px=(224, 224), **CAFFE)

All say how values from 0 to 1 become inputs, per red, green and blue. Motion is always
px / 20, cut at 1, times the gain: 127.5 is the range of fields coded in 8 bit.
"""

from typing import Literal, TypedDict

Colours = tuple[float, float, float]


class Normal(TypedDict):
    """The fields of `ClipConfig` that a family of weights decides."""

    rgb_mean: Colours
    rgb_std: Colours
    rgb_order: Literal["rgb", "bgr"]
    motion_gain: float


def _of_bytes(mean: Colours, order: Literal["rgb", "bgr"]) -> Normal:
    """Values from 0 to 255 of which a mean is taken, and nothing divided."""
    red, green, blue = (value / 255 for value in mean)
    one = 1 / 255
    return Normal(
        rgb_mean=(red, green, blue),
        rgb_std=(one, one, one),
        rgb_order=order,
        motion_gain=127.5,
    )


KINETICS = Normal(
    rgb_mean=(0.43216, 0.394666, 0.37645),
    rgb_std=(0.22803, 0.22145, 0.216989),
    rgb_order="rgb",
    motion_gain=1.0,
)
"""torchvision's video networks (r3d_18 and the like)."""

IMAGENET = Normal(
    rgb_mean=(0.485, 0.456, 0.406),
    rgb_std=(0.229, 0.224, 0.225),
    rgb_order="rgb",
    motion_gain=1.0,
)
"""torchvision's image networks (vgg16)."""

CAFFE = _of_bytes((123.0, 117.0, 104.0), "bgr")
"""2D networks of the Caffe lineage (ClarifaiNet, VGG16) with the weights that others
trained: blue first, 0 to 255."""

DRAWN = Normal(
    rgb_mean=CAFFE["rgb_mean"],
    rgb_std=(1.0, 1.0, 1.0),
    rgb_order="bgr",
    motion_gain=1.0,
)
"""2D networks of that lineage with random first weights: rgb from 0 to 1 less its mean,
motion from -1 to 1. From values to 255 the logits of He's first weights are so large that
the loss is many times that of a guess."""

MARS = _of_bytes((114.7748, 107.7354, 99.4750), "rgb")
"""3D networks of Hara's lineage (ResNeXt-101 of MARS): 0 to 255, the mean of ActivityNet."""

UNIT = Normal(
    rgb_mean=(0.0, 0.0, 0.0), rgb_std=(1.0, 1.0, 1.0), rgb_order="rgb", motion_gain=1.0
)
"""rgb from 0 to 1: what estimators of motion take."""
