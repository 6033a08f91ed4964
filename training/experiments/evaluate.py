"""A trained network -> how often it is right, and how sure that is."""

from dataclasses import replace

from motion_shards.plain_text import counted, error_text
from pipeline.store import Store

from ..data.dataset import Clips, frames_of
from ..data.splits import SplitParts, split_parts
from ..errors import DataError, RunError
from ..run_files.fields import recorded
from ..run_files.json_dataclasses import to_json
from ..run_files.names import CROPS, LEARNED_FROM, RECIPE, SCORES
from ..run_files.reading import read_json
from ..run_files.results import (
    EvaluatedStore,
    EvaluatedVideos,
    Evaluation,
)
from ..run_files.run_config import SplitName
from ..run_files.writing import write_json
from ..runs.assessment import assessment, used_videos
from ..runs.machine import Machine, place_on_device
from ..runs.progress import ProgressReporter
from ..runs.record import Run
from ..runs.trained import clip_of, trained_model
from ..scoring.clip_protocol import ClipProtocol, Crops
from ..scoring.protocols import Scorer
from .other_store import evaluation_path, is_own, other_store


def evaluate(
    run: Run,
    *,
    store: Store,
    part: str = "test",
    crops: Crops | None = None,
    machine: Machine,
    reporter: ProgressReporter,
) -> Evaluation:
    """Evaluate a complete run again by its recipe's protocol, on its own store or another.

    Writes evaluation_<part>.json and the scores; for another store, a file named after it
    in the run's folder `evaluations`, so that the run's own results stay.

    Args:
        part: "test" or "held_out".
        crops: other than the recipe's; its scores and evaluation have files of their own.

    Raises:
        RunError: the run is not complete, or another store has classes it does not know,
            or is asked for its held-out part.
        DataError: the store lacks the modality, or has no video to evaluate on.
    """
    model, config = trained_model(run)
    protocol = run_protocol(run)
    usual = crops is None or crops == protocol.crops
    if crops is not None:
        protocol = replace(protocol, crops=crops)
    prefix = "" if usual else CROPS.format(crops=crops)
    of_run, differ, judged_store = run.config(), None, None
    split: SplitName = of_run.split
    about: EvaluatedVideos
    if is_own(run, store):
        modalities: list[str] = list(of_run.modalities)
        parts = split_parts(
            store, split=split.name, modalities=modalities, held_out=0.0
        )
        parts = unlearned_held_out(parts, run)
        videos = {"held_out": parts.held_out, "test": parts.test}[part]
        about = used_videos(parts)
        path = run.path(f"{prefix}evaluation_{part}.json")
        of_scores = run.path(prefix + SCORES.format(part=part))
    elif part != "test":
        raise RunError(
            f"{store.folder}: expected --part test on another store than the run's own,"
            f" got {part}"
        )
    else:
        modalities = [config.sees]
        there = other_store(run, store, sees=config.sees)
        videos = there.videos
        path = evaluation_path(run, store, prefix=prefix)
        of_scores = path.with_suffix(".npz")
        split, about, differ = there.split, there.about, there.differ
        judged_store = EvaluatedStore(
            folder=str(store.folder), fingerprint=store.fingerprint
        )
        for line in there.differ:
            reporter.say(f"{store.folder}: differs from training: {line}")
    if not videos:
        raise DataError(f"{run.folder}: no video was held out")
    clip = clip_of(run)
    clips = Clips(frames_of(store, clip), videos, modalities, clip)
    reporter.say(
        f"{run.folder.name}: scoring {counted(len(clips), 'video')} ({part.replace('_', ' ')})"
    )
    classes = of_run.store.classes
    scorer = Scorer(
        clips,
        sees=config.sees,
        protocol=protocol,
        device=machine.device,
        precision=machine.precision,
        workers=machine.workers,
        inputs=machine.inputs,
        split=split.name,
        part=part,
        classes=classes,
    )
    scores = scorer(place_on_device(model, machine.device))
    evaluation = Evaluation(
        split=split,
        videos=about,
        differ=differ,
        store=judged_store,
        part=part,
        result=assessment(scores, classes),
    )
    try:
        with run.writing(reporter.say, wait=True):
            path.parent.mkdir(exist_ok=True)
            scores.save(of_scores)
            write_json(path, to_json(evaluation))
    except OSError as error:  # another user's run, a full disk: the result is valid
        reporter.say(f"not saved with the run: {error_text(error)}")
    return evaluation


def run_protocol(run: Run) -> ClipProtocol:
    """The evaluation protocol of a run's recipe."""
    where = f"{run.path(RECIPE)}: protocol"
    return recorded(ClipProtocol, run.setting("protocol"), where=where)


def unlearned_held_out(parts: SplitParts, run: Run) -> SplitParts:
    """Parts of which nothing is held out -> as the run held them out."""
    learned = set(read_json(run.path(LEARNED_FROM), [str]))
    results = run.results()
    used = results.videos if results else None
    return parts._replace(
        train=tuple(video for video in parts.train if video.id in learned),
        held_out=tuple(video for video in parts.train if video.id not in learned),
        held_out_rule=(used.held_out_rule if used else None) or "",
        held_out_by_video=used.held_out_by_video if used else (),
    )
