"""Read images: one way for training, evaluation and prediction."""

from __future__ import annotations

import hashlib
import os
import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from affectzoo.errors import OptionError, UnreadableImageError
from affectzoo.files.decoding import HEAD, READ, decode, format_of, to_rgb, unread
from affectzoo.files.folders import obstacle
from affectzoo.files.remote import fetch_missing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image as PillowImage

    from affectzoo.files.decoding import Image

SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"}
    | {".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""File name endings taken for images, lower case; what a file is, its content tells."""


def read_bytes(path: Path) -> bytes:
    """A file's content; ``faces.tar/0001.jpg`` is the file of that name in an uncompressed tar file.

    Args:
        path: The file, or a member of a tar file as if that were a folder.

    Raises:
        OSError: It cannot be read, or the tar file has no such member.
    """
    shard = path.parent
    inside = shard.suffix == ".tar" and not shard.is_dir()
    content = shard if inside else path
    if not content.exists():
        fetch_missing(content)
    if (reason := obstacle(content)) is not None:
        raise OSError(reason)
    if not inside:
        return path.read_bytes()
    names, places = _members(shard, shard.stat().st_mtime_ns)
    name = os.fsencode(path.name)
    at = names.searchsorted(name)
    if at == len(names) or names[at] != name:
        raise FileNotFoundError(f"no such file in {shard.name}")
    start, size = places[at].tolist()
    with shard.open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(size)


@cache
def _members(shard: Path, changed: int) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.int64]]:
    """Say what is in a tar file; ``changed`` makes a new file new.

    Returns:
        The members' names, sorted, shape (N,); where the content of each begins and how long it is, shape
        (N, 2). Arrays, as there may be a thousand such files, and each loading process has its own.
    """
    import numpy as np

    try:
        with tarfile.open(shard, "r:") as tar:
            found = sorted((os.fsencode(member.name), member.offset_data, member.size) for member in tar)
        names = np.array([name for name, *_ in found], np.bytes_)
        return names, np.array([place for _, *place in found], np.int64).reshape(-1, 2)
    except tarfile.TarError as error:
        raise OSError(f"{shard.name} is no tar file, or a damaged one ({error})") from None


def digest_of(content: bytes) -> str:
    """Compute the digest by which the file of a prepared crop is known again."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def read_image(path: Path, digest: str | None = None) -> Image:
    """Read an image as RGB, with its EXIF orientation applied; see ``decoding.decode``.

    Args:
        path: The file.
        digest: What ``digest_of`` its content must be; ``None``: it may be anything.

    Returns:
        Shape (H, W, 3), RGB, 0..255.

    Raises:
        UnreadableImageError: The file is missing, empty, damaged or no image that can be read.
    """
    try:
        kind = None if path.suffix.lower() in SUFFIXES else peek(path)
        if kind is not None and kind not in READ:
            raise OSError(unread(kind))  # a long video is not read to its end for this
        data = read_bytes(path)
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
        raise UnreadableImageError(f"{path}: {reason}") from None
    if digest is not None and digest_of(data) != digest:
        raise UnreadableImageError(
            f"{path}: not as it was prepared: damaged or altered; restore the file, or delete the folder's "
            "prepared.json and run affectzoo data prepare again"
        )
    return decode(data, str(path))


def peek(path: Path) -> str | None:
    """Tell the format of a regular file by how it begins; ``None`` where it is unknown or not at hand.

    Raises:
        OSError: It cannot be read.
    """
    if not path.is_file():
        return None
    with path.open("rb", buffering=0) as file:
        return format_of(file.read(HEAD))


def as_image(value: object, name: str) -> Image:
    """Take what Python programs hold an image in.

    Args:
        value: An array of shape (H, W, 3), RGB, uint8; a tensor of shape (3, H, W) or (H, W, 3), RGB, uint8;
            a Pillow image; the content of a file as bytes; or an open binary file, read from its beginning.
        name: What it is called in the error.

    Returns:
        Shape (H, W, 3), RGB, 0..255.

    Raises:
        UnreadableImageError: Bytes or a file that cannot be decoded.
        OptionError: Anything else.
    """
    import numpy as np

    check_image(value, name)
    kind = kind_of(value)
    if kind == "image":
        try:
            return to_rgb(cast("PillowImage", value))
        except OptionError:
            raise
        except Exception as error:  # Pillow decodes when pixels are asked for
            raise UnreadableImageError(f"{name}: {error}") from None
    if kind == "bytes":
        return decode(bytes(cast(bytes, value)), name)
    if kind == "file":
        return decode(_content(value, name), name)
    array: Any = value if kind == "array" else cast(Any, value).detach().cpu().numpy()
    if kind == "tensor" and array.shape[0] == 3:
        array = array.transpose(1, 2, 0)
    return np.ascontiguousarray(array)


def kind_of(value: object) -> str | None:
    """Name what may hold an image: ``image`` (Pillow's), ``bytes``, ``file``, ``array``, ``tensor``."""
    import PIL.Image

    if isinstance(value, PIL.Image.Image):
        return "image"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes"
    if hasattr(value, "read"):
        return "file"
    if hasattr(value, "dtype") and hasattr(value, "ndim"):
        return "tensor" if hasattr(value, "detach") else "array"
    return None


def check_image(value: object, name: str) -> None:
    """Refuse what ``as_image`` cannot take, without decoding anything.

    Raises:
        OptionError: It is nothing that ``kind_of`` names, or of another shape or kind of number.
    """
    kind = kind_of(value)
    if kind is None:
        hint = "; cv2.imread gives None for a file that it cannot read" if value is None else ""
        what = "None" if value is None else f"a {type(value).__name__}"
        raise OptionError(f"{name} is {what}; expected a path, {_TAKEN}{hint}")
    if kind not in ("array", "tensor"):
        return
    array: Any = value
    number, shape = str(array.dtype).removeprefix("torch."), tuple(array.shape)
    colors = {shape[0], shape[-1]} if kind == "tensor" else {shape[-1]} if shape else set()
    hint = ""
    if kind == "tensor" and (array.is_meta or str(array.layout) != "torch.strided"):
        number = "without data" if array.is_meta else "sparse"
        hint = "" if array.is_meta else "; x.to_dense() makes it one"
    elif number == "uint8" and len(shape) == 3 and 3 in colors and 0 not in shape:
        return
    if "float" in number:
        hint = "; for values in 0..1: (255 * x).round(), as uint8"
    elif kind == "array" and len(shape) == 3 and shape[0] == 3:
        hint = "; from (3, H, W): x.transpose(1, 2, 0)"
    elif kind == "array" and len(shape) == 2:
        hint = "; from gray: np.stack([x] * 3, -1)"
    elif kind == "array" and shape[2:] == (4,):
        hint = "; from four channels: PIL.Image.fromarray(x), which composes RGBA on white"
    layout = "(3, H, W) or (H, W, 3)" if kind == "tensor" else "(H, W, 3)"
    raise OptionError(f"{name} is {number} of shape {shape}; expected uint8 RGB of shape {layout}{hint}")


_TAKEN = "an RGB array (H, W, 3) or tensor (3, H, W) of uint8, a PIL image, bytes or an open binary file"


def _content(file: Any, name: str) -> bytes:
    """Read a file object from its beginning."""
    try:
        if file.seekable():
            file.seek(0)
        content = file.read()
    except (OSError, ValueError, AttributeError) as error:
        raise UnreadableImageError(f"{name}: cannot be read: {error}") from None
    if not isinstance(content, bytes):
        raise OptionError(f"{name} is a file of text; open it with mode 'rb'")
    return content
