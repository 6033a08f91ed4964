import cv2
import numpy as np
import pytest

from pipeline.store.errors import LayoutError
from pipeline.store.jpeg import BAND_PX, decoded, decoded_rows, encoded

SHAPES = [(1, 1), (16, 16), (17, 33), (48, 64), (100, 31), (200, 50), (300, 20)]


def picture(height: int, width: int, *, colour: bool) -> np.ndarray:
    shape = (height, width, 3) if colour else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_some_rows_are_those_of_the_whole_to_the_last_bit(shape, colour):
    image = picture(*shape, colour=colour)
    row = encoded(image, quality=90)
    whole = decoded(row, image.shape)
    height = shape[0]
    for begin in {0, 1, *range(0, height, 7), height - 1}:
        for end in {begin + 1, min(begin + 30, height), height}:
            rows = decoded_rows(row, image.shape, begin, end)
            assert np.array_equal(rows, whole[begin:end])


@pytest.mark.parametrize("colour", [True, False])
def test_bands_that_are_not_needed_are_not_read(colour):
    image = picture(100, 40, colour=colour)
    row = encoded(image, quality=90)
    whole = decoded(row, image.shape)
    content = row.tobytes()
    second = content.index(b"\xff\xd0") + 2, content.index(b"\xff\xd1")
    spoilt = row.copy()
    spoilt[second[0] : second[1]] = 0x55
    assert not np.array_equal(decoded(spoilt, image.shape), whole)
    assert np.array_equal(decoded_rows(spoilt, image.shape, 40, 60), whole[40:60])
    assert not np.array_equal(
        decoded_rows(spoilt, image.shape, BAND_PX, 40), whole[BAND_PX:40]
    )


@pytest.mark.parametrize("colour", [True, False])
def test_a_picture_without_bands_is_decoded_whole(colour):
    image = picture(100, 40, colour=colour)
    row = cv2.imencode(".jpg", image)[1]
    whole = decoded(row, image.shape)
    assert np.array_equal(decoded_rows(row, image.shape, 50, 60), whole[50:60])


def test_others_see_the_same_picture(tmp_path):
    image = picture(100, 40, colour=True)
    row = encoded(image, quality=90)
    (tmp_path / "a.jpg").write_bytes(row.tobytes())
    seen = cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1]
    assert np.array_equal(seen, decoded(row, image.shape))


def test_damage_is_an_error_in_part_as_in_whole():
    shape = (100, 40, 3)
    row = encoded(picture(100, 40, colour=True), quality=90)
    marker = row.tobytes().index(b"\xff\xd2")
    gap = row.copy()
    gap[marker : marker + 2] = 0
    with pytest.raises(LayoutError, match="expected a JPEG of 7 bands, got 3"):
        decoded_rows(gap, shape, 50, 60)
    for damaged in (row[:-2], row[:30], row[:1], row[2:]):
        with pytest.raises(LayoutError, match="expected a"):
            decoded_rows(damaged, shape, 50, 60)
    with pytest.raises(
        LayoutError, match=r"expected a JPEG of \(96, 40, 3\), got one of"
    ):
        decoded_rows(row, (96, 40, 3), 50, 60)
