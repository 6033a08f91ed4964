"""The user's variables on their way into a job and its tasks, past Ray's logs.

Ray writes `env_vars` of a runtime environment into logs that everybody on the head may
read, and replaces `$NAME` in them. What describes a job (its metadata) it hands to the
job's command as it is, and shows to all users of the cluster.
"""

import json
import os
import sys
from collections.abc import Mapping

_KEY = "motion_shards_variables"
_NAMES = "MOTION_SHARDS_VARIABLES"
"""The variable that holds the others' names, in a job."""
_RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""The variable in which Ray describes a job to its command."""


def packed(variables: Mapping[str, str]) -> dict[str, str]:
    """Metadata of a job that brings it these variables."""
    return {_KEY: json.dumps(variables)}


def unpack() -> None:
    """Start this command again with its variables set, if it is a job; else do nothing."""
    job = json.loads(os.environ.get(_RAY_JOB) or "{}")
    if _KEY not in job.get("metadata", {}):
        return
    variables = json.loads(job["metadata"].pop(_KEY))
    environment = os.environ | variables
    environment[_RAY_JOB] = json.dumps(job)
    environment[_NAMES] = ",".join(variables)
    # again, because some count only for a process that starts, such as PYTHONPATH
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def of_this_job() -> dict[str, str]:
    """Variables that this job got, for its tasks on other machines."""
    names = os.environ.get(_NAMES, "").split(",")
    return {name: os.environ[name] for name in names if name in os.environ}
