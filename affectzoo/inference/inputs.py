"""Find the images and videos behind what people name or hand over: files, folders, addresses, arrays."""

from __future__ import annotations

import glob
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.errors import DataError, OptionError, UnreadableImageError
from affectzoo.faces.detect import Detection
from affectzoo.files import videos
from affectzoo.files.decoding import READ, decode
from affectzoo.files.folders import obstacle, user_path, walk
from affectzoo.files.images import SUFFIXES, as_image, check_image, kind_of, peek, read_image
from affectzoo.files.remote import RECORD, behind, is_address, local_root, read_address

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image


@dataclass(frozen=True)
class Stored:
    """An image in object storage.

    Attributes:
        address: The image's; or that of the prepared folder that it is in.
        path: Where it is in a prepared folder, whose files are kept on this machine once they are read.
    """

    address: str
    path: str | None = None

    def read(self) -> Image:
        """Decode it, see ``Source.read``."""
        try:
            if self.path is not None:
                return read_image(_copy(self.address) / self.path)
            return decode(read_address(self.address), self.address)
        except UnreadableImageError:
            raise
        except DataError as error:
            raise UnreadableImageError(str(error)) from None


_copy = cache(local_root)
"""The local copy of a prepared folder, looked for once per process."""


@dataclass(frozen=True)
class Source:
    """One image or video to predict on.

    Attributes:
        name: The file as it was given; else ``array 0``, ``image 1`` and so on, by its place.
        value: A path, something ``Stored``, or what ``files.images.as_image`` takes.
        problem: Why there is no image, where that is known before it is read.
        named: Whether it was given, not found in a folder.
        video: Whether it is a video's path.
        faces: Where its faces are, if that is known; else a detector says it.
        margin: How much larger than these the image is, as a share of their longer edge.
    """

    name: str
    value: Any = None
    problem: str | None = None
    named: bool = True
    video: bool = False
    faces: list[Detection] | None = None
    margin: float = math.inf

    def read(self) -> Image:
        """Decode an image.

        Returns:
            Shape (H, W, 3), RGB, 0..255.

        Raises:
            UnreadableImageError: It cannot be read.
        """
        if self.problem is not None:
            raise UnreadableImageError(f"{self.name}: {self.problem}")
        if isinstance(self.value, Stored):
            return self.value.read()
        return read_image(self.value) if isinstance(self.value, Path) else as_image(self.value, self.name)


@dataclass
class Sources:
    """What was found.

    Attributes:
        found: In the order of the inputs.
        unused: What was seen in folders and not taken, by kind.
    """

    found: list[Source] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)


def listed(inputs: Any) -> list[Any]:
    """Make a list of one input or several; arrays of four dimensions, or of names, are several."""
    if hasattr(inputs, "ndim"):
        names = getattr(getattr(inputs, "dtype", None), "kind", "number") in ("O", "U", "S", "T")
        one = inputs.ndim != 4 and not names
    else:
        texts = isinstance(inputs, str | os.PathLike | bytes | bytearray)
        one = texts or hasattr(inputs, "read") or not isinstance(inputs, Iterable)
    return [inputs] if one else list(inputs)


def find(inputs: Iterable[Any]) -> Sources:
    """Find the images and videos behind the inputs; nothing is decoded.

    Files are taken as they are named. Of folders, everything below is looked at: files with an image's or a
    video's ending or beginning are taken, hidden ones and the litter of systems are not. Of folders that
    ``affectzoo data prepare`` wrote, the crops are taken, with the places of their faces. What is no regular
    file, or not there, has a ``problem``.

    Args:
        inputs: Paths, folders, glob patterns, such addresses as fsspec knows (``s3://bucket/folder``; of
            images and prepared folders), and what ``files.images.as_image`` takes.

    Raises:
        OptionError: An empty name, or something that is no image; names its place.
    """
    found = Sources()
    for place, item in enumerate(inputs):
        if isinstance(item, str | os.PathLike):
            found.found += _named(os.fspath(item), place, found.unused)
            continue
        name = f"{kind_of(item) or 'input'} {place}"
        check_image(item, name)
        found.found.append(Source(name, item))
    return found


