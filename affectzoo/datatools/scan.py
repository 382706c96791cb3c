"""One pass over a data set's images: can they be decoded, how large are they, what do they look like."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import UnreadableImageError
from affectzoo.files.folders import is_file
from affectzoo.files.images import read_image
from affectzoo.files.videos import SUFFIXES as VIDEO_SUFFIXES
from affectzoo.files.videos import Video

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image

Hashes = npt.NDArray[np.uint64]
Watch = Callable[[Iterable[Any], int], Iterable[Any]]
"""Shows progress: takes what is iterated and how many items it has, and hands the items on."""

BITS = 64
DISTANCE = 8
"""Most bits in which the hashes of two near-duplicates differ."""
CORRELATION = 0.9
"""Least correlation of the thumbnails of two near-duplicates."""
FLAT = 1.0
"""Least standard deviation of the gray values of an image that shows anything."""
SIDE = 32
CHUNK, BATCH = 2048, 32
"""Images that are read ahead, and that a thread reads at a time."""


@dataclass(frozen=True)
class Picture:
    """What is known of one image, or of one video, after it was read.

    Attributes:
        rows: Rows of the index that show it.
        problem: Why it cannot be used, else ``None``.
        missing: Whether the file is not there.
        size: Width and height in pixels.
        digest: SHA-256 of its decoded pixels; empty for a video.
        thumbnail: 32 x 32 pixels, gray; of a video, its middle listed frame; ``None`` where it shows nothing.
        blank: Whether it shows nothing: all is of one color.
    """

    rows: npt.NDArray[np.int64]
    problem: str | None = None
    missing: bool = False
    size: tuple[int, int] | None = None
    digest: bytes = b""
    thumbnail: npt.NDArray[np.uint8] | None = None
    blank: bool = False


def scan(index: FaceIndex, watch: Watch) -> list[Picture]:
    """Read every image of a data set once; of videos, the middle and the last listed frame.

    Args:
        index: The data set.
        watch: Shows progress.
    """
    table = index.table
    in_table = table["pixels"].notna().to_numpy(bool)
    groups: list[npt.NDArray[np.int64]] = [np.array([i]) for i in np.flatnonzero(in_table)]
    files = np.flatnonzero(~in_table)
    by_path: dict[str, list[int]] = {}
    for row, path in zip(files.tolist(), table["path"].to_numpy()[files], strict=True):
        by_path.setdefault(path, []).append(row)
    groups += [np.array(members) for members in by_path.values()]
    columns = {name: table[name].to_numpy() for name in ("path", "frame", "pixels", "digest")}

    def one(rows: npt.NDArray[np.int64]) -> Picture:
        pixels = columns["pixels"][rows[0]]
        if pixels is not None:
            return _seen(rows, cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
        path = index.root / columns["path"][rows[0]]
        try:
            if path.suffix.lower() in VIDEO_SUFFIXES:
                return _video(path, rows, [int(frame) for frame in columns["frame"][rows]])
            return _seen(rows, read_image(path, columns["digest"][rows[0]]))
        except UnreadableImageError as error:
            problem = str(error).removeprefix(f"{path}: ")
            # A shard's member has the shard for a folder.
            missing = not is_file(path) and not is_file(path.parent)
            return Picture(rows, problem, missing)
        except Exception as error:  # the last guard: a check never ends in a traceback
            return Picture(rows, f"cannot be read ({type(error).__name__}: {error}); please report this")

    return list(watch(_mapped(one, groups), len(groups)))


def perceptual_hashes(thumbnails: npt.NDArray[np.uint8]) -> Hashes:
    """64 bits per image that change little when it is resized, compressed or made brighter.

    Each says whether one of the 8 x 8 lowest frequencies of the discrete cosine transform, those without
    variation along an axis excluded, is above their median.

    Args:
        thumbnails: Shape (N, 32, 32), gray.

    Returns:
        Shape (N,).
    """
    place = np.arange(SIDE)
    waves = np.cos(np.pi * (2 * place + 1) * np.arange(1, 9)[:, None] / (2 * SIDE)).astype(np.float32)
    hashes = np.empty(len(thumbnails), dtype=np.uint64)
    for start in range(0, len(thumbnails), CHUNK):
        some = thumbnails[start : start + CHUNK].astype(np.float32)
        shares = (waves @ some @ waves.T).reshape(len(some), BITS)
        bits = shares > np.median(shares, axis=1, keepdims=True)
        hashes[start : start + CHUNK] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes


def near_pairs(
    thumbnails: npt.NDArray[np.uint8], distance: int = DISTANCE, correlation: float = CORRELATION
) -> npt.NDArray[np.int64]:
    """Pairs of images that look the same.

    Hashes that differ in at most d bits are equal in at least one of d + 1 pieces, so only hashes with an
    equal piece are compared. That finds candidates; thumbnails of 16 x 16 pixels that correlate confirm them.

    Args:
        thumbnails: Shape (N, 32, 32), gray.
        distance: Most bits that may differ.
        correlation: Least correlation of the thumbnails.

    Returns:
        Shape (M, 2), smaller number first, in rising order.
    """
    hashes = perceptual_hashes(thumbnails)
    small = thumbnails.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean((2, 4), dtype=np.float32)
    small = small.reshape(len(small), -1)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-6
    found = [np.empty((0, 2), np.int64)]
    for some in _candidates(hashes, distance):
        alike = np.einsum("nd,nd->n", small[some[:, 0]], small[some[:, 1]]) >= correlation
        found.append(np.sort(some[alike], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _candidates(hashes: Hashes, distance: int) -> Iterator[npt.NDArray[np.int64]]:
    edges = np.linspace(0, BITS, distance + 2).astype(int)
    for low, high in itertools.pairwise(edges):
        piece = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(piece, kind="stable")
        piece, sorted_hashes = piece[order], hashes[order]
        # Equal pieces are neighbors now: compare each with the next, the one after that, and so on.
        start, shift = np.arange(len(hashes)), 1
        while len(start := start[start + shift < len(hashes)]):
            start = start[piece[start] == piece[start + shift]]
            apart = np.bitwise_count(sorted_hashes[start] ^ sorted_hashes[start + shift])
            near = start[apart <= distance]
            if len(near):
                yield np.stack([order[near], order[near + shift]], axis=1)
            shift += 1


def _seen(rows: npt.NDArray[np.int64], picture: Image) -> Picture:
    height, width = picture.shape[:2]
    digest = hashlib.sha256(np.ascontiguousarray(picture).data)
    digest.update(f"{width} x {height}".encode())
    return Picture(rows, None, False, (width, height), digest.digest(), *_thumbnail(picture))


def _thumbnail(picture: Image) -> tuple[npt.NDArray[np.uint8] | None, bool]:
    """The thumbnail and whether it is blank; a blank one is none."""
    small: Any = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey: Any = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    blank = bool(cv2.meanStdDev(grey)[1][0, 0] < FLAT)
    return None if blank else grey, blank


def _video(path: Path, rows: npt.NDArray[np.int64], frames: Sequence[int]) -> Picture:
    video = Video(path)
    order = np.argsort(frames)
    last = frames[order[-1]]
    if last >= video.frames:
        problem = f"the video has {video.frames} frames, the labels go up to frame {last} (from 0 on)"
        return Picture(rows, problem)
    picture = video.read(frames[order[len(order) // 2]])
    video.read(last)
    height, width = picture.shape[:2]
    return Picture(rows, None, False, (width, height), b"", *_thumbnail(picture))


def _mapped(
    one: Callable[[npt.NDArray[np.int64]], Picture], groups: Sequence[npt.NDArray[np.int64]]
) -> Iterator[Picture]:
    """As ``map``, in threads (OpenCV decodes outside of Python's lock), a chunk after the other."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(groups), CHUNK):
            batches = (groups[i : i + BATCH] for i in range(start, min(start + CHUNK, len(groups)), BATCH))
            yield from itertools.chain.from_iterable(
                pool.map(lambda some: [one(rows) for rows in some], batches)
            )
