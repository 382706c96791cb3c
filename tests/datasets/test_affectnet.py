from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from fakes import AFFECTNET_CLASSES, write_affectnet_csv, write_affectnet_npy
from test_datasets import insert_line

from affectzoo.datamodules import AffectNet
from affectzoo.datasets import affectnet
from affectzoo.datasets.affectnet import Classes, read_affectnet
from affectzoo.datasets.index import COLUMNS
from affectzoo.datasets.plain import NotPlainError
from affectzoo.errors import DataError, DataNotFoundError, LabelError, UnknownNameError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.faults import all_faults

NO_CLASS = {"labeled none": 6, "labeled uncertain": 6, "labeled non-face": 6}
POINTS = ";".join(str(i) for i in range(136))
PICTURE = "1/0000.jpg"  # the first face of training.csv


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return write_affectnet_npy(tmp_path / "newer")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return write_affectnet_csv(tmp_path / "older")


def annotation(root: Path, name: str) -> Path:
    return root / "train_set" / "annotations" / name


def training(root: Path) -> Path:
    return root / "Manually_Annotated_file_lists" / "training.csv"


def line(
    path: str = "2/new.png", box: str = "1,2,30,40", points: str = POINTS, affect: str = "1,0.5,-0.25"
) -> str:
    return f"{path},{box},{points},{affect}"


@pytest.mark.parametrize("write", [write_affectnet_npy, write_affectnet_csv])
@pytest.mark.parametrize(
    ("classes", "dropped"),
    [(8, {}), (7, {"labeled contempt": 6}), (6, {"labeled contempt": 6, "labeled disgust": 6})],
)
def test_both_releases_and_class_sets(
    tmp_path: Path, write: Callable[[Path], Path], classes: Classes, dropped: dict[str, int]
) -> None:
    index = read_affectnet(write(tmp_path), classes)
    names = [n for n in AFFECTNET_CLASSES if f"labeled {n}" not in dropped]
    assert index.labels is not None
    assert (list(index.labels.names), tuple(index.table.columns)) == (names, COLUMNS)
    assert index.split_counts() == {"train": 3 * classes, "valid": 3 * classes}
    for split in ("train", "valid"):
        assert index.part(split).class_counts().tolist() == [3] * classes
    assert index.left_out == dropped | (NO_CLASS if write is write_affectnet_csv else {})
    for row in index.table.to_dict("records"):
        assert (index.root / row["path"]).is_file()
        assert row["target"].argmax() == names.index(row["label"])
        assert np.hypot(row["valence"], row["arousal"]) < 1
        assert row["landmarks"].shape == (68, 2)


def test_other_numbers_of_classes(older: Path) -> None:
    with pytest.raises(UnknownNameError, match="affectnet5"):
        read_affectnet(older, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [True, False])
def test_newer_values(tmp_path: Path, text: bool) -> None:
    root = write_affectnet_npy(tmp_path, text=text)
    np.save(annotation(root, "9_lnd.npy"), np.arange(136.0))
    np.save(annotation(root, "9_val.npy"), np.array("-0.125"))
    row = read_affectnet(root).table.iloc[3]
    assert (row["path"], row["label"], row["valence"]) == ("train_set/images/9.jpg", "surprise", -0.125)
    assert row["arousal"] == float(np.load(annotation(root, "9_aro.npy")).item())
    assert row["landmarks"][:2].tolist() == [[0, 1], [2, 3]]
    assert row["box"] is None
    assert row["source"] == str(annotation(root, "9_exp.npy"))


@pytest.mark.parametrize("kind", ["exp", "val", "aro", "lnd"])
def test_newer_face_without_a_label_file(newer: Path, kind: str) -> None:
    annotation(newer, f"6_{kind}.npy").unlink()
    index = read_affectnet(newer)
    assert (len(index), index.left_out) == (47, {f"no _{kind}.npy": 1})
    assert "train_set/images/6.jpg" not in set(index.table["path"])
    for path in annotation(newer, ".").glob(f"*_{kind}.npy"):
        path.unlink()
    with pytest.raises(DataError, match=rf"annotations: no face has its <id>_{kind}\.npy"):
        read_affectnet(newer)


def test_newer_pictures_and_labels_alone(newer: Path) -> None:
    images = newer / "train_set" / "images"
    (images / "6.jpg").unlink()
    (images / "9.jpg").rename(images / "9.PNG")
    (images / "1.jpg").write_bytes(b"an image without labels")
    (images / "._12.jpg").write_bytes(b"")
    annotation(newer, "._12_exp.npy").write_bytes(b"")
    index = read_affectnet(newer)
    assert (len(index), index.left_out) == (47, {"no image": 1, "no _exp.npy": 1})
    assert "train_set/images/9.PNG" in set(index.table["path"])
    for path in images.iterdir():
        path.unlink()
    with pytest.raises(DataNotFoundError, match="no images"):
        read_affectnet(newer)


