"""Parser of the slice headers of H.264: all that decides which frames a slice refers to.

Frames only, no fields. Section numbers are of ITU-T H.264 (08/2021).
"""

from enum import IntEnum
from typing import NamedTuple

from .h264 import IDR_SLICE, Bits, Sequence, Unit


class SliceKind(IntEnum):
    """slice_type modulo 5, table 7-6."""

    P = 0
    B = 1
    I = 2
    SP = 3
    SI = 4


class SliceFields(NamedTuple):
    """Fields of a picture parameter set that slice headers depend on."""

    bottom_order: bool
    """Slices state the order of the bottom field, too."""
    counts: tuple[int, int]
    """Entries in use of reference lists 0 and 1, where a slice does not say."""
    weighted: bool
    """Slices of P frames have weights."""
    weighted_both: int
    """weighted_bipred_idc: slices of B frames have weights if 1."""
    redundant: bool
    """Slices may be spare copies of others."""


class Modification(NamedTuple):
    """One step that changes a reference list, 7.3.3.1."""

    kind: int
    """modification_of_pic_nums_idc: 0 subtracts, 1 adds, others name long-term frames."""
    difference: int


class Removal(NamedTuple):
    """One step of the marking of references, 7.3.3.3."""

    kind: int
    """memory_management_control_operation."""
    difference: int


class Slice(NamedTuple):
    """A slice header."""

    kind: SliceKind
    instant: bool
    """IDR picture: nothing before it is referred to any more."""
    reference: bool
    number: int
    """frame_num."""
    order: int
    """The last bits of the position in the order of display."""
    bottom: int
    """Position of the bottom field minus that of the top field."""
    counts: tuple[int, int]
    """Entries in use of reference lists 0 and 1."""
    modifications: tuple[tuple[Modification, ...], tuple[Modification, ...]]
    removals: tuple[Removal, ...] | None
    """None: the oldest reference goes where there are too many."""
    long_term: bool
    """An IDR picture that is kept as a long-term reference."""


def slice_fields(payload: bytes) -> SliceFields | None:
    """Read a picture parameter set, 7.3.2.2.

    Returns:
        None where it is cut short, or lets macroblocks lie in any order.
    """
    bits = Bits(payload)
    try:
        bits.golomb(), bits.golomb(), bits.read(1)
        bottom_order = bool(bits.read(1))
        if bits.golomb():
            return None
        counts = (bits.golomb() + 1, bits.golomb() + 1)
        weighted, weighted_both = bool(bits.read(1)), bits.read(2)
        bits.signed(), bits.signed(), bits.signed(), bits.read(2)
        redundant = bool(bits.read(1))
    except ValueError:
        return None
    return SliceFields(bottom_order, counts, weighted, weighted_both, redundant)


def picture_set_of(unit: Unit) -> int:
    """Number of the picture parameter set of a slice.

    Raises:
        ValueError: the slice is cut short.
    """
    bits = Bits(unit.payload)
    bits.golomb(), bits.golomb()
    return bits.golomb()


def read_slice(unit: Unit, sequence: Sequence, pictures: SliceFields | None) -> Slice:
    """Read a slice header, 7.3.3, of a stream without fields whose order type is 0.

    Raises:
        ValueError: it is cut short, makes no sense, or is of an unknown set.
    """
    if pictures is None:
        raise ValueError("expected a slice of a known picture parameter set")
    bits = Bits(unit.payload)
    bits.golomb()
    kind = SliceKind(bits.golomb() % 5)
    bits.golomb()
    if sequence.separate_planes:
        bits.read(2)
    number = bits.read(sequence.frame_number_bits)
    instant = unit.kind == IDR_SLICE
    if instant:
        bits.golomb()
    order = bits.read(sequence.order_bits)
    bottom = bits.signed() if pictures.bottom_order else 0
    if pictures.redundant:
        raise ValueError("expected no spare copies of slices")
    if kind == SliceKind.B:
        bits.read(1)
    counts, modifications = _lists(bits, kind, pictures.counts)
    weighted = pictures.weighted_both == 1 if kind == SliceKind.B else pictures.weighted
    if weighted and counts[0]:
        _skip_weights(bits, sum(counts), coloured=sequence.coloured)
    removals, long_term = None, False
    if unit.reference:
        if instant:
            bits.read(1)
            long_term = bool(bits.read(1))
        elif bits.read(1):
            removals = tuple(_removals(bits))
    return Slice(
        kind,
        instant,
        unit.reference,
        number,
        order,
        bottom,
        counts,
        modifications,
        removals,
        long_term,
    )


def _lists(
    bits: Bits, kind: SliceKind, default: tuple[int, int]
) -> tuple[tuple[int, int], tuple[tuple[Modification, ...], tuple[Modification, ...]]]:
    """Entries in use of both lists, and the changes to them."""
    if kind in (SliceKind.I, SliceKind.SI):
        return (0, 0), ((), ())
    both = kind == SliceKind.B
    first, second = default
    if bits.read(1):
        first = bits.golomb() + 1
        second = bits.golomb() + 1 if both else 1
    if max(first, second) > 32:
        raise ValueError(f"expected at most 32 references, got {max(first, second)}")
    changes = _modifications(bits), _modifications(bits) if both else ()
    return (first, second if both else 0), changes


def _modifications(bits: Bits) -> tuple[Modification, ...]:
    steps: list[Modification] = []
    if bits.read(1):
        while (kind := bits.golomb()) != 3:
            steps.append(Modification(kind, bits.golomb() + 1))
    return tuple(steps)


def _skip_weights(bits: Bits, entries: int, *, coloured: bool) -> None:
    """pred_weight_table, 7.3.3.2."""
    bits.golomb()
    if coloured:
        bits.golomb()
    for _ in range(entries):
        if bits.read(1):
            bits.signed(), bits.signed()
        if coloured and bits.read(1):
            for _ in range(4):
                bits.signed()


def _removals(bits: Bits) -> list[Removal]:
    steps: list[Removal] = []
    while kind := bits.golomb():
        difference = bits.golomb() + 1 if kind in (1, 2, 3, 4, 6) else 0
        if kind == 3:
            bits.golomb()
        steps.append(Removal(kind, difference))
    return steps
