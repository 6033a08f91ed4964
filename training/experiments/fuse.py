"""Trained networks -> one prediction: given, searched, learned or fitted weights.

Only scores are read, no video and no network: a fusion takes a moment. Weights are
searched, learned or fitted on held-out videos, never on training or test videos.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from motion_shards.plain_text import first_names
from pipeline.store import Json

from ..data.splits import NONE_ASKED, held_out_hint
from ..errors import RecipeError, RunError
from ..run_files.json_dataclasses import to_json
from ..run_files.names import LEARNED_FROM, RESULTS, SCORES
from ..run_files.reading import read_json
from ..run_files.results import Accuracy, FusionWeights, Results, StreamName
from ..run_files.run_config import FusedStream, RecipeSettings, RunConfig
from ..run_files.settings_json import as_json, differences
from ..run_files.writing import write_json
from ..runs.assessment import assessment
from ..runs.context import Job
from ..runs.lifecycle import open_run
from ..runs.record import Run
from ..scoring.fusion import AttentionConfig, fit_attention
from ..scoring.scores import Scores, for_fitting, together
from ..scoring.weighted_average import On, WeightedAverage, as_probabilities
from ..scoring.weighting import AdaptiveWeighting, searched_weights

How = Literal["average", "search", "attention", "adaptive"]
HOWS = ("average", "search", "attention", "adaptive")
PARTS = ("held_out", "test")

Combine = Callable[[Sequence[Scores]], np.ndarray]
"""Scores of the streams -> (V, K) scores of their fusion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseRecipe:
    """Settings of a fusion."""

    how: How = "average"
    on: On = "softmax"
    """The scores to weight; "clipped" are logits, below 0 set to 0 and divided by their sum.
    Learned and fitted weights are of softmax scores."""
    weights: tuple[float, ...] | None = None
    """Weights of an average; None: equal."""
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    adaptive: AdaptiveWeighting = field(default_factory=AdaptiveWeighting)

    def __post_init__(self) -> None:
        if self.how not in HOWS or self.on not in ("logits", "softmax", "clipped"):
            raise RecipeError(
                f"expected a fusion among {', '.join(HOWS)} on logits, softmax or clipped,"
                f" got {self.how} on {self.on}"
            )
        if self.weights is not None and self.how != "average":
            raise RecipeError(f"expected no weights with {self.how}, which finds them")
        for name, unused in (
            ("attention", AttentionConfig()),
            ("adaptive", AdaptiveWeighting()),
        ):
            if self.how != name and getattr(self, name) != unused:
                raise RecipeError(
                    f"expected settings of {name} with {name} only, got {self.how}"
                )
        if self.how in ("attention", "adaptive") and self.on != "softmax":
            raise RecipeError(f"expected {self.how} on softmax, got {self.on}")


def fuse(recipe: FuseRecipe, job: Job, *, streams: Sequence[Run]) -> Run:
    """Combine complete runs, evaluate the result, and complete its run.

    Its data set, split and seed are those of the streams.

    Args:
        streams: of the same data set, classes and split. A single run may have streams
            of its own, as one of collaborative learning has.

    Raises:
        RunError: they are not complete, or do not fit each other.
        RecipeError: weights for another number of streams.
    """
    parts = {part: stream_scores(streams, part) for part in PARTS}
    if parts["test"] is None:
        raise RunError(f"{streams[0].folder}: expected scores of the test part")
    count = len(parts["test"])
    if recipe.weights is not None and len(recipe.weights) != count:
        raise RecipeError(
            f"expected {count} weights, one for each stream, got {len(recipe.weights)}"
        )
    _require_distinct(streams)
    check_alike(streams)
    configs = [run.config() for run in streams]
    first, names = configs[0], [config.recipe.name for config in configs]
    config = RunConfig(
        kind="fuse",
        recipe=RecipeSettings(name=job.name, settings=as_json(recipe)),
        model=None,
        modalities=tuple(dict.fromkeys(m for one in configs for m in one.modalities)),
        store=first.store,
        split=first.split,
        seed=first.seed,
        precision=first.precision,
        streams=tuple(
            FusedStream(recipe=name, scores=_fingerprint(run))
            for name, run in zip(names, streams, strict=True)
        ),
    )
    store = streams[0].machine().store or ""
    with open_run(config, job, store=store, streams=streams) as run:
        if run.results() is not None:
            return run
        training = training_ids(streams)
        combine, found = fitted(
            recipe,
            parts["held_out"],
            count,
            training=training,
            seed=first.seed,
            rule=_rule_without_held_out(streams),
            say=job.reporter.say,
        )
        write_json(run.path(LEARNED_FROM), sorted(training))
        told: dict[str, Accuracy] = {}
        for part in PARTS:
            scores = parts[part]
            if scores is None:
                continue
            joined = fused_scores(combine(scores), scores[0], on=recipe.on)
            joined.save(run.path(SCORES.format(part=part)))
            told[part] = assessment(joined, joined.classes)
        of_first = streams[0].results()
        assert of_first is not None  # only complete runs get here
        run.finish(
            Results(
                what=f"{recipe.how} of {' and '.join(stream_names(streams))}",
                split=first.split,
                videos=of_first.videos,
                streams=tuple(
                    StreamName(run=one.folder.name, recipe=name)
                    for one, name in zip(streams, names, strict=True)
                ),
                fusion=found,
                held_out=told.get("held_out"),
                test=told.get("test"),
            )
        )
    return run


def stream_names(streams: Sequence[Run]) -> list[str]:
    """The streams' recipes, the same for all seeds; their folders if two share a recipe."""
    names = [run.config().recipe.name for run in streams]
    distinct = len(set(names)) == len(names)
    return names if distinct else [run.folder.name for run in streams]


