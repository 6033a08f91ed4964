"""The README promises commands, options, files and a piece of Python. They exist."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
WORDS = ("pipeline", "training")


def command_lines() -> list[str]:
    """Indented lines that start with one of our commands, without what explains them."""
    lines = re.findall(
        r"^    (?:torchrun .*--no-python )?((?:pipeline|training) .*)$",
        TEXT,
        re.MULTILINE,
    )
    return [re.split(r"\s{3,}|\s+#", line)[0] for line in lines]


def commands_in_prose() -> list[str]:
    """`pipeline ...` and `training ...` between backticks."""
    spans = re.findall(r"`([^`\n]+)`", TEXT)
    return [span for span in spans if span.split()[0] in WORDS and " " in span]


def options_in_prose() -> set[str]:
    spans = re.findall(r"`([^`\n]+)`", TEXT)
    return {word for span in spans for word in span.split() if word.startswith("--")}


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The click command that the first words name, and the rest."""
    command: click.Command = importlib.import_module(f"{words[0]}.commands.cli").main
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        assert rest[0] in command.commands, f"{' '.join(words)}: no {rest[0]!r}"
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def options(command: click.Command) -> set[str]:
    known = {
        name
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
    }
    if isinstance(command, click.Group):
        known = known.union(*map(options, command.commands.values()))
    return known


@pytest.mark.parametrize("line", [*command_lines(), *commands_in_prose()])
def test_commands_and_their_options_exist(line: str) -> None:
    words = shlex.split(line.rstrip(" ."))
    if "--" in words:  # a command that takes a command
        inner = words[words.index("--") + 1 :]
        ours = inner[0] in ("pipeline", "training")
        test_commands_and_their_options_exist(
            shlex.join(inner if ours else [words[0], *inner])
        )
        words = words[: words.index("--")]
    command, rest = command_of(words)
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert given <= options(command)


def test_readme_shows_every_command() -> None:
    shown = {
        tuple(line.split()[:2]) for line in [*command_lines(), *commands_in_prose()]
    }
    every = {
        (word, name)
        for word in WORDS
        for name in importlib.import_module(f"{word}.commands.cli").main.commands
    }
    shown |= {("pipeline", "doctor")} if "`pipeline doctor`" in TEXT else set()
    assert every <= shown


def test_options_named_in_prose_exist() -> None:
    known = set().union(
        *(
            options(importlib.import_module(f"{word}.commands.cli").main)
            for word in WORDS
        )
    )
    assert options_in_prose() <= known


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert "://" in link or (ROOT / link).exists(), link


PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def printed(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines that a piece of Python prints where a store of two videos is."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "pipeline")
    from tiny_store import write_store

    write_store(folder / "data" / "stores" / "hmdb51", [{"a/one": 5, "b/two": 12}])
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return answer.stdout.splitlines()


def test_the_piece_of_python_reads_a_store(tmp_path: Path, monkeypatch) -> None:
    (code,) = (code for code in PYTHON if "Store(" in code)
    code += "print(rgb.shape, flow.shape, mv.shape, valid.shape)"
    lines = printed(code, tmp_path, monkeypatch)
    assert any("a/one ('jump',)" in line for line in lines)
    assert lines[-1] == "(10, 35, 50, 3) (10, 35, 50, 2) (10, 5, 7, 2) (10,)"


def test_the_piece_of_python_has_clips(tmp_path: Path, monkeypatch) -> None:
    (code,) = (code for code in PYTHON if "StoreClips(" in code)
    shapes = [f"torch.Size([1, {c}, 8, 112, 112])" for c in (3, 2)]
    assert printed(code, tmp_path, monkeypatch) == [
        f"{epoch} {' '.join(shapes)} [0] ['a/one']" for epoch in (0, 1)
    ]
