from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from affectzoo.benchmark.external import read_predictions
from affectzoo.datasets.ids import ids
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, DataError, LabelError
from affectzoo.inference.results import FaceResult, columns, write_rows
from affectzoo.labels import LabelSpace

LABELS = ("anger", "happiness", "neutral")
NAN = float("nan")


def index_of(*rows: dict[str, Any], dataset: str = "some") -> FaceIndex:
    return FaceIndex.from_rows(dataset, Path("/data/some"), LabelSpace(LABELS), rows)


STILLS = index_of(*({"path": f"Test/{name}.png"} for name in ("a", "b", "c")))


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "told.csv"
    path.write_text(text.replace(" ", ""), encoding="utf-8")
    return path


def frame(tmp_path: Path, rows: list[dict[str, Any]], ending: str) -> Path:
    path = tmp_path / f"told{ending}"
    if ending == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif ending == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif ending == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    else:
        pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_probabilities_by_id_in_any_order_of_rows_and_classes(tmp_path: Path, ending: str) -> None:
    rows = [
        {"id": "some/Test/c.png", "p_Neutral": 0.7, "p_happy": 0.2, "p_anger": 0.1},
        {"id": "some/Test/a.png", "p_Neutral": 0.0, "p_happy": 1.0, "p_anger": 0.0},
        {"id": "some/Test/b.png", "p_Neutral": None, "p_happy": None, "p_anger": None},
    ]
    found = read_predictions(frame(tmp_path, rows, ending), STILLS, LABELS)
    assert found.scores is not None
    np.testing.assert_array_equal(found.scores, [[0, 1, 0], [NAN] * 3, [0.1, 0.2, 0.7]])
    assert found.kind == "probabilities"
    assert found.va is None
    assert found.missing.tolist() == [False, True, False]


def test_decision_values_are_of_any_scale(tmp_path: Path) -> None:
    path = csv(tmp_path, "id,s_anger,s_happiness,s_neutral\nsome/Test/b.png,-7,3.5,12\n")
    found = read_predictions(path, STILLS, LABELS)
    assert found.kind == "decisions"
    np.testing.assert_array_equal(found.scores, [[NAN] * 3, [-7, 3.5, 12], [NAN] * 3])  # type: ignore[arg-type]
    assert found.missing.tolist() == [True, False, True]


def test_predicted_label_goes_before_label(tmp_path: Path) -> None:
    path = csv(
        tmp_path, "path,label,predicted_label\nTest/a.png,anger,Happy\nTest/b.png,anger,\nTest/c.png,,neutral"
    )
    found = read_predictions(path, STILLS, LABELS)
    assert found.kind == "labels"
    np.testing.assert_array_equal(found.scores, [[0, 1, 0], [NAN] * 3, [0, 0, 1]])  # type: ignore[arg-type]


def test_plain_names_are_the_truth_beside_predicted_ones(tmp_path: Path) -> None:
    path = csv(tmp_path, "path,predicted_label,valence,arousal\nTest/a.png,anger,0.5,9\n")
    assert read_predictions(path, STILLS, LABELS).va is None


LABELED = index_of(*({"path": f"Test/{name}.png", "label": "anger"} for name in ("a", "b", "c")))
SWAPPED = (
    "id,{0},p_happiness,p_anger,p_neutral\nsome/Test/a.png,anger,0.9,0.1,0\nsome/Test/b.png,happiness,0,1,0\n"
)


def test_scores_under_other_classes_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"line 2: label is 'anger', but the highest score is that of happiness"
    ):
        read_predictions(csv(tmp_path, SWAPPED.format("label")), LABELED, LABELS)
    read_predictions(csv(tmp_path, SWAPPED.format("true_label")), LABELED, LABELS)
    rounded = (
        "id,label,s_anger,s_happiness,s_neutral\nsome/Test/a.png,happy,0.5,0.4999,0\nsome/Test/b.png,,9,1,1\n"
    )
    read_predictions(csv(tmp_path, rounded), LABELED, LABELS)


def test_labels_that_are_the_truth_say_nothing_of_the_scores(tmp_path: Path) -> None:
    path = csv(tmp_path, SWAPPED.format("label").replace("b.png,happiness", "b.png,anger"))
    found = read_predictions(path, LABELED, LABELS)
    np.testing.assert_array_equal(found.scores, [[0.1, 0.9, 0], [1, 0, 0], [NAN] * 3])  # type: ignore[arg-type]


