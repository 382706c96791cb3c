"""Files in object storage, by addresses that fsspec knows.

Of prepared data there is a local copy, whose files are fetched when they are first read, and kept. Shards
make this fast: a thousand faces with one request, and the next epoch reads them from disk.
"""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from affectzoo.errors import DataError
from affectzoo.files.fetch import home
from affectzoo.files.writing import write_bytes, write_text

RECORD = "prepared.json"
ADDRESS = "address.txt"
"""The file of a local copy that says where the rest is."""


def is_address(text: str) -> bool:
    """Whether a text is an address, such as ``s3://bucket/folder``, and no path."""
    return "://" in text


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
    if not is_address(address):
        return Path(root)
    begun = home() / "data" / hashlib.sha256(address.encode()).hexdigest()[:16]
    try:
        record = read_address(f"{address}/{RECORD}")
    except DataError as error:
        copy = _newest(begun)
        if copy is None:
            raise
        warnings.warn(f"going on with what was fetched before: {error}", stacklevel=2)
        return copy
    # What was prepared anew is another folder: nobody who still reads the old one loses it meanwhile.
    copy = begun / hashlib.sha256(record).hexdigest()[:16]
    write_text(copy / ADDRESS, address)
    write_bytes(copy / RECORD, record)
    for old in begun.iterdir():
        if old != copy:
            shutil.rmtree(old, ignore_errors=True)
    return copy


def _newest(begun: Path) -> Path | None:
    """Find the copy of an address that was used last; none where none was begun."""
    records = sorted(begun.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
    return records[-1].parent if records else None


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
            write_bytes(path, read_address(f"{address}/{path.relative_to(folder).as_posix()}"))
            return


def read_address(address: str) -> bytes:
    """Read a file.

    Raises:
        DataError: It cannot be read.
    """
    import fsspec

    with _told(address), fsspec.open(address, "rb") as file:
        content: bytes = file.read()
    return content


def behind(address: str) -> list[str]:
    """List the files that an address names: the file, all below a folder, or the matches of a pattern.

    Args:
        address: Without a ``/`` at its end.

    Returns:
        Their addresses, in order; of a prepared folder only that of its record.

    Raises:
        DataError: The storage cannot be reached.
    """
    from fsspec.core import url_to_fs

    with _told(address):
        system, path = url_to_fs(address)
        if system.exists(f"{path}/{RECORD}"):
            found = [f"{path}/{RECORD}"]
        elif system.isfile(path):
            found = [path]
        elif system.isdir(path):
            found = sorted(system.find(path))
        else:
            found = sorted(system.glob(path))
        return [str(system.unstrip_protocol(name)) for name in found]


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Say what cannot be read."""
    try:
        yield
    except Exception as error:  # every file system has errors of its own
        raise DataError(
            f"{address}: cannot be read ({error or type(error).__name__}); is the file system's package "
            "installed (s3fs for s3://)? Trainings read folders that affectzoo data prepare wrote"
        ) from None
