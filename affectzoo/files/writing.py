"""Write results so that a file is whole or not there; an older one stays until the new one is complete."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.console import json_text
from affectzoo.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

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
    with named(target, part):
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


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other commands from writing their files among this one's, where the system can.

    Args:
        folder: Made where it is not there. The files that belong together are written in it.

    Raises:
        OutputError: Another command is at work there.
    """
    with named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if os.name == "nt":  # which opens no folders
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            lock(opened)
        except BlockingIOError:
            raise OutputError(
                f"{folder}: another affectzoo command is writing there, and their files would be mixed: wait "
                "for it, or name another folder"
            ) from None
        yield
    finally:
        os.close(opened)


def lock(file: FileDescriptorLike) -> None:
    """Keep other processes from an open file or folder until it is closed, where the system can.

    Raises:
        BlockingIOError: One has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return


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
def named(target: Path, part: Path | None = None) -> Iterator[None]:
    """Turn system errors about a target, and those of a full disk, into ones that name it; others pass.

    Args:
        target: What is written.
        part: The name under which it is written until it is complete, if another.

    Raises:
        OutputError: It cannot be written; names the target.
    """
    part = target if part is None else part
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
