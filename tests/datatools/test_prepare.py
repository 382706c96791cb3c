from __future__ import annotations

import errno
import hashlib
import json
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from fakes import (
    write_afewva,
    write_fer2013_csv,
    write_ferplus,
    write_folder,
    write_own_table,
    write_picture,
    write_rafdb,
)
from fakes.affwild import write_affwild

import affectzoo
from affectzoo.cli import main
from affectzoo.datamodules import AFEWVA, RAFDB, AffWild, FERPlus, Folder, Table
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.ids import ids
from affectzoo.datasets.index import COLUMNS
from affectzoo.datatools import prepare as tool
from affectzoo.datatools.crops import (
    FIVE_POINTS,
    AlignmentError,
    CropRule,
    cut,
    encode,
    five_points,
    similarity,
)
from affectzoo.errors import AffectZooError, DataError, OptionError
from affectzoo.faces.preprocess import Preprocess, PreprocessChange
from affectzoo.files import images
from affectzoo.registry import DATASETS

REPOSITORY = Path(__file__).parents[2]
prepare = partial(tool.prepare, workers=0)  # a process's start takes longer than the work


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """An image without fine detail, so that resampling changes little."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def write_table(root: Path, faces: int = 12, side: int = 90, suffix: str = ".png") -> Path:
    """Own faces with boxes and 5 landmarks; the first box leaves the image."""
    random = np.random.default_rng(1)
    lines = ["path,label,valence,arousal,split,x0,y0,x1,y1,landmarks,subject,clip,frame"]
    for i in range(faces):
        write_picture(root / f"{i}{suffix}", smooth(side, side + 10, i))
        x0, y0 = random.uniform(20, 35, 2).round(2) if i else (-3.5, -2.25)
        x1, y1 = x0 + random.uniform(30, 40).__round__(2), y0 + random.uniform(30, 40).__round__(2)
        points = ";".join(f"{v:.2f}" for p in FIVE_POINTS for v in p * 36 + (x0, y0))
        label = "happiness" if i % 2 else "neutral"
        part = ("train", "train", "valid", "test")[i % 4]
        lines.append(
            f"{i}{suffix},{label},0.5,-0.25,{part},{x0},{y0},{x1},{y1},{points},s{i % 3},c{i % 2},{i}"
        )
    (root / "faces.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def files(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def equal_but_pictures(module: FaceDataModule, prepared: FaceDataModule) -> None:
    """The prepared index says what the original's says, apart from where the images are."""
    before, after = module.read(), prepared.read()
    for name in ("dataset", "labels", "left_out", "scale"):
        assert getattr(before, name) == getattr(after, name)
    assert tuple(after.table.columns) == COLUMNS
    for name in set(COLUMNS) - {"path", "box", "landmarks", "pixels", "digest", "original"}:
        for old, new in zip(before.table[name], after.table[name], strict=True):
            if isinstance(old, np.ndarray):
                assert new.dtype.kind == old.dtype.kind
                np.testing.assert_array_equal(old, new)
            else:
                assert old == new, name
    for name in ("box", "landmarks"):
        known = [[value is None for value in index.table[name]] for index in (before, after)]
        assert known[0] == known[1], name
    assert ids(before) == ids(after)


def faces(module: FaceDataModule, preprocess: Preprocess, split: str = "train") -> list[dict[str, Any]]:
    module.preprocess, module.num_workers, module.augment = preprocess, 0, "none"
    part = module._part(split)
    return [part[i] for i in range(len(part))]


