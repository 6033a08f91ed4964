"""cluster.yaml and the examples: what they say of themselves is true."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.cluster.config import findings

ROOT = Path(__file__).parents[1]
FILES = ["cluster.yaml", "examples/cluster-aws.yaml"]


@pytest.fixture(params=FILES)
def config(request) -> dict:
    return yaml.safe_load((ROOT / request.param).read_text())


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_wrong_but_what_is_to_be_replaced(
    name, monkeypatch, tmp_path
) -> None:
    """With Ray's own validator, which is there in the version that is tested."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("as `ray get-auth-token` makes it")
    found = findings(ROOT / name)
    assert [finding for finding in found if finding.level == "error"] == []
    texts = [finding.text for finding in found]
    assert any("is to be replaced" in text for text in texts)
    for text in texts:
        assert "replaced by your own" in text or "ssh_private_key: no file" in text


def test_machines_install_ray_where_the_commands_look_for_it(config) -> None:
    start = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    places = {match[0] for text in start for match in re.finditer(r"[~/]\S*/bin", text)}
    assert len(places) == 1  # one environment, on the PATH of jobs as well
    setup = [
        *(config.get("head_setup_commands") or ()),
        *(config.get("setup_commands") or ()),
        *(config.get("worker_setup_commands") or ()),
    ]
    venv = Path(places.pop()).parent
    made = {f"make -C {venv.parent} {venv.name}/installed", f"python3 -m venv {venv}"}
    assert any(text.startswith(tuple(made)) for text in setup)
    assert f"{venv}/bin/pipeline doctor" in setup


def test_ray_reports_to_nobody_and_lets_nobody_in(config) -> None:
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for role in ("head", "worker"):
        text = " ".join(config[f"{role}_start_ray_commands"])
        assert "--disable-usage-stats" in text
        assert (
            "RAY_AUTH_MODE=token ray start" in text
        )  # workers do not look by themselves


def test_the_makefile_has_the_target_that_the_head_calls() -> None:
    assert "$(VENV)/installed:" in (ROOT / "Makefile").read_text()


@pytest.fixture
def slurm(tmp_path) -> dict[str, str]:
    """An environment with a Slurm of shell scripts: they say what they were asked."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    scripts = {
        "scontrol": "printf 'node1\\nnode2\\nnode3\\n'",
        "hostname": "echo 127.0.0.1 10.0.0.1",
        "srun": f'echo "$@" >> {tmp_path}/asked; while [ "${{1#-}}" != "$1" ] || '
        '[ "$1" = node1 ] || [ "$1" = node2,node3 ]; do shift; done; exec "$@"',
        # a head that listens, as long as it is let; everybody else only waits
        "ray": 'case "$*" in *--head*) for w in "$@"; do case $w in --port=*) '
        "exec python3 -c \"import socket, sys, time; s = socket.create_server(('127.0.0.1', "
        'int(sys.argv[1]))); time.sleep(600)" "${w#--port=}";; esac; done;; '
        "*) exec sleep 600;; esac",
        "work": f"""
            until [ "$(grep -c "ray start" {tmp_path}/asked)" = 2 ]; do sleep 0.1; done
            if [ "$1" = wait ]; then
                sleep 600 > /dev/null &
                trap "kill $!; echo told to stop; exit 130" TERM
            fi
            echo "at $RAY_ADDRESS" > {tmp_path}/worked
            [ "$1" != wait ] || wait
            exit "$1" """,
    }
    for name, text in scripts.items():
        path = bin_folder / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return os.environ | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_CPUS_PER_TASK": "5",
        "SLURM_GPUS_ON_NODE": "2",
        "MOTION_SHARDS": str(tmp_path / "nowhere"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, 3])
def test_the_slurm_script_starts_a_head_and_workers_and_ends_as_its_command(
    code, slurm, tmp_path
) -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "examples/slurm.sh"), "work", str(code)],
        env=slurm,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    asked = (tmp_path / "asked").read_text()
    assert re.search(r"-w node1 .*ray start --head .*--num-cpus=5 --num-gpus=2", asked)
    port = re.search(r"--port=(\d+)", asked)[1]
    assert re.search(
        rf"--ntasks=2 .*-w node2,node3 .*--address=127.0.0.1:{port}", asked
    )
    assert (tmp_path / "worked").read_text() == f"at 127.0.0.1:{port}\n"


@pytest.mark.slow
def test_the_slurm_script_passes_on_the_signal_of_the_time_limit(
    slurm, tmp_path
) -> None:
    script = subprocess.Popen(
        ["bash", str(ROOT / "examples/slurm.sh"), "work", "wait"],
        env=slurm,
        stdout=subprocess.PIPE,
        text=True,
    )
    with script:
        while not (tmp_path / "worked").exists():
            assert script.poll() is None
        script.terminate()
        said, _ = script.communicate(timeout=60)
    assert script.returncode == 130 and "told to stop" in said


def test_the_slurm_script_wants_a_command() -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "examples/slurm.sh")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "expected a command" in done.stderr
