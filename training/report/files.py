"""A report as files: report.md with its figures, report.html, and the table's numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.store import Json

from ..errors import RunError
from ..run_files.names import REPRODUCTION
from ..run_files.reproduction import Reproduction, read_reproduction
from ..run_files.writing import write_json, write_text
from .comparisons import compared, comparison_numbers
from .confusions import confusion_numbers
from .html import html
from .learning_curves import curve_numbers
from .numbers import numbers
from .page import markdown, pictures
from .provenance import provenance_numbers
from .read import EvaluatedRun, by_system, read_evaluated_run
from .records import read_record
from .reproduction import page_of
from .runs_table import unfinished
from .variants import variant_numbers


def write_report(out: Path, state: Reproduction) -> Path | None:
    """Write the report of a reproduction from the runs it names.

    Returns:
        The path of report.html; None while no run has scores of test videos.

    Raises:
        RunError: a run is something else.
    """
    folders = [Path(folder) for folder in state.runs.values()]
    runs = _evaluated(folders)
    return _write(out, state, runs, folders) if runs else None


def report_of(
    paths: Sequence[Path],
    out: Path,
    *,
    compare: Sequence[str] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Path:
    """A report of given folders: runs, or one reproduction.

    Incomplete runs are listed by name with their progress.

    Args:
        compare: "A,B", systems of which the paired difference is wanted.
        say: called with a line about each of these.

    Raises:
        RunError: none of them is a run, or they can't be compared; or a system to compare
            is not among them.
    """
    state = Reproduction(runs={})
    if len(paths) == 1 and (paths[0] / REPRODUCTION).is_file():
        state = read_reproduction(paths[0])
        paths = [Path(folder) for folder in state.runs.values()]
    far = {str(path): text for path in paths if (text := unfinished(path))}
    complete = [path for path in paths if str(path) not in far]
    if far and not complete:
        one = next(iter(far.items()))
        raise RunError(f"expected a complete run, got {': '.join(one)}")
    for folder, how_far in far.items():
        say(f"not in the report: {folder}: {how_far}")
    return _write(out, state, _evaluated(complete), complete, far, compare)


def _evaluated(folders: Iterable[Path]) -> list[EvaluatedRun]:
    found = (read_evaluated_run(folder) for folder in folders)
    return [run for run in found if run is not None]


def _write(
    out: Path,
    state: Reproduction,
    runs: Sequence[EvaluatedRun],
    folders: Sequence[Path],
    unfinished: Mapping[str, str] | None = None,
    compare: Sequence[str] = (),
) -> Path:
    if not runs:
        raise RunError("expected at least one run with scores of test videos, got none")
    records = [read_record(folder) for folder in dict.fromkeys(folders)]
    systems = by_system(runs, state.recipe_of, splits=state.splits)
    comparisons = compared(systems, compare)
    page = page_of(
        state, runs, records, unfinished=unfinished, folder=out, comparisons=comparisons
    )
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in pictures(page).items():
        write_text(folder / name, svg)
    write_text(out / "report.md", markdown(page))
    of_records: dict[str, Json] = {
        "provenance": provenance_numbers(state, records),
        "curves": curve_numbers(records),
        "confusion": confusion_numbers(systems),
    }
    if comparisons:
        of_records["comparisons"] = comparison_numbers(comparisons)
    if of_variants := variant_numbers(records):
        of_records["variants"] = of_variants
    write_json(out / "table.json", numbers(state, runs) | of_records)
    path = out / "report.html"
    write_text(path, html(page))
    return path
