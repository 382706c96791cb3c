"""Write models as ONNX or ``torch.export`` files, each checked before it is there."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from affectzoo.errors import AffectZooError, OptionError
from affectzoo.export.described import Arrays, Export
from affectzoo.export.graph import Graph, golden_frames
from affectzoo.export.onnx_model import SUFFIX, OnnxModel
from affectzoo.files.folders import user_path
from affectzoo.files.writing import writing
from affectzoo.models.inference import check_usable
from affectzoo.packages import need
from affectzoo.zoo.loading import load

if TYPE_CHECKING:
    from onnx import ModelProto

    from affectzoo.models.base import AffectModel

Format = Literal["onnx", "torch"]

ENDINGS: dict[Format, str] = {"onnx": SUFFIX, "torch": ".pt2"}

PARITY = 1e-4
"""Greatest difference from the model's own answers on its golden face; of scores beyond 1, their share."""

LARGEST = 2**31 - 1
"""Bytes of an ONNX file, by its format."""

_Run = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: Where it is.
        export: What it is.
        apart: How far its answers for the golden face are from the model's own at most, as float32.
        inputs: Kind and shape of each input by name, such as ``uint8 (faces, 1, 48, 48)``.
        outputs: The same of the outputs.
    """

    path: Path
    export: Export
    apart: float
    inputs: dict[str, str]
    outputs: dict[str, str]


def export_model(
    model: str | Path | AffectModel,
    path: str | Path,
    format: Format = "onnx",
    *,
    calibrate: str | Path | None = None,
) -> Exported:
    """Write a model as a file that runs without affectzoo: its preparation of pixels, its labels in it.

    The file takes ``pixels`` as ``model.preprocess.face`` cuts them (uint8; scaling and normalization are
    inside), landmarks and states where the model does, and says ``probabilities``, ``valence``,
    ``arousal`` and ``points`` by name; docs/export.md has the details. It is there once its answers for the
    golden face are the model's own, an older one until then.

    Args:
        model: A loaded model, which stays as it is, or a name that ``affectzoo.load`` takes.
        path: Where to; ``.onnx``, or ``.pt2`` for ``torch``. Its folder is made.
        format: ``onnx``, or ``torch`` for ``torch.export``.
        calibrate: Makes an int8 file of the format ``onnx``, whose ranges are found on these faces: a folder
            of ready crops, or a data set as ``NAME=DIR``; see ``affectzoo.export.calibration``.

    Returns:
        What was written.

    Raises:
        MissingPackageError: The extra ``onnx`` is not installed.
        OptionError: Another ending, or ``calibrate`` with another format.
        AffectZooError: The model is to be trained first, cannot be exported, or the file's answers are not
            the model's: no file is left then.
        OutputError: It cannot be written.
    """
    target = user_path(path)
    check_target(target, format)
    if calibrate is not None and format != "onnx":
        raise OptionError("int8 files are ONNX files: leave --format out, or --int8")
    if format == "onnx":
        need("ONNX files", "onnx", "onnx", "onnxruntime", "onnxscript")
    if isinstance(model, str | Path):
        model = load(model)
    check_usable(model)
    graph = Graph(model)
    export = Export(graph.model.describe())
    frames, answers = golden_frames(graph.model)
    with writing(target) as part:
        if format == "torch":
            run = _write_torch(graph, part, export, frames[0])
        else:
            proto = _onnx(graph)
            _save(proto, part, export.to_texts(frames[0], _first_answers(graph, frames[0])))
            run = _onnx_runner(part)
        apart = _compare(target, run, frames, answers)
        if calibrate is not None:
            export = _to_int8(proto, part, export, calibrate, graph)
    return Exported(target, export, apart, *_signature(graph))


def _to_int8(proto: ModelProto, part: Path, export: Export, calibrate: str | Path, graph: Graph) -> Export:
    """Put an int8 file in a float32 one's place, and return what it is."""
    from affectzoo.export.calibration import APART, FIRST, calibration_faces, cost, quantize

    given = calibration_faces(calibrate, graph.model)
    plain = OnnxModel(part)
    inputs = [plain.with_state(face) for face in given]
    golden = golden_frames(graph.model)[0][0]
    for first in FIRST:
        small = quantize(proto, inputs, calibrate, first)
        _save(small, part, export.to_texts(golden, {}))
        done = OnnxModel(part)
        told = cost(plain, done, given)
        if told["apart"] <= APART:
            break
    export = replace(export, precision="int8", calibration={**told, "float32_layers": first + 1})
    says = {name: values for name, values in done.run(**golden).items() if name != "next_state"}
    _save(small, part, export.to_texts(golden, says))
    return export


def check_target(path: Path, format: Format) -> None:
    """Refuse another ending than the format's.

    Raises:
        OptionError: It has another one, or there is no such format.
    """
    if format not in ENDINGS:
        raise OptionError(f"format {format!r}; there are {', '.join(ENDINGS)}")
    if path.suffix.lower() != ENDINGS[format]:
        raise OptionError(f"{path}: files of the format {format} end in {ENDINGS[format]}")