@pytest.mark.parametrize("form", ["loose", "shards"])
@pytest.mark.parametrize("margin", [0.0, 0.25, 0.5])
def test_a_models_crop_is_the_same_to_the_pixel(tmp_path: Path, form: Any, margin: float) -> None:
    root = write_table(tmp_path / "own")
    made = prepare("table", root, tmp_path / "out", rule=CropRule(256, 0.5), form=form, chunk=5)
    assert (made["faces"], made["failed"], made["left_out"]) == (12, [], {})
    equal_but_pictures(Table(str(root)), Table(str(tmp_path / "out")))
    preprocess = Preprocess(size=24, margin=margin)
    for split in ("train", "valid", "test"):
        pairs = zip(
            faces(Table(str(root), landmarks=5), preprocess, split),
            faces(Table(str(tmp_path / "out"), landmarks=5), preprocess, split),
            strict=True,
        )
        for old, new in pairs:
            if Path(new["path"]).suffix == ".png":
                torch.testing.assert_close(old["image"], new["image"], rtol=0, atol=0)
            else:
                torch.testing.assert_close(old["image"], new["image"], rtol=0, atol=0.06)
            torch.testing.assert_close(old["landmarks"], new["landmarks"], rtol=0, atol=1e-4)


def test_crops_that_end_before_what_a_model_looks_at_are_refused(tmp_path: Path) -> None:
    root = write_table(tmp_path / "own", 4)
    prepare("table", root, tmp_path / "out", rule=CropRule(256, 0.25))
    wide = Preprocess(size=24, margin=0.3)
    assert len(faces(Table(str(root)), wide)) == 2
    with pytest.raises(OptionError, match=r"out: prepared with --margin 0\.25, .*--margin 0\.3 or more"):
        faces(Table(str(tmp_path / "out")), wide)
    model = affectzoo.create_model("dlp_cnn_s", labels=["a", "b"], preprocess=PreprocessChange(margin=0.3))
    with pytest.raises(OptionError, match=r"prepared with --margin 0\.25"):
        affectzoo.predict(tmp_path / "out", model=model)


def boxes(count: int) -> Iterator[tuple[float, float, float, float]]:
    random = np.random.default_rng(2)
    for i in range(count):
        x, y = random.uniform(-20, 250, 2)
        width, height = random.uniform(20, 120, 2)
        if i % 2:  # whole and half pixels, where rounding has ties
            x, y, width, height = (round(v * 2) / 2 for v in (x, y, width, height))
        yield x, y, x + width, y + height


def test_crops_at_native_size_are_exact_for_every_margin_up_to_the_prepared_one() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 320, 3), dtype=np.uint8)
    for box in boxes(300):
        crop, moved, _ = cut(image, box, None, CropRule(1000, 0.5))
        assert moved is not None
        for margin in (-0.2, 0.0, 0.1, 0.3, 0.5):
            model = Preprocess(size=40, margin=margin)
            try:
                expected = model.face(image, box)
            except AffectZooError:  # a narrow margin may leave the image where a wide one does not
                continue
            np.testing.assert_array_equal(expected, model.face(crop, moved), err_msg=f"{box} {margin}")


@pytest.mark.parametrize("margin", [0.0, 0.25, 0.5])
def test_shrunk_crops_differ_by_resampling_only(margin: float) -> None:
    image, model = smooth(300, 320), Preprocess(size=32, margin=margin)
    differences, elsewhere = [], []
    for box in boxes(60):
        crop, moved, _ = cut(image, box, None, CropRule(64, 0.5))
        assert max(crop.shape) <= 64
        assert moved is not None
        expected = model.face(image, box).astype(int)
        differences.append(np.abs(expected - model.face(crop, moved)).mean())
        x0, y0, x1, y1 = moved
        shifted = (x0 + 1, y0 + 1, x1 + 1, y1 + 1)
        elsewhere.append(np.abs(expected - model.face(crop, shifted)).mean())
    assert np.mean(differences) < 1.5  # corners fall on whole pixels: half a pixel of the crop may be lost
    assert np.mean(differences) < np.mean(elsewhere) / 2


@pytest.mark.parametrize("size", [50, 400])
def test_landmarks_stay_on_their_spots(size: int) -> None:
    dots = np.array([[100, 80], [130, 82], [115, 101], [104, 120], [128, 119]], np.float32)
    image = np.zeros((200, 220, 3), np.uint8)
    for x, y in dots:
        cv2.circle(image, (int(x), int(y)), 4, (255, 255, 255), -1)
    crop, box, moved = cut(image, (90, 70, 140, 130), dots, CropRule(size, 0.5))
    assert box is not None and moved is not None
    for x, y in moved:
        distance = np.indices(crop.shape[:2])[::-1] - np.array([x, y])[:, None, None]
        near = (np.hypot(*distance) < 6 * crop.shape[0] / 91) * crop[..., 0].astype(float)
        centre = (np.indices(crop.shape[:2])[::-1] * near).sum((1, 2)) / near.sum()
        np.testing.assert_allclose(centre, (x, y), atol=0.2)