def test_one_part_is_enough_but_not_both_releases(newer: Path, older: Path) -> None:
    (newer / "val_set").rename(newer.parent / "val_set")
    assert read_affectnet(newer).split_counts() == {"train": 24}
    training(older).unlink()
    assert read_affectnet(older).split_counts() == {"valid": 24}
    (newer / "train_set").rename(older / "train_set")
    with pytest.raises(DataError, match=r"holds both releases \(train_set, validation.csv\)"):
        read_affectnet(older)


@pytest.mark.parametrize("name", ["val", "aro"])
def test_sentinel_is_unknown(newer: Path, older: Path, name: str) -> None:
    np.save(annotation(newer, f"0_{name}.npy"), np.array("-2"))
    text = training(older).read_text(encoding="utf-8").replace(PICTURE, "1/lost.jpg")
    training(older).write_text(text, encoding="utf-8")
    insert_line(training(older), 2, line(PICTURE, affect="0,-2,0.5" if name == "val" else "0,0.5,-2.000"))
    for root in (newer, older):
        row = read_affectnet(root).table.iloc[0]
        assert (row["label"], row["valence"], row["arousal"]) == ("neutral", None, None)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("exp", "11", LabelError, "label 11 is none of affectnet's codes"),
        ("exp", "1.5", DataError, "expression is '1.5', expected a whole number"),
        ("exp", "nan", DataError, "expression is 'nan'"),
        ("val", "1.001", DataError, r"valence is '1.001', expected a number in -1..1"),
        ("aro", "-1.5", DataError, r"arousal is '-1.5', expected a number in -1..1"),
        ("aro", np.nan, DataError, "arousal is 'nan'"),
        ("val", "", DataError, "valence is ''"),
        ("val", np.zeros(2), DataError, "valence is"),
        ("lnd", np.zeros(134), DataError, "67 landmarks, expected 68"),
        ("lnd", np.full(136, np.inf), DataError, "landmarks hold NaN or infinite"),
        ("exp", np.array(None), DataError, "no array of numbers or text"),
    ],
)
def test_newer_bad_file_is_named(
    newer: Path, name: str, value: object, error: type[Exception], message: str
) -> None:
    path = annotation(newer, f"3_{name}.npy")
    np.save(path, np.array(value), allow_pickle=True)
    with pytest.raises(error, match=rf"^{re.escape(str(path))}: {message}"):
        read_affectnet(newer)


@pytest.mark.parametrize("header", ["plain", "#", "none"])
@pytest.mark.parametrize(
    ("lists", "pictures"),
    [
        ("Manually_Annotated_file_lists", "Manually_Annotated_Images"),
        ("Manually_Annotated/Manually_Annotated_file_lists", "Manually_Annotated/Manually_Annotated_Images"),
        ("Manually_Annotated", "Manually_Annotated/Manually_Annotated_Images"),
        (".", "Manually_Annotated"),
    ],
)
def test_older_headers_and_folders(tmp_path: Path, header: str, lists: str, pictures: str) -> None:
    write_affectnet_csv(tmp_path, header, lists=lists, pictures=pictures)  # type: ignore[arg-type]
    index = read_affectnet(tmp_path)
    row = index.table.iloc[0]
    assert len(index) == 48
    assert (row["path"], row["box"]) == (f"{pictures}/1/0000.JPG", (-4, -3, 46, 57))
    assert row["source"] == f"{tmp_path / lists / 'training.csv'}, line {1 if header == 'none' else 2}"
    assert index.table["path"][1] == f"{pictures}/2/0001.jpg"


def test_older_landmarks_and_exact_name_first(older: Path) -> None:
    pictures = older / "Manually_Annotated_Images" / "2"
    for name in ("new.PNG", "new.png", "new.Png"):
        (pictures / name).write_bytes(b"")
    insert_line(training(older), 2, line(box="7,8,1,1"))
    row = read_affectnet(older).table.iloc[0]
    assert row["box"] == (7, 8, 8, 9)
    assert row["path"] == "Manually_Annotated_Images/2/new.png"
    assert row["landmarks"][:2].tolist() == [[0, 1], [2, 3]]
    assert (row["label"], row["valence"], row["arousal"]) == ("happiness", 0.5, -0.25)


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        (line(), "no image"),
        (line("99/new.png"), "no image"),
        (line("2/0001.gif"), "no image"),
        (line(box="NULL,NULL,30,40"), "box unusable"),
        (line(box="1,2,-30,40"), "box unusable"),
        (line(box="1,2,30,0"), "box unusable"),
        (line(affect="9,-2,-2"), "labeled uncertain"),
    ],
)
def test_older_unusable_faces_are_counted(older: Path, added: str, reason: str) -> None:
    insert_line(training(older), 4, added)
    index = read_affectnet(older)
    assert (len(index), Counter(index.left_out)) == (48, Counter(NO_CLASS) + Counter([reason]))


