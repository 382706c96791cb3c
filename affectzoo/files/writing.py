"""Write results so that a file is whole or not there; an older one stays until the new one is complete."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from affectzoo.console import json_text
from affectzoo.errors import OutputError

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
"""What a full or failing disk says, without a file's name."""


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Write a file: the target is tried first and replaced at the end, at once or not at all.

    The file is written under another name beside the target, brought to the disk, and renamed. However it
    ends, nothing else is left behind, and an older file stays as it was unless the new one is complete. A
    link stays one; what is no regular file, such as ``/dev/stdout``, is written directly.

    Args:
        target: The file; its folder is made.

    Yields:
        The path to write to, with the target's ending.

    Raises:
        OutputError: It cannot be written, be it now or when the disk is full; names the target.
    """
    real = Path(os.path.realpath(target))
    part = real.with_name(f".{real.stem[:50]}.{secrets.token_hex(4)}{real.suffix}")
    with _named(target, part):
        if target.exists() and not target.is_file() and not target.is_dir():
            yield target
            return
        _start(real, part)
        try:
            yield part
            _to_disk(part)
            part.replace(real)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _to_disk(real.parent)


def try_writing(target: Path) -> None:
    """Find out whether a file could be written, before the work that fills it; its folder is made.

    Raises:
        OutputError: It could not; names the target.
    """
    with suppress(_Tried), writing(target):
        raise _Tried


class _Tried(Exception):
    """Ends a writing that was only tried."""


def write_bytes(target: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: It cannot be written; an older file is as it was.
    """
    with writing(target) as part:
        part.write_bytes(data)


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all, its line breaks as they are.

    Raises:
        OutputError: It cannot be written; an older file is as it was.
    """
    write_bytes(target, text.encode("utf-8", "backslashreplace"))


def write_json(target: Path, value: Any, indent: int | None = 2) -> None:
    """Write a JSON file whole or not at all; see ``console.json_text`` for what it can hold.

    Raises:
        OutputError: It cannot be written; an older file is as it was.
    """
    write_text(target, json_text(value, indent) + "\n")


def _start(real: Path, part: Path) -> None:
    """Make the empty file under its other name, with the rights that the target has or would get."""
    if real.is_dir():
        raise IsADirectoryError(None, "is a folder; give a file's name", str(part))
    real.parent.mkdir(parents=True, exist_ok=True)
    if real.exists() and not os.access(real, os.W_OK):
        raise PermissionError(None, "is write-protected", str(part))
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    if real.exists():
        part.chmod(real.stat().st_mode)


def _to_disk(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk; some systems cannot, for folders."""
    try:
        opened = os.open(path, os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR)
    except PermissionError:
        return
    try:
        os.fsync(opened)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(opened)


@contextmanager
def _named(target: Path, part: Path) -> Iterator[None]:
    """Turn system errors about the part into errors that name the target; others pass."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        about = {os.fspath(path) for path in (target, part, *part.parents, *target.parents)}
        ours = error.errno in _DISK if error.filename is None else os.fsdecode(error.filename) in about
        if not ours:
            raise
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
