"""Address of a cluster's dashboard, which is its job server, and errors of its clients."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from motion_shards.address import (
    DASHBOARD_PORT,
    TOKEN_NEEDED,
    answers,
    cluster_from_environment,
    find_local_cluster,
    has_token,
    require,
    token_not_sent,
    use_token,
)
from motion_shards.errors import ClusterError


def dashboard(address: str | None) -> str:
    """The URL of a job server that answers.

    Ray's token is sent there only if the user names the server. Call it before Ray is
    imported.

    Raises:
        ClusterError: none answers; the line says which option or variable named it.
    """
    for by, named in (
        ("--address", address),
        ("RAY_API_SERVER_ADDRESS", os.environ.get("RAY_API_SERVER_ADDRESS")),
        ("RAY_ADDRESS", os.environ.get("RAY_ADDRESS")),
    ):
        if named and (by != "RAY_ADDRESS" or named.startswith("http")):
            url = named if "://" in named else f"http://{named}"
            url = url.rstrip("/")
            if url.startswith("http") and not re.search(r":\d+$", url):
                url += f":{DASHBOARD_PORT}"
            if why := answers(url):
                raise ClusterError(
                    f"{by}: expected a job server at {url}, got none: {why}"
                )
            use_token(named=True)
            return url
    if cluster := cluster_from_environment() or find_local_cluster().cluster:
        require(cluster, name_by=f"--address http://HEAD:{DASHBOARD_PORT}")
        use_token(named=bool(cluster.named_by))
        if found := _dashboard_of(cluster.address):
            return found
    url = f"http://127.0.0.1:{DASHBOARD_PORT}"
    # or a tunnel that ends there: `ray dashboard cluster.yaml`
    if answers(url) is None:
        use_token(named=False)
        return url
    raise ClusterError(
        f"expected a cluster's job server here (at {url}), got none: name it by "
        f"--address http://HEAD:{DASHBOARD_PORT} or RAY_API_SERVER_ADDRESS, or start one "
        "(`ray up cluster.yaml`, `ray start --head`)"
    )


def _dashboard_of(cluster: str) -> str | None:
    """The dashboard of a cluster that is named by its own address."""
    try:
        from ray.dashboard.utils import ray_address_to_api_server_url
    except ImportError:  # no public name: else the usual port
        return None
    with one_line(cluster):
        url = ray_address_to_api_server_url(cluster)
    return url if answers(url) is None else None


@contextmanager
def one_line(address: str) -> Iterator[None]:
    """Turn any error of Ray's clients into one line."""
    try:
        yield
    except ClusterError:
        raise
    except Exception as error:
        kind = type(error).__name__
        first = next(iter(str(error).strip().splitlines()), kind)
        if kind == "AuthenticationError":
            if has_token() and os.environ.get("RAY_AUTH_MODE") == "disabled":
                line = token_not_sent(address, f"--address {address}")
            else:
                line = f"{address}: {TOKEN_NEEDED}"
            raise ClusterError(line) from error
        if isinstance(error, (RuntimeError, ConnectionError, ValueError, ImportError)):
            raise ClusterError(f"{address}: {first}") from error
        if kind in ("ConnectionError", "Timeout", "HTTPError", "JSONDecodeError"):
            raise ClusterError(f"{address}: {first}") from error
        raise
