"""A trained network and a store -> features of clips at one of its layers."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from motion_shards.choices import MOTION
from motion_shards.near import near
from motion_shards.plain_text import counted, first_line
from pipeline.store import Store, StoredVideo

from ..data.clip_config import ClipConfig
from ..data.dataset import Clips, frames_of
from ..data.splits import available_entries, require_modalities, resolve_split, unusable
from ..engine.signals import stop_on_signal
from ..errors import DataError, RecipeError, RunError
from ..models.backbones import BackboneConfig, check_clip, clip_shape, net_named
from ..models.taps import tap as tapped
from ..run_files.names import WEIGHTS
from ..run_files.reading import read_json
from ..run_files.settings_json import as_json, differences
from ..run_files.writing import write_json
from ..runs.autosave import Autosave
from ..runs.machine import Machine, place_on_device
from ..runs.progress import ProgressReporter
from ..runs.record import Run
from ..runs.trained import clip_of, trained_model
from ..scoring.clip_protocol import ClipProtocol, Crops
from ..scoring.protocols import Scorer
from .feature_file import VideoClips, check_suffix, settings_of, write_features
from .feature_rows import rows_on_disk

PARTIAL, SETTINGS, NAME = "{name}.partial", "settings.json", "clips"
SAVE_SECONDS = 10.0
"""Seconds of work that a kill may cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows(ClipProtocol):
    """Clips whose starts lie `hop` frames apart, as long as whole clips fit."""

    hop: int

    def starts(self, available: int, clip_span: int) -> np.ndarray:
        """First entries of the clips of a video: 0 alone where it is shorter than one."""
        return np.arange(0, max(available - clip_span, 0) + 1, self.hop)


class Extracted(NamedTuple):
    """The contents of a file of features, in numbers."""

    out: Path
    videos: int
    clips: int
    dimension: int
    tap: str
    left_out: dict[str, str]
    """Video -> reason."""


def extract_features(
    run: Run,
    store: Store,
    out: Path,
    *,
    part: str = "all",
    split: str | None = None,
    tap: str | None = None,
    clip_length: int | None = None,
    hop: int | None = None,
    crops: Crops = 1,
    machine: Machine,
    reporter: ProgressReporter,
) -> Extracted:
    """Write the features of all clips of some videos to a file; see `feature_file`.

    What is done so far lies in a folder next to `out`, and is removed at the end: after
    an interruption of any kind, the same call resumes.

    Args:
        run: a complete run of one network.
        store: its own or any other with the modality that the network sees.
        out: a file, HDF5 or npz by its name.
        part: "train" (with the held-out part), "test", or "all" videos of the store.
        split: None is that of the run, where the store has one of this name.
        tap: a submodule of the network, of whose output the mean over space and time is
            taken; None is the last one before the classifier.
        clip_length: entries of a clip; None is that of the run.
        hop: frames between the starts of two clips; None: no gap and no overlap.
        crops: of each clip, whose features are averaged.

    Raises:
        RunError: the run is not complete or is no single network, or `out` has other
            features, or is something else.
        DataError: the store lacks the modality, or no video is left.
        RecipeError: the network has no such tap, or takes no such clips.
        FolderHeld: another process writes this file.
        Interrupted: a signal came; the same call resumes.
        WriteError: the file cannot be written.
    """
    check_suffix(out)
    model, config = trained_model(run)
    place_on_device(model, machine.device)
    clip = _clip(run, config, clip_length)
    tap = tap or _usual_tap(config)
    dimension = dimension_of_tap(model, tap, config, clip, machine.device)
    hop = clip.span if hop is None else hop
    chosen = _split(run, store, part, split)
    videos, left_out = _videos(store, chosen, part, config.sees)
    settings = {
        "format": 1,
        "recipe": run.config().recipe.name,
        "weights": (_results(run).files or {})[WEIGHTS],
        "sees": config.sees,
        "tap": tap,
        "clip": as_json(clip),
        "hop": hop,
        "crops": crops,
        "store": store.fingerprint,
        "split": chosen,
        "part": part,
    }
    protocol = Windows(hop=hop, crops=crops)
    clips = [_clips_of(store, v, config, clip, protocol, chosen) for v in videos]
    total = sum(len(one.start) for one in clips)
    found = Extracted(out, len(videos), total, dimension, tap, left_out)
    partial = out.with_name(PARTIAL.format(name=out.name))
    if out.exists():
        _check_same(out, settings_of(out), settings)
        shutil.rmtree(partial, ignore_errors=True)  # a kill may have left it
        reporter.say(f"{out}: complete, nothing to do")
        return found
    folder = Run(partial)
    with folder.writing(reporter.say), stop_on_signal() as stop:
        about = folder.path(SETTINGS)
        if about.is_file():
            _check_same(partial, read_json(about, dict), settings)
        write_json(about, settings)
        scorer = Scorer(
            Clips(frames_of(store, clip), videos, [config.sees], clip),
            sees=config.sees,
            protocol=protocol,
            device=machine.device,
            precision=machine.precision,
            workers=machine.workers,
            inputs=machine.inputs,
            classes=run.config().store.classes,
        )
        path = rows_on_disk(
            partial,
            NAME,
            scorer,
            model,
            tap,
            Autosave(stop, out, seconds=min(SAVE_SECONDS, machine.checkpoint_seconds)),
            reporter,
            title=f"{run.folder.name}: features of {counted(total, 'clip')} of"
            f" {counted(len(videos), 'video')} at {tap}",
        )
        rows = np.memmap(path, np.float32, "r", shape=(total, dimension))
        write_features(out, clips, rows, classes=store.classes, settings=settings)
    shutil.rmtree(partial)
    return found


