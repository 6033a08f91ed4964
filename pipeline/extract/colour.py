"""Planes of a decoded frame -> RGB at the stored size, upright.

One chain for every format, in this order:

1. the planes as decoded, at their own depth; chroma is taken to lie in the middle of the
   pixels it belongs to;
2. each plane is resized on its own: halved by averaging as long as it is at least twice as
   large, then linearly, corners on corners;
3. matrix and range as the stream says them; where it says nothing, limited range and
   BT.601 below 720 lines, BT.709 from there on; transfer functions stay as they are;
4. rounded to 8 bits; turned upright as the display matrix says.

Formats that hold RGB (also palettes) are resized as RGB. Where pixels are not squares, the
stored size makes them so: each side is resized by its own factor.
"""

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, VideoReformatter

from .errors import DecodeError
from .orientation import Orientation

HD_LINES = 720

BT601 = (0.299, 0.114)
BT709 = (0.2126, 0.0722)
WEIGHTS = {
    1: BT709,
    4: (0.30, 0.11),
    5: BT601,
    6: BT601,
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
"""AVColorSpace -> the weights of red and blue in luma (ITU-T H.273, table 4)."""

FULL_RANGE = 2

BIG_ENDIAN = "be"
"""End of the names of such pixel formats."""
FOUR_BYTES = ("x2rgb10", "x2bgr10")
"""Formats whose pixels are words of 32 bits, not of 16."""


class Painter:
    """Turns the frames of one video into RGB of one size. Keeps its buffers."""

    def __init__(self, *, height: int, width: int, turned: Orientation) -> None:
        """
        Args:
            height, width: of the result, upright, both even.
            turned: how frames are turned upright.
        """
        self._turned = turned
        self._flat = turned.size(height, width)
        self._reformatter = VideoReformatter()
        flat_height, flat_width = self._flat
        self._i420 = np.empty((flat_height * 3 // 2, flat_width), np.uint8)
        luma, chroma = flat_height * flat_width, flat_height * flat_width // 4
        bytes_, half = self._i420.reshape(-1), (flat_height // 2, flat_width // 2)
        self._i420_planes = (
            bytes_[:luma].reshape(self._flat),
            bytes_[luma : luma + chroma].reshape(half),
            bytes_[luma + chroma :].reshape(half),
        )

    def rgb(self, frame: av.VideoFrame, out: np.ndarray) -> None:
        """Paint a frame into `out`, (height, width, 3) uint8.

        Raises:
            DecodeError: FFmpeg cannot read pixels of this format.
        """
        if frame.format.name.endswith(BIG_ENDIAN):
            frame = little_endian(frame)
        if self._turned.upright:
            self._flat_rgb(frame, out)
        else:
            flat = np.empty((*self._flat, 3), np.uint8)
            self._flat_rgb(frame, flat)
            out[:] = self._turned.planes(flat)

    def _flat_rgb(self, frame: av.VideoFrame, out: np.ndarray) -> None:
        if _plain(frame):
            self._flat_bt601(frame, out)
            return
        bits = depth(frame)
        if bits == 0:
            frame = self._reformatted(frame, "rgb24")
            resize(
                _pixels(frame.planes[0], frame.width * 3).reshape(frame.height, -1, 3),
                out,
            )
            return
        if not _separate(frame):
            name = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
            frame = self._reformatted(frame, name)
        sized = [self._sized(plane, frame, bits) for plane in frame.planes[:3]]
        if len(sized) == 1:  # grey: chroma is nothing, everywhere
            sized += [np.full_like(sized[0], 1 << (bits - 1))] * 2
        matrix = rgb_matrix(weights_of(frame), full=full_range(frame), bits=bits)
        if bits == 8:
            cv2.transform(cv2.merge(sized), matrix, dst=out)
        else:  # saturates at 65535 = 257 * 255
            cv2.convertScaleAbs(
                cv2.transform(cv2.merge(sized), matrix * 257), dst=out, alpha=1 / 257
            )

    def _flat_bt601(self, frame: av.VideoFrame, out: np.ndarray) -> None:
        """The fast path for the format of nearly every clip: a quarter of the work of the rest."""
        for plane, target in zip(frame.planes, self._i420_planes, strict=True):
            resize(_pixels(plane, plane.width), target)
        cv2.cvtColor(self._i420, cv2.COLOR_YUV2RGB_I420, dst=out)

    def _sized(self, plane: VideoPlane, frame: av.VideoFrame, bits: int) -> np.ndarray:
        kind: type[np.integer] = np.uint8 if bits == 8 else np.uint16
        pixels = _pixels(plane, plane.width, kind)
        down, right = -(-frame.height // plane.height), -(-frame.width // plane.width)
        if frame.height % down or frame.width % right:
            # The last chroma pixel hangs over the edge: resized as it is, all chroma
            # would be shifted.
            pixels = pixels.repeat(down, axis=0).repeat(right, axis=1)
            pixels = np.ascontiguousarray(pixels[: frame.height, : frame.width])
        sized = np.empty(self._flat, kind)
        resize(pixels, sized)
        return sized

    def _reformatted(self, frame: av.VideoFrame, name: str) -> av.VideoFrame:
        """The same pixels in another arrangement, same size, matrix and range."""
        same = ColorRange.JPEG if full_range(frame) else ColorRange.MPEG
        try:
            return self._reformatter.reformat(
                frame,
                format=name,
                src_color_range=same,
                dst_color_range=same,
                threads=1,
            )
        except (FFmpegError, ValueError) as error:
            raise DecodeError(
                "expected a pixel format that can be turned into RGB, got "
                f"{frame.format.name}: {error}"
            ) from error


def little_endian(frame: av.VideoFrame) -> av.VideoFrame:
    """The same pixels with the bytes of each value swapped.

    FFmpeg's own conversion takes 16-bit RGB (QuickTime's 555 and 565) for little-endian.
    """
    name = frame.format.name.removesuffix(BIG_ENDIAN) + "le"
    swapped = av.VideoFrame(frame.width, frame.height, name)
    swapped.colorspace, swapped.color_range = frame.colorspace, frame.color_range
    kind: type[np.integer] = np.uint16
    if name.startswith(FOUR_BYTES) or "f32" in name:
        kind = np.uint32
    for plane, into in zip(frame.planes, swapped.planes, strict=True):
        octets = np.dtype(kind).itemsize
        width = min(plane.line_size, into.line_size) // octets
        lines = np.zeros((into.height, into.line_size // octets), kind)
        lines[:, :width] = _pixels(plane, width, kind).byteswap()
        into.update(lines.tobytes())
    return swapped


def grey(rgb: np.ndarray, out: np.ndarray) -> None:
    """0.299 R + 0.587 G + 0.114 B: (H, W, 3) uint8 into (H, W) uint8."""
    cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY, dst=out)


def resize(pixels: np.ndarray, out: np.ndarray) -> None:
    """Resize into `out`: halved by averaging as often as it can be, then linearly.

    Linear alone skips pixels where it shrinks to less than half, and they would flicker.
    """
    height, width = out.shape[:2]
    while pixels.shape[0] >= 2 * height and pixels.shape[1] >= 2 * width:
        half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)
    cv2.resize(pixels, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)


def weights_of(frame: av.VideoFrame) -> tuple[float, float]:
    """Weights of red and blue in luma: the stream's word, else by the number of lines."""
    stated = WEIGHTS.get(int(frame.colorspace))
    return stated or (BT601 if frame.height < HD_LINES else BT709)


def full_range(frame: av.VideoFrame) -> bool:
    """Black is 0 and white is all ones. Limited range where the stream says nothing."""
    return frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")


def rgb_matrix(weights: tuple[float, float], *, full: bool, bits: int) -> np.ndarray:
    """(3, 4) float64: (Y, Cb, Cr, 1) of `bits` bits -> RGB from 0 to 255.

    Source:
        ITU-T H.273, equations 19 to 46.
    """
    red, blue = weights
    green = 1 - red - blue
    step, top = 1 << (bits - 8), (1 << bits) - 1
    luma = 255 / top if full else 255 / (219 * step)
    chroma = 255 / top if full else 255 / (224 * step)
    black, none = 0 if full else 16 * step, 128 * step
    cb = np.array([0, -2 * blue * (1 - blue) / green, 2 * (1 - blue)]) * chroma
    cr = np.array([2 * (1 - red), -2 * red * (1 - red) / green, 0]) * chroma
    offset = -luma * black - none * (cb + cr)
    return np.stack([np.full(3, luma), cb, cr, offset], axis=1)


def depth(frame: av.VideoFrame) -> int:
    """Bits of each of Y, Cb and Cr; 0 for what holds RGB or is too strange."""
    form = frame.format
    if form.is_rgb or form.has_palette or form.is_bit_stream or form.is_big_endian:
        return 0
    if form.name.startswith(("gray", "ya", "xyz")) and len(form.components) > 1:
        return 0
    bits = form.components[0].bits
    return bits if 8 <= bits <= 16 else 0


def _plain(frame: av.VideoFrame) -> bool:
    """8-bit 4:2:0 of even size, BT.601, limited range."""
    return (
        frame.format.name == "yuv420p"
        and not (frame.width | frame.height) & 1
        and weights_of(frame) == BT601
        and not full_range(frame)
    )


def _separate(frame: av.VideoFrame) -> bool:
    """Every component has a plane of its own, and its bits are the low ones."""
    if "msb" in frame.format.name:
        return False
    planes = [component.plane for component in frame.format.components]
    return len(set(planes)) == len(planes)


def _pixels(
    plane: VideoPlane, width: int, kind: type[np.integer] = np.uint8
) -> np.ndarray:
    """(H, W) view of a plane, without the padding of its lines."""
    strides = (plane.line_size, np.dtype(kind).itemsize)
    return np.ndarray((plane.height, width), kind, memoryview(plane), 0, strides)
