"""RAF-DB's compound part, distribution labels and both kinds of landmarks."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import RAFDB_CLASSES, write_rafdb
from fakes.rafdb_compound import RAFDB_COMPOUND_CLASSES, write_distributions, write_rafdb_compound

from affectzoo.cli import main
from affectzoo.datamodules import RAFDB
from affectzoo.datasets.index import COLUMNS
from affectzoo.datasets.rafdb import Part, Pictures, Points, read_rafdb
from affectzoo.errors import AffectZooError, DataError, DataNotFoundError, LabelError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import CODES, SPACES, decode

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def compound(tmp_path: Path) -> Path:
    return write_rafdb_compound(tmp_path / "rafdb")


def replace_line(path: Path, number: int, line: str) -> None:
    """Put ``line`` in place of the line of that number, counted from 1."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[number - 1] = line
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def label_list(root: Path, part: Part = "compound") -> Path:
    return root / part / "EmoLabel" / "list_patition_label.txt"


def test_codes_of_the_compound_classes() -> None:
    assert SPACES["rafdb11"].names == tuple(RAFDB_COMPOUND_CLASSES)
    assert list(CODES["rafdb_compound"]) == list(range(1, 12))
    assert decode("rafdb_compound", 1, "") == "happily_surprised"
    assert decode("rafdb_compound", 8, "") == "fearfully_surprised"


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_compound_part(tmp_path: Path, doubled: bool, inside: bool) -> None:
    root = write_rafdb_compound(write_rafdb(tmp_path / "data"), doubled=doubled)
    index = read_rafdb(root / "compound" if inside else root, part="compound")
    assert index.dataset == "rafdb_compound" and index.labels is SPACES["rafdb11"]
    assert tuple(index.table.columns) == COLUMNS and index.left_out == {}
    for split, name in (("train", "train_00001"), ("test", "test_0001")):
        part = index.part(split)
        assert Counter(part.table["label"]) == dict.fromkeys(RAFDB_COMPOUND_CLASSES, 2)
        folder = "Image/aligned/aligned" if doubled else "Image/aligned"
        assert part.table["path"][0] == f"{folder}/{name}_aligned.jpg"
        assert part.table["label"][10] == "disgustedly_surprised"
        assert part.table["target"][10].tolist() == [0.0] * 10 + [1.0]
        assert part.table["source"][1] == f"{label_list(root)}, line {2 if split == 'train' else 24}"
        assert all((index.root / path).is_file() for path in part.table["path"])
    assert read_rafdb(root).dataset == "rafdb"  # the basic part beside it is still what one gets


@pytest.mark.parametrize(("line", "code"), [("train_00001.jpg 12", 12), ("train_00001.jpg 0", 0)])
def test_compound_labels_end_at_eleven(compound: Path, line: str, code: int) -> None:
    replace_line(label_list(compound), 1, line)
    with pytest.raises(
        LabelError, match=rf"line 1: label {code} is none of rafdb_compound's codes \(1 happily"
    ):
        read_rafdb(compound, part="compound")


@pytest.mark.parametrize(("part", "other"), [("basic", "compound"), ("compound", "basic")])
def test_a_part_is_never_read_as_the_other(tmp_path: Path, part: Part, other: Part) -> None:
    root = write_rafdb_compound(write_rafdb(tmp_path / "data"))
    with pytest.raises(DataNotFoundError, match=rf"is part {other}.*\n.*/{other}/{part}"):
        read_rafdb(root / other, part=part)
    shutil.rmtree(root / part)
    with pytest.raises(DataNotFoundError, match="list_patition_label"):
        read_rafdb(root, part=part)


def test_lists_may_name_aligned_pictures_but_not_twice(compound: Path) -> None:
    before = read_rafdb(compound, part="compound").table["path"].tolist()
    replace_line(label_list(compound), 2, "train_00002_aligned.jpg 2\t")
    assert read_rafdb(compound, part="compound").table["path"].tolist() == before
    replace_line(label_list(compound), 3, "train_00002.jpg 3")
    with pytest.raises(DataError, match=r"line 3: train_00002\.jpg is listed twice"):
        read_rafdb(compound, part="compound")


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize(("points", "count"), [("manual", 5), ("auto", 37)])
def test_landmarks_of_originals(tmp_path: Path, points: Points, count: int, doubled: bool) -> None:
    root = write_rafdb_compound(tmp_path, doubled=doubled)
    index = read_rafdb(root, "original", "compound", points=points)
    row = index.part("test").table.iloc[3]
    assert row["path"].endswith("test_0004.jpg") and row["box"] == (1, 2, 11, 14)
    assert row["landmarks"].dtype == np.float32
    np.testing.assert_array_equal(row["landmarks"], [(point, 3) for point in range(count)])
    assert index.with_landmarks(count).left_out == {}
    assert read_rafdb(root, "aligned", "compound").table["landmarks"].isna().all()


