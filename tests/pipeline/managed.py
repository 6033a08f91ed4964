"""Helpers of the tests of stores that are made of others."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from pipeline.driver import publish
from pipeline.store import Store

ARRAYS = ("rgb", "flow", "mv", "mv_valid")


def require_same_video(
    new: Store, name: str, old: Store, was: str, arrays: tuple[str, ...] = ARRAYS
) -> None:
    """Every array of a video, its times, and what was found out about its file."""
    for array in arrays:
        np.testing.assert_array_equal(new.read(name, array), old.read(was, array))
    np.testing.assert_array_equal(new.seconds(name), old.seconds(was))
    np.testing.assert_array_equal(new.picture_types(name), old.picture_types(was))
    facts, before = new.video(name).facts(), old.video(was).facts()
    assert {**facts, "id": was, "path": before["path"]} == before
    if "mv" in arrays:
        assert new.video(name).known_share == old.video(was).known_share
    if "flow" in arrays:
        assert new.video(name).clipped_share == old.video(was).clipped_share


def shard_files(store: Path, start: str = "") -> Mapping[str, bytes]:
    """Name -> content of the shard files that begin so."""
    return {path.name: path.read_bytes() for path in store.glob(f"{start}*.h5")}


def killed_at(file: int, call: Callable[[], object]) -> None:
    """Run a call in a process of its own that dies before it publishes a file.

    Args:
        file: how many it publishes before.
    """
    child = os.fork()
    if child == 0:
        try:
            count = 0

            publish_file = publish.publish_file

            def dying(*args: object) -> None:
                nonlocal count
                if count == file:
                    os._exit(9)
                count += 1
                publish_file(*args)  # type: ignore[arg-type]

            publish.publish_file = dying
            call()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    """The message of an error, which has one line."""
    text = str(error.value)
    assert text and "\n" not in text
    return text
