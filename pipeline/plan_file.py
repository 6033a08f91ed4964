"""`_plan.json`, read and written: a line per video, so that millions take little memory."""

import json
from pathlib import Path

from pipeline.plan import PlanError, StorePlan
from pipeline.store.records import PLAN
from pipeline.store.replacement import replacing


def write_plan(store: Path, plan: StorePlan) -> None:
    """Replace the plan of a store: there is the old one or the new one.

    The same plan gives the same bytes.
    """
    value = plan.to_dict()
    videos = value.pop("videos")
    encoder = json.JSONEncoder(sort_keys=True, allow_nan=False)
    head = encoder.encode(value).removesuffix("}")  # "videos" sorts behind all others
    with replacing(store / PLAN) as file:
        file.write(f'{head}, "videos": ['.encode())
        for number, video in enumerate(videos):
            comma = "," if number else ""
            file.write(f"{comma}\n{encoder.encode(video)}".encode())
        file.write(b"\n]}\n")


def read_plan(store: Path) -> StorePlan:
    """The plan of a store, finished or not.

    Raises:
        PlanError: there is none, or it is not one.
    """
    try:
        value = json.loads((store / PLAN).read_bytes())
    except FileNotFoundError:
        raise PlanError(f"{store}: expected a store ({PLAN}), got none") from None
    except ValueError as error:
        raise PlanError(f"{store / PLAN}: expected a plan, got {error}") from error
    if not isinstance(value, dict):
        raise PlanError(f"{store / PLAN}: expected a plan, got {type(value).__name__}")
    return StorePlan.from_dict(value)
