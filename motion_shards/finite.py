"""Numbers of options: within a range, and numbers at all."""

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """A `click.FloatRange` without `nan`, which is beyond no bound, and without `inf`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"expected a finite number, got {number}", param, ctx)
        return number
