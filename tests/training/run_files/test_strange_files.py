"""Files of a run that are strange, by chance or by somebody's will, end in one line."""

import copy
import io
import json
import os
import resource
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_runs import hits, made_run, scores_of
from tiny_runs import distilled, taught

from pipeline.store import Store, StoreError
from training.engine.checkpoint import save_weights
from training.errors import RunError, TrainingError
from training.experiments.evaluate import evaluate
from training.models.weights import read_weights
from training.report.files import report_of
from training.report.read import read_evaluated_run
from training.report.text import results_text
from training.run_files.arrays import write_arrays
from training.run_files.reading import read_json
from training.run_files.sealed import seal
from training.run_files.shapes import COUNT, SHARE
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run
from training.runs.trained import trained_model
from training.scoring.scores import Scores

DEEP = "[" * 20_000 + "]" * 20_000
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**12,
    10**400,
    -(10**30),
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "flow",
    "x" * 5_000,
    "\x1b[2J\n\ud800",
    [],
    [[1], {"a": []}],
    {},
    {"is": "ClipConfig", "surprise": 1},
    [0] * 1_000,
)


@contextmanager
def limited(seconds: float, megabytes: int) -> Iterator[None]:
    """Fails where the block takes longer, or more memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    yield
    assert time.process_time() - started < seconds
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < megabytes * 1024


def refused_or_read(read: Callable[[], object]) -> bool:
    """Whether it was refused, in one line."""
    try:
        read()
    except (TrainingError, StoreError) as error:
        assert str(error) and "\n" not in str(error).strip(), error
        return True
    return False


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside a JSON value."""
    found = []
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(inner):
        found.append((value, key))
        if isinstance(one, (dict, list)):
            found += places(one)
    return found


def mutated(text: str, rng: np.random.Generator) -> str:
    """JSON with one to three changes, mostly still JSON."""
    value = json.loads(text)
    value.pop("checksum", None) if isinstance(value, dict) else None
    for _ in range(int(rng.integers(1, 4))):
        container, key = (all_of := places(value))[int(rng.integers(len(all_of)))]
        how = rng.integers(6)
        if how == 0:
            del container[key]
        elif how == 1 and isinstance(container, dict):
            container[f"{key}?"] = container.pop(key)
        elif how == 2:
            container[key] = copy.deepcopy(value)
        else:
            container[key] = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])
    changed = json.dumps(value)
    how = rng.integers(12)
    if how == 0:
        return changed[: int(rng.integers(len(changed)))]
    if how == 1:
        place = int(rng.integers(len(changed)))
        return changed[:place] + DEEP + changed[place + 1 :]
    return changed


@pytest.fixture
def run(teacher, tmp_path) -> Run:
    return Run(shutil.copytree(teacher.folder, tmp_path / "run"))


def judge(run: Run, store: Store) -> None:
    evaluate(run, store=store, machine=Machine(), reporter=SilentReporter())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "times", "most"),
    [("recipe.json", 130, 4), ("results.json", 130, 4), ("learned_from.json", 40, 3)],
)
def test_changed_json_of_a_run(name, times, most, run, store, tmp_path):
    rng = np.random.default_rng(1)
    path = run.path(name)
    text = path.read_text()
    reads = [
        lambda: results_text(run.results(), title="run"),
        lambda: report_of([run.folder], tmp_path / "report"),
        lambda: judge(run, store),
        lambda: distilled(store, tmp_path / "runs", teacher_runs=[run.folder]),
    ]
    refused = 0
    with limited(60, 600):
        for number in range(times):
            path.write_text(mutated(text, rng), errors="surrogatepass")
            # the dearer the reading, the rarer
            deep = 4 if number % 30 == 0 else 3 if number % 8 == 0 else 2
            for read in reads[: min(deep, most)]:
                refused += refused_or_read(read)
    assert refused > 3


def test_changed_lines_of_a_record(run):
    rng = np.random.default_rng(2)
    path = run.path("metrics.jsonl")
    lines = path.read_text().splitlines()
    refused = 0
    with limited(20, 300):
        for _ in range(60):
            place = int(rng.integers(len(lines)))
            changed = [*lines]
            changed[place] = mutated(lines[place], rng)
            path.write_text("\n".join(changed) + "\n", errors="surrogatepass")
            refused += refused_or_read(run.metrics)
            refused += refused_or_read(lambda: run.forget_after(1, 0))
    assert refused > 20


