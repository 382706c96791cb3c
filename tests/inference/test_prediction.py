"""From images to results: detectors, predict, tables, drawings, the command line, the demo."""

from __future__ import annotations

import copy
import errno
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from fakes import picture, write_picture
from PIL import Image

import affectzoo
from affectzoo.cli import main
from affectzoo.errors import AffectZooError, DetectorError, OptionError, OutputError, WeightsError
from affectzoo.evaluation.record import read_records
from affectzoo.faces import detect
from affectzoo.faces.detect import CenterFace, Detection, Haar, ReadyCrop, YuNet, make_detector
from affectzoo.files.fetch import COMMIT, HubFile
from affectzoo.files.images import read_image
from affectzoo.inference.demo import PHOTOGRAPH, RENDERED
from affectzoo.inference.inputs import Source
from affectzoo.inference.prediction import predict
from affectzoo.inference.render import annotate, drawing_paths
from affectzoo.inference.results import NO_FACE, NOT_FINITE, FaceResult, columns, write_rows
from affectzoo.labels import LabelSpace
from affectzoo.models.base import AffectModel
from affectzoo.registry import DEFAULT_MODEL
from affectzoo.store import locate
from affectzoo.zoo.listing import measured_on

ASTRONAUT = skimage.data.astronaut()


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return affectzoo.load("dlp_cnn_s.ferplus")


class Boxes:
    """A detector that finds the same boxes everywhere."""

    name = "boxes"

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.found = [Detection(box, 0.5) for box in boxes]

    def __call__(self, image: np.ndarray) -> list[Detection]:
        return self.found


class Given:
    """A detector that gives what it is told to."""

    name = "given"

    def __init__(self, found: Any) -> None:
        self.found = found

    def __call__(self, image: np.ndarray) -> Any:
        return self.found


# Detectors


def test_haar_finds_the_astronaut() -> None:
    (face,) = Haar()(ASTRONAUT)
    assert face.box is not None
    x0, y0, x1, y1 = face.box
    assert abs((x0 + x1) / 2 - 224) < 8 and abs((y0 + y1) / 2 - 113) < 8 and 80 < x1 - x0 < 110


def test_haar_boxes_are_in_the_pictures_own_pixels() -> None:
    large = cv2.resize(ASTRONAUT, None, fx=5, fy=5, interpolation=cv2.INTER_LINEAR)
    found = Haar()(large)
    assert found and found[0].box is not None
    assert np.allclose(found[0].box, np.array(Haar()(ASTRONAUT)[0].box) * 5, atol=60)


def test_haar_orders_by_size_and_finds_nothing_in_nothing() -> None:
    face = ASTRONAUT[40:190, 150:300]
    canvas = np.full((400, 700, 3), 128, np.uint8)
    canvas[10:160, 10:160] = face
    canvas[50:350, 300:600] = cv2.resize(face, (300, 300))
    found = Haar()(canvas)
    widths = [f.box[2] - f.box[0] for f in found if f.box is not None]
    assert len(widths) >= 2 and widths == sorted(widths, reverse=True)
    assert Haar()(np.zeros((200, 200, 3), np.uint8)) == []
    (near,), (far,) = Haar(search_size=256)(ASTRONAUT), Haar()(ASTRONAUT)
    assert near.box is not None and far.box is not None and near.box != far.box
    np.testing.assert_allclose(near.box, far.box, atol=16)
    assert Haar(search_size=64)(ASTRONAUT) == []  # its face has less than 24 pixels then
    (small,) = Haar()(cv2.resize(ASTRONAUT, (102, 102), interpolation=cv2.INTER_AREA))  # here, too: enlarged
    np.testing.assert_allclose(np.multiply(small.box, 512 / 102), far.box, atol=20)  # type: ignore[arg-type]
    for size in (63, 0, -1, 640.0, True):
        with pytest.raises(DetectorError, match="search_size"):
            make_detector("haar", None, size)  # type: ignore[arg-type]
    with pytest.raises(DetectorError, match="not searched"):
        make_detector("none", None, 640)
    assert Haar()(np.zeros((1, 1, 3), np.uint8)) == []


