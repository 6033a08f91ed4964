"""Answers, one after the other -> standard output and files."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from pipeline.extract.errors import VideoError

from ...run_files.writing import write_text
from ..answers import Prediction
from .csv_rows import csv_header, csv_rows
from .json_lines import json_line
from .subtitles import srt, vtt
from .table import shower
from .targets import Targets, check_page

if TYPE_CHECKING:
    from .page import Page

Form = Literal["table", "json", "csv"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Outputs that are wanted of each video."""

    form: Form | None = "table"
    """Text on `stream`; None: nothing."""
    top: int = 5
    """Number of classes that are named."""
    srt: Path | None = None
    vtt: Path | None = None
    annotate: Path | None = None
    """Each a file for a single video, or a folder for a file of each."""
    html: Path | None = None
    """One page with all videos."""
    mv_source: Literal["canonical", "original"] = "canonical"
    """Vectors that `annotate` draws."""

    @property
    def needs_windows(self) -> bool:
        """Whether an output shows segments of time."""
        return any((self.srt, self.vtt, self.html))

    def check(self, sources: Iterable[str]) -> None:
        """Check, before the work, that the files can be written; folders are made.

        Raises:
            RunError: two videos would have the same file, or one would be replaced.
            WriteError: nothing can be written to a folder.
        """
        names = list(sources)
        for targets in self._targets().values():
            targets.check(names)
        if self.html is not None:
            check_page(self.html, names)

    def write(
        self,
        predictions: Iterable[Prediction],
        *,
        stream: TextIO | None = None,
        failed: Callable[[Prediction, VideoError], None] | None = None,
    ) -> int:
        """Write each answer when it comes.

        Lines are whole whenever this is interrupted, and files are whole or not there.

        Args:
            stream: for text, standard output if left out.
            failed: called with an answer whose video cannot be read again, before the
                next one is asked for; None: the error is raised.

        Returns:
            Number of answers that were written.

        Raises:
            RunError: two videos would have the same file, or one would be replaced.
            VideoError: a video cannot be read again, without `failed`.
            WriteError: a file cannot be written.
            OSError: `stream` cannot be written.
        """
        count = 0
        with ExitStack() as stack:
            writers = list(
                self._writers(stack, sys.stdout if stream is None else stream)
            )
            for prediction in predictions:
                try:
                    for write in writers:
                        write(prediction)
                except VideoError as error:
                    if failed is None:
                        raise
                    failed(prediction, error)
                else:
                    count += 1
        return count

    def _writers(
        self, stack: ExitStack, stream: TextIO
    ) -> Iterator[Callable[[Prediction], None]]:
        match self.form:
            case "table":
                yield shower(stream, top=self.top)
            case "json":
                yield lambda each: _flushed(stream, json_line(each, top=self.top))
            case "csv":
                _flushed(stream, csv_header(top=self.top))
                yield lambda each: _flushed(stream, csv_rows(each, top=self.top))
        for name, targets in self._targets().items():
            yield _FileWriter(name, targets, self)
        if self.html is not None:
            yield _PageWriter(self.html, stack, self)

    def _targets(self) -> dict[str, Targets]:
        return {
            name: Targets(path, suffix)
            for name, suffix in (("srt", ".srt"), ("vtt", ".vtt"), ("annotate", ".mp4"))
            if (path := getattr(self, name)) is not None
        }


class _FileWriter:
    """Writes one kind of file of each video."""

    def __init__(self, name: str, targets: Targets, outputs: Outputs) -> None:
        self._name, self._targets, self._outputs = name, targets, outputs

    def __call__(self, prediction: Prediction) -> None:
        path = self._targets.claim(prediction.source)
        self._targets.prepare()
        match self._name:
            case "srt":
                write_text(path, srt(prediction))
            case "vtt":
                write_text(path, vtt(prediction))
            case "annotate":
                from .annotated import annotate  # here: text needs no decoder

                annotate(
                    prediction,
                    path,
                    top=min(self._outputs.top, 3),
                    mv_source=self._outputs.mv_source,
                )


class _PageWriter:
    """Begins the page with the first video, so that there is none without videos."""

    def __init__(self, path: Path, stack: ExitStack, outputs: Outputs) -> None:
        self._path, self._stack, self._outputs = path, stack, outputs
        self._page: Page | None = None

    def __call__(self, prediction: Prediction) -> None:
        if self._page is None:
            from .page import open_page  # here: text needs no decoder

            opened = open_page(self._path, prediction.model, top=self._outputs.top)
            self._page = self._stack.enter_context(opened)
        self._page.add(prediction)


def _flushed(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