def test_values(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "path,valence,arousal,predicted_valence,predicted_arousal\n"
        "Test/a.png,0.9,0.9,-1,0.25\nTest/b.png,0,0,nan,0.5\n",
    )
    found = read_predictions(path, STILLS, None)
    assert found.scores is None
    np.testing.assert_array_equal(found.va, [[-1, 0.25], [NAN, 0.5], [NAN, NAN]])  # type: ignore[arg-type]
    assert found.missing.tolist() == [False, True, True]


def test_one_dimension_alone(tmp_path: Path) -> None:
    path = csv(tmp_path, "path,predicted_valence\nTest/a.png,0.5\nTest/b.png,\n")
    found = read_predictions(path, STILLS, None)
    np.testing.assert_array_equal(found.va, [[0.5, NAN], [NAN, NAN], [NAN, NAN]])  # type: ignore[arg-type]
    assert found.missing.tolist() == [False, True, True]


def test_values_are_not_looked_at_when_not_wanted(tmp_path: Path) -> None:
    path = csv(tmp_path, "path,label,valence,arousal\nTest/a.png,anger,7,7\nTest/b.png,anger,,\n")
    found = read_predictions(path, STILLS, LABELS, values=False)
    assert found.va is None and found.missing.tolist() == [False, False, True]


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_the_file_of_affectzoo_predict(tmp_path: Path, ending: str) -> None:
    shares = {"anger": 0.25, "happiness": 0.5, "neutral": 0.25}
    results = [
        FaceResult("/elsewhere/copy/Test/a.png", None, None, "happiness", shares),
        FaceResult("/elsewhere/copy/Test/b.png", error="no face found"),
        FaceResult("/elsewhere/copy/Test/c.png", None, None, "happiness", shares),
    ]
    path = tmp_path / f"faces{ending}"
    write_rows([result.to_row() for result in results], columns(LabelSpace(LABELS)), path)
    found = read_predictions(path, STILLS, LABELS)
    np.testing.assert_array_equal(found.scores, [[0.25, 0.5, 0.25], [NAN] * 3, [0.25, 0.5, 0.25]])  # type: ignore[arg-type]
    assert found.va is None
    assert found.missing.tolist() == [False, True, False]


def test_a_row_with_an_error_may_be_of_any_picture(tmp_path: Path) -> None:
    path = csv(tmp_path, "file,label,error\nTest/a.png,anger,\nholiday.png,,noface\n")
    assert read_predictions(path, STILLS, LABELS).missing.tolist() == [False, True, True]


@pytest.mark.parametrize("name", ["a.png", "x/y/Test/a.png", "C:\\faces\\Test\\a.png", "./Test//a.png"])
def test_paths_match_by_their_ends(tmp_path: Path, name: str) -> None:
    found = read_predictions(csv(tmp_path, f"file,label\n{name},anger\n"), STILLS, LABELS)
    assert found.missing.tolist() == [False, True, True]


def test_of_two_ends_the_longer_one_is_meant(tmp_path: Path) -> None:
    index = index_of({"path": "a.png"}, {"path": "Test/a.png"})
    found = read_predictions(csv(tmp_path, "file,label\n/x/Test/a.png,anger\n"), index, LABELS)
    assert found.missing.tolist() == [True, False]


def test_an_end_of_two_paths_is_an_error(tmp_path: Path) -> None:
    index = index_of({"path": "Test/a.png"}, {"path": "Train/a.png"})
    with pytest.raises(DataError, match=r"line 2: a\.png may be Test/a\.png or Train/a\.png"):
        read_predictions(csv(tmp_path, "file,label\na.png,anger\n"), index, LABELS)


VIDEO = index_of(*({"path": "clips/x.mp4", "clip": "x", "frame": n} for n in (0, 1, 2)))


def test_frames_of_a_video(tmp_path: Path) -> None:
    path = csv(tmp_path, "path,frame,label\nx.mp4,2,anger\nx.mp4,0,neutral\n")
    found = read_predictions(path, VIDEO, LABELS)
    np.testing.assert_array_equal(found.scores, [[0, 0, 1], [NAN] * 3, [1, 0, 0]])  # type: ignore[arg-type]


def test_frames_that_are_not_said_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: x\.mp4 has 3 frames; a column frame"):
        read_predictions(csv(tmp_path, "path,label\nx.mp4,anger\n"), VIDEO, LABELS)
    with pytest.raises(DataError, match=r"1 of 1 rows .*x\.mp4 \(line 2\)"):
        read_predictions(csv(tmp_path, "path,frame,label\nx.mp4,7,anger\n"), VIDEO, LABELS)
    with pytest.raises(DataError, match="line 2: frame is 'one'"):
        read_predictions(csv(tmp_path, "path,frame,label\nx.mp4,one,anger\n"), VIDEO, LABELS)


