"""What `pipeline cluster check` finds in a cluster.yaml, and what it lets pass."""

import copy
import json
import re
import sys

import pytest
import yaml
from click.testing import CliRunner

from pipeline.cluster.config import findings
from pipeline.commands.cli import main

OURS = {
    "cluster_name": "lab",
    "provider": {
        "type": "local",
        "head_ip": "10.0.0.1",
        "worker_ips": ["10.0.0.2", "gpu7.lab"],
    },
    "auth": {"ssh_user": "ray"},
    "min_workers": 2,
    "max_workers": 2,
    "head_start_ray_commands": [
        "ray stop",
        "ray start --head --port=6379 --autoscaling-config=~/ray_bootstrap_config.yaml",
    ],
    "worker_start_ray_commands": ["ray start --address=$RAY_HEAD_IP:6379"],
}
AWS = {
    "cluster_name": "cloud",
    "provider": {"type": "aws", "region": "eu-central-1"},
    "auth": {"ssh_user": "ubuntu"},
    "max_workers": 4,
    "head_node_type": "head",
    "available_node_types": {
        "head": {"resources": {}, "node_config": {"InstanceType": "m6i.xlarge"}},
        "gpu": {
            "resources": {},
            "min_workers": 1,
            "max_workers": 3,
            "node_config": {"InstanceType": "g5.2xlarge"},
        },
    },
}


@pytest.fixture
def check(tmp_path):
    """Writes a configuration with changes, and returns what is found, a text each."""

    def found(base: dict, changes: dict) -> list[str]:
        config = copy.deepcopy(base)
        for place, value in changes.items():
            *outer, last = place.split("/")
            inner = config
            for key in outer:
                inner = inner[key]
            if value is None:
                del inner[last]
            else:
                inner[last] = value
        path = tmp_path / "cluster.yaml"
        path.write_text(yaml.safe_dump(config))
        return [f"{finding.level}: {finding.text}" for finding in findings(path)]

    return found


@pytest.mark.parametrize("base", [OURS, AWS])
def test_nothing_is_found_in_a_good_file(check, base):
    assert check(base, {}) == []


