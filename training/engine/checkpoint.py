"""The state of a run in one file: complete or absent, and read without executing it."""

from pathlib import Path
from typing import Any

import torch

from pipeline.store import replacing

from ..errors import CheckpointError
from ..saved import read_saved

VERSION = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings and dictionaries of them, or nothing at all.

    The file gets its name after it is complete and on disk, so a killed process
    leaves the one before.
    """
    with replacing(path) as file:
        torch.save(state, file)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote.

    Raises:
        CheckpointError: the file is damaged, or something else.
    """
    state = read_saved(path, what="a checkpoint of a training")
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: expected a checkpoint of version {VERSION}, got"
            f" {state.get('version') if isinstance(state, dict) else type(state).__name__}"
        )
    return state


def random_state() -> dict[str, Any]:
    """The generators that networks draw from (dropout); clips have their own."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Go on drawing where a checkpoint stopped."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
