"""Whatever the test videos contain, what is learned stays the same, bit by bit."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_recipe as tiny
import torch
from moving_store import Made, videos, write_store
from tiny_runs import job_on, taught

from pipeline.store import Store, StoredVideo
from training.data.dataset import Clips
from training.data.frames import Frames
from training.data.splits import split_parts
from training.engine.optim import OptimConfig
from training.experiments.distill import distill
from training.experiments.teach import TeachRecipe
from training.run_files.names import WEIGHTS
from training.runs import lifecycle as whole
from training.runs.record import Run
from training.scoring.scores import Scores

CLOCKS = {"seconds", "waited", "clips_per_second"}
PLATEAU = OptimConfig(
    name="sgd", learning_rate=1.0, schedule="plateau", patience=0, gradient_clip=1.0
)


def poisoned_tests(made: Sequence[Made]) -> list[Made]:
    """Other pictures, motion, lengths and labels in the test part, and more videos."""
    more = [
        Made(id=f"zz{label}", label=label, group="zz", part="test", poisoned=True)
        for label in (0, 1)
    ]
    return [
        replace(v, poisoned=True, frames=11, labels=(1 - v.label,))
        if v.part == "test"
        else v
        for v in made
    ] + more


def store_of(folder: Path, made: Sequence[Made]) -> Store:
    return Store(write_store(folder, made))


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Store:
    return store_of(tmp_path_factory.mktemp("clean") / "moving", videos(8, 2))


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory) -> Store:
    made = poisoned_tests(videos(8, 2))
    return store_of(tmp_path_factory.mktemp("poisoned") / "moving", made)


@pytest.fixture(scope="module")
def recipe() -> TeachRecipe:
    """Everything that looks at other videos while it learns: rate and best epoch."""
    return replace(
        tiny.teach("flow"), optim=PLATEAU, epochs=4, select="best", held_out=0.3
    )


def distilled(store: Store, out: Path, teacher: Run, recipe: TeachRecipe) -> Run:
    course = {
        name: getattr(recipe, name)
        for name in ("optim", "epochs", "select", "held_out")
    }
    return distill(
        replace(tiny.distill("flow", "mv"), init="teacher", **course),
        job_on(store, out.parent, out=out),
        teacher=teacher,
    )


def learned(run: Run) -> dict[str, np.ndarray]:
    weights = torch.load(run.path(WEIGHTS), weights_only=True)
    return {name: value.numpy() for name, value in weights.items()}


def course_of(run: Run) -> list[dict]:
    """What was measured on the way, learning rates included, but no clocks."""
    return [
        {name: value for name, value in line.items() if name not in CLOCKS}
        for line in run.metrics()
    ]


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


@pytest.fixture(scope="module")
def pair(clean, poisoned, recipe, tmp_path_factory) -> tuple[Run, Run]:
    """The same teaching where the test videos are clean, and where they are poisoned."""
    folder = tmp_path_factory.mktemp("runs")
    first, second = (
        taught(store, folder / name, recipe=recipe)
        for name, store in (("clean", clean), ("poisoned", poisoned))
    )
    return first, second


def test_teaching_does_not_depend_on_test_videos(pair):
    first, second = pair
    assert same(learned(first), learned(second))
    assert course_of(first) == course_of(second)
    rates = {
        line["learning_rate"] for line in course_of(first) if "learning_rate" in line
    }
    assert len(rates) > 1, "the schedule never looked at the held-out part"
    held = [Scores.load(run.path("scores_held_out.npz")) for run in pair]
    assert held[0].ids == held[1].ids
    np.testing.assert_array_equal(held[0].logits, held[1].logits)
    tested = [Scores.load(run.path("scores_test.npz")) for run in pair]
    assert tested[0].logits.shape != tested[1].logits.shape
    assert not np.allclose(tested[0].logits[:2], tested[1].logits[:2])


def test_distilling_does_not_depend_on_test_videos(
    pair, clean, poisoned, recipe, tmp_path
):
    runs = [
        distilled(store, tmp_path / name, teacher, recipe)
        for name, store, teacher in zip(
            ("clean", "poisoned"), (clean, poisoned), pair, strict=True
        )
    ]
    assert same(learned(runs[0]), learned(runs[1]))
    assert course_of(runs[0]) == course_of(runs[1])


@pytest.mark.parametrize("part", ["train", "held_out"])
def test_but_it_does_on_the_others(pair, clean, recipe, tmp_path, part):
    """Else the tests above could not fail: the same poison, in one video elsewhere."""
    found = split_parts(clean, split="1", modalities=["flow"], held_out=recipe.held_out)
    victim = getattr(found, part)[0].id
    made = [replace(v, poisoned=v.id == victim) for v in videos(8, 2)]
    run = taught(store_of(tmp_path / "moving", made), tmp_path / "run", recipe=recipe)
    assert course_of(run) != course_of(pair[0])
    if part == "train":
        assert not same(learned(run), learned(pair[0]))


class Trained(Exception):
    """Training is over."""


def test_until_a_network_is_judged_nobody_opens_a_test_video(
    clean, recipe, tmp_path, monkeypatch
):
    """And clips to learn from are of the training part alone."""
    opened: set[str] = set()
    learned_from: set[str] = set()
    read, item = Frames.read, Clips.__getitem__

    def reading(self: Frames, video: StoredVideo, *rest, **options) -> np.ndarray:
        opened.add(video.id)
        return read(self, video, *rest, **options)

    def learning(self: Clips, place) -> dict:
        learned_from.add(self.videos[place.video].id)
        return item(self, place)

    def over(*args, **options) -> None:
        raise Trained

    monkeypatch.setattr(Frames, "read", reading)
    monkeypatch.setattr(Clips, "__getitem__", learning)
    monkeypatch.setattr(whole, "evaluate_parts", over)
    with pytest.raises(Trained):
        taught(clean, tmp_path / "run", recipe=recipe)
    found = split_parts(clean, split="1", modalities=["flow"], held_out=recipe.held_out)
    assert opened == ids_of(found.train + found.held_out)
    assert learned_from == ids_of(found.train)


def ids_of(videos: Sequence[StoredVideo]) -> set[str]:
    return {video.id for video in videos}


def random_store(rng: np.random.Generator) -> SimpleNamespace:
    """Groups of all sizes, videos of no, one or several classes, some without flow."""
    classes = tuple("abcd"[: rng.integers(1, 5)])
    made = []
    for group in range(rng.integers(3, 12)):
        part = "test" if rng.random() < 0.3 else "train"
        for clip in range(rng.integers(1, 5)):
            count = rng.choice([0, 1, 1, 1, min(2, len(classes))])
            labels = rng.choice(len(classes), count, replace=False)
            rows = {"mv": None} | ({"flow": None} if rng.random() < 0.9 else {})
            made.append(
                StoredVideo(
                    id=f"g{group}c{clip}",
                    path="",
                    size_bytes=0,
                    xxh3="",
                    labels=tuple(labels.tolist()),
                    class_names=(),
                    splits={"1": part} if rng.random() < 0.9 else {},
                    group=f"g{group}",
                    segments=(),
                    frames=int(rng.integers(1, 9)),
                    height=8,
                    width=8,
                    fps=25.0,
                    codec="",
                    clipped_share=None,
                    rows=rows,
                )
            )
    return SimpleNamespace(
        folder="store", classes=classes, modalities=("flow", "mv"), videos=lambda: made
    )


def swapped(store: SimpleNamespace) -> SimpleNamespace:
    """The same with other labels on the test videos."""
    made = [
        replace(v, labels=tuple(reversed(range(len(store.classes)))))
        if v.splits.get("1") == "test"
        else v
        for v in store.videos()
    ]
    return SimpleNamespace(**(vars(store) | {"videos": lambda: made}))


def test_parts_never_share_a_video_or_a_group():
    """Of random data sets. Who is held out follows from the training part alone."""
    rng, told = np.random.default_rng(0), 0
    for seed in range(300):
        store = random_store(rng)
        try:
            found = split_parts(store, split="1", modalities=["flow"], seed=seed)
        except ValueError:  # a part without a video: said, and nothing is trained
            continue
        told += 1
        train, held, test = (ids_of(part) for part in found[:3])
        assert not train & held and not train & test and not held & test
        assert all(v.splits["1"] == "train" and v.labels for v in found.train)
        assert all(v.splits["1"] == "train" and v.labels for v in found.held_out)
        assert all(v.splits["1"] == "test" for v in found.test)
        torn = {v.group for v in found.train} & {v.group for v in found.held_out}
        by_video = {store.classes.index(name) for name in found.held_out_by_video}
        for group in torn:
            of_group = [v for v in store.videos() if v.group == group]
            assert {label for v in of_group for label in v.labels} & by_video
        other = split_parts(swapped(store), split="1", modalities=["flow"], seed=seed)
        assert ids_of(other.train) == train and ids_of(other.held_out) == held
    assert told > 100