BOXED = index_of({"path": "a.png", "box": (0, 0, 10, 10)}, {"path": "b.png", "box": (0, 0, 10, 10)})


def test_of_several_faces_the_one_that_overlaps_most_is_taken(tmp_path: Path) -> None:
    text = (
        "file,x0,y0,x1,y1,score,label\n"
        "a.png,50,50,90,90,0.9,anger\na.png,6,6,16,16,0.9,happiness\na.png,1,1,11,11,0.5,neutral\n"
        "b.png,20,20,30,30,0.9,anger\n"
    )
    found = read_predictions(csv(tmp_path, text), BOXED, LABELS)
    np.testing.assert_array_equal(found.scores, [[0, 0, 1], [NAN] * 3])  # type: ignore[arg-type]


def test_several_annotated_faces_of_a_picture(tmp_path: Path) -> None:
    boxes = [(0, 0, 10, 10), (20, 0, 30, 10)]
    index = index_of(*({"path": "a.png", "box": box} for box in boxes), dataset="table")
    rows = "a.png,21,0,31,10,anger\na.png,0,0,9,9,neutral\n"
    found = read_predictions(csv(tmp_path, f"file,x0,y0,x1,y1,label\n{rows}"), index, LABELS)
    np.testing.assert_array_equal(found.scores, [[0, 0, 1], [1, 0, 0]])  # type: ignore[arg-type]
    by_id = "".join(f'"{name}",anger\n' for name in ids(index))
    assert not read_predictions(csv(tmp_path, f"id,label\n{by_id}"), index, LABELS).missing.any()
    with pytest.raises(DataError, match="line 2: the image has 2 annotated faces; a column id, or x0"):
        read_predictions(csv(tmp_path, "file,label\na.png,anger\n"), index, LABELS)


def test_a_ready_crop_of_a_boxed_face_needs_no_box(tmp_path: Path) -> None:
    text = "file,x0,y0,x1,y1,label\na.png,,,,,anger\n"
    assert read_predictions(csv(tmp_path, text), BOXED, LABELS).missing.tolist() == [False, True]


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (STILLS, "id,label\nsome/Test/a.png,anger\nsome/Test/b.png,anger\nsome/Test/a.png,anger\n"),
        (STILLS, "file,label\na.png,anger\nb.png,anger\nTest/a.png,anger\n"),
        (
            STILLS,
            "file,x0,y0,x1,y1,label\na.png,0,0,9,9,anger\nb.png,0,0,9,9,anger\na.png,5,5,20,20,anger\n",
        ),
        (
            BOXED,
            "file,x0,y0,x1,y1,label\na.png,0,0,9,9,anger\na.png,8,8,9,9,anger\na.png,0,0,9,9,neutral\n",
        ),
    ],
)
def test_the_same_face_twice(tmp_path: Path, index: FaceIndex, text: str) -> None:
    with pytest.raises(DataError, match=r"told\.csv, line 2 and line 4: the same face twice"):
        read_predictions(csv(tmp_path, text), index, LABELS)


