"""Decode images of any common format, known by content, and say why where that is impossible."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

from affectzoo.errors import ImageTooLargeError, OptionError, UnreadableImageError
from affectzoo.files.damage import has_hole, look
from affectzoo.files.folders import POINTER, STANDS_IN

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image as PillowImage

    Image = npt.NDArray[np.uint8]

BACKGROUND = (255, 255, 255)
"""The color, RGB, that transparent parts are laid on."""

PIXELS = 2**28
"""Images with more pixels are refused: what decodes to more is made to exhaust memory."""

_LFS = "Git LFS pointer"

# What files begin with: at which byte, what, the format; the first that fits counts.
_BEGINNINGS: tuple[tuple[int, bytes, str], ...] = (
    (0, rb"\xff\xd8\xff", "JPEG"),
    (0, rb"\x89PNG\r\n\x1a\n", "PNG"),
    (0, rb"GIF8[79]a", "GIF"),
    (0, rb"RIFF....WEBP", "WEBP"),
    (0, rb"BM....\0\0\0\0", "BMP"),
    (0, rb"II\*\0....CR|FUJIFILMCCD-RAW|IIRO|IIU\0", "camera raw"),
    (0, rb"II[*+]\0|MM\0[*+]", "TIFF"),
    (0, rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG2000"),
    (0, rb"P[1-6f]\s", "PPM"),
    (4, rb"ftyp(?:avi[fs]|(?:mif1|msf1|miaf).{4}.*avi[fs])", "AVIF"),
    (4, rb"ftyp(?:hei[cmxs]|hev[cmxs]|mif1|msf1)", "HEIC"),
    (4, rb"ftypcrx ", "camera raw"),
    (0, rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (4, rb"ftyp|moov|mdat", "video"),
    (0, rb"\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01[\xb3\xba]|OggS|FLV\x01|0&\xb2u\x8ef\xcf\x11", "video"),
    (0, re.escape(POINTER), _LFS),
    (0, rb"%PDF", "PDF"),
    (0, rb"8BPS", "Photoshop"),
    (0, rb"PK\x03\x04", "zip archive"),
    (0, rb"(?:\xef\xbb\xbf)?\s*<(?i:!doctype html|html)", "web page"),
    (0, rb"(?:\xef\xbb\xbf)?\s*<(?i:svg|\?xml)", "SVG"),
)
_KINDS = [(place, re.compile(pattern, re.DOTALL), kind) for place, pattern, kind in _BEGINNINGS]

READ = {
    **{kind: (kind,) for kind in ("PNG", "GIF", "WEBP", "AVIF", "TIFF", "JPEG2000", "PPM")},
    "JPEG": ("JPEG", "MPO"),
    "BMP": ("BMP", "DIB"),
}
"""The formats that are decoded, each with Pillow's names of it."""

_ORIENTATION = 0x0112
"""EXIF's number for it."""

HEAD = 64
"""Bytes from a file's beginning that tell its format."""


def unread(kind: str) -> str:
    """Say what to do about a file of a format that is not read."""
    if kind == _LFS:
        return STANDS_IN
    return f"{kind}: this format is not read here; convert it to JPEG or PNG"


def format_of(head: bytes) -> str | None:
    """Tell the format of a file by its first ``HEAD`` bytes: one of ``READ``, another name, or ``None``."""
    return next((kind for place, pattern, kind in _KINDS if pattern.match(head, place)), None)


def decode(data: bytes, where: str, max_pixels: int = PIXELS) -> Image:
    """Decode an image: the first frame or page, EXIF orientation applied, transparent parts laid on white.

    Args:
        data: A file's content. Values of 16 bits are reduced to 8; where none exceeds 4095 (1023, 255) they
            are taken as 12 (10, 8) bits. Floating point values are 0..1, or 0..255 where one exceeds 2.
        where: The file, for the error.
        max_pixels: An image of more is not decoded.

    Returns:
        Shape (H, W, 3), RGB, 0..255.

    Raises:
        ImageTooLargeError: It has more pixels.
        UnreadableImageError: It is empty, damaged (cut off, too), or of a format that is not read.
    """
    import cv2
    import numpy as np

    kind = format_of(data[:HEAD])
    why: str | None = None
    image: Image | None = None
    try:
        why = _fault(data, kind, max_pixels)
        if why is None and _is_plain(data, kind):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)  # type: ignore[assignment]
        elif why is None:
            image = _with_pillow(data, kind, max_pixels) if kind in READ else _with_opencv(data)
        if image is not None and kind in ("BMP", "PPM", "TIFF") and has_hole(image, data, kind):
            image, why = None, f"a damaged {kind}: a part of it is zeros"
    except ImageTooLargeError as error:
        raise ImageTooLargeError(f"{where}: {error}") from None
    except (OptionError, MemoryError) as error:
        why = str(error) or "not enough memory"
    except Exception as error:  # decoders raise whatever damaged data lead them to
        why = f"a damaged {kind or 'image'} ({_first_line(error)})"
    if image is None:
        raise UnreadableImageError(f"{where}: {why or (f'a damaged {kind}' if kind else 'no image')}")
    return image


