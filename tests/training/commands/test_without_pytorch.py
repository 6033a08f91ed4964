"""Commands where no extra is installed: what works, and the line of what does not."""

import json

import click
from without_extras import ended

import pipeline.commands.cli
import training.commands.cli

MAIN = {
    "pipeline": pipeline.commands.cli.main,
    "training": training.commands.cli.main,
}


def helps(command: click.Command, *words: str) -> list[list[str]]:
    found = [[*words, "--help"]]
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            found += helps(inner, *words, name)
    return found


def test_help_and_the_list_of_recipes_are_there():
    lines = [line for name, main in MAIN.items() for line in helps(main, name)]
    *shown, recipes = ended(*lines, ["training", "recipes"])
    assert len(shown) > 30
    assert all(code == 0 and "Usage: " in out for code, out, _ in shown)
    assert "\ndtmv " in recipes[1]


def test_stores_and_runs_are_read(store, teacher, tmp_path):
    folder, run = str(store.folder), str(teacher.folder)
    info, runs, watch, report = ended(
        ["pipeline", "info", folder, "--json"],
        ["training", "runs", str(teacher.folder.parent), "--verify", "--json"],
        ["training", "watch", run, "--once"],
        ["training", "report", run, "--out", str(tmp_path)],
    )
    assert json.loads(info[1])["videos"] == 12
    (row,) = json.loads(runs[1])
    assert row["state"] == "complete"
    assert (watch[0], watch[2]) == (0, "") and "loss" in watch[1]
    assert report[0] == 0 and (tmp_path / "report.html").is_file()


def test_what_needs_pytorch_says_so_and_how_to_get_it(store, teacher, tmp_path):
    run = str(teacher.folder)
    lines = [
        ["teach", "--store", str(store.folder)],
        ["distill", "--store", str(store.folder)],
        ["evaluate", run],
        ["fuse", run, run],
        [
            "features",
            run,
            "--store",
            str(store.folder),
            "--out",
            str(tmp_path / "f.h5"),
        ],
        ["recipes", "dtmv"],
        ["reproduce", "dtmv"],
        ["sweep", "--recipe", "tiny", "--set", "epochs=1,2"],
        ["bench", "--store", str(store.folder)],
        ["export", run],
        ["ray-train", "--num-workers", "1", "--", "teach"],
    ]
    install = "pip install 'motion-shards[training]'"
    said = [(code, err) for code, _, err in ended(*(["training", *x] for x in lines))]
    assert said == [
        (1, f"Error: training {line[0]} needs PyTorch: {install}\n") for line in lines
    ]


def test_a_run_is_no_model_for_a_machine_without_pytorch(teacher, moving_video):
    run = str(teacher.folder)
    ((code, out, err),) = ended(["training", "predict", run, str(moving_video)])
    assert (code, out) == (1, "")
    assert err == (
        f"Error: {run}: this model needs PyTorch: pip install 'motion-shards[training]',"
        " or export it with --format onnx where PyTorch is\n"
    )