def test_ready_crops_are_copied_or_only_shrunk(tmp_path: Path) -> None:
    root = write_ferplus(tmp_path / "ferplus")
    original = FERPlus(str(root)).read()
    prepare("ferplus", root, tmp_path / "same")
    same = FERPlus(str(tmp_path / "same")).read()
    equal_but_pictures(FERPlus(str(root)), FERPlus(str(tmp_path / "same")))
    for old, new in zip(original.table["path"], same.table["path"], strict=True):
        assert (root / old).read_bytes() == (tmp_path / "same" / new).read_bytes()
    prepare("ferplus", root, tmp_path / "small", rule=CropRule(20))
    small = FERPlus(str(tmp_path / "small")).read()
    assert set(small.table["box"]) == {None}
    for old, new in zip(original.table["path"], small.table["path"], strict=True):
        shrunk = cv2.resize(images.read_image(root / old), (20, 20), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(shrunk, images.read_image(tmp_path / "small" / new))


def test_wide_ready_crops_keep_their_shape_and_points() -> None:
    image = smooth(60, 120)
    crop, box, points = cut(image, None, np.array([[119.5, 59.5], [-0.5, -0.5]], np.float32), CropRule(30))
    assert (crop.shape, box) == ((15, 30, 3), None)
    np.testing.assert_allclose(points, [[29.5, 14.5], [-0.5, -0.5]], atol=1e-5)


def test_pictures_in_a_table_become_grey_files(tmp_path: Path) -> None:
    root = write_fer2013_csv(tmp_path / "fer2013")
    prepare("fer2013", root, tmp_path / "out", form="shards", chunk=10)
    module = DATASETS["fer2013"].load_class()
    equal_but_pictures(module(str(root)), module(str(tmp_path / "out")))
    old, new = module(str(root)).read(), module(str(tmp_path / "out")).read()
    for pixels, path in zip(old.table["pixels"], new.table["path"], strict=True):
        np.testing.assert_array_equal(images.read_image(tmp_path / "out" / path), np.dstack([pixels] * 3))


def test_small_crops_are_png_and_large_ones_jpeg() -> None:
    grey = np.dstack([smooth(64, 64)[..., 0]] * 3)
    content, suffix = encode(grey)
    assert suffix == ".png"
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED).shape == (64, 64)
    colour = smooth(65, 65)
    content, suffix = encode(colour)
    assert suffix == ".jpg"
    read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(read.astype(int) - colour).mean() < 1.5


def test_one_preparation_serves_every_fold(tmp_path: Path) -> None:
    root, out = write_afewva(tmp_path / "afewva"), tmp_path / "out"
    made = prepare("afewva", root, out, options={"folds": 3})
    assert (made["folds"], made["options"]) == (3, {"fold": 0, "folds": 3})
    for fold in range(3):
        equal_but_pictures(AFEWVA(str(root), fold=fold, folds=3), AFEWVA(str(out), fold=fold, folds=3))
    with pytest.raises(DataError, match="fold is 3, expected 0 to 2"):
        AFEWVA(str(out), fold=3, folds=3).read()
    with pytest.raises(DataError, match=r"prepared with folds=3; .* another folder with --set folds=5"):
        AFEWVA(str(out)).read()


def test_videos_are_decoded_once_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_affwild(tmp_path / "affwild")
    seen: list[tuple[str, int]] = []
    read = tool.videos.read_picture

    def watched(path: Path, frame: int | None, digest: str | None) -> Any:
        seen.append((path.name, frame or 0))
        return read(path, frame, digest)

    monkeypatch.setattr(tool.videos, "read_picture", watched)
    prepare("affwild", root, tmp_path / "out", chunk=1, workers=0)
    names = [name for name, _ in seen]
    assert seen == sorted(seen, key=lambda entry: (names.index(entry[0]), entry[1]))
    assert sum(a != b for a, b in pairwise(names)) == len(set(names)) - 1
    equal_but_pictures(AffWild(str(root), landmarks=68), AffWild(str(tmp_path / "out")))


