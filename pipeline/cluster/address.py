"""Where Ray runs, without importing it: what the environment and Ray's own files say."""

import os
import socket
from pathlib import Path

from pipeline.cluster.errors import ClusterError

ANSWER_SECONDS = 10.0
DASHBOARD_PORT = 8265
TOKEN_NEEDED = (
    "the cluster asks for its token: copy ~/.ray/auth_token from its head, or set "
    "RAY_AUTH_TOKEN"
)


def running_here() -> str | None:
    """The address of the cluster that this machine has joined last, if it still answers."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        noted = Path(folder, "ray", "ray_current_cluster").read_text("utf-8").strip()
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

    A job server that asks for none takes no notice. Call it before Ray is imported: it
    looks once.
    """
    if has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def settle_token(address: str) -> None:
    """Let Ray join a cluster as that cluster wants it: with the token, or without.

    Left to itself, Ray sends no token to an address that it is given, and sends one to a
    cluster of this machine that asks for none, where no actor starts then. Call it before
    Ray is imported. What RAY_AUTH_MODE says already is left.

    Raises:
        ClusterError: the cluster asks for a token, and there is none.
    """
    if os.environ.get("RAY_AUTH_MODE") or address == "local":
        return
    where = os.environ.get("RAY_ADDRESS") if address == "auto" else address
    if where in (None, "", "auto"):
        where = running_here()
    asked = _asks_for_token(where) if where else None
    if asked and not has_token():
        raise ClusterError(f"{where}: {TOKEN_NEEDED}")
    if asked is not None:
        os.environ["RAY_AUTH_MODE"] = "token" if asked else "disabled"


def _asks_for_token(address: str) -> bool | None:
    """Whether a cluster turns away who has no token; None where it does not say.

    Asked without Ray, which decides once for a process what it sends.
    """
    try:
        import grpc  # comes with ray[default]
    except ImportError:
        return None
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options) as channel:
        ask = channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetClusterId")
        try:
            ask(b"", timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            turned_away = error.code() is grpc.StatusCode.UNAUTHENTICATED
            return True if turned_away else None
    return False
