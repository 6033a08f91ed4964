"""Default folders of data, unless the command line says otherwise.

$VIDEO_DATA (default ./data)
├── videos/NAME    a data set as its owners unpack it
├── splits/NAME    its lists
├── stores/NAME    what `pipeline extract` made of it
├── weights/       weights that others have trained, for recipes that start from them
├── runs/          what `training` made of that
└── models/        runs that `training export` wrote as models
"""

import os
from pathlib import Path

from .errors import StoreError, StoreNotFound
from .file_names import MANIFEST


def data_folder() -> Path:
    return Path(os.environ.get("VIDEO_DATA") or "data")


def videos_folder(dataset: str) -> Path:
    return data_folder() / "videos" / dataset


def splits_folder(dataset: str) -> Path:
    return data_folder() / "splits" / dataset


def stores_folder() -> Path:
    return data_folder() / "stores"


def store_folder(name: str) -> Path:
    return stores_folder() / name


def runs_folder() -> Path:
    return data_folder() / "runs"


def models_folder() -> Path:
    return data_folder() / "models"


def weights_folder() -> Path:
    return data_folder() / "weights"


def only_store() -> Path:
    """The one store under `stores_folder()`.

    Raises:
        StoreNotFound: there is none.
        StoreError: there are several; the message names them.
    """
    stores = sorted(path.parent for path in stores_folder().glob(f"*/{MANIFEST}"))
    if not stores:
        raise StoreNotFound(
            f"{stores_folder()}: expected a store, got none: "
            "make one with `pipeline extract`, or name one with --store"
        )
    if len(stores) > 1:
        names = ", ".join(store.name for store in stores)
        raise StoreError(
            f"{stores_folder()}: expected one store, got {len(stores)} ({names}): "
            "name one with --store"
        )
    return stores[0]
