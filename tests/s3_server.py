"""moto's S3 service on the loopback address, and what s3fs finds in the environment for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "data"


@contextmanager
def s3_service() -> Iterator[str]:
    """An S3 service with a bucket; its address is that of the environment inside."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    ours = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        client().create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        server.stop()


def client():
    """A client of the service in the environment, which is not the one under test."""
    return boto3.client("s3")


def upload(folder: Path, prefix: str) -> None:
    """All files below a folder, as objects whose names begin with a prefix."""
    s3 = client()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())


def objects(prefix: str) -> dict[str, bytes]:
    """Name below a prefix -> content of every object there."""
    s3 = client()
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", [])
    return {
        each["Key"].removeprefix(f"{prefix}/"): s3.get_object(
            Bucket=BUCKET, Key=each["Key"]
        )["Body"].read()
        for each in found
    }