def test_changed_json_of_a_reproduction(tmp_path):
    made = made_run(tmp_path / "runs" / "a", "fts_small", hits(0.7, 0))
    told = {
        "paper": "fts",
        "size": "small",
        "seeds": [0],
        "store": "demo",
        "split": "1",
        "recipe_of": {"fts": "fts_small"},
        "not_run": {"rgb": "no store"},
        "runs": {"fts_small/0": str(made)},
        "seconds": {"fts_small/0": 1.5},
        "total": 2,
        "done": 1,
        "command": "training reproduce",
        "speeds": {
            "device": "cpu",
            "batch_size": 1,
            "rows": [
                {
                    "system": "fts",
                    "per_second": 1.0,
                    "parameters": 2,
                    "multiply_adds": 3,
                }
            ],
            "reading": {
                "flow": {"frames_per_second": 2.0, "device": "cpu", "how": "bench"}
            },
            "systems": [{"system": "fts", "total": 1.0, "stages": {"flow": 2.0}}],
        },
    }
    out = tmp_path / "out"
    out.mkdir()
    path = out / "reproduction.json"
    path.write_text(json.dumps(told))
    report_of([out], out)
    rng = np.random.default_rng(3)
    refused = 0
    with limited(60, 300):
        for _ in range(100):
            path.write_text(mutated(json.dumps(told), rng), errors="surrogatepass")
            refused += refused_or_read(lambda: report_of([out], out))
    assert refused > 40


def strange_weights(weights: dict[str, torch.Tensor]) -> Iterator[Any]:
    """State dicts that a file of weights should not have, sealed as they may be."""
    for name in list(weights)[::20]:
        tensor = weights[name]
        strange = [
            torch.zeros(1).expand(tensor.shape),
            torch.zeros(1).expand(1 << 40),
            torch.zeros(1 << 10).as_strided((1 << 20, 1 << 20), (0, 0)),
            torch.sparse_coo_tensor(
                torch.zeros(max(tensor.dim(), 1), 0),
                [],
                tensor.shape or (1,),
                check_invariants=False,
            ),
            tensor.to(torch.complex64),
            tensor.to("meta"),
            tensor.double(),
            tensor.bool(),
            torch.full(tensor.shape, float("nan")),
            torch.zeros(*tensor.shape, 1),
            torch.zeros(0),
            None,
            {"a": tensor},
            3.5,
        ]
        for one in strange:
            yield weights | {name: one}
        yield {key: value for key, value in weights.items() if key != name}
        yield weights | {7: tensor}
        yield weights | {f"{name}.more": tensor}
    yield from (None, [], 3, {}, [weights], {"a": {"b": weights}}, torch.zeros(3))


def test_strange_weights(run):
    weights = read_weights(run.path("model.pt"))
    results = run.results()
    count = 0
    with limited(60, 600):
        for state in strange_weights(weights):
            save_weights(run.path("model.pt"), state)
            run.finish(results)  # whoever made the file made the results, too
            assert refused_or_read(lambda: trained_model(run)), state
            count += 1
    assert count > 40
    save_weights(run.path("model.pt"), weights)
    run.finish(results)
    trained_model(run)


def test_strange_scores(tmp_path):
    path = tmp_path / "scores_test.npz"
    scores_of([True, False, True]).save(path)
    Scores.load(path)
    with np.load(path) as file:
        good = {name: file[name] for name in file.files}
    strange = [
        {"labels": good["labels"].astype(np.float64)},
        {"labels": good["labels"] + 7},
        {"labels": good["labels"] - 2},
        {"logits": good["logits"].astype(np.float32)},
        {"logits": good["logits"].astype("c16")},
        {"logits": good["logits"] * np.nan},
        {"logits": good["logits"][:1]},
        {"softmax": good["softmax"].ravel()},
        {"softmax": np.array(None, object)},
        {"ids": np.array(["a", "a", "b"])},
        {"ids": np.arange(3)},
        {"classes": np.array(["a"])},
        {"part": np.array(["test", "test"])},
        {"aggregate": np.array("mean")},
        {"relevant": np.zeros((3, 3))},
        {"relevant": np.zeros((2, 3), bool)},
        {"split": np.array(b"1")},
    ]
    for one in strange:
        write_arrays(path, good | one)
        assert refused_or_read(lambda: Scores.load(path)), one
    for name in good:
        write_arrays(path, {key: good[key] for key in good if key != name})
        assert refused_or_read(lambda: Scores.load(path)), name


