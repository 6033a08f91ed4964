"""cluster.yaml against Ray's own validator, and what the validator does not look at."""

from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).parents[1] / "cluster.yaml"


@pytest.fixture(scope="module")
def config() -> dict:
    return yaml.safe_load(FILE.read_text())


@pytest.mark.slow
def test_ray_accepts_the_file(config) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(config))


def test_every_worker_is_asked_for(config) -> None:
    workers = len(config["provider"]["worker_ips"])
    assert config["min_workers"] == config["max_workers"] == workers


def test_local_clusters_know_these_provider_keys_only(config) -> None:
    """Ray ignores a key it does not know; a typing error would go unnoticed."""
    assert set(config["provider"]) == {"type", "head_ip", "worker_ips"}
    assert set(config["auth"]) == {"ssh_user", "ssh_private_key"}


def test_head_and_workers_speak_on_one_port(config) -> None:
    head, worker = (
        " ".join(config[f"{role}_start_ray_commands"]) for role in ("head", "worker")
    )
    assert "--head --port=6379" in head
    assert "--address=$RAY_HEAD_IP:6379" in worker
    for commands in (head, worker):
        assert "--disable-usage-stats" in commands


@pytest.mark.slow
def test_a_misspelt_key_is_refused_by_ray(config) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    wrong = {**config, "head_start_ray_comands": []}
    with pytest.raises(Exception, match="head_start_ray_comands"):
        validate_config(prepare_config(wrong))
