"""A command line for another machine: absolute paths, readable names, exit codes."""

import re
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from pipeline.cluster.command import elsewhere
from pipeline.cluster.job import Job, new_id
from pipeline.cluster.jobs import JobServer
from pipeline.commands.cli import main

HERE = Path("/home/anna")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (
            "extract --videos v --out=../s --limit 3 --json",
            "pipeline extract --videos /home/anna/v --out=/home/anna/../s --limit 3 --json",
        ),
        ("pipeline extract --dataset demo", "pipeline extract --dataset demo"),
        ("pipeline verify s --decode", "pipeline verify /home/anna/s --decode"),
        ("pipeline verify -- s", "pipeline verify -- /home/anna/s"),
        ("pipeline verify s3://bucket/s", "pipeline verify s3://bucket/s"),
        ("training teach --store=s", "training teach --store=/home/anna/s"),
        ("info s class/v_01", "pipeline info /home/anna/s class/v_01"),
        (
            "training distill --store /lab/s --teacher flow --out runs/a",
            "training distill --store /lab/s --teacher flow --out /home/anna/runs/a",
        ),
        ("training evaluate r", "training evaluate /home/anna/r"),
        ("training --help", "training --help"),
        ("training -h", "training -h"),
        ("extract -h", "pipeline extract -h"),
        ("pipeline cluster check c.yaml", "pipeline cluster check /home/anna/c.yaml"),
    ],
)
def test_what_the_command_takes_for_a_path_is_made_absolute(given, sent):
    assert elsewhere(given.split(), folder=HERE) == sent.split()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "expected a command"),
        ("extrakt", "expected a command of `pipeline`.*extract.*got 'extrakt'"),
        ("training extract", "expected a command of `training`.*distill"),
        ("extract --vidos v", "--vidos"),
        ("extract --videos", "--videos"),
    ],
)
def test_a_wrong_command_is_refused_before_it_is_sent(given, expected):
    with pytest.raises(click.UsageError) as refused:
        elsewhere(given.split(), folder=HERE)
    assert re.search(expected, refused.value.format_message())
    assert CliRunner().invoke(main, ["submit", "--", *given.split()]).exit_code == 2


def test_ids_are_readable_and_no_two_are_equal():
    words = ["pipeline", "extract", "--dataset", "ucf101", "--out", "/lab/Mine"]
    first, second = new_id(words), new_id(words)
    assert first != second
    assert first.startswith("extract-ucf101-") and first.replace("-", "").isalnum()
    assert new_id(["training", "distill", "--store", "/lab/A b"]).startswith(
        "distill-a-b-"
    )
    assert new_id(["training", "--help"])[0].isalnum()


@pytest.mark.parametrize(
    ("status", "driver", "expected"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 3, 3),
        ("FAILED", 1, 1),
        ("FAILED", 2, 2),
        ("FAILED", 130, 130),
        ("FAILED", -9, 1),
        ("FAILED", 137, 1),
        ("FAILED", None, 1),
        ("STOPPED", None, 130),
        ("RUNNING", None, None),
        ("PENDING", None, None),
    ],
)
def test_a_job_ends_as_its_command_ended(status, driver, expected):
    details = SimpleNamespace(
        submission_id="a",
        entrypoint="pipeline doctor",
        status=SimpleNamespace(value=status),
        driver_exit_code=driver,
        start_time=1_000,
        end_time=61_000,
        message="died with exit code 3, last available logs (truncated):\nline",
    )
    job = Job.of(details)
    assert (job.exit_code, job.over) == (expected, expected is not None)
    assert job.seconds == 60 and job.message == "died with exit code 3"
    assert "\n" not in job.text()


@pytest.mark.parametrize("how", ["option", "variable", "ray_address"])
def test_nobody_at_an_address_is_one_line(how, monkeypatch):
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    command = ["jobs"]
    if how == "option":
        command += ["--address", "http://127.0.0.1:1"]
    elif how == "variable":
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    else:
        monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1/")
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1 and done.output.count("\n") == 1
    assert "expected a job server at http://127.0.0.1:1, got none" in done.output


def test_without_any_cluster_the_line_says_how_to_get_one(monkeypatch, tmp_path):
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr("pipeline.cluster.dashboard.DASHBOARD_PORT", 1)
    with pytest.raises(RuntimeError, match="--address http://HEAD:1 or RAY_API"):
        JobServer()


@pytest.mark.parametrize("text", ["=x", "NOT_SET_ANYWHERE"])
def test_a_variable_without_name_or_value_is_wrong_usage(text):
    done = CliRunner().invoke(main, ["submit", "--env", text, "doctor"])
    assert done.exit_code == 2 and "--env: expected NAME=VALUE" in done.output
