"""Recognised videos as one HTML page that needs nothing else, not even a network."""

import base64
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO
from urllib.parse import quote

from motion_shards.markup import escape, script_source
from motion_shards.page_frame import head, policy_of
from motion_shards.plain_text import size_text
from pipeline.store import replacing

from ..answers import Prediction, VideoSummary
from .page_media import Media, browser_media
from .page_parts import Colours, class_bars, timeline
from .page_style import COLOURS, SCRIPT, STYLE
from .table import facts
from .targets import blamed, local_file, shown_source

EMBEDDED_BYTES = 50_000_000
"""Videos that a page contains, before base64; the others are linked."""
CHUNK = 3 << 18
"""Bytes that become text at once: a multiple of three."""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; media-src data: file: 'self';"
    " script-src {}"
)
"""Content-Security-Policy: the page loads nothing but its videos, and runs its own script."""


class Page:
    """A page that is being written. Made by `open_page`."""

    def __init__(
        self, file: IO[bytes], path: Path, *, top: int, most_bytes: int
    ) -> None:
        self._file, self._folder = file, path.parent
        self._top, self._left = top, most_bytes

    def begin(self, model: str) -> None:
        """Write what stands before the first video."""
        self._write(_opening(f"Actions recognised by {model}"))

    def add(self, prediction: Prediction) -> None:
        """Write the section of a video.

        Raises:
            VideoError: it cannot be used; the page does not have it.
            OSError: the page cannot be written.
        """
        colours = Colours(prediction)
        path = local_file(prediction.source)
        if path is not None and not path.is_file():
            path = None
        with self._media(path, prediction.video) as media:  # may fail: before all else
            self._write(
                f'<section data-seconds="{prediction.video.seconds:.3f}">\n'
                f"<h2>{escape(shown_source(prediction.source))}</h2>\n<p>{escape(facts(prediction))}</p>\n"
                '<div class="pair"><div>'
            )
            self._show(prediction.source, path, media)
        self._write(
            f'</div>\n<ol class="classes">{class_bars(prediction, colours, top=self._top)}'
            f"</ol></div>\n{timeline(prediction, colours)}\n</section>\n"
        )

    def end(self) -> None:
        """Write what follows the last video."""
        self._write(f"<script>{SCRIPT}</script>\n</main>\n</body>\n</html>\n")

    def _media(
        self, path: Path | None, video: VideoSummary
    ) -> AbstractContextManager[Media | None]:
        """A video as browsers play it; None: it is no file, or too large for the page."""
        if path is None:
            return nullcontext()
        return browser_media(
            path,
            most_bytes=self._left,
            seconds=video.seconds,
            damaged=video.damaged > 0,
        )

    def _show(self, source: str, path: Path | None, media: Media | None) -> None:
        """Write a video, or why it is not there."""
        if path is None:
            self._write("<p>This source is no file that can be shown here.</p>")
            return
        label = f'controls playsinline aria-label="{escape(shown_source(source))}"'
        if media is None:
            address = relative_address(path, self._folder)
            self._write(
                f'<video {label} preload="metadata" src="{escape(address)}"></video>'
                "<p>Not part of this page, which has up to"
                f" {size_text(EMBEDDED_BYTES)} of videos:"
                f' <a href="{escape(address)}">{escape(address)}</a></p>'
            )
            return
        self._left -= media.size
        self._write(f'<video {label} src="data:{media.kind};base64,')
        while chunk := media.file.read(CHUNK):
            self._file.write(base64.b64encode(chunk))
        self._write('"></video>')

    def _write(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def open_page(
    path: Path, model: str, *, top: int = 5, most_bytes: int = EMBEDDED_BYTES
) -> Iterator[Page]:
    """A page to which videos are added one after the other.

    Args:
        path: written at the end, whole or not at all.
        model: its name.
        top: number of classes with bars.
        most_bytes: of videos that the page contains.

    Raises:
        WriteError: it cannot be written.
    """
    try:
        with replacing(path, durable=False) as file:
            page = Page(file, path, top=top, most_bytes=most_bytes)
            page.begin(model)
            yield page
            page.end()
    except OSError as error:
        raise blamed(path, error) from error


def relative_address(path: Path, folder: Path) -> str:
    """The address of a file as seen from a page in `folder`, whatever its name."""
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    return quote(os.fsencode(relative))


def _opening(title: str) -> str:
    policy = policy_of(POLICY.format(script_source(SCRIPT)))
    return (
        f"{head(title, COLOURS + STYLE, meta=policy)}<main>\n<h1>{escape(title)}</h1>\n"
    )
