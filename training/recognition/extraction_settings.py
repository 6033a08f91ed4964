"""A model and the options of a caller -> settings of the extraction of its videos."""

from dataclasses import replace
from typing import Literal

from pipeline.extract.blocks import Solver
from pipeline.extract.settings import ExtractSettings

from ..errors import DataError
from .model import Model

MvSource = Literal["contract", "original", "canonical"]


def settings_of(
    model: Model, source: MvSource, *, drawn: bool = False
) -> ExtractSettings:
    """The settings of the extraction.

    Args:
        source: of motion vectors; "contract": as in the model's training.
        drawn: whether the vectors are also drawn, so that a model that sees none may be
            given a source.

    Raises:
        DataError: the settings of the model do not allow that source, or it sees no motion
            vectors, or it was trained on imported frames.
    """
    if model.settings.imported_frames:
        raise DataError(
            f"{model.folder}: expected a model of extracted videos, got one that was trained "
            "on imported frames: how these were made from videos is not recorded, so no "
            "video can be brought into the same form"
        )
    if source == "contract":
        return model.settings
    if "mv" not in model.sees:
        if drawn:
            return model.settings
        raise DataError(
            f"{model.folder}: expected a model that sees motion vectors for --mv-source"
            f" {source}, got one that sees {' and '.join(model.sees)}"
        )
    try:
        return replace(model.settings, mv_source=source)
    except ValueError as error:
        raise DataError(f"{model.folder}: {error}") from None


def solver_of(settings: ExtractSettings, backend: str) -> Solver | None:
    """A solver of optical flow where it is extracted; `backend` as of `flow_solver`."""
    if "flow" not in settings.modalities:
        return None
    from pipeline.flow.solver import flow_solver  # here: numba takes half a second

    return flow_solver(backend, profile=settings.flow_profile)
