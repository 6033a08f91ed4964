"""cluster.yaml -> what is wrong with it, before `ray up` touches a machine. No network.

Ray's own validator knows the schema. It does not look inside `provider`, does not ask for
`auth`, and does not read commands; for a wrong file it raises errors of many types.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from motion_shards.near import similar

from .finding import Finding
from .ray_validator import provider_keys, refusals
from .start_commands import start_commands

LOCAL_KEYS = frozenset(
    ("type", "head_ip", "worker_ips", "coordinator_address", "external_head_ip")
    + ("use_internal_ips", "disable_node_updaters")
)
"""Keys of `provider` that Ray reads for machines of one's own."""
MORE_KEYS = frozenset(("aws_credentials", "max_retries"))
"""Keys that Ray reads and that its schema does not name."""
_NODE_TYPES = ("available_node_types", "head_node_type", "head_node", "worker_nodes")
_PLACEHOLDER = re.compile(
    r"\.example\b|\bexample\.(com|org|net)\b|<[^<>\s]+>|\bfs-0123456789abcdef0\b"
    r"|\bami-0123456789abcdef0\b|\bCHANGE_?ME\b|\bYOUR[_-]",
    re.IGNORECASE,
)


def findings(path: Path) -> list[Finding]:
    """All faults that can be found without asking the machines, errors first."""
    try:
        config = yaml.load(path.read_text("utf-8"), Loader=_UniqueKeys)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        said = getattr(error, "problem", None) or str(error).splitlines()[0]
        return [Finding("error", f"{where}: expected YAML, got: {said}")]
    if not isinstance(config, dict) or not isinstance(config.get("provider"), dict):
        return [Finding("error", f"{path}: expected a cluster with a `provider`")]
    found = [
        *_provider(config),
        *_machines(config),
        *_counts(config),
        *_auth(config),
        *start_commands(config),
        *_paths(config),
        *_placeholders(config),
        *refusals(_for_ray(config)),
    ]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level)


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a repeated key is an error; by default the last one counts."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, (key, (key_node, _)) in enumerate(
            zip(keys, node.value, strict=True)
        ):
            if key in keys[:place]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} twice", key_node.start_mark
                )
        return super().construct_mapping(node, deep)


def _local(config: Mapping[str, Any]) -> bool:
    return config["provider"].get("type") == "local"


def _for_ray(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration for Ray's validator, without the faults that `_machines` reports."""
    if not _local(config):
        return config
    return {key: value for key, value in config.items() if key not in _NODE_TYPES}


def _provider(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys of `provider`: Ray takes any, and ignores those it does not know."""
    provider = config["provider"]
    if "type" not in provider:
        yield Finding("error", "provider.type: expected local, aws, gcp, ..., got none")
    known = LOCAL_KEYS if _local(config) else provider_keys() | LOCAL_KEYS | MORE_KEYS
    for key in provider:
        if key not in known:
            near = similar(str(key), sorted(known), most=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            yield Finding("error", f"provider.{key}: not a key that Ray reads{hint}")
    if provider.get("type") == "aws" and not provider.get("region"):
        yield Finding("error", "provider.region: expected an AWS region, got none")


def _machines(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Addresses of machines of one's own."""
    if not _local(config):
        return
    for key in _NODE_TYPES:
        if config.get(key):
            yield Finding(
                "error",
                f"{key}: machines of one's own (provider local) have no node types; "
                "Ray counts their cores and GPUs; other resources belong in "
                "worker_start_ray_commands",
            )
    provider = config["provider"]
    if "coordinator_address" in provider:
        return
    head, workers = provider.get("head_ip"), provider.get("worker_ips")
    if not isinstance(head, str) or not head:
        yield Finding("error", f"provider.head_ip: expected a host, got {head!r}")
    if not isinstance(workers, list):
        yield Finding(
            "error", f"provider.worker_ips: expected a list of hosts, got {workers!r}"
        )
        return
    for place, host in enumerate([head, *workers]):
        name = f"provider.worker_ips[{place - 1}]" if place else "provider.head_ip"
        if place and (not isinstance(host, str) or not host):
            yield Finding("error", f"{name}: expected a host, got {host!r}")
        elif isinstance(host, str) and re.fullmatch(r"[\d.]+", host):
            try:
                ipaddress.ip_address(host)
            except ValueError:
                yield Finding("error", f"{name}: expected an address, got {host!r}")
    if head in workers:
        yield Finding("error", f"provider.worker_ips: {head} is the head already")
    for host, times in Counter(map(str, workers)).items():
        if times > 1:
            yield Finding("error", f"provider.worker_ips: {host} comes {times} times")


def _counts(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Minimum and maximum numbers of workers, in all and of each type."""
    most = config.get("max_workers")
    yield from _range("", config)
    workers = config["provider"].get("worker_ips")
    if _local(config) and isinstance(workers, list):
        for key in ("min_workers", "max_workers"):
            count = config.get(key)
            if type(count) is int and count != len(workers):
                yield Finding(
                    "warning", f"{key}: {count}, and there are {len(workers)} workers"
                )
    types = config.get("available_node_types")
    least = 0
    for name, node_type in (types if isinstance(types, dict) else {}).items():
        if not isinstance(node_type, dict):
            continue
        yield from _range(f"available_node_types.{name}.", node_type)
        if name != config.get("head_node_type"):
            count = node_type.get("min_workers", 0)
            least += count if type(count) is int else 0
    if type(most) is int and least > most:
        yield Finding(
            "error", f"max_workers: {most}, but the node types need at least {least}"
        )


def _range(where: str, value: Mapping[str, Any]) -> Iterator[Finding]:
    least, most = value.get("min_workers"), value.get("max_workers")
    for key, count in (("min_workers", least), ("max_workers", most)):
        if type(count) is int and count < 0:
            yield Finding("error", f"{where}{key}: expected 0 or more, got {count}")
    if type(least) is int and type(most) is int and least > most:
        yield Finding(
            "error", f"{where}min_workers: {least} is more than max_workers, {most}"
        )


def _auth(config: Mapping[str, Any]) -> Iterator[Finding]:
    auth = config.get("auth")
    if not isinstance(auth, dict) or not auth.get("ssh_user"):
        yield Finding(
            "error", "auth.ssh_user: expected the user name for ssh, got none"
        )
    if not isinstance(auth, dict):
        return
    key = auth.get("ssh_private_key")
    if isinstance(key, str) and not Path(key).expanduser().is_file():
        yield Finding("warning", f"auth.ssh_private_key: no file {key} on this machine")


def _paths(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Files that `ray up` sends: from where on this machine, and to where."""
    mounts = config.get("file_mounts")
    for there, here in (mounts if isinstance(mounts, dict) else {}).items():
        if not str(there).startswith(("/", "~")):
            yield Finding(
                "error", f"file_mounts: expected an absolute path, got {there}"
            )
        if not Path(str(here)).expanduser().exists():
            yield Finding("error", f"file_mounts.{there}: no {here} on this machine")


def _placeholders(value: Any, where: str = "") -> Iterator[Finding]:
    """Placeholders that were not filled in."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _placeholders(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _placeholders(inner, f"{where}[{place}]")
    elif isinstance(value, str) and (match := _PLACEHOLDER.search(value)):
        text = value if len(value) < 60 else f"...{match[0]}..."
        yield Finding("warning", f"{where}: {text!r} is to be replaced by your own")
