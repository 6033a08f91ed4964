"""Reference lists of H.264, worked out by hand from ITU-T H.264 (08/2021), 8.2.4 and 8.2.5."""

from itertools import pairwise

import pytest

from pipeline.extract.h264 import Sequence
from pipeline.extract.h264_lists import Lists, ReferenceBuffer
from pipeline.extract.h264_slices import Modification, Removal, Slice, SliceKind

SEQUENCE = Sequence(
    number=0,
    references=3,
    progressive=True,
    frame_number_bits=4,
    separate_planes=False,
    cropped=(0, 0),
    order_type=0,
    order_bits=4,
    coloured=True,
)


def picture(
    kind: str,
    number: int,
    order: int,
    *,
    reference: bool = True,
    counts: tuple[int, int] = (1, 1),
    steps: tuple[tuple[Modification, ...], tuple[Modification, ...]] = ((), ()),
    removals: tuple[Removal, ...] | None = None,
) -> Slice:
    """IDR where the kind is "IDR". `order`: all of it; its last four bits are coded."""
    instant = kind == "IDR"
    kind = kind[0]
    return Slice(
        kind=SliceKind[kind],
        instant=instant,
        reference=reference,
        number=number % 16,
        order=order % 16,
        bottom=0,
        counts={"I": (0, 0), "P": (counts[0], 0), "B": counts}[kind],
        modifications=steps,
        removals=removals,
        long_term=False,
    )


def lists(*pictures: Slice) -> list[Lists | None]:
    buffer = ReferenceBuffer()
    return [
        buffer.add(number, [picture], SEQUENCE)
        for number, picture in enumerate(pictures)
    ]


def only(*pictures: Slice) -> tuple[int | None, int | None]:
    """Numbers of the single frames in the lists of the last picture."""
    last = lists(*pictures)[-1]
    assert last is not None
    return last.only


IDR = picture("IDR", 0, 0)


def test_a_p_frame_refers_to_the_frame_coded_last():
    assert only(IDR, picture("P", 1, 8), picture("P", 2, 4)) == (1, None)


def test_a_b_frame_refers_to_its_neighbours_in_display():
    past, future = picture("P", 1, 8), picture("B", 2, 4)
    assert only(IDR, past, future) == (0, 1)
    assert only(IDR, past, future, picture("B", 3, 2)) == (0, 2)
    assert only(IDR, past, future, picture("B", 3, 6)) == (2, 1)


def test_two_entries_of_different_frames_are_not_one():
    both = picture("P", 2, 4, counts=(2, 1))
    assert only(IDR, picture("P", 1, 2), both) == (None, None)
    both = picture("B", 2, 4, counts=(2, 1))
    assert only(IDR, picture("P", 1, 8), both) == (None, 1)


def test_equal_lists_of_a_b_frame_are_told_apart():
    """All references in the past: the first two of list 1 change places, 8.2.4.2.3."""
    assert only(IDR, picture("P", 1, 2), picture("B", 2, 4)) == (1, 0)


def test_a_list_of_one_frame_several_times_is_one():
    """abs_diff_pic_num 1 names the frame before; 16, all numbers, names it again."""
    twice = (Modification(0, 1), Modification(0, 16))
    again = picture("P", 2, 4, counts=(2, 1), steps=(twice, ()))
    assert only(IDR, picture("P", 1, 2), again) == (1, None)


def test_steps_change_the_order():
    older = picture("P", 2, 4, steps=((Modification(0, 2),), ()))
    assert only(IDR, picture("P", 1, 2), older) == (0, None)
    back = picture("P", 2, 4, steps=((Modification(0, 2), Modification(1, 1)), ()))
    assert only(IDR, picture("P", 1, 2), back) == (0, None)


def test_a_step_to_a_frame_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="number -2"):
        lists(IDR, picture("P", 1, 2, steps=((Modification(0, 3),), ())))


def test_numbers_and_orders_start_again():
    frames = [picture("P", n, 2 * n) for n in range(1, 20)]
    found = lists(IDR, *frames)
    assert [one.only[0] for one in found[1:] if one] == list(range(19))
    orders = [one.order for one in found if one]
    assert [b - a for a, b in pairwise(orders)] == [2] * 19


def test_the_oldest_reference_goes_where_there_are_too_many():
    """Three are held: 1, 2 and 3. The nearest before order 1 was frame 0, which is gone."""
    past = [picture("P", n, 2 * n) for n in (1, 2, 3)]
    assert only(IDR, *past, picture("B", 4, 3)) == (1, 2)
    # None in the past: equal lists.
    assert only(IDR, *past, picture("B", 4, 1)) == (1, 2)


def test_a_frame_that_is_removed_is_not_referred_to():
    removes = picture("P", 2, 12, removals=(Removal(1, 1),))  # the frame before
    assert only(IDR, picture("P", 1, 8), removes, picture("B", 3, 10)) == (0, 2)


def test_a_frame_that_is_no_reference_is_not_in_the_lists():
    between = picture("B", 2, 2, reference=False)
    assert only(IDR, picture("P", 1, 4), between, picture("P", 2, 8)) == (1, None)


@pytest.mark.parametrize("number", (1, 3))
def test_nothing_is_known_after_a_gap_in_the_numbers_until_the_next_idr_picture(number):
    found = lists(
        IDR,
        picture("P", 1, 2),
        picture("P", number, 4),
        picture("P", number + 1, 6),
        IDR,
        picture("P", 1, 2),
    )
    assert [one is not None for one in found] == [True, True, False, False, True, True]


@pytest.mark.parametrize("kind", (2, 3, 5, 6))
def test_nothing_is_known_after_long_term_references(kind):
    special = picture("P", 1, 2, removals=(Removal(kind, 1),))
    assert lists(IDR, special, picture("P", 2, 4))[-1] is None


def test_slices_of_a_picture_must_agree():
    buffer = ReferenceBuffer()
    buffer.add(0, [IDR], SEQUENCE)
    buffer.add(1, [picture("P", 1, 8)], SEQUENCE)
    mixed = [picture("P", 2, 4), picture("B", 2, 4)]
    found = buffer.add(2, mixed, SEQUENCE)
    assert found is not None
    assert found.only == (None, 1)  # list 0: frame 1 in one slice, frame 0 in the other
