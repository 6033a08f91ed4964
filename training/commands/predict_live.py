"""Options of `training predict` for live sources."""

from typing import TYPE_CHECKING

import click

from motion_shards.finite import FiniteRange

from .options import Options, all_of

if TYPE_CHECKING:
    from ..recognition.predict_live import LiveOptions

LIVE = all_of(
    click.option(
        "--seconds",
        type=FiniteRange(0, min_open=True),
        help="Live sources: end after this time.  [default: when the source ends]",
    ),
    click.option(
        "--latest/--all",
        "latest",
        default=None,
        help="Live sources: where windows come too fast, drop and count all but the "
        "newest; or recognise each, and let the source wait.  [default: --latest for "
        "camera, rtsp and udp]",
    ),
    click.option(
        "--open-timeout",
        type=FiniteRange(0, min_open=True),
        default=10.0,
        show_default=True,
        help="Live sources: seconds until the first frame of a connection.",
    ),
    click.option(
        "--read-timeout",
        type=FiniteRange(0, min_open=True),
        default=10.0,
        show_default=True,
        help="Live sources: seconds without a frame after which a connection has stalled.",
    ),
    click.option(
        "--reconnect-delay",
        type=(FiniteRange(0), FiniteRange(0)),
        metavar="FIRST LONGEST",
        default=(0.5, 30.0),
        show_default=True,
        help="Live sources: seconds before a lost source is tried again; doubled each "
        "time up to the longest.",
    ),
    click.option(
        "--gone-after",
        type=FiniteRange(0),
        default=300.0,
        show_default=True,
        help="Live sources: seconds without a frame after which a lost source is given "
        "up; 0: at once.",
    ),
)
"""Options of live sources; `live_options_of` takes their values out of a command's."""
LIVE_ONLY = (
    "seconds",
    "latest",
    "open_timeout",
    "read_timeout",
    "reconnect_delay",
    "gone_after",
)
"""Names of these options."""


def live_options_of(options: Options) -> "LiveOptions":
    """Take the options of `LIVE` out of a command's."""
    from ..recognition.live.video import Patience  # here, because PyAV takes time
    from ..recognition.predict_live import LiveOptions

    first, longest = options.pop("reconnect_delay")
    return LiveOptions(
        seconds=options.pop("seconds"),
        latest=options.pop("latest"),
        patience=Patience(
            open=options.pop("open_timeout"),
            read=options.pop("read_timeout"),
            first_wait=first,
            longest_wait=longest,
            gone=options.pop("gone_after"),
        ),
    )
