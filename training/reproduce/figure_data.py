"""Arrays for the figures of the report, from networks and from the store."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.store import CELL_PX, Store, StoredVideo, motion_colours

from ..data.transforms import grid_size
from ..models.motion_backbone import MotionConfig, build_estimator
from ..models.weights import first_layer, load_exactly, read_weights
from ..run_files.arrays import write_arrays
from ..run_files.names import FIGURES
from ..runs.machine import Machine
from ..runs.record import Run
from ..runs.trained import clip_of, trained_model

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
            across, down = first_filters(runs[name])
            arrays |= {f"filters_{name}": across, f"filters_{name}_down": down}
    split = next(iter(runs.values())).config().split.name
    arrays |= motion_examples(store, split, network=runs.get("motionnet"))
    write_arrays(out / FIGURES, arrays)


def first_filters(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The first layer's weights for u and for v of the middle field, (outputs, h, w) each."""
    model, config = trained_model(run)
    name = first_layer(model)
    assert name is not None  # every backbone begins with a convolution
    weight = dict(model.named_parameters())[name].detach()
    across = 2 * (config.frames // 2)
    u, v = weight[:, across], weight[:, across + 1]
    return u.numpy().astype(np.float32), v.numpy().astype(np.float32)


def motion_examples(
    store: Store, split: str, *, network: Run | None = None
) -> dict[str, np.ndarray]:
    """Three frames in the middle of some test videos, and all that is known between them.

    Args:
        network: a complete run of a motion network.

    Returns:
        "example_frame", "example_next", "example_third"; "example_flow" and others of the
        first two frames, and "example_flow_next" of the last two: (EXAMPLES, H, W, 3)
        uint8, for what the store has; videos of one size.
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
        middle = min(video.frames // 2, video.frames - 3)
        three = store.read(video.id, "rgb", start=middle, stop=middle + 3)
        for key, frame in zip(("frame", "next", "third"), three, strict=True):
            columns.setdefault(key, []).append(frame)
        fields = {"layer": layer_flow(three[:2]), "layer_next": layer_flow(three[1:])}
        for modality in ("flow", "mv"):
            if modality in store.modalities:
                both = store.read(video.id, modality, start=middle, stop=middle + 2)
                fields[modality] = _on_pixels(both[0], three.shape[1:3])
                fields[f"{modality}_next"] = _on_pixels(both[1], three.shape[1:3])
        if network is not None:
            found = network_flow(network, store, video, middle)
            if found is not None:
                fields["motionnet"] = found
        lengths = np.hypot(*np.moveaxis(fields.get("flow", fields["layer"]), -1, 0))
        strongest = max(float(np.percentile(lengths, 99)), 0.5)
        for key, field in fields.items():
            columns.setdefault(key, []).append(
                motion_colours(field, bound_px=strongest)
            )
    return {
        f"example_{key}": np.stack(value)
        for key, value in columns.items()
        if len(value) == len(chosen)
    }


def network_flow(
    run: Run, store: Store, video: StoredVideo, start: int
) -> np.ndarray | None:
    """The flow of a motion network after a frame, over the whole frame.

    Args:
        run: a complete run of `training motion`.
        start: the frame. The network takes the frames around it.

    Returns:
        (H, W, 2) px of the stored grid; None where the video is shorter than its clips.
    """
    clip, model = clip_of(run), run.config().model or {}
    if video.frames < clip.span:
        return None
    first = min(max(start - clip.span // 2, 0), video.frames - clip.span)
    place = (start - first) // clip.stride
    motion = MotionConfig(estimator=str(model["estimator"]), frames=clip.length)
    estimator = build_estimator(motion).eval()
    path = run.weights()
    load_exactly(estimator, read_weights(path), what=str(path))
    seen = store.read(video.id, "rgb", start=first, stop=first + clip.span)
    frames = torch.from_numpy(seen[:: clip.stride].astype(np.float32) / 255)
    size = grid_size(video.height, video.width, clip.grid_short_px)
    frames = F.interpolate(frames.permute(0, 3, 1, 2), size, mode="area")
    with torch.no_grad():
        flow = estimator(frames.transpose(0, 1)[None])[0, :, place]
    stored = (video.height, video.width)
    whole = F.interpolate(flow[None], stored, mode="bilinear")[0]
    pixels = min(stored) / min(size)
    return (pixels * whole).permute(1, 2, 0).numpy()


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