def test_options_are_those_of_the_reader(tmp_path: Path) -> None:
    root = write_rafdb(tmp_path / "rafdb")
    made = prepare("rafdb", root, tmp_path / "out", options={"pictures": "original"})
    assert made["options"] == {"part": "basic", "pictures": "original", "points": "manual", "target": "label"}
    equal_but_pictures(
        RAFDB(str(root), pictures="original"), RAFDB(str(tmp_path / "out"), pictures="original")
    )
    with pytest.raises(DataError, match=r'prepared with pictures="original"; .*--set pictures="aligned"'):
        RAFDB(str(tmp_path / "out")).read()
    with pytest.raises(DataError, match="prepared from rafdb: choose the data module RAFDB, not Folder"):
        Folder(str(tmp_path / "out")).read()
    for name, value in (("colour", 1), ("pictures", "whole"), ("batch_size", "many")):
        with pytest.raises(OptionError, match=f"{name}(.|\n)*options: "):
            prepare("rafdb", root, tmp_path / "other", options={name: value})


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"table", "folder"}))
def test_every_data_module_says_its_readers_options(name: str) -> None:
    options = DATASETS[name].load_class()("nowhere").reader_options()
    assert json.loads(json.dumps(options)) == options
    assert "root" not in options and "batch_size" not in options


def test_faces_that_fail_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_table(tmp_path / "own")
    (root / "2.png").write_bytes(b"no image")
    (root / "3.png").unlink()
    lines = (root / "faces.csv").read_text().splitlines()
    cells = lines[6].split(",")
    cells[5:9] = ["500", "500", "540", "540"]
    lines[6] = ",".join(cells)
    (root / "faces.csv").write_text("\n".join(lines))
    assert main(["data", "prepare", "table", "--root", str(root), "--out", str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out" / "prepared.json").read_text())
    assert record["left_out"] == {"unreadable image": 2, "face box outside the image": 1}
    assert [(f["row"], f["failed"]) for f in record["failed"]] == [
        (2, "unreadable image"),
        (3, "unreadable image"),
        (5, "face box outside the image"),
    ]
    assert "3.png: no such file" in record["failed"][1]["message"].lower()
    assert "faces.csv, line 5" in record["failed"][1]["message"]
    index = Table(str(tmp_path / "out")).read()
    assert (len(index), index.left_out) == (9, record["left_out"])
    shown = capsys.readouterr().out
    assert "excluded: unreadable image: 2" in shown and "5.png: face box 500, 500" in shown


def test_nothing_to_prepare_is_an_error(tmp_path: Path) -> None:
    root = write_table(tmp_path / "own", faces=2)
    for picture in root.glob("*.png"):
        picture.unlink()
    with pytest.raises(DataError, match=r"not one face could be prepared; .*: 0\.png: .*[Nn]o such file"):
        prepare("table", root, tmp_path / "out")
    with pytest.raises(DataError, match="unfinished; run the same command again"):
        Table(str(tmp_path / "out")).read()


# --- five points


def turned_template(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return FIVE_POINTS @ np.array([[c, s], [-s, c]]) + shift


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.0, 3.0])
def test_similarity_is_exact_where_there_is_one(angle: float) -> None:
    points = turned_template(angle, 77.0, (40.0, -12.0))
    matrix = similarity(points, FIVE_POINTS)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], FIVE_POINTS, atol=1e-12)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(1 / 77**2)


def test_similarity_is_the_least_squares_one() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 5, 2))
    columns = [
        np.column_stack([a, np.ones(5), np.zeros(5)]),
        np.column_stack([a[:, ::-1], np.zeros(5), np.ones(5)]),
    ]
    columns[0][:, 1] *= -1
    rows = np.concatenate(columns)  # x' = p x - q y + u; y' = p y + q x + v
    (p, q, u, v), *_ = np.linalg.lstsq(rows, b.T.ravel(), rcond=None)
    np.testing.assert_allclose(similarity(a, b), [[p, -q, u], [q, p, v]], atol=1e-12)


