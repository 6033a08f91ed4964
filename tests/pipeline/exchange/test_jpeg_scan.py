"""JPEG files whose pixels are damaged: found by their codes, where a decoder shows a picture."""

import cv2
import numpy as np
import pytest
from textures import textured

from pipeline.exchange.jpeg_files import only_scan, picture, segments
from pipeline.extract.errors import DecodeError

QUALITY, OPTIMIZE, PROGRESSIVE, RESTARTS = (
    cv2.IMWRITE_JPEG_QUALITY,
    cv2.IMWRITE_JPEG_OPTIMIZE,
    cv2.IMWRITE_JPEG_PROGRESSIVE,
    cv2.IMWRITE_JPEG_RST_INTERVAL,
)
FULL_CHROMA = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


def jpeg(*options: int, height: int = 64, width: int = 80, grey: bool = False) -> bytes:
    planes = [textured(seed, height, width) for seed in range(1 if grey else 3)]
    frame = np.dstack(planes).astype(np.uint8)
    return cv2.imencode(".jpg", frame, options)[1].tobytes()


def begin(content: bytes) -> int:
    """First byte of the coded pixels."""
    return list(segments(content))[-1].end


def markers(content: bytes) -> list[int]:
    """Places of the restart markers."""
    first = begin(content)
    return [
        k
        for k in range(first, len(content) - 2)
        if content[k] == 0xFF and 0xD0 <= content[k + 1] <= 0xD7
    ]


@pytest.mark.parametrize(
    "content",
    [
        jpeg(QUALITY, 95),
        jpeg(QUALITY, 20, height=61, width=83),
        jpeg(QUALITY, 100, *FULL_CHROMA, height=17, width=9),
        jpeg(QUALITY, 80, OPTIMIZE, 1),
        jpeg(QUALITY, 90, RESTARTS, 1),
        jpeg(QUALITY, 90, RESTARTS, 7, height=61, width=83),
        jpeg(grey=True, height=61, width=83),
        jpeg(RESTARTS, 4, grey=True),
        jpeg(height=1, width=1, grey=True),
    ],
)
def test_whole_files_are_not_suspected(content):
    assert only_scan(list(segments(content))) is not None
    grey = only_scan(list(segments(content))).components[1:] == []
    assert picture(content, "a.jpg", grey=grey) is not None
    assert picture(
        content.replace(b"\xff\xd9", b"\xff\xff\xd9"), "a.jpg", grey=grey
    ).size


def test_of_progressive_files_the_end_alone_is_looked_at():
    content = jpeg(PROGRESSIVE, 1)
    assert only_scan(list(segments(content))) is None
    assert picture(content, "a.jpg", grey=False).shape == (64, 80, 3)


BANDS = jpeg(QUALITY, 95, RESTARTS, 5)
"""A restart marker after each 16 rows."""
PLAIN = jpeg(QUALITY, 95)


def without(content: bytes, first: int, count: int) -> bytes:
    return content[:first] + content[first + count :]


def zeroed(content: bytes, first: int, count: int) -> bytes:
    return content[:first] + bytes(count) + content[first + count :]


@pytest.mark.parametrize(
    ("damaged", "row"),
    [
        (zeroed(BANDS, markers(BANDS)[1] + 60, 100), 47),
        (without(BANDS, markers(BANDS)[0] + 40, 200), 31),
        (without(BANDS, markers(BANDS)[2], 2), 47),
        (BANDS[: markers(BANDS)[1]] + b"\xff\xd4" + BANDS[markers(BANDS)[1] + 2 :], 31),
        (BANDS[: markers(BANDS)[1]] + b"\0" + BANDS[markers(BANDS)[1] :], 31),
        (zeroed(PLAIN, begin(PLAIN), 300), 63),
        (PLAIN[:-2] + b"\x12\x34" + PLAIN[-2:], 63),
        (PLAIN[:-30] + PLAIN[-2:], 63),
    ],
)
def test_damage_is_named_with_its_row(damaged: bytes, row: int):
    decoded = cv2.imdecode(np.frombuffer(damaged, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape == (64, 80, 3)
    with pytest.raises(
        DecodeError, match=r"a\.jpg: .* damaged \(in or above "
    ) as error:
        picture(damaged, "a.jpg", grey=False)
    assert f"row {row} of 64" in str(error.value)


@pytest.mark.parametrize("content", [PLAIN, BANDS], ids=["plain", "bands"])
def test_no_damage_crashes_or_hangs(content):
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        damaged = bytearray(content)
        first = rng.integers(2, len(content) - 40)
        damaged[first : first + 32] = rng.bytes(32)
        try:
            picture(bytes(damaged), "a.jpg", grey=False)
        except DecodeError:
            found += 1
    assert found > 120
