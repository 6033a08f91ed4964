"""A report as files: report.md with its figures, report.html, and the table's numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..run_files.files import REPRODUCTION, TOLD, read_json, write_json, write_text
from .html import html
from .numbers import numbers
from .page import markdown, pictures
from .read import Judged, judged_run
from .reproduction import page_of
from .runs_table import unfinished


def write_report(out: Path, told: Mapping[str, Any]) -> Path | None:
    """Write the report of a reproduction from the runs it names.

    Returns:
        Where report.html is; None while no run has judged a video.

    Raises:
        RunError: a run is something else.
    """
    runs = _judged(Path(folder) for folder in told["runs"].values())
    return _write(out, told, runs) if runs else None


def report_of(
    paths: Sequence[Path], out: Path, *, say: Callable[[str], None] = lambda text: None
) -> Path:
    """A report of given folders: runs, or one reproduction.

    Runs that are not complete stand in it by name, and how far they are.

    Args:
        say: told of each of these.

    Raises:
        RunError: none of them is a run, or they can't be compared.
    """
    told: dict[str, Any] = {"title": "Report of trained networks"}
    if len(paths) == 1 and (paths[0] / REPRODUCTION).is_file():
        told = read_json(paths[0] / REPRODUCTION, TOLD)
        paths = [Path(folder) for folder in told["runs"].values()]
    far = {str(path): text for path in paths if (text := unfinished(path))}
    told["unfinished"] = far
    complete = [path for path in paths if str(path) not in far]
    if far and not complete:
        one = next(iter(far.items()))
        raise RunError(f"expected a complete run, got {': '.join(one)}")
    for folder, how_far in far.items():
        say(f"not in the report: {folder}: {how_far}")
    return _write(out, told, _judged(complete))


def _judged(folders: Iterable[Path]) -> list[Judged]:
    found = (judged_run(folder) for folder in folders)
    return [run for run in found if run is not None]


def _write(out: Path, told: Mapping[str, Any], runs: Sequence[Judged]) -> Path:
    if not runs:
        raise RunError("expected at least one run with scores of test videos, got none")
    page = page_of(told, runs, folder=out)
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in pictures(page).items():
        write_text(folder / name, svg)
    write_text(out / "report.md", markdown(page))
    write_json(out / "table.json", numbers(told, runs))
    path = out / "report.html"
    write_text(path, html(page))
    return path
