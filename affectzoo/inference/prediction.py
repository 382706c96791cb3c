"""From pictures to one result per face."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from affectzoo.errors import AffectZooError, UnreadableImageError
from affectzoo.faces.detect import Detection, Detector, DetectorName, make_detector
from affectzoo.faces.preprocess import Box
from affectzoo.files.images import SUFFIXES, read_image
from affectzoo.labels import LabelSpace
from affectzoo.models.inference import inference
from affectzoo.sample import AffectOutput
from affectzoo.tasks.va import VATask

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image
    from affectzoo.models.base import AffectModel

DEFAULT_MODEL = "dlp_cnn_s.ferplus"
NO_FACE = "no face found"


@dataclass(frozen=True)
class FaceResult:
    """What a model says of one face; also the row for a picture without one.

    Attributes:
        file: The picture, as it was given; for arrays ``array 0``, ``array 1`` and so on.
        box: x0, y0, x1, y1 in pixels; ``None`` for a ready crop or without a face.
        score: The detector's confidence.
        label: The likeliest class.
        probabilities: Of each class by name, summing to 1.
        valence: In [-1, 1], for models that predict it.
        arousal: In [-1, 1], for models that predict it.
        error: Why there is no prediction: no face found, or the picture is unreadable.
    """

    file: str
    box: Box | None = None
    score: float | None = None
    label: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    valence: float | None = None
    arousal: float | None = None
    error: str | None = None


Picture = str | Path | np.ndarray


def predict(
    inputs: Picture | Sequence[Picture],
    model: str | Path | AffectModel = DEFAULT_MODEL,
    detector: DetectorName | Detector = "auto",
    batch_size: int = 64,
) -> list[FaceResult]:
    """Predict for every face of one or many pictures.

    Args:
        inputs: Files, folders, glob patterns, or arrays of shape (H, W, 3), RGB uint8; one or a sequence.
        model: A loaded model, or a name that ``affectzoo.load`` takes.
        detector: ``auto``, ``yunet``, ``haar``, a detector of your own, or ``none`` when each picture is a
            ready crop: then there is one result per picture, in order.
        batch_size: Faces per forward pass.

    Returns:
        One result per face, pictures in the order given, faces the largest first. A picture without a face
        and one that cannot be read have one result with ``error`` set.

    Raises:
        AffectZooError: An input that does not exist, holds no pictures or is no RGB array; an unknown model.
    """
    if isinstance(model, str | Path):
        from affectzoo.zoo.loading import load

        model = load(model)
    listed = [inputs] if isinstance(inputs, str | Path | np.ndarray) else list(inputs)
    found = make_detector(detector)
    return list(predict_stream(expand(listed), model, found, batch_size))


def expand(inputs: Iterable[Picture]) -> list[Picture]:
    """Files behind files, folders (recursively) and glob patterns; arrays stay as they are.

    Raises:
        AffectZooError: An input that does not exist or holds no pictures.
    """
    pictures: list[Picture] = []
    for item in inputs:
        if isinstance(item, np.ndarray):
            pictures.append(item)
            continue
        path = Path(item).expanduser()
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise AffectZooError(f"{path}: the folder holds no pictures ({_endings()})")
            pictures += inside
        elif path.is_file():
            pictures.append(path)
        else:
            matches = sorted(Path(m) for m in glob.glob(str(path), recursive=True))  # noqa: PTH207
            if not matches:
                raise AffectZooError(f"{item}: no such file, folder or match of a pattern")
            pictures += [p for p in matches if p.is_file()]
    return pictures


def predict_stream(
    pictures: Iterable[Picture], model: AffectModel, detector: Detector, batch_size: int = 64
) -> Iterator[FaceResult]:
    """Predict picture by picture, faces gathered into batches; order is kept.

    Args:
        pictures: Files and arrays.
        model: In any mode, which it keeps.
        detector: Finds the faces.
        batch_size: Faces per forward pass.
    """
    fresh = () if model.meta is None else model.meta.training.get("fresh", ())
    if fresh:
        raise AffectZooError(
            f"these weights are to start a training from: {', '.join(fresh)} are random. Train them first: "
            "affectzoo fit --config ... --model.weights FILE --model.new_head true"
        )
    if model.meta is not None and model.meta.training.get("window"):
        raise AffectZooError(
            f"this {model.arch} was trained on windows of {model.meta.training['window']} frames and knows "
            "nothing from a single picture; evaluate it on clips (affectzoo test), or take one for pictures"
        )
    if model.landmarks:
        raise AffectZooError(
            f"this {model.arch} takes {model.landmarks} landmarks with each face, which no detector here "
            "finds; evaluate it on data that have them, or take a model without landmarks"
        )
    waiting: list[tuple[FaceResult, torch.Tensor | None]] = []
    faces = 0
    for number, picture in enumerate(pictures):
        for entry in _faces(picture, number, model, detector):
            waiting.append(entry)
            faces += entry[1] is not None
        if faces >= batch_size:
            yield from _classify(waiting, model, batch_size)
            waiting, faces = [], 0
    yield from _classify(waiting, model, batch_size)


def _faces(
    picture: Picture, number: int, model: AffectModel, detector: Detector
) -> list[tuple[FaceResult, torch.Tensor | None]]:
    if isinstance(picture, np.ndarray):
        file, image = f"array {number}", _checked(picture, number)
    else:
        file = str(picture)
        try:
            image = read_image(Path(picture))
        except UnreadableImageError as error:
            return [(FaceResult(file, error=f"unreadable: {error}"), None)]
    found = [face for face in detector(image) if _visible(face, image)]
    if not found:
        return [(FaceResult(file, error=NO_FACE), None)]
    return [(FaceResult(file, face.box, face.score), model.preprocess(image, face.box)) for face in found]


def _visible(face: Detection, image: Image) -> bool:
    if face.box is None:
        return True
    x0, y0, x1, y1 = face.box
    return x0 < x1 and y0 < y1 and x1 > 0 and y1 > 0 and x0 < image.shape[1] and y0 < image.shape[0]


def _checked(array: np.ndarray, number: int) -> Image:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise AffectZooError(
            f"array {number} is {array.dtype} of shape {array.shape}; expected uint8 RGB of shape (H, W, 3)"
        )
    return array


def _classify(
    waiting: list[tuple[FaceResult, torch.Tensor | None]], model: AffectModel, batch_size: int
) -> Iterator[FaceResult]:
    tensors = [tensor for _, tensor in waiting if tensor is not None]
    answers: list[dict[str, Any]] = []
    with inference(model):
        for start in range(0, len(tensors), batch_size):
            batch = torch.stack(tensors[start : start + batch_size]).to(model.device)
            answers += _answers(model, model(batch))
    following = iter(answers)
    for result, tensor in waiting:
        yield result if tensor is None else replace(result, **next(following))


def _answers(model: AffectModel, output: AffectOutput) -> list[dict[str, Any]]:
    """For each face of a batch the fields of ``FaceResult`` that the model's tasks fill."""
    answers: list[dict[str, Any]] = [{} for _ in output.features]
    if output.expression is not None and model.labels is not None:
        for answer, shares in zip(answers, output.expression.float().softmax(dim=1).tolist(), strict=True):
            probabilities = dict(zip(model.labels.names, shares, strict=True))
            label = max(probabilities, key=probabilities.__getitem__)
            answer |= {"label": label, "probabilities": probabilities}
    for task in model.tasks:
        if isinstance(task, VATask):
            values = getattr(output, task.head).float().clamp(-1, 1).tolist()
            for answer, row in zip(answers, values, strict=True):
                answer |= dict(zip(task.dimensions, row, strict=True))
    return answers


