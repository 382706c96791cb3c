"""Prepared data in object storage: a local copy whose files are fetched when they are first read.

Shards make this fast: a thousand faces with one request, and the next epoch reads them from disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from pathlib import Path

from affectzoo.errors import DataError
from affectzoo.files.fetch import home

RECORD = "prepared.json"
ADDRESS = "address.txt"
"""The file of a local copy that says where the rest is."""


def local_root(root: str | Path) -> Path:
    """A data set's folder on this machine.

    Args:
        root: A folder, which is returned as it is; or the address of a prepared folder that fsspec knows,
            such as ``s3://bucket/folder`` (with s3fs installed), of which a local copy is begun or gone on
            with, below ``AFFECTZOO_HOME``. A copy of something that was prepared anew since is thrown away.

    Raises:
        DataError: The address cannot be read, and nothing was fetched from it before.
    """
    address = str(root).rstrip("/")
    if "://" not in address:
        return Path(root)
    copy = home() / "data" / hashlib.sha256(address.encode()).hexdigest()[:16]
    try:
        record = _read(f"{address}/{RECORD}")
    except DataError as error:
        if not (copy / RECORD).is_file():
            raise
        warnings.warn(f"going on with what was fetched before: {error}", stacklevel=2)
        return copy
    if copy.is_dir() and (not (copy / RECORD).is_file() or (copy / RECORD).read_bytes() != record):
        shutil.rmtree(copy)
    copy.mkdir(parents=True, exist_ok=True)
    (copy / ADDRESS).write_text(address, encoding="utf-8")
    _replace(copy / RECORD, record)
    return copy


def fetch_missing(path: Path) -> None:
    """Fetch a file of a local copy; nothing happens where the path is not inside one.

    Args:
        path: A file that is not there.

    Raises:
        DataError: It cannot be fetched.
    """
    for folder in path.parents[:3]:
        if (folder / ADDRESS).is_file():
            address = (folder / ADDRESS).read_text(encoding="utf-8")
            _replace(path, _read(f"{address}/{path.relative_to(folder).as_posix()}"))
            return


def _read(address: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(address, "rb") as file:
            content: bytes = file.read()
    except Exception as error:  # every file system has errors of its own
        raise DataError(
            f"{address}: cannot be read ({error or type(error).__name__}); the address must be of a folder "
            "that affectzoo data prepare wrote, and its file system's package be installed (s3fs for s3://)"
        ) from None
    return content


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or not there, though several processes do the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
