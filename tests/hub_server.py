"""A stand-in for the Hugging Face Hub on the loopback address: one data set repository.

It answers what HfFileSystem asks for: the repository, the listing of a folder, and the files
themselves, which are those of a folder of the web server.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from web_server import Answer, WebServer, served

REPOSITORY = "lab/motion"
API, FILES = f"/api/datasets/{REPOSITORY}", f"datasets/{REPOSITORY}/resolve/main"


@contextmanager
def hub(root: Path, folder: Path) -> Iterator[WebServer]:
    """Serve a folder as a repository of the Hub.

    Args:
        root: a new folder of the server's own.
    """
    files = root / FILES
    files.parent.mkdir(parents=True)
    files.symlink_to(folder)

    def answer(path: str) -> Answer | None:
        path = path.partition("?")[0]
        if not path.startswith("/api/"):
            return None
        if path in (API, f"{API}/revision/main"):
            return Answer(200, json.dumps({"id": REPOSITORY}).encode())
        if not path.startswith(f"{API}/tree/main"):
            return Answer(404, headers={"X-Error-Code": "RepoNotFound"})
        inside = path.removeprefix(f"{API}/tree/main").strip("/")
        if not (files / inside).is_dir():
            return Answer(404, headers={"X-Error-Code": "EntryNotFound"})
        entries = [_entry(each, files) for each in sorted((files / inside).iterdir())]
        return Answer(200, json.dumps(entries).encode())

    with served(root) as server:
        server.answer = answer
        yield server


def _entry(path: Path, files: Path) -> dict[str, object]:
    name = path.relative_to(files).as_posix()
    if path.is_dir():
        return {"type": "directory", "path": name, "oid": "0" * 40}
    size = path.stat().st_size
    return {"type": "file", "path": name, "oid": "0" * 40, "size": size}
