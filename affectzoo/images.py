"""Reading pictures: one decoder for training, evaluation and prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.errors import UnreadableImageError

if TYPE_CHECKING:
    from affectzoo.preprocess import Image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""File name endings taken for pictures, lower case."""


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
        data = path.read_bytes()
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
