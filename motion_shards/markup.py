"""Text and scripts of HTML pages that need nothing else, not even a network."""

import base64
import hashlib
import html

from .plain_text import printable


def escape(text: str) -> str:
    r"""Text with nothing in it that a browser reads as markup or cannot show.

    >>> escape("a<b>&'\n")
    'a&lt;b&gt;&amp;&#x27;\\n'
    """
    return html.escape(printable(text))


def script_source(script: str) -> str:
    """The source expression of a Content-Security-Policy that allows one inline script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