@pytest.mark.parametrize("size", [64, 400])
@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2])
def test_alignment_puts_the_five_points_in_their_places(angle: float, size: int) -> None:
    points = turned_template(angle, 120.0, (150.0, 110.0)).astype(np.float32)
    points[:, 0] += 60
    image = np.zeros((400, 460, 3), np.uint8)
    for x, y in points:
        cv2.circle(image, (round(float(x)), round(float(y))), 6, (255, 255, 255), -1)
    crop, box, moved = cut(image, None, points, CropRule(size, 0.25, "five_points"))
    assert box is not None and moved is not None
    x0, y0, x1, y1 = box
    np.testing.assert_allclose(x1 - x0, y1 - y0)
    np.testing.assert_allclose((moved + 0.5 - (x0, y0)) / (x1 - x0), FIVE_POINTS, atol=1e-4)
    for x, y in moved:  # the dots came along
        assert crop[round(float(y)), round(float(x)), 0] > 200
    model = Preprocess(size=100)  # a model without margin sees the template itself
    np.testing.assert_allclose(model.points(moved, crop, box) + 0.5, FIVE_POINTS * 100, atol=1.6)


def test_sixty_eight_landmarks_have_five_points() -> None:
    marks = np.random.default_rng(0).normal(size=(68, 2)).astype(np.float32)
    five = five_points(marks)
    np.testing.assert_allclose(five[0], marks[36:42].mean(0), rtol=1e-5)
    np.testing.assert_allclose(five[1], marks[42:48].mean(0), rtol=1e-5)
    np.testing.assert_allclose(five[2:], marks[[30, 48, 54]])
    for bad in (None, marks[:37]):
        with pytest.raises(AlignmentError, match="landmarks, alignment takes 5 or 68"):
            five_points(bad)
    with pytest.raises(AlignmentError, match="a face of inf pixels"):
        cut(smooth(50, 50), None, np.zeros((5, 2), np.float32), CropRule(align="five_points"))


def test_faces_without_five_points_are_left_out_when_aligning(tmp_path: Path) -> None:
    root = write_table(tmp_path / "own")
    text = (root / "faces.csv").read_text().splitlines()
    cells = text[3].split(",")
    cells[9] = ""
    text[3] = ",".join(cells)
    (root / "faces.csv").write_text("\n".join(text))
    made = prepare("table", root, tmp_path / "out", rule=CropRule(align="five_points", margin=0.0))
    assert made["left_out"] == {"no five points to align by": 1}
    assert made["faces"] == 11


# --- stopped and started again

KILLED = """
import sys, time
from pathlib import Path
from affectzoo.datatools import prepare as tool
encode = tool.images.digest_of
def slowly(content):
    time.sleep(0.02)
    return encode(content)
tool.images.digest_of = slowly
tool.prepare("table", Path(sys.argv[1]), Path(sys.argv[2]), form=sys.argv[3], chunk=3, workers=0)
"""


@pytest.mark.parametrize("form", ["loose", "shards"])
@pytest.mark.slow
def test_killed_and_started_again_ends_the_same(tmp_path: Path, form: Any) -> None:
    root = write_table(tmp_path / "own", faces=60)
    prepare("table", root, tmp_path / "undisturbed", form=form, chunk=3)
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(root), str(out), form])
    deadline = time.monotonic() + 120
    while len(list((out / "parts").glob("*"))) < 4 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in (out / "parts").iterdir()}
    assert 4 <= len(done) < 20 and not (out / "prepared.json").exists()
    with pytest.raises(DataError, match="unfinished"):
        Table(str(out)).read()
    prepare("table", root, out, form=form, chunk=3)
    assert files(out) == files(tmp_path / "undisturbed")
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())  # was not done twice


