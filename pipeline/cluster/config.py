"""cluster.yaml -> what is wrong with it, before `ray up` touches a machine. No network.

Ray's own validator knows the schema. It does not look inside `provider`, does not ask for
`auth`, and does not read commands; what it says of a wrong file has many types.
"""

import contextlib
import copy
import difflib
import io
import ipaddress
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

LOCAL_KEYS = frozenset(
    ("type", "head_ip", "worker_ips", "coordinator_address", "external_head_ip")
    + ("use_internal_ips", "disable_node_updaters")
)
"""Those of `provider` that mean something for machines of one's own."""
MORE_KEYS = frozenset(("aws_credentials", "max_retries"))
"""Ray reads them, and its schema does not name them."""
GCS_PORT = 6379
_PLACEHOLDER = re.compile(
    r"\.example\b|\bexample\.(com|org|net)\b|<[^<>\s]+>|\bfs-0123456789abcdef0\b"
    r"|\bami-0123456789abcdef0\b|\bCHANGE_?ME\b|\bYOUR[_-]",
    re.IGNORECASE,
)


class Finding(NamedTuple):
    """One thing that is wrong, or looks so."""

    level: Literal["error", "warning"]
    text: str
    """One line: where, what was expected, what came."""


def findings(path: Path) -> list[Finding]:
    """Everything that can be found without asking the machines, errors first."""
    try:
        config = yaml.load(path.read_text(), Loader=_UniqueKeys)
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
        *_start_commands(config),
        *_paths(config),
        *_placeholders(config),
        *_rays_own(config),
    ]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level)


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that comes twice is an error, not the last one."""

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


def _rays_own(config: Mapping[str, Any]) -> Iterator[Finding]:
    """What `ray up` itself would refuse."""
    if _local(config):  # said by _machines; Ray would stop there
        config = {k: v for k, v in config.items() if k not in _NODE_TYPES}
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


_NODE_TYPES = ("available_node_types", "head_node_type", "head_node", "worker_nodes")


def _provider(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys of `provider`: Ray takes any, and ignores those it does not know."""
    provider = config["provider"]
    if "type" not in provider:
        yield Finding("error", "provider.type: expected local, aws, gcp, ..., got none")
    known = LOCAL_KEYS if _local(config) else _schema_keys() | LOCAL_KEYS | MORE_KEYS
    for key in provider:
        if key not in known:
            near = difflib.get_close_matches(str(key), sorted(known), 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            yield Finding("error", f"provider.{key}: not a key that Ray reads{hint}")
    if provider.get("type") == "aws" and not provider.get("region"):
        yield Finding("error", "provider.region: expected an AWS region, got none")


def _schema_keys() -> frozenset[str]:
    """What Ray's schema names below `provider`, for all kinds of clouds."""
    try:
        from ray import autoscaler

        path = Path(str(autoscaler.__file__)).parent / "ray-schema.json"
        schema = json.loads(path.read_text())
        return frozenset(schema["properties"]["provider"]["properties"])
    except (ImportError, OSError, ValueError, KeyError):
        return frozenset({"type", "region", "availability_zone", "security_group"})


def _machines(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Addresses of machines of one's own."""
    if not _local(config):
        return
    for key in _NODE_TYPES:
        if config.get(key):
            yield Finding(
                "error",
                f"{key}: machines of one's own (provider local) have no node types; "
                "Ray counts their cores and GPUs, more goes into worker_start_ray_commands",
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
    """How many workers, at least and at most, all together and of a type."""
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
            "error", f"max_workers: {most}, but the types want {least} at least"
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
        yield Finding("error", "auth.ssh_user: expected who logs in by ssh, got none")
    if not isinstance(auth, dict):
        return
    key = auth.get("ssh_private_key")
    if isinstance(key, str) and not Path(key).expanduser().is_file():
        yield Finding("warning", f"auth.ssh_private_key: no file {key} on this machine")


def _start_commands(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Head and workers must speak on one port, and come back to the shell."""
    head = _commands(config, "head_start_ray_commands")
    workers = _commands(config, "worker_start_ray_commands")
    port = GCS_PORT
    for role, commands in (("head", head), ("worker", workers)):
        if commands is None:
            continue
        where = f"{role}_start_ray_commands"
        if not (start := _ray_start(commands)):
            yield Finding("error", f"{where}: expected `ray start`, found none")
            continue
        if "--block" in start.split():
            yield Finding("error", f"{where}: with --block, `ray up` waits for ever")
        yield from _ports(where, start)
        if role == "head":
            port = int(_option(start, "port") or GCS_PORT)
            if "--head" not in start.split():
                yield Finding("error", f"{where}: expected `ray start --head`")
            if not _option(start, "autoscaling-config"):
                yield Finding(
                    "error",
                    f"{where}: expected --autoscaling-config=~/ray_bootstrap_config.yaml, "
                    "without which the head starts no workers",
                )
        else:
            address = _option(start, "address") or ""
            host, _, its_port = address.rpartition(":")
            if host not in ("$RAY_HEAD_IP", "${RAY_HEAD_IP}"):
                yield Finding(
                    "error",
                    f"{where}: expected --address=$RAY_HEAD_IP:{port}, got {address!r}",
                )
            elif its_port != str(port):
                yield Finding(
                    "error", f"{where}: the head listens on {port}, got {address}"
                )


def _commands(config: Mapping[str, Any], key: str) -> str | None:
    """All commands of a role as one text; None: Ray's own are used."""
    commands = config.get(key)
    if commands is None:
        return None
    return "\n".join(map(str, commands)) if isinstance(commands, list) else ""


def _ray_start(commands: str) -> str:
    """From `ray start` to the end of that command."""
    match = re.search(r"\bray start\b[^;&|\n]*", commands)
    return match[0] if match else ""


def _option(command: str, name: str) -> str | None:
    match = re.search(rf"--{name}[= ]([^\s;]+)", command)
    return match[1].strip("'\"") if match else None


def _ports(where: str, command: str) -> Iterator[Finding]:
    ports: dict[str, str] = {}
    for name, text in re.findall(r"--((?:[a-z-]+-)?port)[= ](\S+)", command):
        if not text.isdigit() or not (text == "0" or 1024 <= int(text) <= 65535):
            yield Finding("error", f"{where}: --{name}: expected a port, got {text}")
        elif text != "0" and text in ports:
            yield Finding("error", f"{where}: --{name} is {text} like --{ports[text]}")
        ports[text] = name


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
    """What was to be filled in."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _placeholders(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _placeholders(inner, f"{where}[{place}]")
    elif isinstance(value, str) and (match := _PLACEHOLDER.search(value)):
        text = value if len(value) < 60 else f"...{match[0]}..."
        yield Finding("warning", f"{where}: {text!r} is to be replaced by your own")
