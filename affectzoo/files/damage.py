"""Find damage that decoders pass over: missing ends, wrong sums, and zeros where no encoder leaves any.

Broken disks, copies and downloads leave zeros in place of a file's rest or of a part of it. What is found
depends on the format: see ``look`` and ``has_hole``. Other bytes in place of the right ones are found in PNG,
by its sums; in other formats only where they make no sense to the decoder.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RUN = bytes(64)
"""Zeros that no encoder writes in a row into compressed pixels, but for large parts of one color."""

_MARKER = re.compile(rb"\xff+[^\x00\x01\xff\xd0-\xd8]")
_AFTER_SCAN = frozenset({0xC4, *range(0xD9, 0xDE), *range(0xE0, 0xF0), 0xFE})
"""What may follow a scan of a JPEG: its end, further tables and scans, notes."""


class Look(NamedTuple):
    """What a file says of its image before it is decoded.

    Attributes:
        pixels: Width times height; 0 where that is not known.
        fault: What is missing or wrong, such as ``its end is missing``; ``None`` for nothing.
    """

    pixels: int = 0
    fault: str | None = None


def look(data: bytes, kind: str | None) -> Look:
    """Look at a file of a known format without decoding it.

    JPEG: its end is there, and no zeros are among its codes, unless they could be a part of one color. PNG:
    the sums of its chunks. WebP, AVIF and JPEG 2000: no zeros at the end or, as in JPEG, among the codes.
    """
    match kind:
        case "JPEG":
            return _jpeg(data)
        case "PNG":
            return _png(data)
        case "WEBP":
            return _webp(data)
        case "AVIF":
            holed = RUN in data and b"Exif" not in data[:4096]  # notes may be padded with zeros
            return Look(fault="a part of it is zeros") if holed else _zero_end(data)
        case "JPEG2000":  # a packet of nothing is a zero
            holed = data.find(16 * RUN, data.find(b"\xff\x93")) >= 0
            return Look(fault="a part of it is zeros" if holed else None)
    return Look()


def _jpeg(data: bytes) -> Look:
    """Walk a JPEG's segments. Decoders invent the rows of a file that was cut off, or whose rest is zeros."""
    frame = width = height = 0
    tables: dict[int, tuple[int, int]] = {}
    scan = most = 0
    place = 2
    while (marker := _MARKER.search(data, place)) is not None:
        code = data[marker.end() - 1]
        if scan and code not in _AFTER_SCAN:
            return Look(width * height, "a part of it is altered")
        if scan and data.find(bytes(most), scan, marker.start()) >= 0:
            return Look(width * height, "a part of it is zeros")
        if code == 0xD9:
            return Look(width * height)
        place = marker.end()
        end = place + int.from_bytes(data[place : place + 2], "big")
        if code == 0xC4:
            tables |= _first_codes(data[place + 2 : end])
        elif 0xC0 <= code <= 0xCF and code not in (0xC8, 0xCC):
            frame = code
            height = int.from_bytes(data[place + 3 : place + 5], "big")
            width = int.from_bytes(data[place + 5 : place + 7], "big")
        bits = _bits_of_zeros(frame, data[place + 2 : end], tables) if code == 0xDA else 0
        scan, most = end if code == 0xDA else 0, len(RUN) + 3 * width * height // 64 * bits // 8
        place = end
    return Look(width * height, "its end is missing")


def _first_codes(segment: bytes) -> dict[int, tuple[int, int]]:
    """By a Huffman table's class and number the first code, which is all zeros: its bits and its symbol."""
    found: dict[int, tuple[int, int]] = {}
    while len(segment) > 17 and any(segment[1:17]):
        bits = next(bits for bits in range(1, 17) if segment[bits])
        found[segment[0]] = bits, segment[17]
        segment = segment[17 + sum(segment[1:17]) :]
    return found


def _bits_of_zeros(frame: int, scan: bytes, tables: Mapping[int, tuple[int, int]]) -> int:
    """Count the bits of a block's codes that may be zeros where an image is of one color; 0: none may."""
    if frame not in (0xC0, 0xC1, 0xC2) or len(scan) < 4 + 2 * scan[0]:
        return 10**6  # arithmetic codes, or damaged
    start, refines = scan[-3], scan[-1] >> 4
    if frame == 0xC2 and refines:
        return 64 if start else 1  # bits as they are
    chosen = scan[2 : 1 + 2 * scan[0] : 2]
    codes = []
    if start == 0:  # no change of brightness
        codes.append([tables.get(table >> 4, (0, 1)) for table in chosen])
    if start or frame != 0xC2:  # nothing more in this block
        codes.append([tables.get(0x10 | table & 15, (0, 1)) for table in chosen])
    if any(symbol & 15 for kind in codes for _, symbol in kind):
        return 0
    return sum(max(bits for bits, _ in kind) for kind in codes if kind)


def _png(data: bytes) -> Look:
    pixels = int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")
    place = 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        name = data[place + 4 : place + 8]
        if name[:1].isupper():
            found = zlib.crc32(memoryview(data)[place + 4 : end])
            if found != int.from_bytes(data[end : end + 4], "big"):
                return Look(pixels, f"its chunk {name.decode('latin-1')} is altered or cut off")
        elif not name.isalpha():
            return Look(pixels, "a part of it is altered")
        if name == b"IEND":
            break
        place = end + 4
    return Look(pixels)


def _webp(data: bytes) -> Look:
    """Look at the chunks that hold pixels; those that hold notes may be padded with zeros."""
    place = 12
    while place + 8 <= len(data):
        name, start = data[place : place + 4], place + 8
        end = start + int.from_bytes(data[place + 4 : start], "little")
        if name in (b"VP8 ", b"VP8L"):
            width, height = (int.from_bytes(data[start + at : start + at + 2], "little") for at in (6, 8))
            flat = (width & 0x3FFF) * (height & 0x3FFF) // 8192 if name == b"VP8 " else 0  # of one color
            if data.find(bytes(len(RUN) + flat), start, end) >= 0:
                return Look(fault="a part of it is zeros")
        place = end + end % 2
    return _zero_end(data[: int.from_bytes(data[4:8], "little") + 8])


def _zero_end(data: bytes) -> Look:
    return Look(fault="its end is zeros" if data.endswith(4 * RUN) else None)


def has_hole(image: npt.NDArray[np.uint8], data: bytes, kind: str) -> bool:
    """Whether an uncompressed image has rows of zeros that begin within a row, as no image's own rows do.

    Zeros that begin with a row are not told from a black border.

    Args:
        image: Shape (H, W, 3).
        data: The file.
        kind: Its format; of most BMP files the last row comes first.
    """
    import numpy as np

    height, width = image.shape[:2]
    least = max(4, height // 32)
    if bytes(least * width // 8) not in data:
        return False
    if kind == "BMP" and int.from_bytes(data[22:26], "little", signed=True) > 0:
        image = image[::-1]
    for color in {(0, 0, 0), tuple(image[-1, -1].tolist())}:
        zero = (image == np.array(color, np.uint8)).all(axis=2)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], zero.all(axis=1), [False]]).astype(np.int8)))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if end - start >= least and start > 0 and _begins_within(zero[:start]):
                return True
    return False


def _begins_within(above: npt.NDArray[np.bool_]) -> bool:
    """Whether the last row breaks off: filled, then zeros up to its end, where the rows above have none."""
    import numpy as np

    row = above[-1]
    filled = int(np.flatnonzero(~row)[-1]) + 1
    breaks = 0 < len(row) - filled >= 4 and row[:filled].mean() < 0.5
    return bool(breaks and not above[-3:-1, -1].any())