def _fault(data: bytes, kind: str | None, max_pixels: int) -> str | None:
    """Say why data are not worth decoding, else ``None``."""
    if not data:
        return "the file is empty"
    if not any(data[:HEAD]):
        return "damaged: it begins with zeros"
    if kind is not None and kind not in READ:
        return unread(kind)
    pixels, fault = look(data, kind)
    _check_pixels(pixels, max_pixels)
    if fault is not None:
        return f"a damaged {kind}: {fault}"
    return None


def _check_pixels(pixels: int, most: int) -> None:
    if pixels > most:
        raise ImageTooLargeError(f"{pixels:,} pixels are more than {most / 1e6:.3g} million; make it smaller")


def _is_plain(data: bytes, kind: str | None) -> bool:
    """Whether OpenCV decodes it right, and faster: JPEG, and PNG of 8 bits without transparent parts."""
    if kind != "PNG":
        return kind == "JPEG"
    depth, color = data[24], data[25]
    return depth <= 8 and color in (0, 2, 3) and b"tRNS" not in data[: data.find(b"IDAT")]


def _with_pillow(data: bytes, kind: str, max_pixels: int) -> Image | None:
    import PIL.Image

    orientation = 1
    try:
        with PIL.Image.open(BytesIO(data), formats=READ[kind]) as opened:
            _check_pixels(opened.width * opened.height, max_pixels)
            deep = ";16" in str(opened.tile) and not opened.mode.startswith("I")
            opened.load()
            if not deep:
                return to_rgb(opened)
            orientation = _orientation(opened)  # of TIFF 1: both libraries turn it
    except PIL.Image.DecompressionBombError:
        raise ImageTooLargeError("more pixels than an image has; make it smaller") from None
    except (PIL.UnidentifiedImageError, KeyError):  # a variant, or a format, that this Pillow lacks
        pass
    return _with_opencv(data, orientation)  # Pillow would keep the upper 8 of 16 bits


def _with_opencv(data: bytes, orientation: int = 1) -> Image | None:
    """Decode what Pillow does not, 16 bits and floating point in several channels, and turn it upright."""
    import cv2
    import numpy as np
    import PIL.Image

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        return None
    if image.ndim == 2:
        plain = _eight_bits(image)
    else:
        parts = [image[..., 2::-1]] if image.shape[2] == 3 else [image[..., 2::-1], image[..., 3:]]
        plain = np.concatenate([_eight_bits(part) for part in parts], axis=2)
    made = PIL.Image.fromarray(plain)
    made.getexif()[_ORIENTATION] = orientation
    return to_rgb(made)


def to_rgb(image: PillowImage) -> Image:
    """Turn a Pillow image of any mode into RGB, as ``decode`` does.

    Returns:
        Shape (H, W, 3), RGB, 0..255.

    Raises:
        OptionError: Its values are neither of 16 bits nor in 0..1 or 0..255.
    """
    import numpy as np
    import PIL.Image

    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(_eight_bits(np.asarray(image))[..., None], 3, axis=2)
    if image.has_transparency_data:
        plain = PIL.Image.new("RGBA", image.size, BACKGROUND)
        image = PIL.Image.alpha_composite(plain, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _upright(image: PillowImage) -> PillowImage:
    import PIL.ImageOps

    return PIL.ImageOps.exif_transpose(image) if _orientation(image) > 1 else image


def _orientation(image: PillowImage) -> int:
    """Tell how the image is to be turned, as EXIF numbers it: 1, upright, to 8."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged notes about the image are no damage to it
        return 1
    return int(orientation) if orientation in range(2, 9) else 1


def _eight_bits(values: npt.NDArray[Any]) -> Image:
    """Reduce values to 0..255; see ``decode`` for the ranges."""
    import numpy as np

    if values.dtype == np.uint8:
        return values
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f" and -1 <= low and high <= 256:
        scaled = np.clip(values * (255 if high <= 2 else 1), 0, 255)
        return np.asarray(np.rint(scaled), np.uint8)
    if values.dtype.kind in "iu" and 0 <= low and high < 2**16:
        bits = next(bits for bits in (8, 10, 12, 16) if high < 2**bits)
        return np.asarray(values >> (bits - 8), np.uint8)
    raise OptionError(
        f"values from {low:g} to {high:g}; expected whole numbers of at most 16 bits, or 0..1, or 0..255"
    )


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "err", None) or error).strip()
    return text.splitlines()[0][:120] if text else type(error).__name__
