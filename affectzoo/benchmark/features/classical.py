"""Features crafted by hand, as the papers' baselines use them.

Li and Deng, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Unconstrained Facial Expression
Recognition", IEEE TIP 28(1), 2019, section V-A; Mollahosseini et al., "AffectNet", IEEE TAC 2019, section 4.
What a paper leaves open is chosen here and said where it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from affectzoo.benchmark.features import library
from affectzoo.benchmark.features.extraction import Floats, Rows
from affectzoo.datamodules.dataset import FaceDataset, OnUnreadable, none_readable
from affectzoo.datamodules.transforms import Face, FaceTransform
from affectzoo.datatools.crops import FIVE_POINTS, five_points, similarity
from affectzoo.evaluation.evaluate import Progress
from affectzoo.faces.preprocess import Preprocess

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex

Faces = npt.NDArray[np.uint8]
Extract = Callable[[Faces, Floats | None], Floats]
"""From prepared gray faces, shape (N, S, S), and their landmarks, shape (N, 68, 2) in pixels of the faces or
``None``, to features, shape (N, D)."""

SIDE, GRID = 100, 10
"""Height and width of the faces of Li and Deng, and regions per edge, each of 10 x 10 pixels."""

LBP_BINS = 59
"""Codes of LBP_{8,2}^{u2}: 58 uniform patterns, one for all others."""

GABOR_SCALES, GABOR_ORIENTATIONS = 5, 8
GABOR_FREQUENCY = 0.25
"""Frequency of the finest scale, cycles per pixel; each further one is lower by the factor sqrt(2)."""

FIDUCIAL = (*range(17, 27), 30, 31, 35, *range(36, 48), *range(48, 60))
"""The 37 points of ``shape`` among the 68 of iBUG: brows, nose tip and wings, eyes, outer lips."""

CHUNK = 128
"""Faces that are held at once while features are computed."""


@dataclass(frozen=True)
class Feature:
    """A feature crafted by hand.

    Attributes:
        name: What users type.
        preprocess: How faces are prepared for it.
        landmarks: How many landmarks it needs, 0 or 68.
        extract: Computes it.
        dimensions: Length of a face's vector.
        source: Paper and section.
        pca: Share of the variance that the paper keeps before a classifier; ``None`` for no reduction.

    It is a ``features.extraction.Extractor``.
    """

    name: str
    preprocess: Preprocess
    landmarks: int
    extract: Extract
    dimensions: int
    source: str
    pca: float | None = None

    def chunks(
        self, index: FaceIndex, on_unreadable: OnUnreadable = "raise", progress: Progress | None = None
    ) -> Iterator[tuple[Rows, Floats]]:
        """See ``Extractor``."""
        for rows, faces, landmarks in self.prepared(index, on_unreadable, progress):
            yield rows, self.extract(faces, landmarks)

    def prepared(
        self, index: FaceIndex, on_unreadable: OnUnreadable = "raise", progress: Progress | None = None
    ) -> Iterator[tuple[Rows, Faces, Floats | None]]:
        """Some faces at a time, as ``extract`` takes them.

        Args:
            index: Faces, all of them with the landmarks.
            on_unreadable: See ``features.extraction.extract_features``.
            progress: Told which share of the work is done.

        Yields:
            Rows of the index, faces and landmarks.

        Raises:
            UnreadableImageError: An image cannot be read; under ``skip``: none can.
        """
        data = FaceDataset(index, FaceTransform(self.preprocess), on_unreadable=on_unreadable)
        any_read = False
        for start in range(0, len(data), CHUNK):
            end = min(start + CHUNK, len(data))
            found = {i: data.face(i) for i in range(start, end)}
            read = {i: face for i, face in found.items() if not isinstance(face, str)}
            if read:
                any_read = True
                pixels = np.stack([face.pixels for face in read.values()])
                yield np.array(list(read)), pixels, self._landmarks(read.values())
            if progress is not None:
                progress(end / len(data))
        if not any_read:
            raise none_readable(index)

    def _landmarks(self, faces: Iterable[Face]) -> Any:
        """What ``extract`` gets beside the faces."""
        known: list[Any] = [face.landmarks for face in faces]
        return np.stack(known) if self.landmarks else None


def hog(faces: Faces, landmarks: Floats | None = None) -> Floats:
    """Histograms of gradients' orientations: blocks of four 5 x 5 cells without overlap, 10 bins.

    OpenCV's descriptor of Dalal and Triggs: unsigned orientations, votes shared among neighboring bins and
    cells of a block, each block normalized (L2, clipped at 0.2, L2 again). No gamma correction.

    Args:
        faces: Shape (N, 100, 100), gray.
        landmarks: Not used.

    Returns:
        Shape (N, 4000): column, row of the block, column, row of the cell, bin.
    """
    descriptor = _descriptor(SIDE, 10, 10, 5, 10)
    return np.stack([np.asarray(descriptor.compute(face), np.float32) for face in faces])


def hog256(faces: Faces, landmarks: Floats | None = None) -> Floats:
    """Histograms of gradients' orientations: cells of 8 x 8, 9 bins, each cell normalized by four blocks.

    The paper names only the cell size and 36,864 dimensions, which are 36 for each of 32 x 32 cells: 9 bins
    under the norms of the four 2 x 2 blocks that hold the cell. Blocks reach beyond the face by one cell,
    where its edge pixels are repeated; what the paper's program does there is not known. Else as ``hog``.

    Args:
        faces: Shape (N, 256, 256), gray.
        landmarks: Not used.

    Returns:
        Shape (N, 36864): the cell's column and row in the block, its column and row in the face, bin.
    """
    cells, side = 32, 8
    descriptor = _descriptor((cells + 2) * side, 2 * side, side, side, 9)
    found = np.empty((len(faces), 2, 2, cells, cells, 9), np.float32)
    for face, cell in zip(faces, found, strict=True):
        wide = cv2.copyMakeBorder(face, side, side, side, side, cv2.BORDER_REPLICATE)
        blocks = np.asarray(descriptor.compute(wide)).reshape(cells + 1, cells + 1, 2, 2, 9)
        for x, y in np.ndindex(2, 2):
            cell[x, y] = blocks[1 - x : 1 - x + cells, 1 - y : 1 - y + cells, x, y]
    return found.reshape(len(faces), -1)


@cache
def _descriptor(side: int, block: int, stride: int, cell: int, bins: int) -> cv2.HOGDescriptor:
    return cv2.HOGDescriptor(
        (side, side), (block, block), (stride, stride), (cell, cell), bins, _gammaCorrection=False
    )


def lbp(faces: Faces, landmarks: Floats | None = None) -> Floats:
    """Histograms of uniform local binary patterns, LBP_{8,2}^{u2}, one for each of 10 x 10 regions.

    Beyond the face its edge pixels are repeated.

    Args:
        faces: Shape (N, 100, 100), gray.
        landmarks: Not used.

    Returns:
        Shape (N, 5900): row and column of the region, share of each code in its pixels.
    """
    pattern = library("skimage.feature").local_binary_pattern
    region = np.arange(SIDE) // (SIDE // GRID)
    first = LBP_BINS * (GRID * region[:, None] + region)
    found = np.empty((len(faces), GRID**2 * LBP_BINS), np.float32)
    for face, row in zip(faces, found, strict=True):
        codes = pattern(np.pad(face, 2, mode="edge"), 8, 2, "nri_uniform")[2:-2, 2:-2].astype(np.int64)
        row[:] = np.bincount((first + codes).ravel(), minlength=len(row)) / (SIDE // GRID) ** 2
    return found


def gabor(faces: Faces, landmarks: Floats | None = None) -> Floats:
    """Magnitudes of Gabor filters of 5 scales and 8 orientations at 10 x 10 places.

    The bank of Liu and Wechsler, TIP 2002, which the paper cites: frequencies from 1/4 cycle per pixel down
    by sqrt(2), Gaussians of one wavelength, orientations in steps of 22.5 degrees. Beyond the face its edge
    pixels are repeated; the places are every tenth pixel from (5, 5) on.

    Args:
        faces: Shape (N, 100, 100), gray.
        landmarks: Not used.

    Returns:
        Shape (N, 4000): scale, orientation, row and column of the place; of faces scaled to 0..1.
    """
    down, across = _gabor_filters()
    # A kernel with a round Gaussian is its middle column times its middle row: at the places of a grid, its
    # responses are two products of small matrices. Other places are not computed.
    filtered = down.reshape(-1, SIDE) @ (faces / np.float32(255))
    responses = filtered.reshape(len(faces), *down.shape) @ across.transpose(0, 2, 1)
    magnitudes: Floats = np.abs(responses).reshape(len(faces), -1)
    return magnitudes


@cache
def _gabor_filters() -> tuple[np.ndarray, np.ndarray]:
    """Each filter's weights of rows and of columns at each place, both of shape (40, 10, 100), complex."""
    kernels = [
        gabor_kernel(scale, orientation)
        for scale in range(GABOR_SCALES)
        for orientation in range(GABOR_ORIENTATIONS)
    ]
    middles = [(kernel, len(kernel) // 2) for kernel in kernels]
    down = [_at_places(kernel[:, c] / kernel[c, c]) for kernel, c in middles]
    across = [_at_places(kernel[c]) for kernel, c in middles]
    return np.stack(down).astype(np.complex64), np.stack(across).astype(np.complex64)


def gabor_kernel(scale: int, orientation: int) -> np.ndarray:
    """A filter of ``gabor``.

    Args:
        scale: 0 (finest) to 4.
        orientation: 0 to 7, of the wave's direction, in steps of 22.5 degrees from the x axis towards y.

    Returns:
        Shape (K, K), complex; K is odd.
    """
    wavelength = 2 ** (scale / 2) / GABOR_FREQUENCY
    kernel: np.ndarray = library("skimage.filters").gabor_kernel(
        1 / wavelength,
        orientation * np.pi / GABOR_ORIENTATIONS,
        sigma_x=wavelength,
        sigma_y=wavelength,
        n_stds=5,
    )
    return kernel


def _at_places(weights: np.ndarray) -> np.ndarray:
    """Weights of a line's pixels for a filter at each place, shape (10, 100)."""
    reach = len(weights) // 2
    line = np.pad(np.eye(SIDE), ((reach, reach), (0, 0)), mode="edge")
    places = range(GRID // 2, SIDE, SIDE // GRID)
    return np.stack([weights[::-1] @ line[place : place + len(weights)] for place in places])


def shape(faces: Faces, landmarks: Floats | None) -> Floats:
    """Differences in place of every two of 37 fiducial points.

    The paper aligns faces by five points but says neither the template nor which 37 points: here each face is
    turned, scaled and shifted so that its eyes' centers, nose tip and mouth corners come nearest to those of
    the aligned faces of ``affectzoo data prepare``, in edges of whose box the differences are; the points are
    ``FIDUCIAL``.

    Args:
        faces: Not used.
        landmarks: Shape (N, 68, 2).

    Returns:
        Shape (N, 1332): pairs (i, j) with i < j in order, x and y of point i less those of point j.
    """
    assert landmarks is not None  # classical_features has seen them
    turns = np.stack([similarity(five_points(face), FIVE_POINTS)[:, :2] for face in landmarks])
    points = landmarks[:, FIDUCIAL] @ turns.transpose(0, 2, 1)
    first, second = np.triu_indices(len(FIDUCIAL), 1)
    differences: Floats = (points[:, first] - points[:, second]).astype(np.float32)
    return differences.reshape(len(landmarks), -1)


ALIGNED = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.8]], np.float32) * SIDE - 0.5
"""Where ``AlignedFeature`` puts the eyes' centers and the middle of the mouth's corners, pixels."""


