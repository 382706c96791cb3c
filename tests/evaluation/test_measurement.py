"""From a model's predictions to a record: what is counted, and what there is nothing to count of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import picture
from fakes.shown import show

import affectzoo
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.errors import DataError
from affectzoo.evaluation.evaluate import evaluate, measure, write_evaluation
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.record import predictions, read_record
from affectzoo.evaluation.scoring import Part, score
from affectzoo.labels import SPACES
from affectzoo.models.base import AffectModel

SPACE = SPACES["rafdb7"]
TASKS = ("expression", "va", "arousal", "multitask")


def faces(count: int, labels: int, values: int) -> FaceIndex:
    """Faces of which the first have a class, and the last valence and arousal."""
    random = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for i in range(count):
        name = SPACE.names[i % 3] if i < labels else None
        known = i >= count - values
        rows.append(
            {
                "path": f"{i}.png",
                "split": "test",
                "label": name,
                "target": None if name is None else one_hot(SPACE, name),
                "valence": i / count if known else None,
                "arousal": -i / count if known else None,
                "pixels": picture(random, 16, 16, 3),
                "source": f"row {i}",
            }
        )
    return FaceIndex.from_rows("fake", Path("nowhere"), SPACE, rows)


def model(task: str) -> AffectModel:
    labels = SPACE.names if task in ("expression", "multitask") else None
    return affectzoo.create_model("dlp_cnn_s", task=task, labels=labels).eval()


@pytest.mark.parametrize("task", TASKS)
def test_faces_without_what_the_model_predicts_are_an_error(task: str) -> None:
    labels, values = (0, 4) if task == "expression" else (4 if task != "multitask" else 0, 0)
    with pytest.raises(DataError, match="fake") as error:
        evaluate(model(task), faces(4, labels, values))
    assert "test part" in str(error.value)


@pytest.mark.parametrize("task", TASKS)
def test_one_face_is_enough(task: str, tmp_path: Path) -> None:
    record, tables = measure(model(task), faces(5, 1, 1))
    assert record["faces"]["total"] == (2 if task == "multitask" else 1)
    assert set(record["faces"]["annotated"].values()) == {1}
    read = read_record(write_evaluation(tmp_path, record, tables, "title"))
    assert read["metrics"] and all(figure["value"] is not None for name, figure in read["metrics"].items()
                                   if name == "accuracy" or name.startswith("rmse"))  # fmt: skip
    show(read)


@pytest.mark.parametrize("task", TASKS)
def test_counts_are_of_what_the_figures_are_over(task: str, tmp_path: Path) -> None:
    record, tables = measure(model(task), faces(10, 4, 5))
    expected = {"expression": 4, "va": 5, "arousal": 5, "multitask": 9}
    assert record["faces"]["total"] == expected[task]
    assert sum(record["faces"]["left_out"].values()) == 10 - expected[task]
    assert len(tables[".csv"]) == 10, "every face has its prediction"
    # what is kept gives the figures again
    path = write_evaluation(tmp_path, record, tables, "title")
    table = read_table(predictions(tmp_path, read_record(path)))
    truth = [name for name in table if name.startswith("true_")]
    part = Part(table[table[truth].notna().any(axis=1)], record["labels"])
    assert score([part])["metrics"] == record["metrics"]