def _named(given: str | bytes, place: int, unused: Counter[str]) -> Iterator[Source]:
    text = os.fsdecode(given)
    if not text:
        raise OptionError(f"input {place} is an empty name; expected a file, folder or pattern")
    if is_address(text):
        yield from _behind(text.rstrip("/"), unused)
        return
    try:
        path = user_path(text)
    except OptionError as error:
        yield Source(text, Path(text), str(error))
        return
    problem = obstacle(path)
    if problem is None:
        yield from _inside(path, unused) if path.is_dir() else [_file(path, named=True)]
        return
    matches = [] if os.path.lexists(path) else sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
    files = [Path(match) for match in matches if not Path(match).is_dir()]
    if files:
        for match in files:
            found = obstacle(match)
            yield _file(match) if found is None else Source(str(match), match, found, named=False)
    else:
        none = problem if os.path.lexists(path) else "no such file, folder or match of a pattern"
        yield Source(str(path), path, none)


def _file(path: Path, named: bool = False) -> Source:
    return Source(str(path), path, named=named, video=_kind(path) == "video")


def _inside(folder: Path, unused: Counter[str]) -> Iterator[Source]:
    """List what is to be read below a folder; what must not be opened has a problem, the rest is counted."""
    if (folder / RECORD).is_file():
        yield from _crops(folder, str(folder), folder.joinpath)
        return
    own: Counter[str] = Counter()
    empty = True
    for listing in walk(folder):
        own["hidden or system file"] += listing.litter
        for name in listing.files:
            path = listing.path / name
            kind = _kind(path)
            if kind in ("image", "video"):
                empty = False
                yield Source(str(path), path, named=False, video=kind == "video")
            else:
                own[kind] += 1
        for path, reason in listing.special:
            empty = False
            yield Source(str(path), path, f"no regular file ({reason})", named=False)
    if empty:
        told = f" ({told_unused(own)})" if any(own.values()) else ""
        yield Source(str(folder), folder, f"the folder holds no images or videos{told}")
    unused.update(own)


def _behind(address: str, unused: Counter[str]) -> Iterator[Source]:
    """List the images behind an address by their endings; videos are not read from there."""
    try:
        found = behind(address)
    except DataError as error:
        yield Source(address, problem=str(error))
        return
    if found and found[0].endswith(f"/{RECORD}"):
        root = found[0].removesuffix(f"/{RECORD}")
        yield from _crops(_copy(root), root, partial(Stored, root))
        return
    images = 0
    for name in found:
        suffix = Path(name).suffix.lower()
        if suffix in SUFFIXES or name == address:
            images += 1
            yield Source(name, Stored(name), named=name == address)
        else:
            unused["remote video file" if suffix in videos.SUFFIXES else "other file"] += 1
    if not images:
        yield Source(address, problem="no such file, and no folder or pattern with images")


def _crops(root: Path, name: str, value: Callable[[str], object]) -> Iterator[Source]:
    """List the crops of a prepared folder."""
    from affectzoo.datasets.prepared import prepared_crops

    for path, box, landmarks, margin in prepared_crops(root):
        faces = [Detection(box, landmarks=landmarks)]
        margin = math.inf if box is None else margin
        yield Source(f"{name}/{path}", value(path), named=False, faces=faces, margin=margin)


def _kind(path: Path) -> str:
    """Say what a file is: ``image`` and ``video`` by ending, else by content; or something not to be read."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return "image"
    if suffix in videos.SUFFIXES:
        return "video"
    try:
        kind = peek(path)
    except OSError:
        kind = None
    if kind in READ:
        return "image"
    return f"{kind} file" if kind is not None and kind != "video" else kind or "other file"


def told_unused(unused: Counter[str]) -> str:
    """Tell what was not read, such as ``not read: 2 HEIC files``."""
    plural = {kind: f"{kind}s" for kind in unused if kind.endswith("file")}
    parts = [f"{n:,} {plural.get(kind, kind) if n > 1 else kind}" for kind, n in sorted(unused.items()) if n]
    return f"not read: {', '.join(parts)}" if parts else ""