def _rule_without_held_out(streams: Sequence[Run]) -> str | None:
    """The rule by which a stream has no held-out videos."""
    for results in (run.results() for run in streams):
        if results and not results.held_out and results.videos:
            return results.videos.held_out_rule
    return None


def _hint(rule: str | None) -> str:
    if rule in (None, NONE_ASKED):
        return "train the streams with --held-out 0.2"
    return held_out_hint(rule)


def fitted(
    recipe: FuseRecipe,
    held_out: Sequence[Scores] | None,
    count: int,
    *,
    training: Collection[str],
    seed: int,
    rule: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Combine, FusionWeights]:
    """A combination, and its weights.

    Args:
        held_out: scores of the streams on held-out videos.
        training: ids of videos that a stream has learned from.
        rule: by which a stream has no held-out videos, if one has none.
        say: takes one line about classes that have no held-out video.

    Raises:
        RunError: there are no scores to fit on, or they are of the test part.
        DataError: they are of training videos.
    """
    if recipe.how == "average":
        average = WeightedAverage(
            weights=recipe.weights or (1.0,) * count, on=recipe.on
        )
        return average, FusionWeights(weights=_shares(average.weights))
    if held_out is None:
        raise RunError(
            f"expected held-out videos to find the weights of a fusion by {recipe.how},"
            f" but a stream has none: {_hint(rule)}"
        )
    known = [for_fitting(one).labelled for one in held_out]
    count = len(known[0])
    if recipe.how == "search":
        searched = searched_weights(known, training=training, on=recipe.on)
        weights = _shares(searched.average.weights)
        return searched.average, FusionWeights(videos=count, weights=weights)
    if recipe.how == "attention":
        attention = fit_attention(
            known, training=training, config=recipe.attention, seed=seed
        )
        return attention.fuse, FusionWeights(videos=count)
    adapted = recipe.adaptive.fit(known, training=training)
    without = [known[0].classes[number] for number in adapted.without_videos]
    if without:
        say(
            f"adaptive weights: {len(without)} of {len(known[0].classes)} classes have no"
            " held-out video, so their streams get equal weights:"
            f" {first_names(without, count=True)}"
        )
    names = {
        name: tuple(weights)
        for name, weights in zip(
            known[0].classes, adapted.weights.tolist(), strict=True
        )
    }
    return adapted.__call__, FusionWeights(videos=count, weights=names)


def training_ids(streams: Sequence[Run]) -> set[str]:
    """Videos that any of the streams has learned from."""
    found: set[str] = set()
    for run in streams:
        found.update(read_json(run.path(LEARNED_FROM), [str]))
    return found


def _require_distinct(streams: Sequence[Run]) -> None:
    """
    Raises:
        RunError: two streams are the same run.
    """
    seen = set()
    for run in streams:
        folder = run.folder.resolve()
        if folder in seen:
            raise RunError(f"{run.folder}: expected each run once, got it twice")
        seen.add(folder)


def stream_scores(streams: Sequence[Run], part: str) -> tuple[Scores, ...] | None:
    """Scores of each stream on the videos that all of them have.

    Returns:
        None where a stream has none of this part.

    Raises:
        RunError: a run is not complete, or they are of other classes or splits.
    """
    paths = []
    for run in streams:
        if run.results() is None:
            raise RunError(
                f"{run.folder}: expected a complete run, but it has no {RESULTS}"
            )
        own = sorted(run.folder.glob(f"{SCORES.format(part=part + '_*')}"))
        paths += (
            own if own and len(streams) == 1 else [run.path(SCORES.format(part=part))]
        )
    if not all(path.is_file() for path in paths):
        return None
    if len(paths) < 2:
        raise RunError(
            f"{streams[0].folder}: expected two streams or more to combine, got one"
        )
    return together(*(Scores.load(path) for path in paths))


def check_alike(streams: Sequence[Run]) -> None:
    """Check that runs are of the same data set and split.

    Raises:
        RunError: they are not.
    """
    ours = _alike(streams[0])
    for run in streams[1:]:
        differ = differences(ours, _alike(run))
        if differ:
            raise RunError(
                f"{run.folder}: expected a run of the same classes and split as"
                f" {streams[0].folder}, but they differ in {differ[0]}"
            )


def _alike(run: Run) -> dict[str, Json]:
    config = run.config()
    return {"classes": list(config.store.classes), "split": to_json(config.split)}


def fused_scores(values: np.ndarray, like: Scores, *, on: On) -> Scores:
    """Scores of a fusion: probabilities from weighted logits, or logits from probabilities.

    Args:
        values: (V, K): logits, or probabilities of the classes.
    """
    probabilities = as_probabilities(values, on=on)
    logits = values if on == "logits" else np.log(np.maximum(probabilities, 1e-12))
    return Scores(
        ids=like.ids,
        labels=like.labels,
        logits=logits,
        softmax=probabilities,
        relevant=like.relevant,
        aggregate="logits" if on == "logits" else "softmax",
        classes=like.classes,
        split=like.split,
        part=like.part,
        groups=like.groups,
    )


def _shares(weights: Sequence[float]) -> tuple[float, ...]:
    return tuple(weight / sum(weights) for weight in weights)


def _fingerprint(run: Run) -> str:
    state = hashlib.sha256()
    for path in sorted(run.folder.glob("scores_*.npz")):
        scores = Scores.load(path)
        state.update(repr((path.name, scores.ids)).encode("utf-8", "surrogateescape"))
        state.update(np.ascontiguousarray(scores.logits).tobytes())
        state.update(np.ascontiguousarray(scores.softmax).tobytes())
    return state.hexdigest()
