"""ONNX files of whole numbers of 8 bits: smaller and faster, their ranges found on faces."""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from affectzoo.datamodules.dataset import FaceDataset
from affectzoo.datamodules.transforms import Face, FaceTransform
from affectzoo.errors import AffectZooError, DataError
from affectzoo.evaluation.source import read, roots
from affectzoo.export.described import Arrays, pixels_of
from affectzoo.export.onnx_model import OnnxModel
from affectzoo.files.folders import user_path, walk
from affectzoo.files.images import SUFFIXES, read_image
from affectzoo.registry import DATASETS

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from affectzoo.datasets.index import FaceIndex
    from affectzoo.models.base import AffectModel

FACES = 512
"""How many faces are taken of those that are given, drawn at random, each time the same."""

FEWEST = 16

QUANTIZED = (
    "Conv",
    "Gemm",
    "MatMul",
    "Relu",
    "Clip",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Add",
    "Mul",
)
"""Operators that compute with whole numbers; what is not among them stays float32, as the softmax."""

WEIGHTED = ("Conv", "Gemm", "MatMul")
"""Those of them with weights. The last one stays float32, and so do the first ones."""

FIRST = (1, 3, 5, 8, 13)
"""How many first layers stay float32: as many as it takes to keep answers within ``APART``.

Filters that look for edges have weights whose sum is about 0; rounded ones see the brightness instead. The
first layer of dlp_cnn_s.ferplus costs 7 points of accuracy on FER+, the first five of mobilenet_v1.ferplus
nearly 2.
"""

APART = 0.01
"""How far a face's probabilities or values may move on average."""


def calibration_faces(given: str | Path, model: AffectModel) -> list[Arrays]:
    """Read faces for calibration as exported files take them.

    Args:
        given: A folder of ready crops, with folders below it, or a data set as ``NAME=DIR``, of which the
            training part is taken, else all that is no test part.
        model: What they are cut for.

    Raises:
        DataError: There are too few, none can be read, or they lack landmarks that the model takes.
    """
    name, equals, _ = str(given).partition("=")
    if equals and name in DATASETS and not user_path(given).exists():
        (root,) = roots("--calibrate", [str(given)]).values()
        faces = list(_of_data_set(read(name, root), model))
    elif model.landmarks:
        raise DataError(
            f"{given}: the model takes {model.landmarks} landmarks with each face, which images alone do not "
            "have: calibrate on a data set with landmarks, as NAME=DIR"
        )
    else:
        faces = list(_of_folder(user_path(given), model))
    if len(faces) < FEWEST:
        raise DataError(
            f"{given}: {len(faces)} faces for calibration; at least {FEWEST} are needed, and a few hundred "
            "of all expressions are better"
        )
    found: list[Arrays] = []
    for face in faces:
        inputs: Arrays = {"pixels": pixels_of(face.pixels)[None]}
        if model.landmarks and face.landmarks is not None:
            inputs["landmarks"] = face.landmarks[None].astype(np.float32)
        found.append(inputs)
    return found


def _of_data_set(index: FaceIndex, model: AffectModel) -> Iterator[Face]:
    splits = index.table["split"].to_numpy()
    index = index.rows(splits == "train" if "train" in splits else splits != "test")
    index = index.with_landmarks(model.landmarks)
    index = index.rows(index.drawn(FACES))
    data = FaceDataset(index, FaceTransform(model.preprocess), on_unreadable="skip")
    for row in range(len(data)):
        face = data.face(row)
        if not isinstance(face, str):
            yield face


def _of_folder(folder: Path, model: AffectModel) -> Iterator[Face]:
    paths = [
        listing.path / name
        for listing in walk(folder)
        for name in listing.files
        if Path(name).suffix.lower() in SUFFIXES
    ]
    for path in random.Random(0).sample(paths, min(FACES, len(paths))):
        yield Face(model.preprocess.face(read_image(path)))


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, faces: list[Arrays]) -> None:
        self._rest = iter(faces)

    def get_next(self) -> Arrays | None:
        return next(self._rest, None)


def cost(plain: OnnxModel, small: OnnxModel, faces: list[Arrays]) -> dict[str, Any]:
    """Compare an int8 file with the float32 one on the faces that it was calibrated on.

    Args:
        plain: The float32 file.
        small: The int8 one.
        faces: Inputs for each face.

    Returns:
        JSON-ready: ``faces``, how many; ``same_label``, the share of them with the same likeliest class, for
        models with classes; ``apart``, the mean over the faces of the largest difference of a probability or
        value.
    """
    same, apart = [], []
    for face in faces:
        one, other = plain.run(**face), small.run(**face)
        values = [name for name in one if name not in ("logits", "next_state")]
        apart.append(max(float(np.abs(one[name] - other[name]).max()) for name in values))
        if "logits" in one:
            same.append(bool(one["logits"].argmax() == other["logits"].argmax()))
    found: dict[str, Any] = {"faces": len(faces), "apart": float(np.mean(apart))}
    return found | ({"same_label": float(np.mean(same))} if same else {})


def quantize(proto: ModelProto, faces: list[Arrays], given: str | Path, first: int = 1) -> ModelProto:
    """Make a model of whole numbers: weights per channel, ranges of the rest by the extremes on faces.

    Args:
        proto: The float32 model.
        faces: All its inputs for each face.
        given: Where they are from, for errors.
        first: How many of the first layers with weights stay float32.

    Raises:
        AffectZooError: ONNX Runtime cannot.
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        plain, ready, done = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "done"))
        onnx.save(proto, plain)
        level = logging.getLogger().level
        try:
            logging.getLogger().setLevel(logging.ERROR)
            quant_pre_process(plain, ready)
            nodes = onnx.load(ready).graph.node
            quantize_static(
                ready,
                done,
                _Reader(faces),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(QUANTIZED),
                nodes_to_exclude=_float_nodes(nodes, first),
            )
        except Exception as error:  # of ONNX Runtime and onnx, of many kinds
            line = str(error).strip().partition("\n")[0][:300] or type(error).__name__
            raise AffectZooError(f"int8 by the faces of {given} failed: {line}") from error
        finally:
            logging.getLogger().setLevel(level)
        return onnx.load(done)


def _float_nodes(nodes: Sequence[NodeProto], first: int) -> list[str]:
    """Name the layers that stay float32, and what cuts their outputs off: before that, ranges are wide."""
    weighted = [node for node in nodes if node.op_type in WEIGHTED]
    kept = [*weighted[:first], *weighted[-1:]]
    outputs = {name for node in kept for name in node.output}
    cutting = [n for n in nodes if n.op_type in ("Relu", "Clip") and outputs & set(n.input)]
    return [node.name for node in (*kept, *cutting)]
