"""Features of faces, the classifiers on them, and their image."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TableIndex
from fakes import picture
from fakes.model_tester import randomise
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.svm import SVC
from torch import nn

from affectzoo import weights
from affectzoo.benchmark.features import classical, classifiers, library, projection, scaling
from affectzoo.benchmark.features.classical import FEATURES, FIDUCIAL, gabor_kernel
from affectzoo.benchmark.features.classifiers import classifier
from affectzoo.benchmark.features.deep import Layer, layer_names
from affectzoo.benchmark.features.extraction import extract_features
from affectzoo.benchmark.features.scaling import Reduction, Scaling, learn_scaling, scaled
from affectzoo.cli import main
from affectzoo.datasets.index import FaceIndex
from affectzoo.datatools.crops import FIVE_POINTS
from affectzoo.errors import AffectZooError, DataError, UnknownNameError, UnreadableImageError
from affectzoo.evaluation.evaluate import predict_index
from affectzoo.evaluation.source import read
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.images import read_image
from affectzoo.losses.va import ccc
from affectzoo.models import CNNGRU, AffectModel, DLPCNNSmall
from affectzoo.registry import ARCHITECTURES

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.uniform(20, 80, (6, 68, 2)).astype(np.float32)


def faces(size: int = 100, count: int = 2) -> np.ndarray:
    return picture(np.random.default_rng(1), count, size, size)


def step(size: int, row: int) -> np.ndarray:
    """Dark above ``row``, bright from there on; one face."""
    face = np.zeros((1, size, size), np.uint8)
    face[:, row:] = 200
    return face


# Hand-crafted features


@pytest.mark.parametrize("name", FEATURES)
def test_features_have_their_dimensions_and_are_the_same_each_time(name: str) -> None:
    feature = FEATURES[name]
    given = faces(feature.preprocess.size), POINTS[:2]
    found = feature.extract(*given)
    assert found.shape == (2, feature.dimensions) and found.dtype == np.float32
    assert np.isfinite(found).all() and not np.array_equal(found[0], found[1])
    np.testing.assert_array_equal(feature.extract(*given), found)
    np.testing.assert_allclose(feature.extract(given[0][1:], POINTS[1:2]), found[1:], rtol=1e-5, atol=1e-6)


def test_faces_are_aligned_by_eyes_and_mouth() -> None:
    """Three blobs at the eyes' centers and the mouth's, anywhere, come to the same places."""
    places = np.array([[60, 80], [130, 60], [110, 140]], np.float32)
    face = np.zeros((200, 200), np.uint8)
    for x, y in places.astype(int):
        face[y - 6 : y + 7, x - 6 : x + 7] = 200
    five = np.stack([places[0], places[1], [90, 100], places[2] + (-20, 4), places[2] + (20, -4)])
    many = np.zeros((68, 2), np.float32)
    many[36:42], many[42:48], many[48], many[54] = places[0], places[1], five[3], five[4]
    for points in (five.astype(np.float32), many):
        found = classical.aligned(face, points)
        assert found.shape == (100, 100)
        for x, y in classical.ALIGNED.round().astype(int):
            assert found[y, x] > 150
    assert classical.aligned(face, None).shape == (100, 100)
    np.testing.assert_array_equal(classical.aligned(face, many[:37]), classical.aligned(face, None))


def test_hog_of_an_edge_votes_for_its_direction() -> None:
    level = classical.hog(step(100, 52)).reshape(10, 10, 2, 2, 10)  # column and row of block, of cell, bin
    upright = classical.hog(step(100, 52).transpose(0, 2, 1)).reshape(10, 10, 2, 2, 10)
    expected = np.zeros((10, 10, 2, 2, 10), bool)
    expected[:, 5, :, 0, 4:6] = True  # 90 degrees: between the bins around 81 and 99
    np.testing.assert_array_equal(level > 0, expected)
    assert np.unique(level[expected]) == pytest.approx(0.5, abs=0.01)  # four equal votes, length 1
    expected = np.zeros((10, 10, 2, 2, 10), bool)
    expected[5, :, 0, :, [0, 9]] = True  # 0 degrees
    np.testing.assert_array_equal(upright > 0, expected)


def test_hog256_has_each_cell_under_its_four_blocks() -> None:
    face = faces(256, 1)
    found = classical.hog256(face).reshape(2, 2, 32, 32, 9)
    plain = cv2.HOGDescriptor((256, 256), (16, 16), (8, 8), (8, 8), 9, _gammaCorrection=False)
    blocks = np.asarray(plain.compute(face[0])).reshape(31, 31, 2, 2, 9)
    for x, y in np.ndindex(2, 2):  # without the outermost, whose gradients the border changes
        np.testing.assert_allclose(
            found[x, y, 1 + x : 30 + x, 1 + y : 30 + y], blocks[1:-1, 1:-1, x, y], atol=1e-6
        )
    level = classical.hog256(step(256, 132)).reshape(2, 2, 32, 32, 9)
    rows = level.sum((0, 1, 2, 4))
    assert np.flatnonzero(rows).tolist() == [15, 16, 17] and rows.argmax() == 16  # 16: rows 128 to 135
    assert np.flatnonzero(level.sum((0, 1, 2, 3))).tolist() == [4]  # 80 to 100 degrees
    assert (classical.hog256(np.full((1, 256, 256), 90, np.uint8)) == 0).all()


def test_lbp_of_a_constant_face_and_of_an_edge() -> None:
    found = classical.lbp(np.stack([np.full((100, 100), 90, np.uint8), *step(100, 50)]))
    constant, edge = found.reshape(2, 10, 10, 59)
    every = 57  # all eight neighbors at least as bright; 58 is what is not uniform
    assert (constant[..., every] == 1).all() and constant.sum() == 100
    assert (np.delete(edge, 5, axis=0)[..., every] == 1).all()
    np.testing.assert_allclose(edge[5, :, every], 0.8)
    # rows 50 and 51 have three darker neighbors above: one other code
    other = np.flatnonzero(np.delete(edge[5, 0], every))
    assert len(other) == 1 and other[0] < 57
    np.testing.assert_allclose(edge[5, :, other[0]], 0.2)


def test_gabor_is_the_convolution_at_its_places() -> None:
    face = faces()[1:]
    found = classical.gabor(face).reshape(40, 10, 10)
    for number, responses in enumerate(found):
        kernel = gabor_kernel(*divmod(number, 8))
        reach = len(kernel) // 2
        wide = np.pad(face[0] / 255, reach, mode="edge")
        size = len(kernel)
        for row, column in ((0, 0), (3, 7), (9, 9)):
            y, x = 5 + 10 * row, 5 + 10 * column
            direct = abs((wide[y : y + size, x : x + size] * kernel[::-1, ::-1]).sum())
            assert responses[row, column] == pytest.approx(direct, abs=1e-4)


@pytest.mark.parametrize(("scale", "orientation"), [(0, 0), (1, 3), (2, 4), (3, 7)])
def test_gabor_responds_most_to_its_own_wave(scale: int, orientation: int) -> None:
    y, x = np.mgrid[:100, :100]
    angle = orientation * np.pi / 8
    along = x * np.cos(angle) + y * np.sin(angle)
    wave = np.cos(2 * np.pi * 0.25 / 2 ** (scale / 2) * along)
    face = (127.5 + 100 * wave).round().astype(np.uint8)[None]
    found = classical.gabor(face).reshape(5, 8, 10, 10)[:, :, 3:7, 3:7].mean(axis=(2, 3))
    assert np.unravel_index(found.argmax(), found.shape) == (scale, orientation)
    assert found.max() == pytest.approx(50 / 255, rel=0.02)  # half the amplitude: the kernels sum to 1
    assert classical.gabor(np.full((1, 100, 100), 255, np.uint8)).max() < 1e-3


def test_shape_is_every_difference_after_alignment() -> None:
    assert len(set(FIDUCIAL)) == 37
    marks = POINTS[0].astype(np.float64)
    five = np.stack([marks[36:42].mean(0), marks[42:48].mean(0), marks[30], marks[48], marks[54]])
    # x' = a x - b y + c, y' = b x + a y + d by least squares
    rows = [row for x, y in five for row in ([x, -y, 1, 0], [y, x, 0, 1])]
    a, b, _, _ = np.linalg.lstsq(np.array(rows), FIVE_POINTS.ravel(), rcond=None)[0]
    points = [(a * x - b * y, b * x + a * y) for x, y in marks[list(FIDUCIAL)]]
    expected = []
    for i in range(37):
        for j in range(i + 1, 37):
            expected += [points[i][0] - points[j][0], points[i][1] - points[j][1]]
    found = classical.shape(faces(count=1), POINTS[:1])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    turned = POINTS[:1] @ np.array([[0.6, 0.9], [-0.9, 0.6]], np.float32) + np.float32(7)
    np.testing.assert_allclose(classical.shape(faces(count=1), turned), found, atol=1e-5)


def with_landmarks(index: FaceIndex, missing: int) -> FaceIndex:
    marks: list[np.ndarray | None] = list(POINTS[: len(index)] / 100 * 48)
    marks[missing] = None
    return FaceIndex(
        index.dataset,
        index.root,
        index.labels,
        index.table.assign(landmarks=pd.Series(marks, dtype=object)),
    )


def test_classical_features_of_an_index(table_index: TableIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classical, "CHUNK", 2)
    index = table_index(["fear", "anger", "neutral", None, "fear"])
    told: list[float] = []
    found, has = extract_features(FEATURES["hog"], index, progress=told.append)
    prepare = Preprocess(size=100, color="gray")
    images = [read_image(index.root / path) for path in index.table["path"]]
    expected = classical.hog(np.stack([prepare.face(image) for image in images]))
    np.testing.assert_array_equal(found, expected)
    assert has.tolist() == [True] * 5 and told == [0.4, 0.8, 1]

    marked = with_landmarks(index, missing=1)
    found, has = extract_features(FEATURES["shape"], marked)
    assert has.tolist() == [True, False, True, True, True]
    np.testing.assert_allclose(found, classical.shape(faces(), POINTS[[0, 2, 3, 4]]), atol=1e-4)
    with torch.device("meta"):  # stands for any default device but the CPU
        np.testing.assert_array_equal(extract_features(FEATURES["shape"], marked)[0], found)
    with pytest.raises(DataError, match="68 landmarks, but no face has them"):
        extract_features(FEATURES["shape"], index)


def test_a_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(library("sklearn.svm").LinearSVC)
    with pytest.raises(ModuleNotFoundError, match=r"sklearn\.nothing"):
        library("sklearn.nothing")
    for name in [name for name in sys.modules if name.partition(".")[0] == "skimage"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(AffectZooError, match=r'skimage: pip install "affectzoo\[baselines\]"'):
        classical.lbp(faces())


# Classifiers


def blobs(classes: int = 4, spread: float = 3.0, dimensions: int = 12) -> tuple[np.ndarray, np.ndarray]:
    x, y, *_ = make_blobs(160, dimensions, centers=classes, cluster_std=spread, random_state=0)
    return x.astype(np.float32), y


def test_scaling_is_equation_6_around_0() -> None:
    x, _ = blobs()
    x[:, 3] = 5  # a feature that is the same in all training faces
    other = (x * 3 + 1)[:20]
    scaling = Scaling().fit(x)
    sigma = x.std(axis=0)
    sigma[3] = 1
    equation = np.clip(((other - x.mean(axis=0)) / (2 * sigma) + 1) / 2, 0, 1)
    assert ((equation == 0) | (equation == 1)).mean() > 0.2
    np.testing.assert_allclose(scaling.transform(other), 4 * (equation - 0.5) / 12**0.5, atol=1e-5)


def test_reduction_keeps_a_share_of_the_variance_under_one_factor() -> None:
    x, _ = blobs()
    found = Reduction(0.9).fit(x).transform(x)
    pca = PCA(0.9, svd_solver="full").fit(x)
    assert 1 < found.shape[1] < 12
    np.testing.assert_allclose(found, pca.transform(x) / pca.explained_variance_.sum() ** 0.5, atol=1e-5)
    assert (found**2).sum(axis=1).mean() == pytest.approx(1, rel=0.01)


class Table:
    """Features in a table, some given twice; rows in ``damaged`` have none."""

    landmarks = 0

    def __init__(self, values: np.ndarray, pca: float | None = None, damaged: Sequence[int] = ()) -> None:
        self.values, self.pca, self.damaged = values, pca, damaged
        self.widest = 0

    def chunks(self, index: FaceIndex, on_unreadable: str, progress: object) -> Iterator[tuple[Any, Any]]:
        frames = index.table["frame"].to_numpy(np.int64)
        for start in range(0, len(frames), 50):
            rows = np.arange(start, min(start + 50, len(frames)))
            rows = rows[~np.isin(frames[rows], self.damaged)]
            self.widest = max(self.widest, len(rows))
            yield np.concatenate([rows, rows[:3]]), self.values[frames[np.concatenate([rows, rows[:3]])]]


def numbered(faces: int) -> FaceIndex:
    rows = [{"path": "faces.csv", "frame": i} for i in range(faces)]
    return FaceIndex.from_rows("numbers", Path("nowhere"), None, rows)


def test_faces_without_a_picture_are_left_out_and_repeated_ones_averaged() -> None:
    x, _ = blobs()
    found, known = extract_features(Table(x, damaged=[0, 7, 159]), numbered(160), on_unreadable="skip")
    assert np.flatnonzero(~known).tolist() == [0, 7, 159]
    np.testing.assert_allclose(found, x[known], atol=1e-5)


def test_wide_features_and_those_of_a_paper_with_pca_are_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = blobs()
    index = numbered(160)
    plain, values, known = learn_scaling(Table(x, damaged=[3]), index)
    assert isinstance(plain, Scaling) and known.sum() == 159
    np.testing.assert_allclose(values, Scaling().fit(x[known]).transform(x[known]), atol=1e-5)
    monkeypatch.setattr(scaling, "PCA_FACES", 30)
    told: list[float] = []
    reduction, values, known = learn_scaling(Table(x, pca=0.9, damaged=[3]), index, told.append)
    assert isinstance(reduction, Reduction) and reduction.share == 0.9 and known.sum() == 159
    drawn = index.drawn(30) & known
    assert drawn.sum() in (29, 30)
    expected = Reduction(0.9).fit(x[drawn]).transform(x[known])
    np.testing.assert_allclose(values, expected, atol=1e-4)
    np.testing.assert_allclose(scaled(Table(x), index, reduction)[0][known], expected, atol=1e-4)
    monkeypatch.setattr(scaling, "WIDE", 11)
    with pytest.raises(AffectZooError, match="a PCA needs faces that differ: 30 training faces do not"):
        learn_scaling(Table(x * 0), index)
    wide = learn_scaling(Table(x), index)[0]
    assert isinstance(wide, Reduction) and wide.share == scaling.WIDE_SHARE
    monkeypatch.setattr(scaling, "PCA_FACES", 160)
    every, values, _ = learn_scaling(Table(x, pca=0.9), index)
    np.testing.assert_allclose(values, Reduction(0.9).fit(x).transform(x), atol=1e-4)
    np.testing.assert_allclose(values, scaled(Table(x), index, every)[0], atol=1e-4)


def test_svm_votes_as_scikit_learn_does() -> None:
    x, y = blobs()
    z = Scaling().fit(x[:120]).transform(x)
    found = classifier("svm").fit(z[:120], y[:120], classes=4).scores(z)
    reference = SVC(kernel="linear", decision_function_shape="ovo").fit(z[:120], y[:120])
    predicted = reference.predict(z)
    assert found.shape == (160, 4) and 0.8 < (predicted == y).mean()
    np.testing.assert_array_equal(found.argmax(axis=1), predicted)
    votes = found.round()
    assert (abs(found - votes) < 1 / 3).all() and (votes.sum(axis=1) == 6).all() and votes.max() == 3


@pytest.mark.parametrize("name", ["svm", "lda"])
def test_classes_without_training_faces_come_last(name: str) -> None:
    x, y = blobs(classes=2)
    labels = np.array([4, 1])[y]  # of six classes
    z = Scaling().fit(x).transform(x)
    found = classifier(name).fit(z, labels, classes=6).scores(z)
    assert found.shape == (160, 6) and np.isfinite(found).all()
    absent = found[:, [0, 2, 3, 5]]
    assert np.ptp(absent) == 0 and absent.max() < found[:, [1, 4]].min()
    assert (found.argmax(axis=1) == labels).mean() > 0.95


def test_lda_goes_by_the_nearest_training_face() -> None:
    x, y = blobs(classes=3, spread=6)
    scale = Scaling().fit(x[:100])
    z, labels, every = scale.transform(x[:100]), y[:100], scale.transform(x)
    found = classifier("lda").fit(z, labels, classes=3).scores(every)
    z, every = z.astype(np.float64), every.astype(np.float64)

    def covariance(values: np.ndarray) -> np.ndarray:
        sd = values.std(axis=0)
        return ledoit_wolf((values - values.mean(axis=0)) / sd)[0] * np.outer(sd, sd)

    within = sum((labels == c).mean() * covariance(z[labels == c]) for c in range(3))
    vectors = eigh(covariance(z) - within, within)[1][:, ::-1][:, :2]
    distances = np.linalg.norm((every @ vectors)[:, None] - (z @ vectors)[None], axis=2)
    expected = -np.stack([distances[:, labels == c].min(axis=1) for c in range(3)], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert (found.argmax(axis=1) == labels[distances.argmin(axis=1)]).all()


def test_lda_takes_more_features_than_faces() -> None:
    x, y = blobs(spread=2, dimensions=400)
    x = Scaling().fit(x[:80]).transform(x)
    found = classifier("lda").fit(x[:80], y[:80], classes=4).scores(x[80:])
    assert (found.argmax(axis=1) == y[80:]).mean() > 0.9


def test_svr_learns_values_and_stays_in_range() -> None:
    x, _ = blobs()
    z = Scaling().fit(x).transform(x)
    truth = np.clip(z[:, :2] * 12**0.5 / 2.5 + [0.1, -0.2], -1, 1)
    found = classifier("svr").fit(z, truth).values(z)
    assert found.shape == (160, 2)
    for column in range(2):
        assert np.corrcoef(found[:, column], truth[:, column])[0, 1] > 0.98
    far = classifier("svr").fit(z, truth).values(z * 50)
    assert far.max() <= 1 and far.min() >= -1


@pytest.mark.parametrize("name", ["svm", "lda", "svr"])
def test_classifiers_are_the_same_each_time(name: str) -> None:
    x, y = blobs()
    x = Scaling().fit(x).transform(x)
    targets = np.column_stack([y, -y]) / 4 if name == "svr" else y
    fitted = [classifier(name, seed=3).fit(x, targets, classes=4) for _ in range(2)]
    first, second = (f.values(x) if name == "svr" else f.scores(x) for f in fitted)
    np.testing.assert_array_equal(first, second)


def test_inner_folds_choose_the_constants_by_the_papers_metrics() -> None:
    x, y = make_blobs(120, 6, centers=3, cluster_std=3.0, random_state=0)
    z = (x / np.sqrt((x**2).sum(axis=1).mean())).astype(np.float32)
    y = np.where(np.arange(120) < 90, 0, y)  # one class is frequent: the mean diagonal is not accuracy
    for name, mine in (
        ("svm_cv", classifiers.C_GRID),
        ("rbf_cv", classifiers.RBF_GRID["C"]),
    ):
        fitted = classifier(name, seed=1).fit(z, y, classes=4)
        search = fitted._estimator
        assert search.scoring == "balanced_accuracy" and search.cv.n_splits == 5
        assert fitted.chosen["C"] in mine
        found = fitted.scores(z)
        assert found.shape == (120, 4) and (found[:, 3] < found[:, :3].min()).all()
    assert classifier("svm").fit(z, y, classes=3).chosen == {}
    values = np.stack([np.tanh(z[:, 0]), -z[:, 1]], axis=1).clip(-1, 1)
    fitted = classifier("svr_cv", seed=1).fit(z, values)
    assert fitted._estimator.scoring is classifiers._mean_ccc and fitted.chosen["C"] in classifiers.C_GRID
    told = fitted._estimator.predict(z).clip(-1, 1)
    mean = float(ccc(torch.from_numpy(told), torch.from_numpy(values)).mean())
    assert classifiers._mean_ccc(fitted._estimator, z, values) == pytest.approx(mean)
    with pytest.raises(AffectZooError):
        fitted.scores(z)


def test_classifiers_refuse_what_they_cannot_learn() -> None:
    x, y = blobs()
    with pytest.raises(UnknownNameError, match="unknown classifier 'svn': did you mean svr, svm"):
        classifier("svn")
    with pytest.raises(AffectZooError, match=r"40 of 160 training faces have a class outside 0\.\.2"):
        classifier("svm").fit(x, y, classes=3)
    with pytest.raises(AffectZooError, match="all of one class"):
        classifier("lda").fit(x, y * 0, classes=3)
    values = np.zeros((160, 2))
    values[:3, 1] = np.nan
    with pytest.raises(AffectZooError, match="3 of 160 training faces lack valence or arousal"):
        classifier("svr").fit(x, values)
    with pytest.raises(AffectZooError, match="not classes; choose svm or lda"):
        classifier("svr").scores(x)
    with pytest.raises(AffectZooError, match="not valence and arousal; choose svr"):
        classifier("svm").values(x)


# Learned features


@pytest.fixture(scope="module")
def small() -> AffectModel:
    return randomise(DLPCNNSmall(labels="fer2013")).eval()


def test_deep_features_are_the_last_hidden_layer(small: AffectModel, table_index: TableIndex) -> None:
    index = table_index(["fear", "anger", None, "neutral", "fear"])
    told: list[float] = []
    found, _ = extract_features(Layer(small, batch_size=2), index, progress=told.append)
    images = torch.stack([small.preprocess(read_image(index.root / path)) for path in index.table["path"]])
    with torch.inference_mode():
        expected = small(images)
    assert found.dtype == np.float32 and told == [1 / 3, 2 / 3, 1]
    np.testing.assert_allclose(found, expected.features.numpy(), atol=1e-5)
    head, _ = extract_features(Layer(small, "heads.expression"), index)
    np.testing.assert_allclose(head, predict_index(small, index).expression.numpy(), atol=1e-5)


def test_deep_features_of_a_layer_are_its_own_output(small: AffectModel, table_index: TableIndex) -> None:
    index = table_index(["fear", "anger", "neutral"])
    found, _ = extract_features(Layer(small, "trunk.conv.1"), index)
    images = torch.stack([small.preprocess(read_image(index.root / path)) for path in index.table["path"]])
    conv = small.trunk.conv
    assert isinstance(conv, nn.Sequential) and isinstance(conv[2], nn.ReLU) and conv[2].inplace
    with torch.inference_mode():
        expected = conv[1](conv[0](images))
    assert found.shape == (3, 64 * 48 * 48) and found.min() < 0  # before the ReLU that works in place
    np.testing.assert_allclose(found, expected.flatten(1).numpy(), atol=1e-5)
    assert not conv[1]._forward_hooks


def test_layers_are_named_and_checked(small: AffectModel, table_index: TableIndex) -> None:
    names = layer_names(small)
    assert names[0] == "trunk" and names[-1] == "heads.expression"
    assert {"trunk.conv", "trunk.conv.0", "trunk.fc"} <= set(names) and "heads" not in names
    index = table_index(["fear", "anger"])
    with pytest.raises(UnknownNameError, match=r"layer of dlp_cnn_s 'trunk.fd': did you mean trunk.fc"):
        extract_features(Layer(small, "trunk.fd"), index)
    idle = DLPCNNSmall(labels="fer2013").eval()
    idle.trunk.idle = nn.Identity()
    with pytest.raises(AffectZooError, match=r"layer trunk\.idle takes no part"):
        extract_features(Layer(idle, "trunk.idle"), index)


def clips(*lengths: int) -> FaceIndex:
    random = np.random.default_rng(0)
    frames = [(clip, frame) for clip, length in enumerate(lengths) for frame in range(length)]
    rows = [
        {
            "path": f"{clip}/{frame}.png",
            "clip": f"{clip}",
            "frame": frame,
            "pixels": picture(random, 32, 32, 3),
        }
        for clip, frame in random.permutation(frames).tolist()
    ]
    return FaceIndex.from_rows("clips", Path("nowhere"), None, rows)


def recurrent() -> AffectModel:
    preprocess = Preprocess(size=32)
    return CNNGRU(backbone="resnet18", landmarks=False, units=6, task="va", preprocess=preprocess).eval()


def test_frames_in_several_windows_have_the_mean_of_their_features() -> None:
    model, index = recurrent(), clips(5, 3)
    found, _ = extract_features(Layer(model, batch_size=2, window=4, stride=2), index)
    table = index.table
    images = torch.stack([model.preprocess(pixels) for pixels in table["pixels"]])
    sums, times = torch.zeros(8, 6), torch.zeros(8, 1)
    # windows of the two clips: the last of a clip may be shorter
    for clip, frames in (("0", range(0, 4)), ("0", range(2, 5)), ("1", range(0, 3))):
        rows = [table.index[(table["clip"] == clip) & (table["frame"] == frame)][0] for frame in frames]
        with torch.inference_mode():
            sums[rows] += model(images[rows][None]).features[0]
        times[rows] += 1
    assert times.max() == 2
    np.testing.assert_allclose(found, (sums / times).numpy(), atol=1e-5)
    rnn, _ = extract_features(Layer(model, "trunk.rnn", window=4, stride=2), index)
    np.testing.assert_allclose(rnn, found, atol=1e-5)
    alone, _ = extract_features(Layer(model, "trunk.frames", window=0), index)
    windowed, _ = extract_features(Layer(model, "trunk.frames", window=4), index)
    np.testing.assert_allclose(windowed, alone, atol=1e-4)


def test_features_of_faces_on_disk_some_of_which_cannot_be_read(small: AffectModel, tmp_path: Path) -> None:
    """Whole batches of damaged images, and a last one of one, end nothing."""
    rows = [{"path": f"{i}.png", "clip": "a", "frame": i} for i in range(7)]
    for i in range(7):
        face = picture(np.random.default_rng(i), 32, 32, 3)
        content = cv2.imencode(".png", face)[1].tobytes()
        (tmp_path / f"{i}.png").write_bytes(b"damaged" if i in (2, 3, 6) else content)
    index = FaceIndex.from_rows("some", tmp_path, None, rows)
    windows = Layer(recurrent(), "trunk.frames", batch_size=1, window=2)
    for extractor in (Layer(small, batch_size=2), windows, FEATURES["hog"]):
        with pytest.raises(UnreadableImageError, match=r"2\.png"):
            extract_features(extractor, index)
        found, known = extract_features(extractor, index, on_unreadable="skip")
        assert known.tolist() == [True, True, False, False, True, True, False]
        expected, _ = extract_features(extractor, index.rows(known))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        with pytest.raises(UnreadableImageError, match="none of 3 faces can be read; affectzoo data check"):
            extract_features(extractor, index.rows(~known), on_unreadable="skip")


# The image and the command


def test_projection_keeps_classes_apart_and_is_the_same_each_time() -> None:
    x, y = (values[:60] for values in blobs(spread=0.5, dimensions=60))
    points = projection.project(x, seed=1)
    assert points.shape == (60, 2)
    np.testing.assert_array_equal(projection.project(x, seed=1), points)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(60)
    assert (y[distances.argmin(axis=1)] == y).all()
    assert projection.project(x[:4]).shape == (4, 2)
    with pytest.raises(AffectZooError, match="take at least 4"):
        projection.project(x[:3])


def test_intensity_is_agreement_or_distance_from_neutral(table_index: TableIndex) -> None:
    index = table_index(["fear", "anger", None])
    index.table["valence"] = index.table["arousal"] = np.nan
    assert projection.intensity(index) == (None, "")
    soft = [np.array([0.1, 0, 0.9, 0, 0, 0, 0]), np.array([0.6, 0, 0.4, 0, 0, 0, 0]), np.full(7, 1 / 7)]
    index.table["valence"] = [0.6, 0.0, None]
    index.table["arousal"] = [-0.8, 0.5, None]
    strength, name = projection.intensity(index)
    assert name == "distance from neutral" and strength is not None
    np.testing.assert_allclose(strength, [1, 0.5, np.nan], atol=1e-6)
    index.table["target"] = pd.Series(soft)
    strength, name = projection.intensity(index)
    assert name == "share of the annotators" and strength is not None
    np.testing.assert_allclose(strength, [0.9, 0.6, np.nan], atol=1e-6)
    assert projection.class_names(index) == ["fear", "anger", "no single class"]
    without = FaceIndex("values", index.root, None, index.table)
    assert projection.class_names(without) == ["positive, calm", "positive, active", "not annotated"]


def test_command_writes_a_table_and_a_picture(
    ferplus: Path, tmp_path: Path, figures_drawn: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = ["features", "hog", "--data", f"ferplus={ferplus}", "--split", "valid", "--out", str(out)]
    assert main([*given, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    index = read("ferplus", ferplus).part("valid")
    assert (report["faces"], report["dimensions"], report["split"]) == (len(index), 4000, "valid")
    assert report["written"] == [str(out / "features.parquet"), str(out / "features.png")]
    table = pd.read_parquet(out / "features.parquet")
    np.testing.assert_array_equal(np.stack(table["features"]), extract_features(FEATURES["hog"], index)[0])
    assert list(table) == ["id", "label", "share", "valence", "arousal", "features"]
    assert table["label"].tolist() == index.table["label"].tolist()
    np.testing.assert_allclose(table["share"], 0.7)  # seven of ten votes
    assert table["valence"].isna().all() and table["id"].is_unique
    drawn = cv2.imread(str(out / "features.png"))
    assert drawn is not None and drawn.shape[1] > 1.5 * drawn.shape[0]  # two panels
    assert main([*given, "--limit", "6"]) == 0
    assert "hog: ferplus, valid: 6 faces, 4,000 dimensions" in capsys.readouterr().out
    some = pd.read_parquet(out / "features.parquet")
    assert len(some) == 6 and some["id"].tolist() == [i for i in table["id"] if i in set(some["id"])]


def test_command_takes_layers_of_models(
    small: AffectModel, ferplus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.safetensors"
    weights.write(file, small.network_state(), small.describe())
    assert main(["features", str(file), "--layer", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == layer_names(small)
    given = ["features", str(file), "--data", f"ferplus={ferplus}", "--out", str(tmp_path / "out")]
    assert main([*given, "--layer", "trunk.fc", "--limit", "5"]) == 0
    assert "layer trunk.fc: ferplus, test: 5 faces, 512 dimensions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hog"], "say which faces, --data NAME=DIR, and where to write, --out DIR"),
        (["hog", "--layer", "fc"], "there is no layer fc"),
        (["hog", "--data", "ferplus", "--out", "x"], "--data ferplus: expected NAME=DIR"),
        (["hogg", "--data", "ferplus=x", "--out", "x"], "hogg"),
    ],
)
def test_command_says_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["features", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_no_architecture_is_called_like_a_feature() -> None:
    assert not set(FEATURES) & set(ARCHITECTURES)