def test_an_array_that_claims_more_than_it_has(tmp_path):
    """A header of petabytes over a few bytes is found before any is reserved."""
    path = tmp_path / "scores_test.npz"
    good = scores_of([True, False, True])
    header = np.lib.format.header_data_from_array_1_0(good.logits)
    for shape in ((1 << 40, 3), (3, 1 << 60), (-3, -3), (1 << 62, 1 << 62)):
        good.save(path)
        with limited(5, 100):
            _forge(path, "logits.npy", header | {"shape": shape})
            assert refused_or_read(lambda: Scores.load(path)), shape


def _forge(path: Path, member: str, header: dict[str, Any]) -> None:
    """Replace the header of an array in an archive, and seal it again."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    data, forged = io.BytesIO(content[member]), io.BytesIO()
    np.lib.format.read_magic(data)
    np.lib.format.read_array_header_1_0(data)
    np.lib.format.write_array_header_1_0(forged, header)
    content[member] = forged.getvalue() + data.read()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, value in content.items():
            archive.writestr(name, value)
    seal(packed)
    path.write_bytes(packed.getvalue())


def test_small_files_that_are_no_files(tmp_path):
    path = tmp_path / "recipe.json"
    os.mkfifo(path)
    assert refused_or_read(lambda: read_json(path))
    path.unlink()
    path.mkdir()
    assert refused_or_read(lambda: read_json(path))
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with limited(2, 100), pytest.raises(RunError, match="expected at most 64 MB, got"):
        read_json(path)


def test_a_run_whose_json_is_deep_or_empty_is_told_by_every_command(store, run):
    for name in ("recipe.json", "results.json"):
        kept = run.path(name).read_bytes()
        for text in ("", DEEP, "[]", '{"run": {}}', "\x00\x01"):
            run.path(name).write_text(text)
            for read in (
                lambda: judge(run, store),
                lambda: read_evaluated_run(run.folder),
                lambda: trained_model(run),
                lambda: taught(store, run.folder),
            ):
                assert refused_or_read(read), (name, text[:9])
        run.path(name).write_bytes(kept)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"top1": {"mean": 1.5}}, "top1.mean: expected a number from 0 to 1, got 1.5"),
        (
            {"top1": {"mean": -0.1}},
            "top1.mean: expected a number from 0 to 1, got -0.1",
        ),
        ({"top1": {"mean": float("nan")}}, "number from 0 to 1, got nan"),
        ({"top1": {"mean": True}}, "number from 0 to 1, got true"),
        ({"top1": {}}, "top1: expected mean in it, but it is missing"),
        ({"names": ["a", 3]}, r"names\[1\]: expected a text, got 3"),
        ({"names": {}}, "names: expected a list, got an object"),
        ({"count": 2.0}, "count: expected a whole number from 0 to .*, got 2.0"),
        ({"of": {"a": {"b": -1}}}, "of.a: expected null or a text, got an object"),
        ([], "expected an object, got a list"),
    ],
)
def test_what_is_wrong_in_json_is_named_with_its_place(tmp_path, value, line):
    shape = {
        "top1?": {"mean": SHARE},
        "names?": [str],
        "count?": COUNT,
        "of?": {str: (None, str)},
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps(value))
    with pytest.raises(RunError, match=f"results.json: .*{line}"):
        read_json(path, shape)
    path.write_text('{"top1": {"mean": 1}, "names": [], "count": 0, "of": {"a": null}}')
    read_json(path, shape)


@pytest.mark.parametrize(("levels", "fits"), [(64, True), (65, False), (900, False)])
def test_json_has_at_most_so_many_levels(tmp_path, levels, fits):
    path = tmp_path / "recipe.json"
    path.write_text("[" * levels + "]" * levels)
    if fits:
        read_json(path)
        return
    with pytest.raises(RunError, match="recipe.json: expected at most 64 levels"):
        read_json(path)