def test_haar_says_how_sure_it_is_and_leaves_out_what_is_hardly_a_face() -> None:
    (face,) = Haar()(ASTRONAUT)
    assert face.score is not None and 0.5 < face.score < 1
    coins = cv2.cvtColor(skimage.data.coins(), cv2.COLOR_GRAY2RGB)
    levels = [level for _, level in Haar().levels(coins)]  # heads and noise
    reported = [found.score for found in Haar()(coins)]
    assert 0 < len(reported) < len(levels) and min(map(float, reported)) >= 0.25


def test_auto_takes_haar_unless_yunets_file_is_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path))
    monkeypatch.setattr(CenterFace, "installed", staticmethod(lambda: None))
    assert make_detector("auto").name == "haar"
    YuNet.kept().parent.mkdir(parents=True)
    YuNet.kept().write_bytes(b"no network")
    with pytest.warns(UserWarning, match=r"2023mar.onnx: sha256 is .*haar"):
        assert make_detector("auto").name == "haar"
    with pytest.raises(DetectorError, match=r"2023mar.onnx: sha256 is"):
        make_detector("yunet")
    assert YuNet.kept().read_bytes() == b"no network"

    def unreadable(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(detect, "sha256", unreadable)
    with pytest.warns(UserWarning, match=r"2023mar.onnx: cannot be read \(Permission denied\).*haar"):
        assert make_detector("auto").name == "haar"


def test_detector_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path))
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no network")
    with pytest.raises(DetectorError, match="not a YuNet network"):
        make_detector("yunet", wrong)
    odd = wrong.rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.onnx")))  # OpenCV would crash at it
    with pytest.raises(DetectorError, match="not a YuNet network"):
        make_detector("yunet", odd)
    with pytest.raises(DetectorError, match="is missing"):
        make_detector("yunet", tmp_path / "none.onnx")
    with pytest.raises(DetectorError, match="haar needs none"):
        make_detector("haar", odd)
    monkeypatch.setattr(cv2, "CascadeClassifier", None)
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(DetectorError, match="no Haar cascades; install"):
        make_detector("haar")


def test_yunet_out_of_reach_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    with pytest.raises(DetectorError, match=r"no route.*Put .*2023mar.onnx at .*--detector haar"):
        make_detector("yunet")
    assert list(tmp_path.iterdir()) == []


def test_yunet_is_fetched_from_one_commit_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[HubFile] = []

    def fetch(file: HubFile) -> Path:
        asked.append(file)
        raise WeightsError("no network")

    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("affectzoo.faces.detect.fetch", fetch)
    with pytest.raises(DetectorError, match="--detector haar"):
        make_detector("yunet")
    (file,) = asked
    assert COMMIT.fullmatch(file.revision) and file.sha256 == YuNet.sha256
    assert not YuNet.kept().exists()


@pytest.fixture
def yunet_file() -> Path:
    import os

    beside = Path(__file__).parents[3] / "shared" / "models" / YuNet.kept().name
    path = Path(os.environ.get("AFFECTZOO_YUNET", beside if beside.is_file() else YuNet.kept()))
    if not path.is_file():
        pytest.skip("YuNet's file is not here; AFFECTZOO_YUNET can name it")
    return path


def test_yunet_finds_the_astronaut(yunet_file: Path) -> None:
    (face,) = make_detector("auto", yunet_file)(ASTRONAUT)
    assert np.allclose(face.box, (178.2, 62.9, 268.1, 176.2), atol=2)
    assert face.score is not None and face.score > 0.8 and face.points is not None
    assert np.allclose(face.points[0], (200.1, 101.8), atol=2)
    (large,) = make_detector("yunet", yunet_file)(cv2.resize(ASTRONAUT, None, fx=4, fy=4))
    assert np.allclose(large.box, np.array(face.box) * 4, atol=25)
    assert make_detector("yunet", yunet_file)(np.zeros((64, 64, 3), np.uint8)) == []


# predict


