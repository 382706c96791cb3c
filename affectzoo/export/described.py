"""What an exported file says of itself, in texts by name, which other languages read as well."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from affectzoo import __version__
from affectzoo.errors import WeightsError
from affectzoo.weights.meta import WeightsMeta, sealed, unsealed
from affectzoo.weights.untrusted import other_format, parse

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image, Preprocess

META, FACTS, TEST = "affectzoo", "affectzoo.export", "affectzoo.test"
"""The names of the texts that are JSON: the weights' metadata, facts of the export, and the golden face."""

FORMAT = 1
"""Of these texts; a higher one is not understood."""

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Export:
    """What an exported file is.

    Attributes:
        meta: What the weights mean.
        precision: ``float32`` or ``int8``.
        calibration: Of int8, how its ranges were found and what they cost; JSON-ready.
    """

    meta: WeightsMeta
    precision: str = "float32"
    calibration: Mapping[str, Any] | None = None

    def to_texts(self, inputs: Arrays, answers: Arrays) -> dict[str, str]:
        """Write it as texts by name.

        Args:
            inputs: The golden face as the file takes it, without the state.
            answers: What the file says of it.
        """
        facts = {"format": FORMAT, "affectzoo": __version__, "precision": self.precision}
        test = {"pixels": _png(inputs["pixels"][0]), "answers": {n: v.tolist() for n, v in answers.items()}}
        if "landmarks" in inputs:
            test["landmarks"] = inputs["landmarks"].tolist()
        return {
            **_plain_texts(self.meta),
            META: json.dumps(sealed(self.meta), sort_keys=True),
            FACTS: json.dumps(facts | ({"calibration": self.calibration} if self.calibration else {})),
            TEST: json.dumps(test),
        }


def read_export(texts: Mapping[str, str], where: str) -> tuple[Export, Arrays, Arrays]:
    """Read what ``Export.to_texts`` wrote.

    Args:
        texts: A file's texts by name.
        where: The file, for errors.

    Returns:
        What the file is, and its golden face with the answers, as ``to_texts`` takes them.

    Raises:
        WeightsError: It was not written by ``affectzoo export``, or by a later one, or is damaged.
    """
    if not {META, FACTS, TEST} <= set(texts):
        raise WeightsError(
            f"{where}: the file does not say which model it is (no '{META}' metadata): it was not written by "
            "affectzoo. Make one: affectzoo export MODEL --out FILE.onnx"
        )
    facts = parse(texts[FACTS], f"{where}: the '{FACTS}' metadata")
    if (other := other_format(facts.get("format"), FORMAT)) is not None:
        raise WeightsError(f"{where}: {other}")
    meta = unsealed(parse(texts[META], f"{where}: the '{META}' metadata"), where)
    altered = [name for name, text in _plain_texts(meta).items() if texts.get(name, text) != text]
    if altered:
        raise WeightsError(
            f"{where}: its metadata contradict each other: {altered[0]} is {texts[altered[0]][:200]}, "
            f"'{META}' says {_plain_texts(meta)[altered[0]][:200]}: export it again"
        )
    test = parse(texts[TEST], f"{where}: the '{TEST}' metadata")
    try:
        inputs: Arrays = {"pixels": _from_png(test["pixels"], meta.preprocess)[None]}
        if "landmarks" in test:
            inputs["landmarks"] = np.array(test["landmarks"], np.float32)
        answers = {str(name): np.array(values, np.float32) for name, values in test["answers"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{where}: its golden face is damaged ({error}): export it again") from None
    calibration = facts.get("calibration")
    export = Export(meta, str(facts.get("precision")), calibration if isinstance(calibration, dict) else None)
    return export, inputs, answers


def pixels_of(face: Image) -> npt.NDArray[np.uint8]:
    """Lay a face out as exported files take it.

    Args:
        face: Shape (S, S, 3) or (S, S), as ``Preprocess.face`` cuts it.

    Returns:
        Shape (channels, S, S).
    """
    return face[None] if face.ndim == 2 else np.ascontiguousarray(face.transpose(2, 0, 1))


def _plain_texts(meta: WeightsMeta) -> dict[str, str]:
    """What programs that do not read the whole description need of it."""
    return {
        "labels": json.dumps(list(meta.labels)),
        "size": str(meta.preprocess.face_size),
        "color": meta.preprocess.color,
        "crop": _crop(meta.preprocess),
    }


def _crop(preprocess: Preprocess) -> str:
    edge = f"{1 + preprocess.margin:g} times"
    if preprocess.shape == "stretch":
        return f"the face box, each edge {edge} as long, stretched to a square; edge pixels repeated outside"
    return f"a square around the box's center, {edge} its longer edge; edge pixels repeated outside"


def _png(pixels: npt.NDArray[np.uint8]) -> str:
    import cv2

    face = np.ascontiguousarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)[..., ::-1])
    return b64encode(cv2.imencode(".png", face)[1].tobytes()).decode()


def _from_png(text: str, preprocess: Preprocess) -> npt.NDArray[np.uint8]:
    import cv2

    kind = cv2.IMREAD_GRAYSCALE if preprocess.color == "gray" else cv2.IMREAD_COLOR_RGB
    face = cv2.imdecode(np.frombuffer(b64decode(text, validate=True), np.uint8), kind)
    if face is None or face.shape[:2] != (preprocess.face_size,) * 2:
        raise ValueError("no image of the model's size")
    return pixels_of(face)  # type: ignore[arg-type]