@torch.no_grad()
def _first_answers(graph: Graph, inputs: Arrays) -> Arrays:
    """What the file shall say of the golden face's first frame."""
    given = {name: torch.from_numpy(values) for name, values in inputs.items()}
    if "state" in graph.inputs:
        given["state"] = graph.example(1)["state"]
    return {name: value.numpy() for name, value in graph(**given).items() if name != "next_state"}


@torch.no_grad()
def _signature(graph: Graph) -> tuple[dict[str, str], dict[str, str]]:
    """Kinds and shapes of inputs and outputs by name."""

    def told(tensor: torch.Tensor) -> str:
        sizes = ", ".join(["faces", *map(str, tensor.shape[1:])])
        return f"{str(tensor.dtype).removeprefix('torch.')} ({sizes})"

    given = graph.example(1)
    says = graph(**given)
    return {name: told(value) for name, value in given.items()}, {n: told(v) for n, v in says.items()}


def _shapes(graph: Graph) -> dict[str, dict[int, Any]]:
    return {name: {0: torch.export.Dim("faces")} for name in graph.inputs}


def _onnx(graph: Graph) -> ModelProto:
    """Export to ONNX.

    Raises:
        AffectZooError: torch cannot.
    """
    with _quiet(graph):
        program = torch.onnx.export(
            graph,
            kwargs=graph.example(),
            dynamo=True,
            verbose=False,
            input_names=graph.inputs,
            output_names=graph.outputs,
            dynamic_shapes=_shapes(graph),
        )
    assert program is not None
    proto: ModelProto = program.model_proto
    values = [*proto.graph.input, *proto.graph.output, *proto.graph.value_info, *proto.graph.initializer]
    for told in (proto.graph, *proto.graph.node, *values):  # lines of code with this machine's paths
        del told.metadata_props[:]
        told.doc_string = ""
    return proto


def _save(proto: ModelProto, path: Path, texts: dict[str, str]) -> None:
    """Write an ONNX file.

    Raises:
        AffectZooError: It is too large for one.
    """
    import onnx

    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, texts)
    proto.producer_name = "affectzoo"
    proto.graph.name = "affectzoo"
    if proto.ByteSize() > LARGEST:
        raise AffectZooError(
            f"the model has {proto.ByteSize():,} bytes, and ONNX files hold {LARGEST:,}: take --format torch"
        )
    path.write_bytes(proto.SerializeToString())


def _onnx_runner(path: Path) -> _Run:
    model = OnnxModel(path)
    return lambda inputs: model.run(**inputs)


def _write_torch(graph: Graph, path: Path, export: Export, frame: Arrays) -> _Run:
    """Write a ``torch.export`` file, and return what runs it."""
    with _quiet(graph):
        program = torch.export.export(graph, (), graph.example(), dynamic_shapes=_shapes(graph))
    texts = export.to_texts(frame, _first_answers(graph, frame))
    buffer = io.BytesIO()  # the file's own name would be in it
    torch.export.save(program, buffer, extra_files={"affectzoo.json": json.dumps(texts)})
    path.write_bytes(buffer.getvalue())
    loaded = torch.export.load(io.BytesIO(path.read_bytes())).module()
    states = {"state": graph.example(1)["state"]} if "state" in graph.inputs else {}

    @torch.no_grad()
    def run(inputs: Arrays) -> Arrays:
        given = states | {name: torch.from_numpy(values) for name, values in inputs.items()}
        return {name: value.numpy() for name, value in loaded(**given).items()}

    return run


def _compare(target: Path, run: _Run, frames: list[Arrays], expected: list[Arrays]) -> float:
    """Return how far a file's answers are from the model's own.

    Raises:
        AffectZooError: Further than ``PARITY``.
    """
    farthest = 0.0
    state: Arrays = {}
    for inputs, told in zip(frames, expected, strict=True):
        found = run({**inputs, **state})
        state = {"state": found["next_state"]} if "next_state" in found else {}
        for name, values in told.items():
            apart = np.abs(found[name] - values)
            farthest = max(farthest, float(apart.max()))
            if not (apart <= PARITY * np.maximum(1, np.abs(values))).all():
                raise AffectZooError(
                    f"{target}: not written: on the golden face its {name} are up to {apart.max():.3g} from "
                    f"the model's own; at most {PARITY:g} is taken. Please report it with the model's name"
                )
    return farthest


@contextmanager
def _quiet(graph: Graph) -> Iterator[None]:
    """Keep what the exporter tells its developers from users; its failure is one line.

    Raises:
        AffectZooError: It fails.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # of torch, its compiler or onnxscript, of many kinds
        first = str(error).strip().partition("\n")[0][:300] or type(error).__name__
        raise AffectZooError(f"torch cannot export this {graph.model.arch}: {first}") from error
    finally:
        logger.setLevel(level)