HEAD = "ray start --head --port=6379 --autoscaling-config=~/ray_bootstrap_config.yaml"
MISTAKES = [
    (OURS, {"provider/haed_ip": "x"}, "provider.haed_ip: .*did you mean head_ip"),
    (OURS, {"provider/region": "x"}, "error: provider.region: not a key"),
    (OURS, {"provider/worker_ips": None}, "worker_ips: expected a list of hosts"),
    (OURS, {"provider/head_ip": None}, "head_ip: expected a host, got None"),
    (OURS, {"provider/head_ip": "10.0.0.2"}, "worker_ips: 10.0.0.2 is the head"),
    (OURS, {"provider/head_ip": "10.0.0.256"}, "head_ip: expected an address"),
    (OURS, {"provider/worker_ips": ["b", "b"]}, "worker_ips: b comes 2 times"),
    (OURS, {"provider/worker_ips": ["b", ""]}, r"worker_ips\[1\]: expected a host"),
    (OURS, {"auth": None}, "error: auth.ssh_user: expected the user name"),
    (OURS, {"auth/ssh_private_key": "/no/key"}, "warning: .*no file /no/key"),
    (OURS, {"min_workers": 3}, "error: min_workers: 3 is more than max_workers, 2"),
    (OURS, {"max_workers": 3}, "warning: max_workers: 3, and there are 2 workers"),
    (OURS, {"min_workers": -1}, "min_workers: expected 0 or more"),
    (OURS, {"available_node_types": {"gpu": {}}}, "available_node_types: machines of"),
    (OURS, {"head_node_type": "head"}, "head_node_type: machines of one's own"),
    (OURS, {"head_start_ray_comands": []}, "Ray .* says: .*head_start_ray_comands"),
    (OURS, {"auth/ssh_usr": "ray"}, "auth: Ray .* says: .*ssh_usr"),
    (OURS, {"head_start_ray_commands": ["ray stop"]}, "expected `ray start`, found"),
    (OURS, {"head_start_ray_commands": [HEAD + " --block"]}, "waits for ever"),
    (OURS, {"head_start_ray_commands": ["ray start --head"]}, "starts no workers"),
    (OURS, {"head_start_ray_commands": [HEAD[:9] + HEAD[16:]]}, "start --head"),
    (
        OURS,
        {"head_start_ray_commands": [HEAD.replace("6379", "6380")]},
        "worker_start_ray_commands: the head listens on 6380",
    ),
    (
        OURS,
        {"head_start_ray_commands": [HEAD + " --dashboard-port=80"]},
        "a port, got 80",
    ),
    (
        OURS,
        {"head_start_ray_commands": [HEAD + " --dashboard-port=6379"]},
        "--dashboard-port is 6379 like --port",
    ),
    (
        OURS,
        {"worker_start_ray_commands": ["ray start --address=head:6379"]},
        r"expected --address=\$RAY_HEAD_IP:6379, got 'head:6379'",
    ),
    (OURS, {"file_mounts": {"lab": "/"}}, "file_mounts: expected an absolute path"),
    (OURS, {"file_mounts": {"/lab": "/no/folder"}}, "file_mounts./lab: no /no/folder"),
    (OURS, {"provider/head_ip": "head.lab.example"}, "warning: .*to be replaced"),
    (
        OURS,
        {"setup_commands": ["mount <SERVER>:/"]},
        r"setup_commands\[0\]: .*replaced",
    ),
    (AWS, {"provider/region": None}, "provider.region: expected an AWS region"),
    (AWS, {"provider/regoin": "x"}, "provider.regoin: .*did you mean region"),
    (AWS, {"available_node_types/gpu/min_workers": 4}, "gpu.min_workers: 4 is more"),
    (AWS, {"max_workers": 0}, "max_workers: 0, but the node types need at least 1"),
    (AWS, {"head_node_type": "haed"}, "Ray .* says: .*head_node_type"),
    (AWS, {"available_node_types/gpu/resources": None}, "says: 'resources' is a req"),
]


@pytest.mark.parametrize(("base", "changes", "expected"), MISTAKES)
def test_a_mistake_is_one_line(check, base, changes, expected):
    found = check(base, changes)
    assert any(re.search(expected, text) for text in found), found
    assert not any("\n" in text for text in found)


def test_a_file_that_is_no_yaml_or_has_a_key_twice_says_where(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text("cluster_name: a\nprovider: {type: local\n")
    assert "cluster.yaml:3: expected YAML" in findings(path)[0].text
    path.write_text("cluster_name: a\nmax_workers: 1\nmax_workers: 2\n")
    assert "cluster.yaml:3: expected YAML, got: the key 'max_workers' twice" in (
        findings(path)[0].text
    )
    path.write_text("- a\n")
    assert "expected a cluster with a `provider`" in findings(path)[0].text


def test_where_rays_validator_has_moved_one_line_says_so(check, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.autoscaler._private.util", None)
    found = check(OURS, {"auth": None})
    assert len(found) == 2
    assert found[0].startswith("error: auth.ssh_user")
    assert "Ray's own validator is not where it was" in found[1]


def test_the_command_prints_a_line_each_and_fails_on_errors_only(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(OURS | {"max_workers": 1, "min_workers": 1}))
    done = CliRunner().invoke(main, ["cluster", "check", str(path)])
    assert done.exit_code == 0
    assert done.output.count("warning: ") == 2 and "0 errors, 2 warnings" in done.output
    path.write_text(yaml.safe_dump(OURS | {"max_workers": 1}))
    done = CliRunner().invoke(main, ["cluster", "check", "--json", str(path)])
    assert done.exit_code == 1
    assert {entry["level"] for entry in json.loads(done.output)} == {"error", "warning"}
