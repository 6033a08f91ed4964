"""Reference lists of H.264: which frames the slices of a picture can refer to.

Follows what a decoder does with its buffer of references, from slice headers alone.
Section numbers are of ITU-T H.264 (08/2021).
"""

from collections.abc import Sequence as Several
from typing import NamedTuple

from .h264 import Sequence
from .h264_slices import Modification, Slice, SliceKind


class Reference(NamedTuple):
    """A frame that later ones may refer to."""

    coded: int
    """Its number in the order of coding, never used again."""
    number: int
    """frame_num."""
    order: int
    """Position in the order of display, PicOrderCnt."""


class Lists(NamedTuple):
    """The references of one picture."""

    order: int
    """Its own position in the order of display; pictures of later IDR periods count on."""
    only: tuple[int | None, int | None]
    """Number, in the order of coding, of the frame that is all there is in list 0 and
    list 1; None where a list is empty or holds several frames."""


PERIOD = 1 << 40
"""Between the order of an IDR picture and that of the next one: more than any PicOrderCnt."""


class ReferenceBuffer:
    """The references that a decoder holds, picture by picture.

    Where a number is missing, and where long-term references come in, nothing is known
    until the next IDR picture.
    """

    def __init__(self) -> None:
        self._held: list[Reference] | None = None
        """In the order of coding; None: unknown."""
        self._last_number = 0
        self._last_order = (0, 0)
        self._period = 0

    def forget(self) -> None:
        """Hold nothing for known until the next IDR picture."""
        self._held = None

    def add(
        self, coded: int, slices: Several[Slice], sequence: Sequence
    ) -> Lists | None:
        """The lists of the next picture; None where they are not known.

        Args:
            coded: its number in the order of coding.
            slices: all of them, at least one.
        """
        head = slices[0]
        if head.instant:
            self._held, self._last_order = [], (0, 0)
            self._period += 1
        elif head.number != (self._last_number + 1) % (1 << sequence.frame_number_bits):
            self.forget()
        alike = {(s.instant, s.reference, s.number, s.order) for s in slices}
        if self._held is None or len(alike) > 1:
            self.forget()
            return None
        order = self._order(head, sequence.order_bits)
        found: tuple[set[int], set[int]] = (set(), set())
        for one in slices:
            for coded_numbers, entries in zip(
                found, self._lists(one, order, sequence), strict=True
            ):
                coded_numbers.update(entry.coded for entry in entries)
        if head.reference:
            self._mark(Reference(coded, head.number, order), head, sequence)
            self._last_number = head.number
        first, second = (min(f) if len(f) == 1 else None for f in found)
        return Lists(self._period * PERIOD + order, (first, second))

    def _order(self, head: Slice, bits: int) -> int:
        """PicOrderCnt of a frame, 8.2.1.1."""
        size = 1 << bits
        high, low = self._last_order
        if low - head.order >= size // 2:
            high += size
        elif head.order - low > size // 2:
            high -= size
        if head.reference:
            self._last_order = (high, head.order)
        return high + head.order + min(head.bottom, 0)

    def _lists(
        self, head: Slice, order: int, sequence: Sequence
    ) -> tuple[list[Reference], list[Reference]]:
        """Lists 0 and 1 of a slice, 8.2.4, without the entries that no frame fills."""
        if self._held is None or not head.counts[0]:
            return [], []
        size = 1 << sequence.frame_number_bits
        if head.kind == SliceKind.B:
            first, second = initial_both(self._held, order)
        else:
            first, second = initial(self._held, head.number, size), []
        lists = tuple(
            modified(start[:count], steps, self._held, head.number, size, count)
            for start, steps, count in zip(
                (first, second), head.modifications, head.counts, strict=True
            )
        )
        return lists[0], lists[1]

    def _mark(self, current: Reference, head: Slice, sequence: Sequence) -> None:
        """Marking of references, 8.2.5."""
        if self._held is None:
            return
        size = 1 << sequence.frame_number_bits
        if head.long_term:
            return self.forget()
        for step in head.removals or ():
            if step.kind == 1:
                gone = current.number - step.difference
                self._held = [
                    r for r in self._held if _number(r, current.number, size) != gone
                ]
            elif step.kind != 4:  # long-term references, or a start like an IDR picture
                return self.forget()
        if head.removals is None and len(self._held) >= sequence.references:
            self._held.remove(
                min(self._held, key=lambda r: _number(r, current.number, size))
            )
        self._held.append(current)
        return None


def _number(reference: Reference, current: int, size: int) -> int:
    """PicNum of a reference, as seen from the frame with frame_num `current`, 8.2.4.1."""
    return reference.number - size * (reference.number > current)


def initial(held: list[Reference], current: int, size: int) -> list[Reference]:
    """List 0 of a P frame before it is changed: the last coded first, 8.2.4.2.1."""
    return sorted(held, key=lambda r: _number(r, current, size), reverse=True)


def initial_both(
    held: list[Reference], order: int
) -> tuple[list[Reference], list[Reference]]:
    """Lists 0 and 1 of a B frame before they are changed: the nearest first, 8.2.4.2.3."""
    past = sorted((r for r in held if r.order < order), key=lambda r: -r.order)
    future = sorted((r for r in held if r.order > order), key=lambda r: r.order)
    first, second = past + future, future + past
    if len(second) > 1 and first == second:
        second = [second[1], second[0], *second[2:]]
    return first, second


def modified(
    start: list[Reference],
    steps: Several[Modification],
    held: list[Reference],
    current: int,
    size: int,
    count: int,
) -> list[Reference]:
    """A list after its changes, 8.2.4.3.

    Args:
        start: the list before.
        held: all references.
        current: frame_num of the picture.
        size: number at which frame_num starts again.
        count: entries in use.

    Raises:
        ValueError: a step names a frame that is not there.
    """
    entries, number = start, current
    for position, step in enumerate(steps):
        if step.kind > 1:
            raise ValueError("expected short-term references only")
        number = (number + step.difference * (2 * step.kind - 1)) % size
        wanted = number - size * (number > current)
        named = [r for r in held if _number(r, current, size) == wanted]
        if not named:
            raise ValueError(f"expected a reference with the number {wanted}, got none")
        rest = [r for r in entries[position:] if r != named[0]]
        entries = (entries[:position] + named[:1] + rest)[:count]
    return entries
