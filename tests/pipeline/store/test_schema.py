import pytest

from pipeline.store import MODALITIES
from pipeline.store.errors import LayoutError
from pipeline.store.schema import (
    LAYOUT,
    cells,
    check,
    entry_shape,
    num_entries,
)


def test_arrays_of_one_video_fit_together():
    check(
        {
            "rgb": (5, 35, 50, 3),
            "flow": (4, 35, 50, 2),
            "mv": (4, 5, 7, 2),
            "mv_valid": (4,),
        }
    )


def test_a_video_of_one_frame_has_no_intervals():
    check({"rgb": (1, 8, 8, 3), "flow": (0, 8, 8, 2), "mv_valid": (0,)})
    assert [num_entries(name, 1) for name in LAYOUT] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"rgb": (5, 4, 4, 3), "flow": (5, 4, 4, 2)}, "flow: T is 6, but 5 elsewhere"),
        ({"rgb": (5, 4, 4, 3), "flow": (4, 4, 6, 2)}, "flow: W is 6, but 4 elsewhere"),
        ({"flow": (4, 16, 16, 2), "mv": (4, 2, 3, 2)}, "mv: N is 3, but W is 16"),
        ({"rgb": (5, 4, 4)}, r"rgb: expected axes \(T H W 3\), got \(5, 4, 4\)"),
        ({"rgb": (5, 4, 4, 4)}, "rgb: 3 is 4, but 3 elsewhere"),
        ({"depth": (5, 4, 4)}, "expected arrays among .*got 'depth'"),
    ],
)
def test_arrays_that_disagree_are_named(shapes, message):
    with pytest.raises(LayoutError, match=message):
        check(shapes)


def test_a_cell_that_is_cut_by_the_border_counts():
    assert [cells(pixels) for pixels in (1, 8, 9, 256, 340)] == [1, 1, 2, 32, 43]
    assert entry_shape("mv", height=256, width=340) == (32, 43, 2)
    assert entry_shape("mv_valid", height=256, width=340) == ()
    assert entry_shape("rgb", height=256, width=340) == (256, 340, 3)


def test_every_array_lies_in_the_files_of_a_modality():
    assert {spec.modality for spec in LAYOUT.values()} == set(MODALITIES)
