"""The commands that start Ray on head and workers -> what is wrong with them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .finding import Finding

GCS_PORT = 6379


def start_commands(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Check that head and workers use the same port, and that their commands return."""
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