def test_the_astronaut_is_happy(model: AffectModel, tmp_path: Path) -> None:
    file = tmp_path / "astronaut.png"
    write_picture(file, ASTRONAUT)
    (face,) = predict(file, model, "haar")
    assert face.label == "happiness" and face.file == str(file)
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert tuple(face.probabilities) == model.labels.names
    (by_array,) = predict([ASTRONAUT], model, "haar")
    assert by_array.probabilities == pytest.approx(dict(face.probabilities), abs=1e-6)


def test_yunet_agrees_on_the_astronaut(model: AffectModel, yunet_file: Path) -> None:
    (face,) = predict([ASTRONAUT], model, make_detector("yunet", yunet_file))
    assert face.label == "happiness"


def test_ready_crops_give_one_result_each_in_order(model: AffectModel) -> None:
    random = np.random.default_rng(0)
    crops = [picture(random, side, side + 7, 3) for side in range(30, 50)]
    together = predict(crops, model, "none", batch_size=3)
    assert [face.file for face in together] == [f"array {i}" for i in range(20)]
    for crop, face in zip(crops, together, strict=True):
        (alone,) = predict([crop], model, "none")
        assert face.box is None
        assert face.probabilities == pytest.approx(dict(alone.probabilities), abs=1e-4)


def test_torchs_default_device_changes_nothing(model: AffectModel, tmp_path: Path) -> None:
    """Pixels stayed unnormalized where the default device was another one than the images'."""
    crop = picture(np.random.default_rng(0), 40, 40, 3)
    expected = predict([crop], model, "none")
    file = tmp_path / "fresh.safetensors"  # not self-tested on this machine before
    shutil.copy(locate("dlp_cnn_s.ferplus").path, file)
    with torch.device("meta"):  # stands for any device but the CPU
        assert predict([crop], affectzoo.load(file), "none") == expected


def test_boxes_are_cut_by_the_models_own_rule(model: AffectModel) -> None:
    box = (100.0, 80.0, 160.0, 200.0)
    (face,) = predict([ASTRONAUT], model, Boxes(box))
    scores = model(model.preprocess(ASTRONAUT, box)[None]).expression
    assert scores is not None
    expected = scores.softmax(1)[0].tolist()
    assert list(face.probabilities.values()) == pytest.approx(expected, abs=1e-5)


def test_every_kind_of_input_gets_a_row(model: AffectModel, tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "blank.png", np.zeros((80, 80, 3), np.uint8))
    write_picture(tmp_path / "a" / "deep" / "face.JPG", ASTRONAUT)
    (tmp_path / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    (tmp_path / "a" / "empty.png").touch()
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    rows = {Path(r.file).name: r for r in predict(tmp_path / "a", model, "haar")}
    assert set(rows) == {"blank.png", "face.JPG", "broken.jpg", "empty.png"}
    assert rows["blank.png"].error == NO_FACE and rows["blank.png"].label is None
    assert rows["face.JPG"].label == "happiness"
    for name in ("broken.jpg", "empty.png"):
        assert str(rows[name].error).startswith("unreadable") and name in str(rows[name].error)
    found = predict(str(tmp_path / "a" / "**" / "*.JPG"), model, "haar")
    assert [Path(r.file).name for r in found] == ["face.JPG"]


@pytest.mark.parametrize("box", [(600, 0, 700, 90), (0, -90, 80, -5), (50, 50, 50, 90)])
def test_faces_outside_the_picture_do_not_count(
    model: AffectModel, box: tuple[float, float, float, float]
) -> None:
    (row,) = predict([ASTRONAUT], model, Boxes(box))
    assert row.error == NO_FACE


def test_wrong_inputs_are_named(model: AffectModel, tmp_path: Path) -> None:
    with pytest.raises(AffectZooError, match=r"nowhere\.jpg: no such file"):
        predict("nowhere.jpg", model)
    with pytest.raises(AffectZooError, match="holds no images"):
        predict(tmp_path, model)
    for array in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)):
        with pytest.raises(AffectZooError, match=r"array 1 is .*expected uint8 RGB"):
            predict([ASTRONAUT, array], model, "none")


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    upright = np.zeros((20, 40, 3), np.uint8)
    upright[:, :20] = (255, 0, 0)
    turned = Image.fromarray(np.rot90(upright))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown by a quarter turn clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "turned.png"), upright)


