"""Exported models, run by ONNX Runtime; torch is not imported."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from affectzoo.errors import WeightsError
from affectzoo.export.described import Arrays, pixels_of, read_export
from affectzoo.files.fetch import sha256
from affectzoo.files.folders import pointer, user_path
from affectzoo.packages import need
from affectzoo.tasks.heads import dimensions

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from affectzoo.faces.preprocess import Image, Points
    from affectzoo.tasks.heads import TaskName
    from affectzoo.weights.meta import WeightsMeta

SUFFIX = ".onnx"

TOLERANCE = {"float32": 0.005, "int8": 0.1}
"""Greatest difference of probabilities and values on the golden face. In int8, sums are rounded,
and cut off by processors without the instructions for them."""

Floats = npt.NDArray[np.float32]


class Answers(NamedTuple):
    """What a model says of some faces.

    Attributes:
        probabilities: Shape (N, classes), each row summing to 1; ``None`` without classes.
        va: Of valence and arousal those that are predicted, in [-1, 1], shape (N, 1 or 2); else ``None``.
        points: Landmarks as ``affectzoo.sample.AffectOutput`` has them, shape (N, 136); else ``None``.
    """

    probabilities: Floats | None = None
    va: Floats | None = None
    points: Floats | None = None


class OnnxModel:
    """An exported model, ready to predict; it can be given wherever ``affectzoo.predict`` takes a model.

    Attributes:
        path: Its file.
        meta: What the weights mean.
        precision: ``float32`` or ``int8``.
        arch: Name of its architecture.
        preprocess: How its faces are prepared.
        labels: Its classes; ``None`` when it predicts no expression.
        dimensions: Which of valence and arousal it predicts.
        landmarks: How many landmarks it takes with each face.
        sequence: Whether it reads the frames of videos.
        session: ONNX Runtime's own object, for what is not here.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a file and test it on the golden face inside it.

        Args:
            path: Written by ``affectzoo export``.
            threads: CPU threads for one batch; by default ONNX Runtime's own number.

        Raises:
            MissingPackageError: ONNX Runtime is not installed.
            WeightsError: The file is missing, damaged, or of something else; or it does not compute here what
                it did where it was made.
        """
        self.path = user_path(path)
        self.session = _session(self.path, threads)
        where = str(self.path)
        texts = self.session.get_modelmeta().custom_metadata_map
        export, golden, answers = read_export(texts, where)
        self.meta, self.precision = export.meta, export.precision
        self.arch = self.meta.arch
        self.preprocess = self.meta.preprocess
        self.labels = self.meta.label_space
        self.dimensions = dimensions(cast("TaskName", self.meta.task))
        self.sequence = self.meta.sequence
        shapes = {given.name: given.shape for given in self.session.get_inputs()}
        self.landmarks = int(shapes["landmarks"][1]) if "landmarks" in shapes else 0
        self._state_shape = tuple(shapes["state"][1:]) if "state" in shapes else ()
        self._outputs = [given.name for given in self.session.get_outputs()]
        if bool(self._state_shape) != self.sequence or not set(answers) <= set(self._outputs):
            raise WeightsError(f"{where}: its inputs and outputs are not those of its model: export it again")
        if os.environ.get("AFFECTZOO_SELF_TEST") != "0":
            self._test(golden, answers)

    @property
    def fingerprint(self) -> str:
        """By which its weights are known: the file's sha256."""
        return sha256(self.path)

    def describe(self) -> WeightsMeta:
        """What the weights mean, as ``AffectModel.describe``."""
        return self.meta

    def run(self, **inputs: npt.NDArray[Any]) -> Arrays:
        """Run the file.

        Args:
            **inputs: ``pixels``, shape (N, channels, S, S), uint8; ``landmarks``, shape (N, 68, 2), pixels of
                the face, for models that take them; ``state``, shape (N, rows, units), of recurrent models,
                by default zeros.

        Returns:
            ``logits`` and ``probabilities``, shape (N, classes), ``valence`` and ``arousal``, shape (N,),
            ``points``, shape (N, 136), as far as predicted; of recurrent models ``next_state``.

        Raises:
            WeightsError: The arrays are not what the file takes.
        """
        try:
            found = self.session.run(None, self.with_state(inputs))
            return dict(zip(self._outputs, found, strict=True))
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise WeightsError(f"{self.path}: ONNX Runtime cannot run it: {_first_line(error)}") from None

    def with_state(self, inputs: Arrays) -> Arrays:
        """Add the state of tracks that begin, where the file takes a state and none is given."""
        fresh = self.sequence and "state" not in inputs
        return {**inputs, "state": self.fresh_state(len(inputs["pixels"]))} if fresh else inputs

    def fresh_state(self, faces: int) -> Floats:
        """The state of tracks that begin, shape (faces, rows, units)."""
        return np.zeros((faces, *self._state_shape), np.float32)

    def answer(
        self,
        faces: Sequence[Image],
        tracks: Sequence[Hashable],
        states: dict[Hashable, Any],
        points: Sequence[Points] | None = None,
    ) -> Answers:
        """Predict for cut faces; recurrent models go on for each track where they were.

        Args:
            faces: As ``preprocess.face`` cuts them, in the order of time.
            tracks: Whose face each is.
            states: What is kept of each track, which is brought up to date; empty at first.
            points: For models that take landmarks, those of each face, shape (N, 2), in pixels of it.
        """
        inputs: Arrays = {"pixels": np.stack([pixels_of(face) for face in faces])}
        if points is not None:
            inputs["landmarks"] = np.stack(points).astype(np.float32)
        found = self._frame_by_frame(inputs, tracks, states) if self.sequence else self.run(**inputs)
        va = [found[name] for name in self.dimensions]
        return Answers(found.get("probabilities"), np.stack(va, axis=1) if va else None, found.get("points"))

    def _frame_by_frame(
        self, inputs: Arrays, tracks: Sequence[Hashable], states: dict[Hashable, Any]
    ) -> Arrays:
        """Run the next frame of each track together, then the one after it."""
        rows: dict[Hashable, list[int]] = {}
        for row, track in enumerate(tracks):
            rows.setdefault(track, []).append(row)
        found: Arrays = {}
        for step in range(max(map(len, rows.values()))):
            now = {track: own[step] for track, own in rows.items() if len(own) > step}
            places = list(now.values())
            state = np.stack([states.get(track, self.fresh_state(1)[0]) for track in now])
            answers = self.run(state=state, **{name: values[places] for name, values in inputs.items()})
            states.update(zip(now, answers.pop("next_state"), strict=True))
            for name, values in answers.items():
                whole = found.setdefault(name, np.empty((len(tracks), *values.shape[1:]), values.dtype))
                whole[places] = values
        return found

    def _test(self, golden: Arrays, expected: Arrays) -> None:
        found = self.run(**golden)
        tolerance = TOLERANCE.get(self.precision, TOLERANCE["int8"])
        for name in ("probabilities", "valence", "arousal", "points"):
            if name not in expected:
                continue
            if found[name].shape != expected[name].shape:
                raise WeightsError(f"{self.path}: its golden face is damaged: export it again")
            apart = float(np.abs(found[name] - expected[name]).max())
            if not apart <= tolerance:
                raise WeightsError(
                    f"{self.path}: the self-test failed: on its golden face the model's {name} are up to "
                    f"{apart:.3g} off. The file was altered, or this processor computes it otherwise: export "
                    "it again. AFFECTZOO_SELF_TEST=0 loads it unchecked"
                )


def _session(path: Path, threads: int | None) -> InferenceSession:
    need("ONNX files", "onnx", "onnxruntime")
    import onnxruntime

    if not path.is_file():
        raise WeightsError(f"{path}: no such file; make one: affectzoo export MODEL --out FILE{SUFFIX}")
    if (reason := pointer(path)) is not None:
        raise WeightsError(f"{path}: {reason}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise WeightsError(
            f"{path}: no complete ONNX file ({_first_line(error)}); make one: affectzoo export MODEL "
            f"--out FILE{SUFFIX}"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
