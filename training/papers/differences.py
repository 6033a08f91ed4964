"""A recipe's settings -> what its paper says of each, what the recipe does, and why.

Values are those of the settings, never of the tables: a table says what a paper says, and
which of our values at paper size that was written about.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.store import Json

from .stated_all import EVERYWHERE
from .stated_ds import DS
from .stated_dtmv import DTMV
from .stated_fts import FTS
from .stated_htsc import HTSC
from .stated_kinetics import DS_KINETICS, FTS_KINETICS
from .statement import Statement, Verdict

STATEMENTS: Mapping[str, tuple[Statement, ...]] = {
    "fts": (*FTS_KINETICS, *FTS, *EVERYWHERE),
    "ds": (*DS_KINETICS, *DS, *EVERYWHERE),
    "dtmv": (*DTMV, *EVERYWHERE),
    "htsc": (*HTSC, *EVERYWHERE),
}
"""Paper -> its statements; the first about a setting counts."""

NOT_STATED = "not stated"
OF_SIZE = "at paper size {value}"
UNKNOWN = "no statement is recorded about this setting"


class Line(NamedTuple):
    """One setting of a recipe, or something beyond its settings, and its paper."""

    setting: str
    verdict: Verdict
    paper: str
    """The statement of the paper, with section, table or equation."""
    here: str
    """The recipe's value."""
    why: str

    @property
    def differs(self) -> bool:
        """Whether it belongs into "paper says / we do / why"."""
        return self.verdict in ("other", "not stated", "control")


def paper_lines(
    system: str, paper: str, settings: Mapping[str, Json]
) -> tuple[Line, ...]:
    """Every setting of a recipe with what its paper says of it.

    Args:
        system: its name, without a size.
        paper: "fts", "ds", "dtmv" or "htsc"; nothing is known of others.
        settings: of any size, as recipe.json has them.
    """
    statements = STATEMENTS.get(paper, ())
    if not statements or not settings:
        return ()
    values = dict(leaves(settings))
    known = []
    for path, value in values.items():
        net = values.get(f"{path.rpartition('.')[0]}.net")
        statement = statement_of(statements, system, path)
        known.append(_line(statement, path, value, net))
    others = [
        _beyond(one) for one in statements if not one.setting and one.concerns(system)
    ]
    return (*known, *others)


def statement_of(
    statements: Sequence[Statement], system: str, path: str
) -> Statement | None:
    """The first statement about a setting of a system."""
    found = (s for s in statements if s.setting and s.is_about(system, path))
    return next(found, None)


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """The settings in settings: path -> value. A term's own value is its class.

    Args:
        value: as recipe.json has it, with the name of each dataclass under "is".
    """
    if not isinstance(value, Mapping):
        yield path, value
        return
    if "is" in value and path.startswith("terms."):
        yield path, value["is"]
    inside = {name: inner for name, inner in value.items() if name != "is"}
    if not inside and "is" not in value:
        yield path, {}
    for name, inner in inside.items():
        yield from leaves(inner, f"{path}.{name}" if path else name)


def value_text(value: Json) -> str:
    """A value in words: 0.001, `224, 224`, none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value)) or "none"
    return "none" if value is None or value == {} else str(value)


def _line(
    statement: Statement | None, path: str, value: Json, net: Json = None
) -> Line:
    """
    Args:
        net: the network whose setting it is, if it is one's.
    """
    if statement is None:
        return Line(path, "not stated", NOT_STATED, value_text(value), UNKNOWN)
    says = _says(statement)
    here = value_text(value)
    if not statement.values or value in statement.values:
        if statement.net in ("", net):
            here = statement.here or here
            return Line(path, statement.verdict, says, here, statement.why)
        here = f"that of {net}"
    usual = statement.here or " or ".join(map(value_text, statement.values))
    verdict: Verdict = "other" if statement.says else "not stated"
    return Line(path, verdict, says, here, OF_SIZE.format(value=usual))


def _beyond(one: Statement) -> Line:
    return Line(one.path, one.verdict, _says(one), one.here, one.why)


def _says(statement: Statement) -> str:
    if statement.verdict == "control":
        return "no such row"
    if not statement.says:
        return NOT_STATED
    return f"{statement.says} ({statement.where})"
