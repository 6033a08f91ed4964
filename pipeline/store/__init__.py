"""The store: a folder of shards that can be shared. The public contract.

Importing it loads numpy; a JPEG decoder comes with the first read that needs
one. `storage_layout.md` says the same for readers in other languages.
"""

from motion_shards.choices import MODALITIES

from .colour_wheel import motion_colours, motion_wheel
from .default_folders import (
    data_folder,
    models_folder,
    only_store,
    runs_folder,
    splits_folder,
    store_folder,
    stores_folder,
    videos_folder,
    weights_folder,
)
from .entries import Levels
from .errors import (
    AddressError,
    FolderHeld,
    LayoutError,
    RangeError,
    StoreError,
    StoreNotFound,
    VideoNotFound,
)
from .files import hash_of, open_regular
from .in_flight import side_by_side
from .json_value import Json
from .lease import Lease, hold, holder_of
from .lease_place import LeaseInfo
from .png import encode_png
from .reader import Store, StoredBlock
from .remote_path import Location, RemotePath
from .replacement import is_part, remove_parts, replacing, require_plain_folder
from .schema import CELL_PX, LAYOUT, LAYOUT_VERSION, ArraySpec
from .sealing import CHECKSUM, require_seal, sealed_text
from .verify import Damage, verify
from .videos import StoredVideo

__all__ = [
    "CELL_PX",
    "CHECKSUM",
    "LAYOUT",
    "LAYOUT_VERSION",
    "MODALITIES",
    "AddressError",
    "ArraySpec",
    "Damage",
    "FolderHeld",
    "Json",
    "LayoutError",
    "Lease",
    "LeaseInfo",
    "Levels",
    "Location",
    "RangeError",
    "RemotePath",
    "Store",
    "StoreError",
    "StoreNotFound",
    "StoredBlock",
    "StoredVideo",
    "VideoNotFound",
    "data_folder",
    "encode_png",
    "hash_of",
    "hold",
    "holder_of",
    "is_part",
    "models_folder",
    "motion_colours",
    "motion_wheel",
    "only_store",
    "open_regular",
    "remove_parts",
    "replacing",
    "require_plain_folder",
    "require_seal",
    "runs_folder",
    "sealed_text",
    "side_by_side",
    "splits_folder",
    "store_folder",
    "stores_folder",
    "verify",
    "videos_folder",
    "weights_folder",
]
