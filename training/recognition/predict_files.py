"""The work of `training predict`: sources -> answers, printed and written."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from motion_shards.cores import worker_cores
from motion_shards.plain_text import counted, printable

from .answers import Prediction
from .many import Asked, Failure, predictions
from .outputs.json_lines import json_line
from .outputs.numbers import clock
from .outputs.status import StatusLine
from .outputs.writing import Outputs
from .recognizer import Recognizer
from .results_file import Kind, open_results
from .sources import Sources

SOME_FAILED = 3
"""Exit code where some videos could not be recognised, as of `pipeline extract`."""


def predict_files(
    model: Path,
    found: Sources,
    *,
    outputs: Outputs,
    windows: bool,
    hop: int | None,
    smooth: float | None,
    min_score: float,
    jobs: int,
    threads: int | None,
    results: Path | None,
    **options: Any,
) -> int:
    """Recognise files and write the answers; see `training predict --help`.

    Args:
        options: of `Recognizer`.

    Returns:
        The exit code.

    Raises:
        RunError: the model or the file of results is something else.
        WriteError: an output cannot be written.
    """
    with nullcontext() if results is None else open_results(results) as kept:
        files = [path for path in found.files if kept is None or not kept.has(path)]
        outputs.check(map(str, files))
        if options.get("mv_source") == "original":
            outputs = replace(outputs, mv_source="original")
        jobs = min(jobs, max(len(files), 1))
        if jobs > 1 and threads is None:
            threads = max(worker_cores() // jobs, 1)
        asked = Asked(
            model=model,
            options={
                **options,
                "threads": threads,
                "vectors_drawn": outputs.annotate is not None,
            },
            windows={"hop": hop, "smooth": smooth, "min_score": min_score}
            if windows or outputs.needs_windows
            else None,
        )
        recognizer = None
        if kept is not None and kept.answers:
            recognizer = asked.recognizer()
            kept.check(_kind(recognizer, asked))
        if len(files) < len(found.files):
            known = counted(len(found.files) - len(files), "video")
            click.echo(f"{results}: has {known} already", err=True)
        failures: list[Failure] = []
        progress = _Progress(len(files))

        def answers() -> Iterator[Prediction]:
            for answer in predictions(
                files, asked, jobs=jobs, recognizer=recognizer, progress=progress.seen
            ):
                progress.clear()
                if isinstance(answer, Failure):
                    failed(answer)
                else:
                    before = len(failures)
                    yield answer
                    # last, so that it is written when all else is
                    if kept is not None and len(failures) == before:
                        kept.append(json_line(answer, top=outputs.top))
                progress.answered()

        def failed(failure: Failure) -> None:
            failures.append(failure)
            click.echo(f"Error: {printable(failure.reason)}", err=True)

        try:
            outputs.write(
                answers(),
                failed=lambda answer, error: failed(Failure(answer.source, str(error))),
            )
        finally:
            progress.clear()
        if failures and len(files) > 1:
            many = f"{len(failures)} of {counted(len(files), 'video')}"
            click.echo(f"{many} could not be recognised", err=True)
        if not failures:
            return 0
        return 1 if len(failures) == len(found.files) else SOME_FAILED


def _kind(recognizer: Recognizer, asked: Asked) -> Kind:
    """The kind of the answers that are asked for."""
    return Kind(
        model=recognizer.name,
        trained=recognizer.trained,
        mv_source=recognizer.mv_source,
        windows=asked.windows is not None,
    )


class _Progress:
    """Files that are done and the time of the current one, on a terminal."""

    def __init__(self, total: int) -> None:
        self._line, self._total, self._done = StatusLine(sys.stderr), total, 0

    def seen(self, path: Path, seconds: float) -> None:
        """Show how far a file was seen."""
        self._line.show(f"{self._place()}{path.name}: seen up to {clock(seconds)}")

    def answered(self) -> None:
        """Count a file."""
        self._done += 1
        if self._done < self._total:
            self._line.show(self._place())

    def clear(self) -> None:
        """Remove the line, before something else is printed."""
        self._line.clear()

    def _place(self) -> str:
        many = counted(self._total, "video")
        return f"{self._done:,} of {many} done  " if self._total > 1 else ""