# Tables, drawings, commands


@pytest.fixture
def results() -> list[FaceResult]:
    shares = {"calm": 0.25, "tense": 0.75}
    return [
        FaceResult("a.png", (1.5, 2.0, 30.0, 40.0), 0.9, "tense", shares),
        FaceResult("b.png", error=NO_FACE),
    ]


def read_back(path: Path) -> pd.DataFrame:
    if path.suffix == ".json":
        return pd.DataFrame(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_tables_read_back_the_same(kind: str, results: list[FaceResult], tmp_path: Path) -> None:
    path = tmp_path / "new" / f"faces.{kind}"
    names = columns(LabelSpace(("calm", "tense")))
    write_rows((result.to_row() for result in results), names, path)
    back = read_back(path)
    assert list(back.columns) == names and list(path.parent.iterdir()) == [path]
    assert back["label"][0] == "tense" and pd.isna(back["label"][1])
    assert back["p_tense"][0] == 0.75 and back["x1"][0] == 30.0
    assert pd.isna(back["error"][0]) and back["error"][1] == NO_FACE


def test_drawing_marks_the_face_and_nothing_else(results: list[FaceResult]) -> None:
    image = np.full((400, 400, 3), 90, np.uint8)
    drawn = annotate(image, [FaceResult("a", (100, 150, 200, 260), 1.0, "calm", {"calm": 1.0})])
    assert drawn.shape == image.shape and (image == 90).all()
    changed = np.argwhere((drawn != 90).any(axis=2))
    top, left = changed.min(axis=0)
    assert 110 < top < 150 and 95 <= left <= 100 and changed.max() < 320
    assert tuple(drawn[200, 100]) == (255, 214, 64)
    assert (annotate(image, results[1:]) == image).all()


def test_drawings_of_one_name_do_not_overwrite_each_other_or_images(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("a/face.png", "b/face.jpg", "c/Face.png", "d/face-2.png")]
    paths = drawing_paths(files, tmp_path / "out")
    assert [path.name for path in paths.values()] == ["face.png", "face-2.png", "Face-3.png", "face-2-2.png"]
    with pytest.raises(OptionError, match="folder of their own"):
        drawing_paths(files, tmp_path / "a")


@pytest.fixture
def two_pictures(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "in"
    write_picture(folder / "astronaut.png", ASTRONAUT)
    write_picture(folder / "blank.png", np.zeros((80, 80, 3), np.uint8))
    yield folder


def test_predict_command(two_pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--detector", "haar", "--render", str(tmp_path / "out")]
    assert main(["predict", str(two_pictures), *options, "--out", str(tmp_path / "f.csv"), "--json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [row["label"] for row in rows] == ["happiness", None]
    assert rows[1]["error"] == NO_FACE
    assert pd.read_csv(tmp_path / "f.csv")["label"].tolist()[0] == "happiness"
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "astronaut.png",
        "blank.png",
        "contact_sheet.jpg",
    }
    assert "1 face in 2 images, 0 unreadable" in captured.err
    assert main(["predict", str(two_pictures), "--detector", "haar"]) == 0
    assert "happiness" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "dlp_cnn_s"], "pretrained weights: dlp_cnn_s.ferplus"),
        (["--model", "nope"], "unknown model 'nope'"),
        (["--model", "dlp_cnn_s", "--weights", "ferplsu"], "did you mean"),
    ],
)
def test_predict_command_errors(
    arguments: list[str], message: str, two_pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(two_pictures), *arguments]) == 1
    captured = capsys.readouterr()
    assert message in captured.err.splitlines()[0] and captured.out == ""


