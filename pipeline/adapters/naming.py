"""Name of a data set: the adapter's for known ones, the folder's for others."""

import os
from pathlib import Path

from motion_shards.choices import OFFICIAL_DATASETS

from .errors import DatasetError

OWN = ("folder", "list")
"""Adapters of data sets that the user brings."""
KNOWN = (*OFFICIAL_DATASETS, "demo")
"""Names that a data set of the user's cannot have."""


def dataset_name(
    adapter: str, *, videos: Path | None = None, called: str | None = None
) -> str:
    """The name under which a data set is stored.

    A data set of `folder` or `list` is called after the folder of its videos, or like its
    adapter where no folder was given. A folder called like a known data set gives
    `ucf101-folder`, as its splits are not the official ones.

    Args:
        adapter: as in `--dataset`.
        videos: the folder, if one was given.
        called: the name that the user wants.

    Raises:
        DatasetError: a name for a known data set, one of a known data set, or one that
            cannot be a folder.
    """
    if called is None:
        if adapter not in OWN or videos is None:
            return adapter
        folder = os.path.basename(os.path.abspath(videos)).lstrip(".")
        plain = "".join(each if each.isprintable() else "_" for each in folder)
        return f"{plain}-{adapter}" if plain.lower() in KNOWN else plain or adapter
    if adapter not in OWN:
        raise DatasetError(
            f"--name: expected a data set of your own (--dataset {' or '.join(OWN)}),"
            f" got {adapter}"
        )
    if called.lower() in KNOWN:
        raise DatasetError(
            f"--name: expected another name than those of known data sets, got {called}"
        )
    strange = {"/", "\\", "\0"} & set(called) or not called.isprintable()
    if strange or not called.strip() or called[0] in ".-" or len(called) > 200:
        raise DatasetError(f"--name: expected a name for a folder, got {called!r}")
    return called