def test_rows_of_other_faces_are_counted_and_three_are_named(tmp_path: Path) -> None:
    text = "id,label\nsome/Test/a.png,anger\n" + "".join(f"some/Train/{n}.png,anger\n" for n in range(4))
    told = (
        "4 of 5 rows are of other faces: some/Train/0.png (line 3), some/Train/1.png (line 4), "
        "some/Train/2.png (line 5), ..."
    )
    found = read_predictions(csv(tmp_path, text), STILLS, LABELS)
    assert found.others == told and found.missing.tolist() == [False, True, True]
    assert read_predictions(csv(tmp_path, "id,label\nsome/Test/a.png,anger\n"), STILLS, LABELS).others == ""
    with pytest.raises(DataError, match=r"says nothing of any of the 3 faces .*; 1 of 1 rows are of other"):
        read_predictions(csv(tmp_path, "id,label\nsome/Train/a.png,anger\n"), STILLS, LABELS)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "file,label\nTest/a.png,\n",
            DataError,
            "no predictions .* there are columns file, label",
        ),
        ("file,mood\nTest/a.png,anger\n", DataError, "Looked for p_<class>, s_<class> or label"),
        ("file,label,error\nTest/a.png,,no\n", DataError, "says nothing of any of the 3 faces"),
        ("picture,label\nTest/a.png,anger\n", DataError, "no column id, path or file"),
        ("file,label\n", DataError, "no rows"),
        (f"file,label\nTest/a.png,{'x' * 2000}\n", DataError, "line 2: label holds more than 1,000 char"),
        ("file,label\n.,anger\n/,anger\n", DataError, "says nothing of any of the .* faces"),
        ("", DataError, "no column id, path or file"),
        ("file,label\nTest/a.png,anger\n,anger\n", DataError, "line 3: file is empty"),
        ("file,label,label\nTest/a.png,anger,anger\n", DataError, "column 'label' occurs twice"),
        (
            "file,label\nTest/a.png,joy\n",
            LabelError,
            "line 2: label is 'joy', expected one of anger",
        ),
        ("file,label\nTest/a.png\n", DataError, "line 2: 1 field,"),
        (
            "file,p_anger,p_neutral,p_joy\nTest/a.png,1,0,0\n",
            LabelError,
            r"\(unknown: p_joy; lacking: happiness\)",
        ),
        ("file,s_anger,s_neutral\nTest/a.png,1,0\n", LabelError, r"\(lacking: happiness\)"),
        (
            "file,s_anger,s_neutral,s_happy\nTest/a.png,1,0,3\nTest/b.png,1,,2\n",
            DataError,
            "line 3: some classes' s_<class> are empty",
        ),
        (
            "file,label,valence,arousal\nTest/a.png,anger,,\nTest/b.png,,0.5,0.5\n",
            DataError,
            "no face to report on has a full prediction",
        ),
        (
            "file,p_anger,p_neutral,p_happy,p_happiness\nTest/a.png,1,0,0,0\n",
            LabelError,
            "p_happy and p_happiness are the same class",
        ),
        (
            "file,p_anger,p_neutral,p_happy,s_anger\nTest/a.png,1,0,0,0\n",
            DataError,
            "probabilities or decision values",
        ),
        (
            "file,p_anger,p_neutral,p_happy\nTest/a.png,1,0,0\nTest/b.png,0.5,0.5,0.5\n",
            DataError,
            "line 3: probabilities from 0.5 to 0.5 with the sum 1.5, .* s_<class>",
        ),
        (
            "file,p_anger,p_neutral,p_happy\nTest/a.png,1.5,-0.5,0\n",
            DataError,
            "line 2: probabilities from -0.5 to 1.5 with the sum 1",
        ),
        (
            "file,p_anger,p_neutral,p_happy\nTest/a.png,high,0,0\n",
            DataError,
            "line 2: p_anger is 'high', expected a number",
        ),
        ("file,s_anger,s_neutral,s_happy\nTest/a.png,inf,0,0\n", DataError, "line 2: s_anger is 'inf'"),
        (
            "file,valence,arousal\nTest/a.png,0.5,0.5\nTest/b.png,5,-3\n",
            DataError,
            r"line 3: valence is '5', expected a number in -2\.\.2.*another scale\?.*divide by 10",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, error: type[AffectZooError], message: str) -> None:
    with pytest.raises(error, match=message):
        read_predictions(csv(tmp_path, text), STILLS, LABELS)


def test_probabilities_may_be_rounded(tmp_path: Path) -> None:
    text = "file,p_anger,p_neutral,p_happy\nTest/a.png,0.333,0.333,0.3335\n"
    assert not read_predictions(csv(tmp_path, text), STILLS, LABELS).missing[0]


def test_the_annotation_itself_is_refused(tmp_path: Path) -> None:
    index = index_of(*({"path": f"{n}.png", "valence": n / 10, "arousal": -n / 10} for n in range(4)))
    text = "file,valence,arousal\n" + "".join(f"{n}.png,{n / 10},{-n / 10}\n" for n in range(4))
    with pytest.raises(DataError, match="are the annotation itself"):
        read_predictions(csv(tmp_path, text), index, None)
    near = text.replace("3.png,0.3", "3.png,0.31")
    assert not read_predictions(csv(tmp_path, near), index, None).missing.any()


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        read_predictions(tmp_path / "gone.csv", STILLS, LABELS)
    for name, text in (("a.json", "{"), ("b.json", '{"id": 3}'), ("c.parquet", "id"), ("d.txt", "id")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=rf"{name}: (no table of predictions|predictions are read from)"):
            read_predictions(tmp_path / name, STILLS, LABELS)