def test_only_unreadable_pictures_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert main(["predict", str(tmp_path), "--detector", "none", "--json"]) == 1
    captured = capsys.readouterr()
    assert "broken.png" in json.loads(captured.out)[0]["error"]
    assert re.match(r"affectzoo: .*broken\.png", captured.err.splitlines()[-1])


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (
        ["predict"],
        ["nope"],
        ["predict", "x", "--detector", "dlib"],
        ["predict", "x", "--batch-size", "0"],
        ["predict", "x", "--out", "faces.xlsx"],
        ["predict", "x", "--resume"],
        ["predict", "x", "--detector", "none", "--min-score", "0.5"],
        ["predict", "x", "--detector", "none", "--search-size", "640"],
        ["predict", ""],
        ["predict", "x", "--out", ""],
        ["data", "check", "folder", "--root="],
        ["fit", "--data.root", ""],
    ):
        with pytest.raises(SystemExit) as stop:
            main(wrong)
        assert stop.value.code == 2
    assert main([]) == 0
    assert "affectzoo demo" in capsys.readouterr().out


def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["demo", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    made = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    (key,) = (path.stem for path in (tmp_path / "out" / "rendered" / "records").iterdir())
    assert made == {
        *("astronaut.png", "predictions.csv", "predictions.json"),
        *(f"rendered/{name}" for name in (f"records/{key}.json", f"predictions/{key}.csv")),
        f"rendered/plots/{key}/confusion_matrix.png",
    }
    (face,) = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert face["label"] == "happiness" and "happiness" in shown
    (record,) = read_records(tmp_path / "out" / "rendered")
    results = predict(RENDERED, DEFAULT_MODEL, ReadyCrop())
    hits = [Path(r.file).parent.name == r.label for r in results]
    accuracy = record["metrics"]["accuracy"]["value"]
    assert record["faces"]["total"] == len(hits) == 80
    assert accuracy == pytest.approx(np.mean(hits))
    assert "rendered faces" in shown and f"{accuracy:.4f}" in shown
    (figure,) = affectzoo.load(DEFAULT_MODEL).describe().metrics
    told = f"On real faces ({measured_on(figure)}, {figure['faces']:,}): accuracy {figure['accuracy']:.4f}"
    assert told in " ".join(shown.split()) and "None" not in shown


@pytest.mark.parametrize("part, told", [("valid", "ferplus valid"), (None, "ferplus")])
def test_figures_name_their_part(part: str | None, told: str) -> None:
    assert measured_on({"data": "ferplus", "split": part}) == told


def test_demo_reports_a_folder_that_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    shutil.copy(PHOTOGRAPH, blocked)
    assert main(["demo", "--out", str(blocked / "out")]) == 1
    assert str(blocked) in capsys.readouterr().err


def test_weights_for_clips_do_not_predict_on_pictures() -> None:
    model = affectzoo.create_model("cnn_gru", task="va", backbone="resnet18", landmarks=False, units=4)
    with pytest.raises(AffectZooError, match=r"array 0: .* reads videos.*Predictor\.stream"):
        affectzoo.predict([picture(np.random.default_rng(0), 48, 48, 3)], model=model, detector="none")


def test_weights_with_untrained_layers_do_not_predict() -> None:
    model = affectzoo.load("dlp_cnn_s.ferplus")
    assert model.meta is not None
    model.meta = replace(model.meta, fresh=("fc.3", "heads.va"))
    with pytest.raises(AffectZooError, match=r"fc\.3, heads\.va are random\. Train them first"):
        affectzoo.predict([picture(np.random.default_rng(0), 48, 48, 3)], model=model, detector="none")


# What Python programs hand over


def test_every_holder_is_predicted_alike(model: AffectModel, tmp_path: Path) -> None:
    image = Image.fromarray(ASTRONAUT)
    file = tmp_path / "astronaut.png"
    image.save(file)
    mixed = [
        *(ASTRONAUT, image, torch.from_numpy(ASTRONAUT.transpose(2, 0, 1).copy()), file.read_bytes()),
        *(io.BytesIO(file.read_bytes()), file, str(file)),
    ]
    found = predict(mixed, model, "none", batch_size=1)
    names = ["array 0", "image 1", "tensor 2", "bytes 3", "file 4", str(file), str(file)]
    assert [face.file for face in found] == names
    assert len({tuple(face.probabilities.values()) for face in found}) == 1
    for single in mixed:
        (face,) = predict(single, model, "none")
        assert face.probabilities == found[0].probabilities
    assert len(predict(np.stack([ASTRONAUT] * 2), model, "none")) == 2
    assert predict([], model, "none") == []


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, 3, {"a": 1}, np.zeros((9, 9)), torch.zeros(3, 9, 9)),
        torch.zeros(3, 9, 9, dtype=torch.uint8, device="meta"),
        torch.zeros(3, 9, 9, dtype=torch.uint8).to_sparse(),
    ],
)
def test_the_place_of_a_wrong_input_is_told_before_the_work(model: AffectModel, wrong: object) -> None:
    class Never:
        name = "never"

        def __call__(self, image: np.ndarray) -> list[Detection]:
            pytest.fail("work was begun")

    with pytest.raises(OptionError, match=r"^\w+ 1 is "):
        predict([ASTRONAUT, wrong], model, Never())


