"""Sorting networks as source: kernels know no lists, and each value has a register.

Medians of 5 x 5 windows that lie below each other share most of their rows. Each row is
sorted once; two windows share four rows, sorted together by merging; of those 20 values
only the middle six can be the median of 25, whatever the fifth row holds. The compiler
drops the comparisons that lead only to the others: about 60 remain per median, of the 99
that a median of 25 takes alone.

Source:
    Merging: Batcher, "Sorting Networks and their Applications", AFIPS 1968. Sharing
    between windows: Adams, "Fast Median Filters Using Separable Sorting Networks", ACM
    TOG 40(4), 2021.
"""

from collections.abc import Callable, Sequence

SIDE = 5

MIDDLE = 6
"""Middle of the values of four rows: 13 - 5 to 13 of 20 in order."""


class Program:
    """Straight-line code, written statement by statement. Values go by their names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names = 0

    def let(self, expression: str) -> str:
        """A new name for the value of an expression."""
        name = f"v{self._names}"
        self._names += 1
        self.lines.append(f"{name} = {expression}")
        return name

    def exchange(self, a: str, b: str) -> tuple[str, str]:
        """The smaller and the larger of two values."""
        return self.let(f"min({a}, {b})"), self.let(f"max({a}, {b})")

    def merged(self, first: Sequence[str], second: Sequence[str]) -> list[str]:
        """Two sorted sequences as one."""
        if not first or not second:
            return [*first, *second]
        if len(first) == len(second) == 1:
            return list(self.exchange(first[0], second[0]))
        odd = self.merged(first[::2], second[::2])
        even = self.merged(first[1::2], second[1::2])
        result = [odd.pop(0)]
        while odd and even:
            result += self.exchange(odd.pop(0), even.pop(0))
        return result + odd + even

    def ordered(self, values: Sequence[str]) -> list[str]:
        if len(values) < 2:
            return list(values)
        half = len(values) // 2
        return self.merged(self.ordered(values[:half]), self.ordered(values[half:]))

    def ranked(self, first: Sequence[str], second: Sequence[str], rank: int) -> str:
        """The value of this rank, from 1, of two sorted sequences."""
        smallest = ""
        for taken in range(rank + 1):
            last = [
                values[count - 1]
                for values, count in ((first, taken), (second, rank - taken))
                if 0 < count <= len(values)
            ]
            if taken > len(first) or rank - taken > len(second):
                continue
            bound = self.let(f"max({last[0]}, {last[1]})") if len(last) > 1 else last[0]
            smallest = self.let(f"min({smallest}, {bound})") if smallest else bound
        return smallest


def medians_source(count: int) -> str:
    """Source of `medians(window, result)`.

    `window`: count + 4 rows of 5 values, flat; `result`: the medians of the `count`
    windows of 5 x 5, an even number.
    """
    program = Program()
    rows = []
    for row in range(count + SIDE - 1):
        values = [program.let(f"window[{row * SIDE + k}]") for k in range(SIDE)]
        rows.append(program.ordered(values))
    low = program.merged(rows[1], rows[2])
    for k in range(0, count, 2):
        high = program.merged(rows[k + 3], rows[k + 4])
        shared = program.merged(low, high)
        low = high
        begin = (len(shared) - MIDDLE) // 2
        middle = shared[begin : begin + MIDDLE]
        rank = (MIDDLE + SIDE + 1) // 2
        for place, fifth in ((k, rows[k]), (k + 1, rows[k + SIDE])):
            value = program.ranked(middle, fifth, rank)
            program.lines.append(f"result[{place}] = {value}")
    return "def medians(window, result):\n    " + "\n    ".join(program.lines)


def medians_function(count: int) -> Callable[..., None]:
    """The function of `medians_source`."""
    names: dict[str, Callable[..., None]] = {}
    exec(medians_source(count), names)  # noqa: S102 - written above, from a number
    return names["medians"]
