"""Docstrings, comments and documents name only what exists: names, modules, files."""

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("motion_shards", "pipeline", "training")
SOURCES = sorted(
    path
    for top in (*TOPS, "tests", "tools", "examples")
    for path in (ROOT / top).rglob("*.py")
    if path != Path(__file__)
)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

ELSEWHERE = {
    "pipeline.py": "a file of the user's",
    "training.py": "a file of the user's",
    "training.md": "a document beside another one",
    "train.csv": "a list of the user's",
    "AWS_PROFILE": "a variable of S3 clients",
    "HF_ENDPOINT": "a variable of huggingface_hub",
    "HF_TOKEN": "a variable of huggingface_hub",
    "cu13": "a name of a package's extra",
    "split_2": "a column of a list",
    "playing_harmonica": "a name in a list",
}
"""Names of things outside the code."""

FOLDERS = "|".join((*TOPS, "tests", "tools", "docs", "examples"))
QUOTED = re.compile(r"`([^`\n]+)`")
DOTTED = re.compile(rf"\b((?:{'|'.join(TOPS)})(?:\.[A-Za-z_]\w*)+)")
PATH = re.compile(rf"(?<![\w/.<-])((?:{FOLDERS})/[\w./-]*\w)")
NAME = r"[A-Za-z_]\w*"
SUFFIXES = {
    "py",
    "md",
    "h5",
    "json",
    "jsonl",
    "yaml",
    "txt",
    "pt",
    "npz",
    "csv",
    "avi",
    "jpg",
    "tar",
}


class Known:
    """The names of the code."""

    def __init__(self) -> None:
        self.names: set[str] = set(dir(builtins)) | {"None", "True", "False"}
        self.modules: dict[str, set[str]] = {}
        """Dotted name -> what it defines or imports."""
        for path in SOURCES:
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            self._read(ast.parse(path.read_text("utf-8")), module)
        self.names |= {part for module in self.modules for part in module.split(".")}

    def _read(self, tree: ast.Module, module: str) -> None:
        own = self.modules.setdefault(module.removesuffix(".__init__"), set())
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    own.add(name)
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    (own if isinstance(node.ctx, ast.Store) else self.names).add(name)
                case ast.arg(arg=name) | ast.keyword(arg=str(name)):
                    self.names.add(name)
                case ast.alias(name=name, asname=other):
                    own.update((other or name).split("."))
                case ast.Constant(value=str(text)) if len(text) < 80:
                    self.names.update(re.findall(NAME, text))
        self.names |= own

    def module(self, name: str) -> bool:
        """Whether a dotted name is a module, or stands in one."""
        head, _, last = name.rpartition(".")
        if name in self.modules or head in self.modules:
            return name in self.modules or last in self.modules[head]
        return bool(head) and self.module(head) and last in self.names

    def quoted(self, name: str) -> bool:
        """Whether what stands between backquotes, less its arguments, is there."""
        name = re.sub(r"\(.*\)$", "", name).strip()
        *before, last = name.split(".")
        if not re.fullmatch(rf"{NAME}(\.{NAME})*", name):
            return True
        if before and last in SUFFIXES:
            return last not in ("py", "md") or any(ROOT.rglob(name))
        return last in self.names and (not before or before[-1] in self.names)


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


def prose(path: Path) -> Iterator[str]:
    """Docstrings and comments of a module; a document without its listings."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        yield re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(said))):
                yield said
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def wrong_names(text: str, known: Known) -> Iterator[str]:
    for name in QUOTED.findall(text):
        if name not in ELSEWHERE and not known.quoted(name):
            yield name
    for name in DOTTED.findall(text):
        if name not in ELSEWHERE and not known.module(name):
            yield name
    for name in PATH.findall(text):
        if not (ROOT / name).exists() and not any(ROOT.glob(f"{name}*")):
            yield name


@pytest.mark.parametrize(
    "text",
    ["see `no_such_name`", "`reader.no_such_name`", "`no_such_module.Store`"]
    + ["training.speed does", "pipeline.store.Stroe", "in pipeline/no_such.py"],
)
def test_names_that_are_not_there_are_found(text, known):
    assert list(wrong_names(text, known))


def test_names_that_are_there_pass(known):
    text = "`Store`, `flow(frames)`, `pipeline.store.Store`, pipeline/store/reader.py"
    assert not list(wrong_names(text, known))


def test_prose_names_what_exists(known):
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (*SOURCES, *DOCUMENTS)
        if path.name != "CHANGELOG.md"
        for text in prose(path)
        for name in wrong_names(text, known)
    ]
    assert not wrong
