"""`_plan.json`, read and written: a line per video, so that millions take little memory."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xxhash import xxh3_128

from pipeline.errors import DamagedPlan, NoPlan, PlanError
from pipeline.store.errors import LayoutError, OtherLayout
from pipeline.store.fields import (
    Fits,
    is_count,
    is_list,
    is_object,
    is_text,
    is_text_object,
    is_texts,
    require_fields,
    shown,
)
from pipeline.store.file_names import COMMITS, MANIFEST, PLAN
from pipeline.store.files import MAX_PLAN_BYTES, read_optional
from pipeline.store.remote_path import Location
from pipeline.store.replacement import replacing
from pipeline.store.sealing import CHECKSUM, UNSEALED, checksum_place

from .plan import StorePlan


def _are_ends(value: Any) -> bool:
    return is_list(value) and all(map(is_count, value)) and value == sorted(set(value))


def _are_videos(value: Any) -> bool:
    return is_list(value) and all(
        is_list(video)
        and len(video) == 3
        and is_texts(video[:2])
        and is_count(video[2])
        for video in value
    )


_FIELDS: Mapping[str, Fits] = {
    "layout_version": is_count,
    "dataset": is_text,
    "fingerprint": is_text,
    "settings": is_object,
    "ends": _are_ends,
    "earlier": _are_ends,
    "unusable": is_text_object,
    "videos": _are_videos,
}


def write_plan(store: Path, plan: StorePlan) -> None:
    """Replace the plan of a store: there is the old one or the new one.

    The same plan gives the same bytes.
    """
    value = {**plan.to_dict(), CHECKSUM: UNSEALED}
    del value["videos"]
    encoder = json.JSONEncoder(sort_keys=True, allow_nan=False)
    head = encoder.encode(value).removesuffix("}")  # "videos" sorts behind all others
    state = xxh3_128()
    with replacing(store / PLAN) as file:

        def write(text: str) -> None:
            state.update(text.encode())
            file.write(text.encode())

        write(f'{head}, "videos": [')
        for number, video in enumerate(plan.videos):
            comma = "," if number else ""
            write(f"{comma}\n{encoder.encode(video)}")
        write("\n]}\n")
        file.seek(checksum_place(head.encode()))
        file.write(state.hexdigest().encode())


def read_plan(store: Location) -> StorePlan:
    """The plan of a store, finished or not.

    Raises:
        NoPlan: there is none.
        DamagedPlan: it is none, or was changed since it was written.
        PlanError: it is of another layout.
    """
    try:
        value = read_optional(store, PLAN, "a plan", limit=MAX_PLAN_BYTES)
    except OtherLayout as error:
        raise PlanError(str(error)) from None
    except LayoutError as error:
        raise DamagedPlan(str(error)) from None
    if value is None:
        lost = isinstance(store, Path) and (
            (store / MANIFEST).is_file() or (store / COMMITS).is_dir()
        )
        advice = ": the same `pipeline extract` makes the plan again" if lost else ""
        raise NoPlan(f"{store}: expected a store ({PLAN}), got none{advice}")
    return _plan(value, store)


def _plan(value: dict[str, Any], store: Location) -> StorePlan:
    try:
        require_fields(value, _FIELDS)
        if value["ends"][-1:] != [len(value["videos"])]:
            raise ValueError(f"ends: {shown(value['ends'])}")
        if not all(0 < shards < len(value["ends"]) for shards in value["earlier"]):
            raise ValueError(f"earlier: {shown(value['earlier'])}")
        plan = StorePlan.from_dict(value)
        same = plan.fingerprint == value["fingerprint"]
    except PlanError as error:  # it begins with the name of the file
        raise DamagedPlan(f"{store}/{error}") from None
    except ValueError as error:
        raise DamagedPlan(f"{store / PLAN}: expected a plan, got {error}") from None
    if not same:
        raise DamagedPlan(
            f"{store / PLAN}: expected the plan of {value['fingerprint']}, got one of "
            f"{plan.fingerprint}"
        )
    return plan