def _results(run: Run) -> Any:
    results = run.results()
    assert results is not None  # `trained_model` has checked it
    return results


def _clip(run: Run, config: BackboneConfig, length: int | None) -> ClipConfig:
    clip = clip_of(run)
    if length in (None, clip.length):
        return clip
    inside = "estimator" in (run.config().model or {})
    if net_named(config.net).dim == 2 or inside:
        raise RecipeError(
            f"{run.folder}: expected clips of {clip.length} entries, which is what"
            f" {config.net} takes, got {length}"
        )
    assert length is not None
    size, cells = clip.size_of(config.sees), clip.cells is not None
    check_clip(config, length, size, cells=cells)
    return replace(clip, length=length)


def _usual_tap(config: BackboneConfig) -> str:
    taps = net_named(config.net).taps
    if not taps:
        raise RecipeError(f"expected --tap, as {config.net} names no layers")
    return taps[-1]


def dimension_of_tap(
    model: nn.Module,
    tap: str,
    config: BackboneConfig,
    clip: ClipConfig,
    device: torch.device,
) -> int:
    """Numbers that a tap gives for a clip: of two clips of zeros.

    Raises:
        RecipeError: the network takes no such clips, or has no such tap, or its output has
            no row for each clip or no known axis of channels.
    """
    shape = (2, *clip_shape(config, clip.length, clip.size_of(config.sees)))
    try:
        with torch.no_grad(), tapped(model, tap) as features:
            model(torch.zeros(shape, device=device))
        found = features[tap]
    except AttributeError:
        known = [name for name, _ in model.named_modules() if name]
        raise RecipeError(
            f"expected a tap among the submodules of {config.net}, such as"
            f" {', '.join(net_named(config.net).taps)}, got {tap}{near(tap, known)}"
        ) from None
    except KeyError:
        raise RecipeError(f"expected a tap that {config.net} uses, got {tap}") from None
    except (RuntimeError, ValueError, AssertionError) as error:
        raise RecipeError(
            f"{config.net} takes no clips of {clip.length} entries: {first_line(error)}"
        ) from error
    if not isinstance(found, Tensor) or found.ndim < 2:
        raise RecipeError(f"expected a tap with features, got {tap}")
    if len(found) != 2:
        raise RecipeError(
            f"expected a tap with features of each clip, got {tap}, whose output is"
            f" {tuple(found.shape)} for two clips"
        )
    named = tap in net_named(config.net).taps
    if found.ndim > 2 and not named and _hides_channels(model, tap):
        raise RecipeError(
            f"expected a tap that has weights, as it shows which axis are channels in"
            f" {config.net}, got {tap}"
        )
    return found.shape[1]


def _hides_channels(model: nn.Module, tap: str) -> bool:
    """Whether nothing shows where a layer of a transformer has its channels."""
    module = model.get_submodule(tap)
    weightless = not any(True for _ in module.parameters())
    marked = hasattr(module, "_channels_last") or hasattr(module, "_prefix")
    attends = any(type(part) is nn.LayerNorm for part in model.modules())
    return weightless and attends and not marked


def _split(run: Run, store: Store, part: str, split: str | None) -> str:
    """The split by which videos are of a part; empty where the store has none."""
    own = run.config().split.name
    if split is None and own in store.splits:
        return own
    if split is None and part == "all" and "1" not in store.splits:
        return next(iter(store.splits), "") if len(store.splits) == 1 else ""
    return resolve_split(store, split)


def _videos(
    store: Store, split: str, part: str, sees: str
) -> tuple[list[StoredVideo], dict[str, str]]:
    require_modalities(store, [sees])
    videos, left_out = [], {}
    for video in store.videos():
        if part != "all" and video.splits.get(split) != part:
            continue
        reason = unusable(video, [sees], "test")
        if reason:
            left_out[video.id] = reason
        else:
            videos.append(video)
    if not videos:
        where = f"split {split} has no {part} video" if part != "all" else "no video"
        raise DataError(f"{store.folder}: {where} with {sees}")
    return videos, left_out


def _clips_of(
    store: Store,
    video: StoredVideo,
    config: BackboneConfig,
    clip: ClipConfig,
    protocol: Windows,
    split: str,
) -> VideoClips:
    available = available_entries(video, [config.sees])
    start = protocol.starts(available, clip.span)
    stop = np.minimum(start + clip.span, available) + (config.sees in MOTION)
    shown = store.seconds(video.id)
    seconds = np.stack([shown[start], shown[stop - 1]], axis=1)
    return VideoClips(video, video.splits.get(split, ""), start, stop, seconds)


def _check_same(path: Path, there: Any, wanted: dict[str, Any]) -> None:
    differ: Sequence[str] = differences(there, wanted)
    if differ:
        raise RunError(
            f"{path}: expected these features, but there and here differ in {differ[0]}:"
            " choose another --out, or remove it"
        )