@pytest.mark.parametrize("points", ["manual", "auto"])
def test_pictures_without_landmarks(compound: Path, points: Points) -> None:
    folder = compound / "compound" / "Annotation" / points
    next(folder.glob("train_00001_*")).unlink()
    index = read_rafdb(compound, "original", "compound", points=points)
    assert index.table["landmarks"].isna().tolist() == [True] + [False] * 43
    shutil.rmtree(folder)
    if points == "manual":
        assert read_rafdb(compound, "original", "compound").table["landmarks"].isna().all()
    else:  # asked for by name
        with pytest.raises(DataNotFoundError, match=r"Annotation/auto/\*_auto_attri\.txt"):
            read_rafdb(compound, "original", "compound", points=points)


@pytest.mark.parametrize(
    ("points", "text", "message"),
    [
        ("auto", "1 2\n" * 36, ": 36 lines, expected 37 landmarks first"),
        ("auto", "1 2\n" * 38, ": more than 37 landmarks"),
        ("auto", "1 2\n" * 36 + "1 nan\n", ", line 37: '1 nan', expected 2 numbers"),
        ("auto", "1 2\n" * 20 + "3\n" + "1 2\n" * 16, ", line 21: '3', expected 2 numbers"),
        ("manual", "1 2\n" * 6, ": more than 5 landmarks"),
        ("manual", "1 2\n" * 4 + "1\n0\n2\n", ", line 5: '1', expected 2 numbers"),
    ],
)
def test_bad_landmarks_are_named(compound: Path, points: Points, text: str, message: str) -> None:
    path = next((compound / "compound" / "Annotation" / points).glob("test_0003_*"))
    path.write_text(text)
    with pytest.raises(DataError, match=rf"^{re.escape(str(path) + message)}"):
        read_rafdb(compound, "original", "compound", points=points)


@pytest.mark.parametrize(
    ("pictures", "part", "options", "message"),
    [
        ("aligned", "basic", {"points": "auto"}, "choose --data.pictures original"),
        ("aligned", "compound", {"target": "distribution"}, "choose --data.target label"),
    ],
)
def test_options_that_fight(
    tmp_path: Path, pictures: Pictures, part: Part, options: dict[str, str], message: str
) -> None:
    root = write_rafdb_compound(write_rafdb(tmp_path))
    with pytest.raises(AffectZooError, match=message):
        read_rafdb(root, pictures, part, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "place",
    [
        "EmoLabel/distribution_basic.txt",
        "EmoLabel/distribution_basic/distribution_basic.txt",
        "distribution_basic.txt",
        "distribution_basic/distribution_basic.txt",
    ],
)
@pytest.mark.parametrize("name", ["{}", "{}_aligned"])
def test_distributions_are_the_targets_of_training(rafdb: Path, place: str, name: str) -> None:
    write_distributions(rafdb, place, name=name)
    index = read_rafdb(rafdb, target="distribution")
    assert index.labels.names == tuple(RAFDB_CLASSES) and index.left_out == {}
    assert len(index) == len(read_rafdb(rafdb))
    train, test = (index.part(split).table for split in ("train", "test"))
    for i in range(21):
        expected = np.zeros(7)
        expected[i % 7], expected[i % 7 - 1] = 0.7, 0.3
        np.testing.assert_allclose(train["target"][i], expected, atol=1e-6)
        assert test["target"][i].tolist() == [float(k == i % 7) for k in range(7)]


def test_distributions_are_scaled_to_one_and_ties_fit(rafdb: Path) -> None:
    path = write_distributions(rafdb)
    replace_line(path, 1, "train_00001.jpg 16 16 4 2 2 0 0")
    target = read_rafdb(rafdb, target="distribution").table["target"][0]
    assert target.dtype == np.float32
    np.testing.assert_allclose(target, [0.4, 0.4, 0.1, 0.05, 0.05, 0, 0], atol=1e-7)


def test_training_faces_whose_distribution_is_no_use_are_counted(rafdb: Path) -> None:
    path = write_distributions(rafdb)
    lines = path.read_text().splitlines()
    lines[1] = "train_00002.jpg 0.5 0.4 0.1 0 0 0 0"  # its label is fear
    lines[22] = "test_0002.jpg 0.5 0.4 0.1 0 0 0 0"  # a test face keeps its label
    path.write_text("\n".join([*lines[:4], *lines[6:]]))
    index = read_rafdb(rafdb, target="distribution")
    assert index.left_out == {
        "without a distribution": 2,
        "label is not its distribution's highest class": 1,
    }
    assert index.split_counts() == {"train": 18, "test": 21}
    assert not any("_00002" in p or "_00005" in p or "_00006" in p for p in index.table["path"])


