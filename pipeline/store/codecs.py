"""The codecs that a store may use, by name.

To add a codec, write a frozen dataclass with the methods of `Codec`, whose fields are its
parameters and have defaults, and add it to `CODECS`. A field of zeros decodes to exactly
zeros in every codec, and the same values always give the same bytes (with the same OpenCV
and zlib). `storage_layout.md` has the formulas for readers in other languages. OpenCV is
imported by the first JPEG row, PyAV by the first of H.264, whose rows depend on those
before them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .codec import Codec
from .errors import LayoutError
from .fields import shown
from .h264_rgb import H264Rgb
from .jpeg_codecs import JpegFlow, JpegRgb
from .quarter_pel import QuarterPel

RGB_CODECS: Mapping[str, JpegRgb | H264Rgb] = {"jpeg": JpegRgb(), "h264": H264Rgb()}
FLOW_CODECS: Mapping[str, JpegFlow] = {
    "companded": JpegFlow(),
    "tsn": JpegFlow(curve="linear", quality=95),
}
CODECS: Mapping[str, Callable[..., Codec]] = {
    kind.name: kind for kind in (JpegRgb, H264Rgb, JpegFlow, QuarterPel)
}
"""Name -> class of every codec that a store may use."""


def from_dict(value: Mapping[str, Any]) -> Codec:
    """Rebuild a codec from the dictionary that its `to_dict` returned.

    Raises:
        LayoutError: unknown name, or parameters that the codec does not take.
    """
    parameters = dict(value)
    kind = CODECS.get(str(parameters.pop("name", "")))
    if kind is None or parameters.keys() != kind().to_dict().keys() - {"name"}:
        raise LayoutError(
            f"expected a codec among {sorted(CODECS)}, got {shown(value)}"
        )
    return kind(**parameters)
