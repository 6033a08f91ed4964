"""One statement of a paper about one setting, and the recipe's value that it is about.

A setting is a leaf of a recipe's settings as recipe.json has them, by its path:
"optim.momentum", "terms.soft.temperature"; "terms.soft" alone is the kind of a term. A
path may be a pattern ("*.lrn_k"), and so may the names of the systems it is about.
"""

from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from pipeline.store import Json

Verdict = Literal["as stated", "other", "not stated", "free", "control"]
"""as stated: the paper says this value. other: it says another, or nothing that could be
done. not stated: it is silent. free: cost, format, or without a part in this recipe.
control: the recipe is in no paper because of it."""


class Statement(NamedTuple):
    """Statement of a paper about a setting."""

    path: str
    verdict: Verdict
    values: tuple[Json, ...] = ()
    """The recipe's at paper size that the verdict is about; empty: any."""
    says: str = ""
    where: str = ""
    """Section, table or equation."""
    why: str = ""
    systems: str = "*"
    """Patterns of names, with spaces between."""
    here: str = ""
    """The recipe's value in words, where its JSON does not say it."""
    net: str = ""
    """The network that `here` is about, where a layout has the value and not a setting."""
    setting: bool = True
    """Whether a setting has this path; else `here` is all there is."""

    def is_about(self, system: str, path: str) -> bool:
        """Whether it is about a setting of a system."""
        return fnmatchcase(path, self.path) and self.concerns(system)

    def concerns(self, system: str) -> bool:
        """Whether it is about a system."""
        return any(fnmatchcase(system, one) for one in self.systems.split())


def stated(
    path: str,
    *values: Json,
    says: str = "",
    where: str,
    systems: str = "*",
    here: str = "",
    net: str = "",
) -> Statement:
    """The recipe does what the paper says."""
    return Statement(path, "as stated", values, says, where, "", systems, here, net)


def other(
    path: str,
    *values: Json,
    says: str,
    where: str,
    why: str,
    systems: str = "*",
    here: str = "",
) -> Statement:
    """The recipe does not, or what the paper says contradicts itself."""
    return Statement(path, "other", values, says, where, why, systems, here)


def silent(
    path: str,
    *values: Json,
    why: str,
    systems: str = "*",
    here: str = "",
    net: str = "",
) -> Statement:
    """The paper does not say."""
    return Statement(path, "not stated", values, "", "", why, systems, here, net)


def free(path: str, *, why: str, systems: str = "*") -> Statement:
    """No matter of the paper, or without a part in this recipe."""
    return Statement(path, "free", (), "", "", why, systems)


def control(path: str, *values: Json, why: str, systems: str) -> Statement:
    """The setting that makes a recipe a control."""
    return Statement(path, "control", values, "", "", why, systems)


def beyond(
    name: str,
    *,
    says: str,
    where: str,
    here: str,
    why: str = "",
    systems: str = "*",
) -> Statement:
    """About what is no setting of a recipe: the data, a layer, a loss's form.

    Args:
        why: empty where the recipe does as the paper says.
    """
    verdict: Verdict = "other" if why else "as stated"
    return Statement(name, verdict, (), says, where, why, systems, here, setting=False)
