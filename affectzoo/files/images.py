"""Reading pictures: one decoder for training, evaluation and prediction."""

from __future__ import annotations

import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.errors import UnreadableImageError
from affectzoo.files.remote import fetch_missing

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""File name endings taken for pictures, lower case."""


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
    if not inside:
        return path.read_bytes()
    place = _members(shard, shard.stat().st_mtime_ns).get(path.name)
    if place is None:
        raise FileNotFoundError(f"no such file in {shard.name}")
    with shard.open("rb", buffering=0) as file:
        file.seek(place[0])
        return file.read(place[1])


@cache
def _members(shard: Path, changed: int) -> dict[str, tuple[int, int]]:
    """Where each member's content begins and how long it is, by name; ``changed`` makes a new file new."""
    try:
        with tarfile.open(shard, "r:") as tar:
            return {member.name: (member.offset_data, member.size) for member in tar}
    except tarfile.TarError as error:
        raise OSError(f"{shard.name} is no tar file, or a damaged one ({error})") from None


def read_image(path: Path) -> Image:
    """Read a picture as RGB, with its EXIF orientation applied.

    Args:
        path: The file.

    Returns:
        Shape (H, W, 3), RGB, 0..255.

    Raises:
        UnreadableImageError: The file is missing, empty, damaged or no picture.
    """
    import cv2
    import numpy as np

    try:
        data = read_bytes(path)
    except OSError as error:
        raise UnreadableImageError(f"{path}: {error.strerror or error}") from None
    if not data:
        raise UnreadableImageError(f"{path}: the file is empty")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise UnreadableImageError(f"{path}: {error.err or 'cannot be decoded'}") from None
    if image is None:
        raise UnreadableImageError(f"{path}: no picture, or a damaged one")
    return image  # type: ignore[return-value]