def test_damaged_bytes_have_a_row(model: AffectModel) -> None:
    bad, good = predict([b"no image", ASTRONAUT], model, "none")
    assert bad.unreadable and "bytes 0" in str(bad.error) and good.label is not None


@pytest.mark.parametrize(
    "options",
    [
        *({"batch_size": 0}, {"batch_size": 2.5}, {"min_score": float("nan")}, {"min_score": "a"}),
        *(
            {"min_score": 0.5},
            {"min_face": 20},
            {"min_face": 0, "detector": "haar"},
            {"min_face": float("nan"), "detector": "haar"},
            {"backend": "x"},
            {"backend": "onnx"},
            {"model": None},
            {"model": torch.nn.ReLU()},
        ),
        *({"model": ""}, {"detector": 5}, {"boxes": 5}, {"boxes": [(0, 0, 10**400, 5)]}),
    ],
)
def test_wrong_options_are_refused(model: AffectModel, options: dict[str, Any]) -> None:
    name = next(iter(options))
    with pytest.raises((OptionError, DetectorError), match=name):
        predict([ASTRONAUT], **{"model": model, "detector": "none", **options})


@pytest.mark.parametrize(
    "found",
    [
        *(None, 5, [1], "x", [Detection((1, 2, 3))], [Detection("abcd")]),  # type: ignore[arg-type]
        *([Detection((0, 0, float("inf"), 5))], [Detection((0, 0, float("nan"), 5))]),
    ],
)
def test_what_a_detector_gives_is_checked(model: AffectModel, found: Any) -> None:
    with pytest.raises(DetectorError, match="detector given gave "):
        predict([ASTRONAUT], model, Given(found))


def test_a_detectors_box_of_a_whole_landscape_is_no_face(model: AffectModel) -> None:
    (face,) = predict([ASTRONAUT], model, Boxes((0.0, 0.0, 1e30, 1e30)))
    assert face.label is None and "many times larger" in str(face.error)


@pytest.mark.parametrize("place", ["file", "file/x", "/proc/x"])
def test_models_are_saved_in_a_folder_or_told(model: AffectModel, place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=rf"{place}/model\.safetensors: cannot be written"):
        model.save_pretrained(tmp_path / place)


@pytest.mark.parametrize("name", [None, 5, b"x", [], "", torch.nn.ReLU()])
def test_what_is_no_models_name(name: Any) -> None:
    with pytest.raises(OptionError, match="the model is "):
        affectzoo.load(name)


@pytest.mark.parametrize("wrong", [{"num_classes": 2.5}, {"num_classes": True}, {"num_classes": 10**12}])
def test_what_is_no_number_of_classes(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="num_classes is "):
        affectzoo.create_model("dlp_cnn_s", **wrong)


@pytest.mark.parametrize("labels", [[], ["a", "a"], 5, "nope", {"a", "b"}])
def test_wrong_labels_are_not_the_files(labels: Any) -> None:
    with pytest.raises(AffectZooError) as error:
        affectzoo.load("dlp_cnn_s.ferplus", labels=labels)
    assert not isinstance(error.value, WeightsError)


