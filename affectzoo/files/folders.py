"""Look into folders: one way to list them, to pass over litter and to tell what was seen and not used.

Litter is what systems and programs leave behind: names that begin with a dot, ``__MACOSX``, ``@eaDir``,
``Thumbs.db`` and the like. Pipes, sockets, devices and links to nothing are never opened. Names that are not
UTF-8 are kept as Python has them (``os.fsdecode``), so that their files can be opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from affectzoo.errors import DataError, OptionError

LITTER = frozenset(
    {
        "$recycle.bin",
        "#recycle",
        "@eadir",
        "__macosx",
        "desktop.ini",
        "icon\r",
        "lost+found",
        "system volume information",
        "thumbs.db",
    }
)
"""Names of litter beside those that begin with a dot, lower case."""

POINTER = b"version https://git-lfs"
"""How files begin that Git LFS leaves in place of others."""

STANDS_IN = "a Git LFS pointer, which only stands for the file; git lfs pull fetches it"
"""What to say of such a file."""


@dataclass(frozen=True)
class Listing:
    """What one folder holds.

    Attributes:
        path: The folder.
        folders: Names of folders in it, sorted; links to folders count.
        files: Names of regular files in it, sorted; links to files count.
        litter: How many entries were passed over as litter.
        special: What must not or cannot be opened, and what that is, such as ``a pipe``.
    """

    path: Path
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    litter: int = 0
    special: tuple[tuple[Path, str], ...] = ()


class Unused(Counter[str]):
    """What was seen and not used, counted by reason, and which of a root's entries were looked into.

    Attributes:
        root: The folder whose entries are followed, if any.
        touched: Names of its entries that were looked into or read.
    """

    def __init__(self, root: Path | None = None) -> None:
        """Begin with nothing seen."""
        super().__init__()
        self.root = root
        self.touched: set[str] = set()
        self._listed: set[Path] = set()

    def note(self, listing: Listing) -> None:
        """Count what a listing passes over, once per folder."""
        self.touch(listing.path)
        if listing.path in self._listed:
            return
        self._listed.add(listing.path)
        for reason, times in (
            ("hidden or system file", listing.litter),
            *((f"not opened: {what.partition(' to ')[0]}", 1) for _, what in listing.special),
        ):
            if times:
                self[reason] += times

    def touch(self, path: Path) -> None:
        """Note that a path was looked into or read."""
        if self.root is not None and path != self.root and path.is_relative_to(self.root):
            self.touched.add(path.relative_to(self.root).parts[0])


_seen: ContextVar[Unused | None] = ContextVar("seen", default=None)


def look(path: Path) -> Listing:
    """List one folder; what is passed over is counted, see ``unused``.

    Raises:
        DataError: It is no folder, or cannot be listed.
    """
    listing = peek(path)
    seen = _seen.get()
    if seen is not None:
        seen.note(listing)
    return listing


def peek(path: Path) -> Listing:
    """List one folder to find out whether it is the right one; nothing is counted.

    Raises:
        DataError: It is no folder, or cannot be listed.
    """
    folders: list[str] = []
    files: list[str] = []
    special: list[tuple[Path, str]] = []
    litter = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if is_litter(entry.name):
                    litter += 1
                elif _holds(entry, folders, files):
                    continue
                else:
                    special.append((path / entry.name, obstacle(path / entry.name) or "unreadable"))
    except OSError as error:
        raise DataError(f"{path}: cannot be listed ({error.strerror or error})") from None
    return Listing(path, tuple(sorted(folders)), tuple(sorted(files)), litter, tuple(sorted(special)))


def walk(top: Path, enter: Callable[[Path], bool] = lambda path: True) -> Iterator[Listing]:
    """List a folder and all folders below it, each once, parents first and by name.

    Links to folders are followed; a folder that cannot be listed is ``special`` of its own listing.

    Args:
        top: Where to begin.
        enter: Whether to list a folder below.

    Raises:
        DataError: ``top`` is no folder, or cannot be listed.
    """
    entered: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            found = path.stat()
            listing = look(path)
        except (DataError, OSError) as error:
            if path == top:
                raise DataError(f"{top}: {obstacle(top) or error}") from None
            yield Listing(path, special=((path, "a folder that cannot be listed"),))
            continue
        if (found.st_dev, found.st_ino) in entered:  # a link to a folder above, or to one seen before
            continue
        entered.add((found.st_dev, found.st_ino))
        yield listing
        waiting += filter(enter, [path / name for name in reversed(listing.folders)])


def subfolders(path: Path) -> list[Path]:
    """The folders in a folder, by name; none where it is not there.

    Raises:
        DataError: It cannot be listed.
    """
    return [path / name for name in look(path).folders] if path.is_dir() else []


def filenames(path: Path) -> tuple[str, ...]:
    """The names of the files in a folder, sorted; none where it is not there.

    Raises:
        DataError: It cannot be listed.
    """
    return look(path).files if path.is_dir() else ()


def by_stem(folder: Path, fits: Callable[[str], object]) -> dict[str, Path]:
    """The files of a folder whose names fit, by name without ending; none where the folder is not there.

    Raises:
        DataError: It cannot be listed.
    """
    return {Path(name).stem: folder / name for name in filenames(folder) if fits(name)}


def is_litter(name: str) -> bool:
    """Whether a file or folder of that name is none of the user's."""
    return name.startswith(".") or name.lower() in LITTER