@pytest.mark.parametrize("form", ["loose", "shards"])
def test_damaged_and_missing_crops_are_made_again_and_others_left(tmp_path: Path, form: Any) -> None:
    root, out = write_table(tmp_path / "own"), tmp_path / "out"
    prepare("table", root, out, form=form, chunk=3)
    before = files(out)
    crops = sorted(path for path in out.rglob("*") if path.suffix in (".jpg", ".png", ".tar"))
    times = {path: path.stat().st_mtime_ns for path in crops}
    crops[0].write_bytes(crops[0].read_bytes()[: crops[0].stat().st_size // 2])
    crops[-1].unlink()
    prepare("table", root, out, form=form, chunk=3)
    assert files(out) == before
    middle = crops[len(crops) // 2]
    assert middle.stat().st_mtime_ns == times[middle]


def test_processes_write_the_same_files(tmp_path: Path) -> None:
    root = write_table(tmp_path / "own")
    prepare("table", root, tmp_path / "one", chunk=3, workers=0)
    prepare("table", root, tmp_path / "two", chunk=3, workers=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.parametrize("form", ["loose", "shards"])
def test_a_full_disk_stops_without_half_a_file(
    tmp_path: Path, form: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = write_table(tmp_path / "own"), tmp_path / "out"
    prepare("table", root, tmp_path / "undisturbed", form=form, chunk=3)
    left = 9000

    def full(content: bytes) -> None:
        nonlocal left
        left -= len(content)
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    write_bytes, addfile = Path.write_bytes, tarfile.TarFile.addfile

    def write(path: Path, content: bytes) -> int:
        try:
            full(content)
        except OSError:
            write_bytes(path, content[: len(content) // 2])
            raise
        return write_bytes(path, content)

    def add(tar: tarfile.TarFile, member: tarfile.TarInfo, content: Any = None) -> None:
        full(content.getvalue())
        addfile(tar, member, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write)
        patched.setattr(tarfile.TarFile, "addfile", add)
        arguments = ["data", "prepare", "table", "--root", str(root), "--out", str(out), "--workers", "0"]
        assert main([*arguments, "--format", form, "--chunk", "3"]) == 1
    message = capsys.readouterr().err
    assert "No space left on device; free some space and run the same command again" in message
    assert not (out / "prepared.json").exists() and not list((out / ".tmp").iterdir())
    for name, digest in files(out).items():
        assert files(tmp_path / "undisturbed")[name] == digest
    prepare("table", root, out, form=form, chunk=3)
    assert files(out) == files(tmp_path / "undisturbed")


def test_other_options_and_other_folders_are_refused(tmp_path: Path) -> None:
    root, out = write_table(tmp_path / "own"), tmp_path / "out"
    prepare("table", root, out)
    before = files(out)
    with pytest.raises(AffectZooError, match=r"prepared differently \(crop was .*'size': 256.*'size': 64"):
        prepare("table", root, out, rule=CropRule(64))
    with pytest.raises(AffectZooError, match="form was loose, is shards"):
        prepare("table", root, out, form="shards")
    text = (root / "faces.csv").read_text().splitlines()
    (root / "faces.csv").write_text("\n".join(text[:-1]))
    with pytest.raises(AffectZooError, match="faces was"):
        prepare("table", root, out)
    assert files(out) == before
    with pytest.raises(AffectZooError, match="holds files of something else"):
        prepare("table", root, write_folder(tmp_path / "mine"))
    with pytest.raises(AffectZooError, match="lies in the data set's own folder"):
        prepare("table", root, root / "out")
    (tmp_path / "loop").symlink_to("loop")
    for place in (root / "faces.csv", tmp_path / "loop"):
        with pytest.raises(AffectZooError, match=rf"{place.name}: is no folder"):
            prepare("table", root, place)
    (tmp_path / "file").touch()
    with pytest.raises(AffectZooError, match=r"file/x/[\w.]+: Not a directory"):
        prepare("table", root, tmp_path / "file" / "x")
    with pytest.raises(AffectZooError, match="margin between"):
        prepare("table", root, tmp_path / "new", rule=CropRule(64, 9.0))
    with pytest.raises(AffectZooError, match="chunk is 0"):
        prepare("table", root, tmp_path / "new", chunk=0)


def test_an_altered_index_is_refused(tmp_path: Path) -> None:
    root, out = write_table(tmp_path / "own"), tmp_path / "out"
    prepare("table", root, out)
    (out / "index.parquet").write_bytes((out / "index.parquet").read_bytes() + b" ")
    with pytest.raises(DataError, match=r"index\.parquet was altered"):
        Table(str(out)).read()
    record = json.loads((out / "prepared.json").read_text())
    (out / "prepared.json").write_text(json.dumps(record | {"format": 99}))
    with pytest.raises(DataError, match="format 99, expected 1"):
        Table(str(out)).read()


# --- shards


def test_shards_are_plain_tar_files_of_so_many_faces(tmp_path: Path) -> None:
    root, out = write_table(tmp_path / "own"), tmp_path / "out"
    prepare("table", root, out, form="shards", chunk=5)
    assert not (out / "faces").exists()
    names = []
    for shard in sorted((out / "shards").iterdir()):
        with tarfile.open(shard) as tar:
            names.append(tar.getnames())
            for member in tar:
                extracted = tar.extractfile(member)
                assert extracted is not None
                assert images.read_bytes(shard / member.name) == extracted.read()
    assert [len(part) for part in names] == [5, 5, 2]
    table = Table(str(out)).read().table
    assert [Path(path).name for path in table["path"]] == [name for part in names for name in part]


def test_faults_of_shards_name_the_shard(tmp_path: Path) -> None:
    with pytest.raises(AffectZooError, match=r"0001\.png: [Nn]o such file"):
        images.read_image(tmp_path / "00000.tar" / "0001.png")
    (tmp_path / "00000.tar").write_bytes(b"no tar file" * 100)
    with pytest.raises(AffectZooError, match=r"00000\.tar is no tar file"):
        images.read_image(tmp_path / "00000.tar" / "0001.png")
    with tarfile.open(tmp_path / "00001.tar", "w"):
        pass
    with pytest.raises(AffectZooError, match=r"no such file in 00001\.tar"):
        images.read_image(tmp_path / "00001.tar" / "0001.png")
    write_picture(tmp_path / "folder.tar" / "a.png", smooth(8, 8))  # a folder of that name is a folder
    assert images.read_image(tmp_path / "folder.tar" / "a.png").shape == (8, 8, 3)


# --- through recipes


@pytest.mark.parametrize("form", ["loose", "shards"])
@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("ferplus", "dlp_cnn_s/ferplus"),
        pytest.param("afewva", "resnet18/afewva", marks=pytest.mark.slow),
        pytest.param("afewva", "cnn_gru/afewva", marks=pytest.mark.slow),
    ],
)
def test_recipes_take_prepared_data(
    tmp_path: Path, name: str, recipe: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = {"ferplus": write_ferplus, "afewva": write_afewva}[name](tmp_path / "data")
    out = tmp_path / "prepared"
    arguments = ["--root", str(root), "--out", str(out), "--format", form, "--chunk", "8", "--size", "96"]
    arguments += ["--workers", "0"]
    assert main(["data", "prepare", name, *arguments]) == 0
    options = ["--data.root", str(out), "--trainer.fast_dev_run", "2", "--trainer.accelerator", "cpu"]
    options += ["--data.num_workers", "2" if form == "shards" else "0", "--data.batch_size", "4"]
    if "gru" in recipe:
        options += [
            "--data.window",
            "2",
            "--data.stride",
            "2",
            "--data.eval_window",
            "2",
            "--model.frozen",
            "none",
        ]
    assert main(["fit", "--config", str(REPOSITORY / "recipes" / f"{recipe}.yaml"), *options]) == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 99_999])
def test_a_damaged_plan_says_the_way_out(content: str, tmp_path: Path) -> None:
    root = write_own_table(tmp_path / "table")
    prepare("table", root, tmp_path / "out", workers=0)
    (tmp_path / "out" / "prepared.plan.json").write_text(content)
    with pytest.raises(AffectZooError, match=r"prepared\.plan\.json.*choose another --out"):
        prepare("table", root, tmp_path / "out", workers=0)
