"""Reports of `training reproduce` -> training/papers/measured.json, which `training
recipes NAME` quotes.

    python tools/measured.py OUT ABOUT [OUT ABOUT ...]

OUT is a report's folder, ABOUT says which clips its store holds. What is known of other
recipes and data sets stays.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from training.papers.measured import PATH, Measured


def measured(out: Path, about: str) -> Iterator[Measured]:
    """What one report tells of whole recipes."""
    table = json.loads((out / "table.json").read_text("utf-8"))
    done = json.loads((out / "reproduction.json").read_text("utf-8"))
    recipe_of = done["recipe_of"]
    splits = table.get("splits") or [table["split"]]
    for system, told in table["systems"].items():
        accuracy = told["accuracy"]["all"]
        yield Measured(
            recipe_of[system],
            table["dataset"],
            about,
            ", ".join(split["name"] for split in splits),
            len(told["seeds"]),
            *(round(100 * accuracy[key], 1) for key in ("mean", "low", "high")),
        )


def main(arguments: list[str]) -> None:
    if not arguments or len(arguments) % 2:
        sys.exit(__doc__)
    known = (Measured(**one) for one in json.loads(PATH.read_text("utf-8")))
    found = {(one.recipe, one.dataset): one for one in known} | {
        (one.recipe, one.dataset): one
        for out, about in zip(arguments[::2], arguments[1::2], strict=True)
        for one in measured(Path(out), about)
    }
    lines = (json.dumps(found[key]._asdict()) for key in sorted(found))
    PATH.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
