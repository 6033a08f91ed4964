"""Types of options, and options that several commands of `pipeline` share."""

from typing import Any

import click

from motion_shards.choices import DATASETS
from motion_shards.finite import FiniteRange
from motion_shards.store_address import LocalPath

ExistingFolder = LocalPath(exists=True, file_okay=False)
ExistingFile = LocalPath(exists=True, dir_okay=False)
AnyPath = LocalPath()


class CommaList(click.ParamType):
    """`a,b,c`, optionally held to a set of words."""

    name = "a,b,c"

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        self._words = words

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(n.strip() for n in value.split(",") if n.strip()))
        strange = [name for name in names if self._words and name not in self._words]
        if strange or not names:
            expected = f"some of {', '.join(self._words)}" if self._words else "names"
            self.fail(f"expected {expected}, got {value!r}", param, ctx)
        return names


def holdout(use: str) -> Any:
    """The option --holdout.

    Args:
        use: its use, in words: "for data without lists".
    """
    return click.option(
        "--holdout",
        type=FiniteRange(0, 1, min_open=True, max_open=True),
        help=f"Share of the groups of every class to test on in a random split, {use}.",
    )


HOLDOUT_SEED = click.option(
    "--seed", default=0, show_default=True, help="Random seed of --holdout."
)
RETRY_QUARANTINED = click.option(
    "--retry-quarantined",
    is_flag=True,
    help="Retry the quarantined videos of this store.",
)
JOBS = click.option(
    "--jobs", type=click.IntRange(1), help="Processes. [default: one per core]"
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
SUMMARY_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as JSON."
)


def dataset_options(command: Any, *, required: bool = True) -> Any:
    """The options that say which videos.

    Args:
        required: whether the command needs a data set.
    """
    for option in reversed(
        (
            click.option(
                "--dataset",
                type=click.Choice(DATASETS),
                required=required,
                help="Kind of the data set: how its folders and lists are read.",
            ),
            click.option(
                "--name",
                "called",
                metavar="NAME",
                help="Name of the data set and of its default store, for `folder` and "
                "`list`. [default: the name of the folder of videos]",
            ),
            click.option(
                "--videos",
                type=AnyPath,
                help="Folder of the unpacked videos, to which the paths of a list "
                "are relative. [default: $VIDEO_DATA/videos/NAME; NAME is the "
                "kind without --name]",
            ),
            click.option(
                "--splits",
                type=AnyPath,
                help="Folder of the train and test lists, or one list file. "
                "[default: $VIDEO_DATA/splits/NAME]",
            ),
            holdout("for data without official lists"),
            HOLDOUT_SEED,
            click.option(
                "--limit",
                type=click.IntRange(1),
                help="Maximum number of videos, spread over the classes. [default: "
                "all]",
            ),
            click.option(
                "--classes",
                multiple=True,
                metavar="CLASS,...",
                help="Comma-separated classes whose videos to use; may be "
                "repeated. A name that contains a comma stands alone or in "
                "double quotes. [default: all]",
            ),
        )
    ):
        command = option(command)
    return command


FLOW_PROFILE: dict[str, Any] = {
    "type": click.Choice(("default", "fast", "opencv")),
    "default": "default",
    "show_default": True,
    "help": "Accuracy of TV-L1. fast: twice as fast, less accurate; opencv: the "
    "iterations of OpenCV.",
}
"""Arguments of the option that chooses a profile of TV-L1."""
FLOW_BACKEND: dict[str, Any] = {
    "type": click.Choice(("auto", "cpu", "opencv", "cuda")),
    "default": "auto",
    "show_default": True,
    "help": "Back end of the optical flow. auto: a GPU if available, else the CPU; "
    "opencv: OpenCV's own code, slow.",
}
"""Arguments of the option that chooses a back end of TV-L1."""
