"""A user's variables arrive in a job as they are, without Ray's logs having seen them."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from motion_shards import remote, variables
from pipeline.cluster.jobs import JobServer

ROOT = Path(__file__).parents[2]
GIVEN = {"SECRET": "s3cret ${HOME}\n$PATH", "PYTHONPATH": str(ROOT)}


def test_a_value_travels_past_what_ray_writes_into_logs():
    sent: dict = {}
    server = JobServer.__new__(JobServer)
    server.address = "http://head:8265"
    server._client = SimpleNamespace(submit_job=lambda **more: sent.update(more) or "j")
    server.submit(["pipeline", "doctor"], environment=GIVEN)
    logged = {name: sent[name] for name in ("entrypoint", "runtime_env")}
    assert "s3cret" not in str(logged) and "SECRET" not in str(logged)
    assert sent["metadata"] == {"motion_shards": "pipeline"} | variables.packed(GIVEN)


def test_a_job_starts_with_its_variables_and_knows_them_for_its_tasks():
    code = (
        "import json, os; from motion_shards import variables\n"
        "variables.unpack()\n"
        "print(json.dumps([variables.of_this_job(), dict(os.environ)]))"
    )
    job = {"metadata": variables.packed(GIVEN) | {"job_name": "j"}, "runtime_env": {}}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(job)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    known, environment = json.loads(done.stdout)
    assert known == GIVEN
    assert environment["SECRET"] == GIVEN["SECRET"]
    left = json.loads(environment["RAY_JOB_CONFIG_JSON_ENV_VAR"])
    assert left == {"metadata": {"job_name": "j"}, "runtime_env": {}}


def test_outside_of_a_job_nothing_is_started_again(monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    monkeypatch.delenv("MOTION_SHARDS_VARIABLES", raising=False)
    variables.unpack()
    assert variables.of_this_job() == {}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"runtime_env": {}}')
    variables.unpack()  # a job of somebody else's submitting


class _Seen:
    """Notes, when it is unpickled, what the environment was then."""

    def __reduce__(self):
        return os.getenv, ("MOTION_SHARDS_TRIED",)


def test_a_task_has_them_before_its_modules_are_imported(monkeypatch):
    monkeypatch.setenv("MOTION_SHARDS_TRIED", "")
    call = pickle.dumps((max, (_Seen(),)))
    given = {"MOTION_SHARDS_TRIED": "b"}
    assert remote.run(given, call, "a") == "b"
