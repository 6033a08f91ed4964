"""Arrays for the figures of the report, from networks and from the store."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from pipeline.store import CELL_PX, Store, motion_colours

from ..models.weights import first_layer
from ..run_files.arrays import write_arrays
from ..run_files.names import FIGURES
from ..runs.machine import Machine
from ..runs.record import Run
from ..runs.trained import trained_model

FILTERS = ("mv", "dtmv", "flow2d")
EXAMPLES = 3


def write_figures(
    out: Path, runs: Mapping[str, Run], store: Store, machine: Machine
) -> None:
    """Leave figures.npz: first-layer filters, and motion between frames of test videos.

    Args:
        runs: system -> a complete run.
    """
    arrays: dict[str, np.ndarray] = {}
    for name in FILTERS:
        if name in runs:
            arrays[f"filters_{name}"] = first_filters(runs[name])
    split = next(iter(runs.values())).config().split.name
    arrays |= motion_examples(store, split)
    write_arrays(out / FIGURES, arrays)


def first_filters(run: Run) -> np.ndarray:
    """(outputs, h, w): the first layer's weights for u of the middle field."""
    model, config = trained_model(run)
    name = first_layer(model)
    assert name is not None  # every backbone begins with a convolution
    weight = dict(model.named_parameters())[name].detach()
    return weight[:, 2 * (config.frames // 2)].numpy().astype(np.float32)


def motion_examples(store: Store, split: str) -> dict[str, np.ndarray]:
    """Two frames in the middle of some test videos, and all that is known between them.

    Returns:
        "example_frame", "example_next", "example_flow", ...: (EXAMPLES, H, W, 3) uint8,
        for what the store has; videos of one size.
    """
    videos = [
        v for v in store.videos() if v.splits.get(split) == "test" and v.frames > 2
    ]
    if not videos or "rgb" not in store.modalities:
        return {}
    same = [
        v for v in videos if (v.height, v.width) == (videos[0].height, videos[0].width)
    ]
    chosen = [same[i * len(same) // EXAMPLES] for i in range(min(EXAMPLES, len(same)))]
    columns: dict[str, list[np.ndarray]] = {}
    for video in chosen:
        middle = video.frames // 2
        pair = store.read(video.id, "rgb", start=middle, stop=middle + 2)
        columns.setdefault("frame", []).append(pair[0])
        columns.setdefault("next", []).append(pair[1])
        fields = {"layer": layer_flow(pair)}
        for modality, key in (("flow", "flow"), ("mv", "mv")):
            if modality in store.modalities:
                found = store.read(video.id, modality, start=middle, stop=middle + 1)[0]
                fields[key] = _on_pixels(found, pair.shape[1:3])
        lengths = np.hypot(*np.moveaxis(fields.get("flow", fields["layer"]), -1, 0))
        strongest = max(float(np.percentile(lengths, 99)), 0.5)
        for key, field in fields.items():
            columns.setdefault(key, []).append(
                motion_colours(field, bound_px=strongest)
            )
    return {f"example_{key}": np.stack(value) for key, value in columns.items()}


def layer_flow(pair: np.ndarray) -> np.ndarray:
    """(H, W, 2) px: what TV-L1 as a layer, FTSnet's module, finds between two frames."""
    from ..models.tvl1 import TVL1Flow

    frames = torch.from_numpy(pair.astype(np.float32) / 255).permute(3, 0, 1, 2)
    with torch.no_grad():
        flow = TVL1Flow()(frames[None])
    return flow[0, :, 0].permute(1, 2, 0).numpy()


def _on_pixels(field: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cells of CELL_PX px painted onto pixels; a field of pixels stays."""
    if field.shape[:2] == tuple(size):
        return field
    painted = field.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)
    return painted[: size[0], : size[1]]
