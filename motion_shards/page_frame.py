"""The frame of an HTML page in one file: its head, and the colours that all pages have."""

from collections.abc import Mapping

from .markup import escape

LIGHT = {
    "ink": "#1b1f24",
    "soft": "#57606a",
    "paper": "#ffffff",
    "line": "#d6dade",
    "band": "#f3f5f7",
}
"""Text, secondary text, background, rules, and the background of bars and rows."""
DARK = {
    "ink": "#e4e8ec",
    "soft": "#9aa4ae",
    "paper": "#14171b",
    "line": "#343b43",
    "band": "#1d2228",
}


def colours(light: str, dark: str) -> str:
    """Style of a page's colours, light or dark as the reader's system is.

    Args:
        light, dark: the page's own colours besides `LIGHT` and `DARK`, as CSS variables:
            "--good: #1a7f37; --poor: #b42318;".
    """
    return (
        f":root {{ color-scheme: light dark; {_variables(LIGHT)} {light} }}\n"
        "@media (prefers-color-scheme: dark) "
        f"{{ :root {{ {_variables(DARK)} {dark} }} }}\n"
    )


def head(title: str, style: str, *, meta: str = "") -> str:
    """The beginning of a page, up to where its body begins.

    Args:
        title: text.
        style: CSS.
        meta: elements of the head, such as a Content-Security-Policy.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{meta}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
    )


def policy_of(content: str) -> str:
    """The element that holds a page to a Content-Security-Policy."""
    return f'<meta http-equiv="Content-Security-Policy" content="{content}">\n'


def _variables(values: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in values.items())
