"""Docstrings and help texts read as plain English: they name their subject first."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("motion_shards", "pipeline", "training")

FUSED = re.compile(
    r"(What|Whatever|Who|Whoever|Whom|Whose|How|Which|Where|Wherever|When|Why|Of|So|By|As|"
    r"Told|Said|Asked)\b"
)
"""Openings that leave the reader to guess the noun."""
VAGUE = re.compile(r"\bso (many|often)\b", re.IGNORECASE)
"""Numbers that are not named."""


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, those of attributes and constants included."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for line in body if isinstance(body, list) else ():
            match line:
                case ast.Expr(value=ast.Constant(value=str() as text)):
                    yield line.lineno, text.strip()


@pytest.mark.parametrize("top", TOPS)
def test_docstrings_name_their_subject_first(top: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in sorted((ROOT / top).rglob("*.py"))
        for line, text in docstrings(ast.parse(path.read_text("utf-8")))
        if FUSED.match(text) or VAGUE.search(text)
    ]
    assert not found


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Name and text of a command's help, of its options and of its sub-commands."""
    yield name, command.help or ""
    for param in command.params:
        yield f"{name} {param.name}", getattr(param, "help", None) or ""
    for word, child in getattr(command, "commands", {}).items():
        yield from helps(child, f"{name} {word}")


@pytest.mark.parametrize("top", TOPS[1:])
def test_help_texts_name_their_subject_first(top: str) -> None:
    main = importlib.import_module(f"{top}.commands.cli").main
    texts = list(helps(main, top))
    assert len(texts) > 50
    assert not [
        (name, text) for name, text in texts if FUSED.match(text) or VAGUE.search(text)
    ]
