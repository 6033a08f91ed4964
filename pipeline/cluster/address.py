"""Where Ray runs, without importing it: what the environment and Ray's own files say."""

import os
import socket
from pathlib import Path

ANSWER_SECONDS = 10.0
DASHBOARD_PORT = 8265


def running_here() -> str | None:
    """The address of the cluster that this machine has joined last, if it still answers."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        noted = Path(folder, "ray", "ray_current_cluster").read_text().strip()
    except OSError:
        return None
    # one that was killed leaves its note behind
    return noted if noted and answers(noted, seconds=3) is None else None


def joined_by_auto() -> str | None:
    """What `ray.init(address="auto")` would join, or None. Set in jobs of a cluster."""
    return os.environ.get("RAY_ADDRESS") or running_here()


def answers(address: str, *, seconds: float = ANSWER_SECONDS) -> str | None:
    """None if somebody listens at HOST:PORT (of a URL, too), else why not."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not port.isdigit():
        return "expected HOST:PORT"
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def has_token() -> bool:
    """Whether Ray's token is at hand, which a cluster may ask for."""
    return bool(
        os.environ.get("RAY_AUTH_TOKEN")
        or os.environ.get("RAY_AUTH_TOKEN_PATH")
        or Path.home().joinpath(".ray", "auth_token").is_file()
    )


def use_token() -> None:
    """Ray's client of jobs has a token at hand and does not send it, unless told to.

    Call it before Ray is imported: it looks once.
    """
    if has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
