"""The options of outputs, on a command that has nothing else."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from training.commands.predict_outputs import OUTPUTS, outputs_of
from training.recognition.outputs.writing import Outputs


@click.command()
@click.argument("source")
@OUTPUTS
def command(source: str, **options: Any) -> None:
    """Print the outputs that were chosen."""
    outputs = outputs_of(options)
    assert options == {}
    click.echo(json.dumps([source, outputs.form, outputs.top, outputs.needs_windows]))
    CHOSEN.append(outputs)


CHOSEN: list[Outputs] = []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), ["table", 5, False]),
        (("--json", "--top", "2"), ["json", 2, False]),
        (("--csv",), ["csv", 5, False]),
        (("--srt", "x"), ["table", 5, True]),
        (("--vtt", "x.vtt"), ["table", 5, True]),
        (("--html", "x.html"), ["table", 5, True]),
        (("--annotate", "x.mp4"), ["table", 5, False]),
    ],
)
def test_options_become_outputs(words: tuple[str, ...], told: list[Any]) -> None:
    ended = CliRunner().invoke(command, ["a.mp4", *words])
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.output) == ["a.mp4", *told]


def test_every_path_reaches_its_output() -> None:
    words = [
        word
        for name in ("srt", "vtt", "annotate", "html")
        for word in (f"--{name}", f"to_{name}.html")
    ]
    assert CliRunner().invoke(command, ["a.mp4", *words]).exit_code == 0
    outputs = CHOSEN[-1]
    for name in ("srt", "vtt", "annotate", "html"):
        assert getattr(outputs, name) == Path(f"to_{name}.html")


@pytest.mark.parametrize("name", ["page", "page.txt"])
def test_a_page_has_the_name_of_one(name: str) -> None:
    ended = CliRunner().invoke(command, ["a.mp4", "--html", name])
    assert ended.exit_code == 2
    assert f"a name that ends in .html or .htm, got '{name}'" in ended.output


def test_two_texts_on_one_output_are_refused() -> None:
    ended = CliRunner().invoke(command, ["a.mp4", "--json", "--csv"])
    assert ended.exit_code == 2
    assert "expected --json or --csv, got both" in ended.output
    assert CliRunner().invoke(command, ["a.mp4", "--top", "0"]).exit_code == 2