def is_file(path: Path) -> bool:
    """Whether a file is there; a name that is too long or no name at all is no error."""
    return obstacle(path) is None and path.is_file()


def user_path(given: str | os.PathLike[str]) -> Path:
    """Make a path of what a user typed: ``~`` is the home folder, unless a file's name begins so.

    Raises:
        OptionError: It is no text and no path either, or none that this system can name.
    """
    if not isinstance(given, str | os.PathLike):
        raise OptionError(f"a path is of the type {type(given).__name__}; expected text or a Path")
    path = Path(given)
    try:
        os.lstat(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte, or half a character
        if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:
            told = getattr(error, "strerror", None) or str(error)
            raise OptionError(f"{str(given)[:80]!r} is no possible path: {told}") from None
    if path.parts[:1] and path.parts[0].startswith("~") and not os.path.lexists(path):
        path = Path(os.path.expanduser(path))  # noqa: PTH111  # leaves names of no user as they are
    return path


def obstacle(path: Path) -> str | None:
    """Say why a path is neither a file nor a folder that can be opened, or return ``None``."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return f"a link to {path.readlink()}, which is not there" if path.is_symlink() else "no such file"
    except (OSError, ValueError) as error:  # ValueError: a NUL byte
        return getattr(error, "strerror", None) or str(error)
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device"}
    regular = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return None if regular else kinds.get(stat.S_IFMT(mode), "a device")


def pointer(path: Path) -> str | None:
    """Say that a file only stands for another one, as Git LFS leaves them, or return ``None``."""
    try:
        with path.open("rb") as file:
            return STANDS_IN if file.read(len(POINTER)) == POINTER else None
    except OSError:
        return None


def count(reason: str, times: int) -> None:
    """Note that something was seen and not used, where that is asked for."""
    seen = _seen.get()
    if seen is not None and times:
        seen[reason] += times


def touch(path: Path) -> None:
    """Note that a file was read, where that is asked for."""
    seen = _seen.get()
    if seen is not None:
        seen.touch(path)


@contextmanager
def unused(root: Path | None = None) -> Iterator[Unused]:
    """Count by reason what is seen and not used while it lasts.

    Args:
        root: Folder whose entries are followed, see ``Unused``.
    """
    seen = Unused(root)
    before = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(before)


def _holds(entry: os.DirEntry[str], folders: list[str], files: list[str]) -> bool:
    """Whether an entry is a folder or a file; its name is added to the right list."""
    try:
        kind = folders if entry.is_dir() else files if entry.is_file() else None
    except OSError:
        return False
    if kind is not None:
        kind.append(entry.name)
    return kind is not None
