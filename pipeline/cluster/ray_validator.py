"""Ray's own checks of a cluster.yaml: its validator, and the keys of its schema.

Neither is public: where a release of Ray has changed them, fewer faults are found, and a
warning says so.
"""

import contextlib
import copy
import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .finding import Finding


def refusals(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Faults for which `ray up` itself would refuse the file."""
    try:
        import ray
        from ray.autoscaler._private.util import prepare_config, validate_config
    except ImportError as error:
        yield Finding(
            "warning",
            f"Ray's own validator is not where it was ({error}): only our checks were made",
        )
        return
    told = io.StringIO()  # it talks to the terminal, too
    logging.getLogger("ray.autoscaler").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            validate_config(prepare_config(copy.deepcopy(dict(config))))
    except Exception as error:  # noqa: BLE001  (it raises many types, some by accident)
        where = ".".join(map(str, getattr(error, "absolute_path", ()))) or "the file"
        said = getattr(error, "message", None) or str(error) or told.getvalue()
        lines = [line for line in str(said).splitlines() if line.strip()]
        text = _plain(lines[-1] if lines else type(error).__name__)
        yield Finding("error", f"{where}: Ray {ray.__version__} says: {text}")


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).strip()


def provider_keys() -> frozenset[str]:
    """Keys of Ray's schema below `provider`, for all kinds of clouds."""
    try:
        from ray import autoscaler

        path = Path(str(autoscaler.__file__)).parent / "ray-schema.json"
        schema = json.loads(path.read_text("utf-8"))
        return frozenset(schema["properties"]["provider"]["properties"])
    except (ImportError, OSError, ValueError, KeyError):
        return frozenset({"type", "region", "availability_zone", "security_group"})