def test_distributions_in_another_order_are_refused(rafdb: Path) -> None:
    path = write_distributions(rafdb)
    turned = []
    for line in path.read_text().splitlines():
        name, *shares = line.split()
        turned.append(" ".join([name, *reversed(shares)]))
    path.write_text("\n".join(turned))
    # reversed, only sadness's and happiness's neighbors could fit: the middle class alone keeps its place
    with pytest.raises(
        DataError, match=r"highest class is not the label for 18 of 21 .* columns surprise, fear"
    ):
        read_rafdb(rafdb, target="distribution")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00001.jpg 1 0 0 0 0 0", "line 1: '1 0 0 0 0 0', expected 7 numbers"),
        ("train_00001.jpg 1 0 0 0 0 0 0 0", "expected 7 numbers"),
        ("train_00001.jpg 1 0 0 0 0 0 nan", "expected 7 numbers"),
        ("train_00001.jpg 1 0 0 0 0 0 x", "expected 7 numbers"),
        ("train_00001.jpg 1 0 0 0 0 0 -0.1", "expected shares from 0 on"),
        ("train_00001.jpg 0 0 0 0 0 0 0", "expected shares from 0 on, not all 0"),
        ("train_00002.jpg 0 1 0 0 0 0 0", r"line 2: train_00002\.jpg is listed twice"),
    ],
)
def test_bad_distributions_are_named(rafdb: Path, line: str, message: str) -> None:
    path = write_distributions(rafdb)
    replace_line(path, 1, line)
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}, .*{message}"):
        read_rafdb(rafdb, target="distribution")


def test_missing_distributions(rafdb: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"EmoLabel/distribution_basic\.txt"):
        read_rafdb(rafdb, target="distribution")


def serve(root: Path, **options: object) -> RAFDB:
    common = {"preprocess": Preprocess(size=16), "batch_size": 4, "num_workers": 0}
    return RAFDB(str(root), **common, **options)  # type: ignore[arg-type]


def test_data_module_serves_what_was_asked_for(tmp_path: Path) -> None:
    root = write_rafdb_compound(write_rafdb(tmp_path))
    write_distributions(root)
    compound = serve(root, part="compound", labels=SPACES["rafdb11"])
    compound.setup("fit")
    assert next(iter(compound.train_dataloader()))["target"].shape == (4, 11)
    soft = serve(root, target="distribution", labels=SPACES["rafdb7"])
    soft.setup("fit")
    targets = next(iter(soft.train_dataloader()))["target"]
    assert targets.max(dim=1).values.tolist() == pytest.approx([0.7] * 4)


@pytest.mark.parametrize("augment", ["modern", "five_crops"])
def test_automatic_landmarks_cannot_be_mirrored(compound: Path, augment: str) -> None:
    options = {"part": "compound", "pictures": "original", "points": "auto", "augment": augment}
    data = serve(compound, **options)
    with pytest.raises(AffectZooError, match=r"37 landmarks cannot be mirrored.* none or random_crop"):
        data.setup("fit")
    data = serve(compound, **options)
    data.setup("test")  # evaluation does not augment
    assert next(iter(data.test_dataloader()))["landmarks"].shape == (4, 37, 2)


@pytest.mark.parametrize("augment", ["none", "random_crop"])
def test_automatic_landmarks_train_without_mirroring(compound: Path, augment: str) -> None:
    data = serve(compound, part="compound", pictures="original", points="auto", augment=augment)
    data.setup("fit")
    landmarks = next(iter(data.train_dataloader()))["landmarks"]
    assert landmarks.shape == (4, 37, 2) and bool(torch.isfinite(landmarks).all())


@pytest.mark.slow
def test_recipe_trains_a_head_on_the_basic_parts_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    root = write_rafdb_compound(write_rafdb(tmp_path / "data"))
    small = ["--data.num_workers", "0", "--data.batch_size", "4", "--trainer.accelerator", "cpu"]
    recipe = ["fit", "--config", str(REPOSITORY / "recipes/dlp_cnn/rafdb_compound.yaml")]
    recipe += ["--data.root", str(root), *small, "--trainer.fast_dev_run", "1"]
    assert main(recipe) == 1
    assert "runs/dlp_cnn-rafdb" in " ".join(capsys.readouterr().err.split())
    assert main([*recipe, "--model.weights", "null"]) == 1
    assert "frozen layers would keep their random start" in capsys.readouterr().err
    assert main([*recipe, "--model.weights", "null", "--model.frozen", "none"]) == 0