class AlignedFeature(Feature):
    """A feature that aligns faces by landmarks where they have some, 5 or 68; it gets those there are."""

    def _landmarks(self, faces: Iterable[Face]) -> Any:
        return [face.landmarks for face in faces]


def hog_aligned(faces: Faces, landmarks: Any = None) -> Floats:
    """``hog`` of faces that an affine map brings to one place, by eyes and mouth.

    Li and Deng, section III-B: the centers of both eyes and the center of the mouth's corners define the map,
    to 100 x 100 pixels; the paper does not say where it puts them. Faces without 5 or 68 landmarks are taken
    for aligned ones, such as the authors' own.

    Args:
        faces: Shape (N, S, S), gray.
        landmarks: Of each face, shape (K, 2) in its pixels, or ``None``.

    Returns:
        Shape (N, 4000), as of ``hog``.
    """
    points = [None] * len(faces) if landmarks is None else landmarks
    return hog(np.stack([aligned(*face) for face in zip(faces, points, strict=True)]))


def aligned(face: Faces, landmarks: Floats | None) -> Faces:
    """Bring a face's eyes and mouth to ``ALIGNED``.

    Args:
        face: Shape (S, S), gray.
        landmarks: Shape (5, 2) or (68, 2), pixels of the face; others, or ``None``: it is only resized.

    Returns:
        Shape (100, 100).
    """
    if landmarks is None or len(landmarks) not in (5, 68):
        return cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
    left, right, _, *corners = five_points(landmarks)
    three = np.array([left, right, np.mean(corners, axis=0)], np.float32)
    turn = cv2.getAffineTransform(three, ALIGNED)
    return cv2.warpAffine(  # type: ignore[return-value]
        face, turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


_RAFDB = "Li and Deng, TIP 2019, section V-A"
_GRAY = Preprocess(size=SIDE, color="gray")

FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        feature.name: feature
        for feature in (
            Feature("hog", _GRAY, 0, hog, 4000, _RAFDB),
            Feature("lbp", _GRAY, 0, lbp, 5900, _RAFDB),
            Feature("gabor", _GRAY, 0, gabor, 4000, _RAFDB),
            Feature("shape", _GRAY, 68, shape, 1332, _RAFDB),
            AlignedFeature(
                "hog_aligned",
                Preprocess(size=2 * SIDE, color="gray", margin=0.5),
                0,
                hog_aligned,
                4000,
                "Li and Deng, TIP 2019, section III-B",
            ),
            Feature(
                "hog256",
                Preprocess(size=256, color="gray"),
                0,
                hog256,
                36_864,
                "Mollahosseini et al., TAC 2019, sections 4.2 and 4.3",
                pca=0.95,
            ),
        )
    }
)
"""The features by name."""