@pytest.mark.parametrize(
    ("added", "error", "message"),
    [
        (line(affect="11,0,0"), LabelError, "label 11 is none of affectnet's codes"),
        (line(affect="nan,0,0"), DataError, "expression is 'nan'"),
        (line(affect="1,1.2,0"), DataError, "valence is '1.2', expected a number in -1..1"),
        (line(affect="1,0,-1.01"), DataError, "arousal is '-1.01', expected a number in -1..1"),
        (line(affect="1,0,NaN"), DataError, "arousal is 'NaN'"),
        (line(box="x,2,30,40"), DataError, "face_x is 'x', expected a number"),
        (line(box="1,2,nan,40"), DataError, "face_width is 'nan'"),
        (line("2/0001.jpg", points="1;2"), DataError, "1 landmarks, expected 68"),
        (line("2/0001.jpg", points=POINTS.replace("5", "x")), DataError, "must be 68 pairs of numbers"),
        (line() + ",1", DataError, "10 fields, the first line has 9"),
    ],
)
def test_older_bad_line_is_named(older: Path, added: str, error: type[Exception], message: str) -> None:
    text = training(older).read_text(encoding="utf-8").replace("2/0001.jpg", "2/other.jpg")
    training(older).write_text(text, encoding="utf-8")
    insert_line(training(older), 3, added)
    with pytest.raises(error, match=rf"^{re.escape(str(training(older)))}, line 3: .*{message}"):
        read_affectnet(older)


def test_older_strange_header(older: Path) -> None:
    text = training(older).read_text(encoding="utf-8")
    training(older).write_text(text.replace("expression", "emotion"), encoding="utf-8")
    with pytest.raises(DataError, match=r"training\.csv, line 1: columns are .*emotion.*; expected"):
        read_affectnet(older)


def test_older_lists_name_columns_in_any_order(older: Path) -> None:
    before = read_affectnet(older).table
    text = training(older).read_text(encoding="utf-8").splitlines()
    moved = [",".join(reversed(row.split(","))) for row in text]
    training(older).write_text("\n".join(moved), encoding="utf-8")
    after = read_affectnet(older).table
    columns = ["path", "label", "valence", "box"]
    assert after[columns].to_numpy().tolist() == before[columns].to_numpy().tolist()


def test_older_duplicates(older: Path) -> None:
    first = training(older).read_text(encoding="utf-8").splitlines()[1]
    insert_line(training(older), 3, first)
    insert_line(training(older).with_name("validation.csv"), 2, first)
    index = read_affectnet(older)
    assert index.left_out == NO_CLASS | {"also in validation.csv": 2}
    assert index.split_counts() == {"train": 23, "valid": 25}
    (training(older).with_name("validation.csv")).unlink()
    assert read_affectnet(older).left_out["listed twice"] == 1
    insert_line(training(older), 4, first.replace("0000.jpg", "0000.JPG").replace(",0,", ",1,"))
    message = r"line 4: says something else about 1/0000.JPG than .*, line 2"
    with pytest.raises(DataError, match=message):
        read_affectnet(older)


def test_older_labels_without_pictures(older: Path) -> None:
    for path in older.glob("Manually_Annotated_Images/*/*"):
        path.unlink()
    with pytest.raises(DataNotFoundError, match=r"no listed image\)(.|\n)*1/1000.jpg"):
        read_affectnet(older)
    for path in older.glob("Manually_Annotated_Images/*"):
        path.rmdir()
    with pytest.raises(DataNotFoundError, match=r"\(no images\)"):
        read_affectnet(older)


def test_missing_root_lists_both_layouts(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError) as error:
        read_affectnet(tmp_path)
    for name in ("train_set/annotations/0_exp.npy", "Manually_Annotated_file_lists/training.csv"):
        assert f"\n  {tmp_path / name}\n" in str(error.value)


def test_keep_none_needs_valence_and_arousal(older: Path) -> None:
    insert_line(training(older), 2, line("2/0001.gif", affect="8,-2,-2"))
    index = read_affectnet(older, keep_none=True)
    none = index.table[index.table["label"].isna()]
    assert (len(none), len(index)) == (6, 54)
    assert none["target"].isna().all()
    assert none[["valence", "arousal"]].notna().all(axis=None)
    assert index.left_out == NO_CLASS | {"labeled none": 1}


