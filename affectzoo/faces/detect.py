"""Face detectors behind one call: image in, boxes out.

All return boxes that fit ``Preprocess`` as they are: ``benchmarks/crop_rule.py`` measures that the median
longer edge of either detector's box is within 2 % of FER-2013's crops, from which its rule comes.
"""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import cv2
import numpy as np

from affectzoo.errors import DetectorError, WeightsError
from affectzoo.faces.preprocess import Box
from affectzoo.files.fetch import HubFile, fetch, home, sha256
from affectzoo.files.writing import writing

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image, Points

DetectorName = Literal["auto", "yunet", "haar", "none"]
SEARCH_SIZE, LEAST_SIZE = 1280, 64
"""Larger images are searched at this longer edge, if no other is asked for, and at least at that; boxes come
back in the image's own pixels."""


@dataclass(frozen=True)
class Detection:
    """One found face.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the image; ``None``: the image is the face.
        score: The detector's confidence: YuNet in 0..1, Haar an open scale; ``None`` without one.
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
        small, scale = _reduced(image, self._search_size)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        least = max(24, round(0.04 * min(grey.shape)))
        boxes, _, scores = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=6, minSize=(least, least), outputRejectLevels=True
        )
        found = zip(np.reshape(boxes, (-1, 4)), np.reshape(scores, -1), strict=True)
        return _largest_first(
            Detection(_scaled((x, y, x + w, y + h), scale), float(s)) for (x, y, w, h), s in found
        )


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
            path = self.kept() if self.kept().is_file() else self._fetch()
            self._verify(path)
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
    def _verify(cls, path: Path) -> None:
        found = sha256(path)
        if found != cls.sha256:
            raise DetectorError(f"{path}: sha256 is {found}, not the published {cls.sha256}; delete the file")

    @classmethod
    def _fetch(cls) -> Path:
        try:
            fetched = fetch(HubFile(cls.repo_id, cls.file_name, cls.revision, cls.sha256, limit=10**6))
        except WeightsError as error:
            raise DetectorError(
                f"{error}. Put {cls.file_name} at {cls.kept()}, or use --detector haar"
            ) from None
        with writing(cls.kept()) as part:
            shutil.copyfile(fetched, part)
        return cls.kept()

    def __call__(self, image: Image) -> list[Detection]:
        """Every face of an RGB image, the largest first."""
        small, scale = _reduced(image, self._search_size)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, found = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
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


def make_detector(
    name: DetectorName | Detector = "auto", path: Path | None = None, search_size: int | None = None
) -> Detector:
    """A detector by name.

    Args:
        name: ``yunet``, ``haar``, ``none``, or ``auto``: YuNet when its file is at hand, else Haar (with a
            warning where that file is damaged); never the network. A detector passes through.
        path: YuNet's file, where it is not in affectzoo's home.
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
                f"the detector is {name!r}; expected auto, yunet, haar, none, or what is called with an image"
            )
        return name
    if name == "auto" and path is None:
        if not YuNet.kept().is_file():
            return Haar(searched)
        try:
            return YuNet(None, searched)
        except DetectorError as error:
            warnings.warn(f"{error}; going on with the Haar cascade, which sees frontal faces", stacklevel=2)
            return Haar(searched)
    if name == "auto":
        name = "yunet"
    if path is not None and name != "yunet":
        raise DetectorError(f"a detector file was given ({path}), but {name} needs none")
    if name == "yunet":
        return YuNet(path, searched)
    if name == "haar":
        return Haar(searched)
    if name == "none":
        return ReadyCrop()
    raise DetectorError(f"unknown detector '{name}': choose auto, yunet, haar or none")


def _check_size(search_size: int) -> int:
    if isinstance(search_size, bool) or not isinstance(search_size, int) or search_size < LEAST_SIZE:
        raise DetectorError(
            f"search_size is {search_size!r}; expected pixels, a whole number from {LEAST_SIZE}"
        )
    return search_size


def _reduced(image: Image, search_size: int) -> tuple[Image, float]:
    """The image at searching size, and the factor back to its own pixels."""
    height, width = image.shape[:2]
    scale = max(height, width) / search_size
    if scale <= 1:
        return image, 1.0
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale  # type: ignore[return-value]


def _scaled(box: tuple[float, float, float, float], scale: float) -> Box:
    x0, y0, x1, y1 = (float(edge) * scale for edge in box)
    return x0, y0, x1, y1


def _largest_first(found: object) -> list[Detection]:
    def area(face: Detection) -> float:
        x0, y0, x1, y1 = face.box or (0, 0, 0, 0)
        return (x1 - x0) * (y1 - y0)

    return sorted(found, key=area, reverse=True)  # type: ignore[call-overload, no-any-return]