def to_table(results: Sequence[FaceResult], labels: LabelSpace | None) -> pd.DataFrame:
    """Results as a table with one row each.

    Columns: ``file``, ``x0``, ``y0``, ``x1``, ``y1``, ``score``, ``label``, one ``p_<class>`` per class,
    ``valence``, ``arousal``, ``error``. What a row lacks is missing (empty in CSV, null in JSON).

    Args:
        results: What ``predict`` returned.
        labels: The model's classes.
    """
    names = () if labels is None else labels.names
    rows: list[dict[str, Any]] = []
    for result in results:
        box = dict(zip(("x0", "y0", "x1", "y1"), result.box or (None,) * 4, strict=True))
        shares = {f"p_{name}": result.probabilities.get(name) for name in names}
        rows.append(
            {"file": result.file, **box, "score": result.score, "label": result.label, **shares}
            | {"valence": result.valence, "arousal": result.arousal, "error": result.error}
        )
    columns = ["file", "x0", "y0", "x1", "y1", "score", "label"]
    columns += [*(f"p_{name}" for name in names), "valence", "arousal", "error"]
    table = pd.DataFrame(rows, columns=columns)
    texts = ["file", "label", "error"]
    return table.astype({name: "string" if name in texts else "float64" for name in columns})


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write results as CSV, JSON (a list of objects) or Parquet, by the file's ending.

    Raises:
        AffectZooError: Another ending.
    """
    kind = check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".csv":
        table.to_csv(path, index=False)
    elif kind == ".json":
        path.write_text(to_json(table), encoding="utf-8")
    else:
        table.to_parquet(path, index=False)


def to_json(table: pd.DataFrame) -> str:
    """Results as one JSON document, a list of objects."""
    return table.to_json(orient="records", indent=2, double_precision=6) + "\n"


def check_ending(path: Path) -> str:
    """The file's ending, if it is one that results can be written as.

    Raises:
        AffectZooError: It is not.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".json", ".parquet"):
        raise AffectZooError(f"{path}: results are written as .csv, .json or .parquet")
    return kind


def _endings() -> str:
    return ", ".join(sorted(SUFFIXES))