@pytest.mark.parametrize(
    ("affect", "outside"), [("0.8,0.605", False), ("0,-0.9", False), ("0.9,0", False), ("-0.8,0.7", True)]
)
def test_outside_the_unit_circle_is_kept_with_a_warning(
    older: Path, recwarn: pytest.WarningsRecorder, affect: str, outside: bool
) -> None:
    (older / "Manually_Annotated_Images" / "2" / "new.png").write_bytes(b"")
    insert_line(training(older), 2, line(affect=f"1,{affect}"))
    index = read_affectnet(older)
    row = index.table.iloc[0]
    assert [row["valence"], row["arousal"]] == [float(value) for value in affect.split(",")]
    said = [str(w.message) for w in recwarn if "outside the unit circle" in str(w.message)]
    expected = (
        "affectnet: 1 faces have valence and arousal outside the unit circle; "
        f"they are kept (first: {training(older)}, line 2)"
    )
    assert said == [expected] * outside


@pytest.mark.parametrize("write", [write_affectnet_npy, write_affectnet_csv])
def test_data_module_serves_faces(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    root = write(tmp_path)
    data = AffectNet(str(root), classes=7, preprocess=Preprocess(size=32), batch_size=6, num_workers=0)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert tuple(batch["image"].shape) == (6, 3, 32, 32)
    assert batch["va"].abs().max() <= 1
    assert tuple(batch["landmarks"].shape) == (6, 68, 2)
    assert data.index.left_out["labeled contempt"] == 6


def outcome(root: Path, **options: bool) -> object:
    """The index as plain values with their types, or the error."""
    try:
        with all_faults() as faults, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            index = read_affectnet(root, 8, **options)
    except DataError as error:
        return type(error), str(error)
    cells = [
        (str(cell.dtype), cell.tolist()) if isinstance(cell, np.ndarray) else (type(cell), cell)
        for cell in index.table.to_numpy().ravel()
    ]
    return (
        cells,
        index.left_out,
        index.unused,
        [str(fault) for fault in faults],
        [str(w.message) for w in told],
    )


def line_by_line(*_: object) -> NoReturn:
    raise NotPlainError


def test_usual_lists_are_read_by_columns(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = outcome(older, keep_none=True)
    with monkeypatch.context() as patched:
        patched.setattr(affectnet, "csv_rows", line_by_line)
        assert outcome(older, keep_none=True) == plain
    with monkeypatch.context() as patched:
        patched.setattr(affectnet, "_read_plain", line_by_line)
        assert outcome(older, keep_none=True) == plain


WORDS = (b"", b"NULL", b"nan", b"-2", b"-2.5", b"1e400", b"+1", b" 1", b"0x1", b"1_0", b"1.5", b"8", b"a;b")


@pytest.mark.parametrize("words", [(b"NULL", b"nan"), pytest.param(WORDS, marks=pytest.mark.slow)])
def test_unusual_lists_are_as_line_by_line(
    older: Path, words: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = training(older)
    good = path.read_bytes()
    lines = good.splitlines(keepends=True)
    cells = lines[5].split(b",")
    odd = [b",".join([*cells[:i], word, *cells[i + 1 :]]) for i in range(len(cells)) for word in words]
    odd += [lines[4], lines[4].replace(b"0.", b"0.1"), b"./" + lines[5], b"x" + lines[5], b"", b"\xff"]
    odd += [lines[5].replace(b";", b",", 1), lines[5].replace(b"/", b"//"), lines[5].rpartition(b";")[2]]
    contents = [good.replace(lines[5], line.rstrip(b"\n") + b"\n") for line in [*odd, b'"' + lines[5]]]
    contents += [good.replace(b"\n", b"\r\n"), good.replace(b"\n", b"\r"), good.replace(b",", b";")]
    contents += [
        b"\n" + good,
        good.rstrip(b"\n"),
        b"\xef\xbb\xbf" + good,
        good.partition(b"\n")[2],
        b"",
        lines[0],
    ]
    random = np.random.default_rng(0)
    for _ in range(4 * len(words)):
        damaged = bytearray(good)
        damaged[random.integers(len(good))] = random.integers(256)
        contents.append(bytes(damaged))
    by_columns = affectnet._read_plain
    for content in contents:
        path.write_bytes(content)
        monkeypatch.setattr(affectnet, "_read_plain", by_columns)
        found = outcome(older, keep_none=True)
        monkeypatch.setattr(affectnet, "_read_plain", line_by_line)
        assert found == outcome(older, keep_none=True), content[:2000]