@pytest.mark.parametrize("device", ["cuda:99", "nowhere", "meta:x", "meta"])
def test_devices_that_are_not_there_are_named(device: str) -> None:
    with pytest.raises(OptionError, match=f"device '{device}'"):
        predict([ASTRONAUT], detector="none", device=device)


def test_half_precision_predicts(model: AffectModel) -> None:
    (expected,) = predict([ASTRONAUT], model, "none")
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        (face,) = predict([ASTRONAUT], copy.deepcopy(model).to(kind), "none", device="cpu")
        assert face.probabilities == pytest.approx(dict(expected.probabilities), abs=0.02)


@pytest.mark.parametrize("options", [{}, {"abstain": 0.5}, {"balance": 0.5}])
def test_answers_that_are_not_finite_are_no_predictions(model: AffectModel, options: dict[str, Any]) -> None:
    broken = copy.deepcopy(model)
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    (face,) = predict([ASTRONAUT], broken, "none", **options)
    assert (face.error, face.label, dict(face.probabilities)) == (NOT_FINITE, None, {})


def test_training_mode_changes_nothing(model: AffectModel) -> None:
    training = copy.deepcopy(model).train()
    before = {name: tensor.clone() for name, tensor in training.state_dict().items()}
    assert predict([ASTRONAUT], training, "none") == predict([ASTRONAUT], model, "none")
    assert training.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in training.state_dict().items())


def test_given_boxes_have_one_result_each_in_order(model: AffectModel) -> None:
    small, large = (100.0, 80.0, 120.0, 110.0), (100.0, 80.0, 160.0, 200.0)
    found = predict([ASTRONAUT, ASTRONAUT, ASTRONAUT], model, Boxes(large), boxes=[[small, large], None, []])
    assert [face.box for face in found] == [small, large, large, None]
    assert found[1].probabilities == pytest.approx(dict(found[2].probabilities), abs=1e-6)
    assert found[3].error == NO_FACE
    for one in (small, [small], np.array(small), torch.tensor([small])):
        assert [face.box for face in predict(ASTRONAUT, model, boxes=one)] == [small]
    outside, huge = predict(ASTRONAUT, model, boxes=[(600, 0, 700, 90), (0, 0, 1e7, 1e7)])
    assert "no area" in str(outside.error) and "larger" in str(huge.error)
    for wrong in ([small], [small, (1, 2, 3)], [small, "x"], [small, (0, 0, float("nan"), 1)]):
        with pytest.raises(OptionError, match="boxes"):
            predict([ASTRONAUT, ASTRONAUT], model, boxes=wrong)


def test_small_faces_and_those_of_a_low_score_do_not_count(model: AffectModel) -> None:
    detector = Boxes((100, 80, 160, 200))
    assert predict(ASTRONAUT, model, detector, min_face=120)[0].label is not None
    assert predict(ASTRONAUT, model, detector, min_face=121)[0].error == NO_FACE
    assert predict(ASTRONAUT, model, detector, min_score=0.5)[0].label is not None
    assert predict(ASTRONAUT, model, detector, min_score=0.6)[0].error == NO_FACE


def test_a_predictor_is_ready_for_more(model: AffectModel) -> None:
    predictor = affectzoo.Predictor(model, "none", batch_size=2)
    assert predictor([ASTRONAUT] * 3) == predictor([ASTRONAUT] * 3)
    assert [len(faces) for _, faces in predictor.iterate([ASTRONAUT, b"x", ASTRONAUT])] == [1, 1, 1]


def test_results_come_while_images_are_read(model: AffectModel) -> None:
    """No more images than a batch are held, whatever is in them."""
    read: list[int] = []

    class Blank(Source):
        def read(self) -> np.ndarray:
            read.append(1)
            return np.zeros((8, 8, 3), np.uint8)

    predictor = affectzoo.Predictor(model, "haar", batch_size=4)
    found = predictor.run(Blank(f"{n}") for n in range(100))
    assert len(next(found)[1]) == 1 and len(read) == 4
