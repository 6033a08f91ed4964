"""The accuracy of runs on each of the stores that their training clips came from."""

from collections.abc import Sequence

from pipeline.store import Json

from ..run_files.json_dataclasses import to_json
from ..run_files.results import OfVariants
from .page import Page
from .records import RunRecord
from .tables import percent


def variants_part(page: Page, records: Sequence[RunRecord]) -> None:
    """A table of the runs that were trained on variants of a store; nothing without one."""
    found = [(record, v) for record in records if (v := record.results.variants)]
    if not found:
        return
    page.heading("Variants of the store")
    page.text(
        "Training clips of these runs came from several stores of the same videos, at"
        " random. What the network sees is coded otherwise in each: the settings that"
        " differ from those of the first are listed. Tables elsewhere have the accuracy on"
        " the first."
    )
    page.table(
        ("run", "recipe", "seed", "store", "differs", "ours", "videos", "worst"),
        [row for record, variants in found for row in _rows(record, variants)],
        caption="Top-1 on the test videos of each store, in percent",
    )


def variant_numbers(records: Sequence[RunRecord]) -> dict[str, Json]:
    """Run -> its accuracy on each variant, for programs."""
    return {
        record.folder.name: to_json(record.results.variants)
        for record in records
        if record.results.variants
    }


def _rows(record: RunRecord, variants: OfVariants) -> list[tuple[str, ...]]:
    run = record.recipe.run
    about = (record.folder.name, run.recipe.name, str(run.seed))
    tests = {variants.own: ("", record.results.test)} | {
        name: ("; ".join(one.differ), one.test) for name, one in variants.stores.items()
    }
    return [
        (
            *about,
            name,
            differ,
            percent(test.top1),
            str(test.videos),
            "worst" * (name == variants.worst),
        )
        for name, (differ, test) in tests.items()
        if test
    ]
