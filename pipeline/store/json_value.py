"""The type of any JSON value."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Json: TypeAlias = (
        "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"
    )
else:
    Json = object  # what reads type hints meets any value
