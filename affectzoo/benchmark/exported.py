"""Files of ``affectzoo export`` as systems of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from affectzoo.benchmark.cost import timed
from affectzoo.benchmark.systems import Weights, ZooSystem
from affectzoo.datamodules.dataset import FaceDataset, ground_truth
from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.export.described import Arrays, pixels_of
from affectzoo.export.onnx_model import OnnxModel
from affectzoo.files import fetch
from affectzoo.sample import AffectOutput
from affectzoo.zoo.loading import described

if TYPE_CHECKING:
    from affectzoo.benchmark.folds import Fold
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.evaluation.evaluate import Pass
    from affectzoo.evaluation.protocols import Protocol
    from affectzoo.metrics.predictions import Predicted
    from affectzoo.models.base import AffectModel
    from affectzoo.weights import WeightsMeta


class ExportedWeights(Weights):
    """Exported files: one, or one per fold."""

    def meta(self, number: int | None = None) -> WeightsMeta:
        """See ``Weights``."""
        return OnnxModel(self.name(number)).meta

    def sums(self, protocol: Protocol) -> list[str]:
        """See ``Weights``."""
        numbers = range(protocol.folds if self.by_fold else 1)
        return [fetch.sha256(Path(self.name(number))) for number in numbers]

    def _fingerprint(self, fold: Fold) -> str | None:
        return None


class ExportedSystem(ZooSystem):
    """An exported model, by ONNX Runtime on as many threads as torch has."""

    def __init__(self, name: str, spec: str, batch_size: int = 64) -> None:
        """Take name, file, and faces per run.

        Raises:
            WeightsError: The file is none of ``affectzoo export``.
        """
        super().__init__(name, spec, batch_size)
        self.weights = ExportedWeights(spec)
        self._file = self._open(self.weights.name(None))
        self.remarks = (f"{self._file.precision}, by ONNX Runtime",)

    def misfit(self, protocol: Protocol) -> str | None:
        """See ``System``."""
        if self._file.sequence:
            return f"{self.spec} reads the frames of videos; measure the weights that it was exported from"
        return super().misfit(protocol)

    @staticmethod
    def _open(name: str) -> OnnxModel:
        return OnnxModel(name, threads=torch.get_num_threads())

    def _load(self, name: str) -> AffectModel:
        """Build the model without values, which says what the file's outputs mean."""
        self._file = self._open(name)
        return described(self._file.meta, name)

    def _predict(self, model: AffectModel, faces: FaceIndex, how: Pass) -> Predicted:
        data = FaceDataset(faces, FaceTransform(model.preprocess), on_unreadable=how.on_unreadable)
        gathered = model.predictions()
        for start in range(0, len(data), how.batch_size):
            rows, inputs = self._inputs(data, range(start, min(start + how.batch_size, len(data))))
            if rows:
                output = self._output(model, self._file.run(**inputs))
                mask = torch.ones(len(rows), dtype=torch.bool)
                gathered.update(output, {"index": torch.tensor(rows), "mask": mask})
            if how.progress is not None:
                how.progress(min(1.0, (start + how.batch_size) / len(data)))
        return gathered.compute(ground_truth(faces))

    def _inputs(self, data: FaceDataset, rows: range) -> tuple[list[int], Arrays]:
        """The faces that can be read, as the file takes them, and their rows."""
        faces = {row: face for row in rows if not isinstance(face := data.face(row), str)}
        if not faces:
            return [], {}
        inputs: Arrays = {"pixels": np.stack([pixels_of(face.pixels) for face in faces.values()])}
        if self._file.landmarks:
            points = [face.landmarks for face in faces.values() if face.landmarks is not None]
            inputs["landmarks"] = np.stack(points).astype(np.float32)
        return list(faces), inputs

    def _output(self, model: AffectModel, found: Arrays) -> AffectOutput:
        logits = torch.from_numpy(found["logits"]) if "logits" in found else None
        values = [torch.from_numpy(found[name]) for name in model.dimensions]
        return AffectOutput(torch.empty(0), logits, torch.stack(values, dim=1) if values else None)

    def _cost(self, model: AffectModel) -> dict[str, Any]:
        size, channels = model.preprocess.face_size, model.preprocess.channels
        random = np.random.default_rng(0)
        shape = (self.batch_size, channels, size, size)
        inputs: Arrays = {"pixels": random.integers(0, 256, shape, dtype=np.uint8)}
        if self._file.landmarks:
            points = random.uniform(0, size, (self.batch_size, self._file.landmarks, 2))
            inputs["landmarks"] = points.astype(np.float32)

        def run(rows: np.ndarray) -> None:
            self._file.run(**{name: values[: len(rows)] for name, values in inputs.items()})

        return {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "flops": None,
            **timed(run, inputs["pixels"]),
            "device": "cpu",
            "threads": torch.get_num_threads(),
        }
