"""Files are text in UTF-8 whatever the locale: nowhere is the encoding left to it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def unspoken(path: Path) -> Iterator[str]:
    """Calls that open a file as text, or read or write its text, without an encoding."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "write_text" and isinstance(node.func, ast.Name):
            continue  # our own, which says UTF-8
        if name not in ("open", "fdopen", "read_text", "write_text"):
            continue
        of = getattr(getattr(node.func, "value", None), "id", "")
        if name == "open" and of in (
            "archive",
            "av",
            "os",
            "capture",
            "stage",
        ):  # not of text
            continue
        said = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
        binary = any(re.fullmatch("[rwxa+]*b[+]?", str(one)) for one in said)
        if not binary and "utf-8" not in said:
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_text_file_has_an_encoding() -> None:
    paths = [
        p
        for top in ("motion_shards", "pipeline", "training")
        for p in (ROOT / top).rglob("*.py")
    ]
    assert not [place for path in sorted(paths) for place in unspoken(path)]
