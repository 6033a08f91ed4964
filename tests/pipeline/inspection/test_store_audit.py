"""Stores whose vectors give something away, or nothing: the audit says which."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pytest
import tiny_store
from click.testing import CliRunner
from tiny_store import seal_manifest, write_store

from pipeline.commands.cli import main
from pipeline.inspection.motion_statistics import (
    Run,
    field_statistics,
    known_statistics,
    on_cells,
)
from pipeline.inspection.observations import observe
from pipeline.inspection.store_audit import audit_store
from pipeline.store import Store
from pipeline.store.files import read_index, write_index


def encoded(
    frames: int, *, height: int, width: int, seed: int
) -> dict[str, np.ndarray]:
    """Smooth random motion; odd videos are of an encoder of half-pel blocks of 16 px."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / 32
    a, b = rng.normal(size=(2, frames - 1, 4, 1, 1))
    u, v = (
        3 * np.sin(w[:, 0] * rows + w[:, 1] * columns + w[:, 2] + w[:, 3])
        for w in (a, b)
    )
    flow = np.stack([u, v], axis=-1).astype(np.float32)
    mv = on_cells(flow)
    if seed % 2:
        mv = np.round(np.repeat(np.repeat(mv[:, ::2, ::2], 2, 1), 2, 2) * 2) / 2
        mv = mv[:, : height // 8, : width // 8]
    return {
        "rgb": np.zeros((frames, height, width, 3), np.uint8),
        "flow": flow,
        "mv": mv.astype(np.float32),
        "mv_valid": np.arange(frames - 1) % 12 != 11,
    }


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 videos of 4 classes, 12 groups and 2 codecs, which have left their trace."""
    folder = tmp_path_factory.mktemp("store") / "store"
    numbers = count()

    def arrays(frames: int, *, height: int, width: int, seed: int):
        """Arrays of the next video; they are asked for once per modality."""
        return encoded(frames, height=height, width=width, seed=next(numbers) % 48)

    names = [f"v{number:02d}" for number in range(48)]
    shards = [dict.fromkeys(names[first : first + 12], 14) for first in (0, 12, 24, 36)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_store, "arrays", arrays)
        write_store(folder, shards, modalities=("flow", "mv"), height=48, width=64)
    relabel(
        folder,
        lambda k: {
            "labels": (k // 2 % 4,),
            "group": f"g{k // 4}",
            "codec": ("mpeg4", "h264")[k % 2],
        },
    )
    return folder


def relabel(folder: Path, changes, classes=("a", "b", "c", "d")) -> None:
    records = [
        replace(record, segments=(), **changes(k))
        for k, record in enumerate(read_index(folder))
    ]
    write_index(folder, records)
    seal_manifest(folder, classes=list(classes), videos=len(records))


def test_an_encoder_planted_in_a_store_is_found(planted: Path) -> None:
    progress = []
    result = audit_store(planted, on_progress=lambda *counts: progress.append(counts))
    assert progress == [(k, 48) for k in range(1, 49)]
    rows = {(row.target, row.source): row for row in result.rows}
    assert len(rows) == 5 and not result.left_out
    trace = rows["codec family", "motion vectors"]
    assert trace.guess.accuracy > 0.95 and trace.guess.leaks
    assert trace.against_flow is not None and trace.against_flow.significant
    assert not rows["codec family", "flow"].guess.leaks
    assert not rows["class", "codec facts"].guess.leaks
    assert not rows["class", "motion vectors"].guess.leaks
    text = result.text()
    assert "they carry a trace of the encoder" in text
    assert "48 of 48 videos inspected" in text


def test_numbers_of_a_video_are_those_of_its_known_intervals(planted: Path) -> None:
    made = encoded(14, height=48, width=64, seed=0)
    known = made["mv_valid"]
    assert not known[11]
    made["mv"][11] = 99
    expected = field_statistics([Run(made["mv"], known)])
    assert expected is not None
    seen = observe(Store(planted))
    assert seen.vectors is not None
    numbers = [*expected.values(), *known_statistics(known).values()]
    np.testing.assert_allclose(seen.vectors[0], numbers)


def test_a_sample_is_spread_over_classes_and_groups(planted: Path) -> None:
    seen = observe(Store(planted), sample=12)
    assert Counter(seen.labels.tolist()) == dict.fromkeys(range(4), 3)
    assert len(set(seen.groups)) >= 6


def test_the_same_store_gives_the_same_answer_as_json(planted: Path) -> None:
    answers = [
        CliRunner().invoke(main, ["audit", "--store", str(planted), "--json"])
        for _ in range(2)
    ]
    first, second = (answer.stdout for answer in answers)
    assert first == second
    found = json.loads(first)
    assert [row["target"] for row in found["rows"]] == ["class"] * 3 + [
        "codec family"
    ] * 2
    assert found["rows"][3]["against_flow"]["significant"] is True


def test_without_flow_its_rows_are_left_out(tmp_path: Path) -> None:
    store = write_store(
        tmp_path / "s", [{"a": 5, "b": 6, "c": 7, "d": 8}], modalities=("mv",)
    )
    answer = CliRunner().invoke(main, ["audit", "--store", str(store)])
    assert answer.exit_code == 0
    assert "left out: class from flow: no flow in the store" in answer.stdout
    assert (
        "left out: codec family from motion vectors: all sources are" in answer.stdout
    )


def test_an_unfinished_store_says_so(finished: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(finished, store)
    (store / "manifest.json").unlink()
    answer = CliRunner().invoke(main, ["audit", "--store", str(store)])
    assert answer.exit_code == 0
    assert answer.stdout.count("the store is not finished") == 5


def test_the_source_of_the_vectors_is_named(finished: Path) -> None:
    result = audit_store(finished)
    assert result.mv_source == "canonical"
    assert "folder, canonical motion vectors; 12 of 12 videos" in result.text()


def test_damaged_rows_are_named_and_the_others_measured(
    planted: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(planted, store)
    with h5py.File(store / "flow-00000.h5", "a") as file:
        file["data"][30] ^= 255  # of the first row
    answer = CliRunner().invoke(main, ["audit", "--store", str(store)])
    assert answer.exit_code == 0
    assert answer.stdout.count("could not be read: v00: ") == 1
    assert "47 of 48 videos inspected" in answer.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected --dataset or --store, got neither"),
        (["--store", ".", "--seed", "3"], "expected --store alone, got --seed as well"),
        (
            ["--store", "."],
            "expected a store (manifest.json), got a folder of something else",
        ),
        (["--store", "nowhere"], "'nowhere' does not exist"),
        (["--store", ".", "--sample", "0"], "0 is not in the range x>=1"),
    ],
)
def test_bad_input_ends_in_one_line(words, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(main, ["audit", *words])
    assert answer.exit_code != 0
    assert message in answer.output.splitlines()[-1]
