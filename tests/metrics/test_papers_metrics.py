"""The papers' metrics against independent computations, in double precision."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk
from torchmetrics.classification import MulticlassF1Score

from affectzoo.errors import DataError, LabelError
from affectzoo.metrics import regression
from affectzoo.metrics.bootstrap import bootstrap, mcnemar
from affectzoo.metrics.cells import cell_rmse, plane_histogram
from affectzoo.metrics.classification import (
    accuracy,
    areas,
    class_metrics,
    cohens_kappa,
    confusion,
    f1,
    krippendorffs_alpha,
    one_vs_rest,
    percent,
    recalls,
    top_k,
)
from affectzoo.metrics.skew import skew_normalised
from affectzoo.metrics.va import VAMetrics

NAN = math.nan
CLASSES = 5
Faces = tuple[np.ndarray, np.ndarray]


def close(value: float) -> Any:
    return pytest.approx(value, abs=1e-12, nan_ok=True)


# Regression


def random_values(n: int = 200, scale: float = 1.0) -> Faces:
    random = np.random.default_rng(1)
    target = random.uniform(-1, 1, n)
    prediction = 0.6 * target + 0.2 * random.normal(size=n) + 0.1
    prediction[::9], target[::11] = 0, 0
    target[::7] = NAN
    return scale * prediction, scale * target


def anova_icc(p: np.ndarray, t: np.ndarray) -> float:
    """ICC(3,1) of Shrout and Fleiss from the mean squares of a two-way analysis of variance."""
    table = np.stack([p, t], axis=1)
    faces, raters = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    residual = table - faces - raters + table.mean()
    between = 2 * ((faces - table.mean()) ** 2).sum() / (len(p) - 1)
    error = (residual**2).sum() / (len(p) - 1)
    return float((between - error) / (between + error))


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e-3])
def test_regression_metrics_are_independent_computations(scale: float) -> None:
    prediction, target = random_values(scale=scale)
    known = np.isfinite(target)
    p, t = prediction[known], target[known]
    pearson = stats.pearsonr(p, t).statistic
    expected = {
        "mse": sk.mean_squared_error(t, p),
        "rmse": sk.root_mean_squared_error(t, p),
        "pcc": pearson,
        "ccc": 2 * pearson * p.std() * t.std() / (p.var() + t.var() + (p.mean() - t.mean()) ** 2),
        "icc": anova_icc(p, t),
        "sagr": sum(np.sign(a) == np.sign(b) for a, b in zip(p, t, strict=True)) / len(p),
    }
    for name, value in expected.items():
        function: Callable[..., torch.Tensor] = getattr(regression, name)
        for found in (
            function(prediction, target),
            function(torch.from_numpy(prediction), torch.from_numpy(target)),
        ):
            assert found.dtype == torch.float64 and found.shape == ()
            assert found.item() == pytest.approx(value, rel=1e-10), name


def test_regression_functions_and_the_running_metric_agree() -> None:
    prediction, target = (torch.from_numpy(values) for values in random_values())
    running = VAMetrics(("valence",))
    for p, t in zip(prediction.split(31), target.split(31), strict=True):
        running.update(p[:, None], t[:, None])
    found = regression.regression_metrics(prediction, target)
    for name in ("ccc", "pcc", "rmse", "mse", "sagr"):
        assert running.compute()[f"{name}_valence"].item() == pytest.approx(found[name].item(), abs=1e-6)


@pytest.mark.parametrize(
    ("prediction", "target"),
    [
        ([0.1] * 7, [0.1] * 7),
        ([0.1] * 7, list(np.linspace(-1, 1, 7))),
        (list(np.linspace(-1, 1, 7)), [-0.7] * 7),
        ([0.3], [0.3]),
        ([0.3], [-0.2]),
        ([0.3, 0.4], [NAN, NAN]),
        ([], []),
    ],
)
def test_constants_and_single_values_are_zero_not_noise(prediction: list[float], target: list[float]) -> None:
    found = regression.regression_metrics(np.array(prediction), np.array(target))
    assert [found[name].item() for name in ("pcc", "ccc", "icc")] == [0, 0, 0]
    assert all(value.isfinite() for value in found.values())


def test_icc_ignores_an_offset_and_ccc_does_not() -> None:
    target = np.array([-0.5, 0.0, 0.5])
    assert regression.icc(target + 0.5, target).item() == close(1)
    # Variances 1/6, means 1/2 apart: (1/3) / (1/3 + 1/4).
    assert regression.ccc(target + 0.5, target).item() == close(4 / 7)
    assert regression.icc(2 * target, target).item() == close(0.8)  # 2 * 2 v / (4 v + v)


def test_zero_is_a_sign_of_its_own() -> None:
    found = regression.sagr(np.array([0.0, -0.0, 0.0, 0.1, -0.1]), np.array([0.0, 0.0, 0.2, 0.3, 0.3]))
    assert found.item() == close(3 / 5)


def test_counts_repeat_values() -> None:
    prediction, target = random_values(40)
    counts = np.random.default_rng(0).integers(0, 4, (40, 3))
    found = regression.regression_metrics(prediction, target, counts)
    for trial in range(3):
        rows = np.repeat(np.arange(40), counts[:, trial])
        for name, value in regression.regression_metrics(prediction[rows], target[rows]).items():
            assert found[name][trial].item() == close(value.item())


def test_regression_faults() -> None:
    with pytest.raises(DataError, match="prediction 1 is nan; 1 of 2 are not finite"):
        regression.rmse(np.array([0.1, NAN]), np.array([0.1, 0.1]))
    assert regression.rmse(np.array([0.1, NAN]), np.array([0.3, NAN])).item() == close(0.2)
    with pytest.raises(DataError, match=r"\(2,\), targets \(3,\)"):
        regression.rmse(np.zeros(2), np.zeros(3))


# Classes


def random_faces(
    faces: int = 300, classes: tuple[int, ...] = tuple(range(CLASSES)), decimals: int = 8
) -> Faces:
    random = np.random.default_rng(2)
    labels = np.array(classes)[np.minimum(random.geometric(0.4, faces) - 1, len(classes) - 1)]
    scores = random.normal(size=(faces, CLASSES)) + np.eye(CLASSES)[labels]
    return np.exp(scores).round(decimals), labels


CASES = {
    "all classes": random_faces(),
    "ties": random_faces(decimals=0),
    "all scores equal": (np.ones((50, CLASSES)), random_faces(50)[1]),
    "absent classes": random_faces(80, (0, 2, 4)),
    "one class": random_faces(20, (3,)),
    "one face": random_faces(1, (4,)),
}


def coincidence_alpha(first: np.ndarray, second: np.ndarray) -> float:
    """Krippendorff's alpha by its definition: all pairs of all values."""
    values = np.concatenate([first, second])
    observed = np.mean(first != second)
    pairs = len(values) * (len(values) - 1)
    expected = sum((values != value).sum() for value in values) / pairs
    return float(1 - observed / expected) if expected else NAN


def kappa_by_hand(first: np.ndarray, second: np.ndarray) -> float:
    agreed = np.mean(first == second)
    chance = sum(np.mean(first == c) * np.mean(second == c) for c in range(CLASSES))
    return float((agreed - chance) / (1 - chance)) if chance < 1 else NAN


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("faces", CASES.values(), ids=CASES)
def test_class_metrics_are_independent_computations(faces: Faces) -> None:
    scores, labels = faces
    said = scores.argmax(axis=1)
    found = class_metrics(scores, labels)
    everything = range(CLASSES)
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(labels, said, labels=everything))
    assert found.accuracy.item() == close(sk.accuracy_score(labels, said))
    assert found.kappa.item() == close(kappa_by_hand(labels, said))
    assert found.alpha.item() == close(coincidence_alpha(labels, said))
    top = [y if y in np.argsort(-s, kind="stable")[:2] else s.argmax() for s, y in zip(*faces, strict=True)]
    for c in everything:
        true, guess = labels == c, said == c
        if not true.any():
            values = (found.recall, found.f1, found.f1_top2, found.class_kappa, found.class_alpha, found.auc)
            assert all(math.isnan(value[c]) for value in (*values, found.auc_pr))
            continue
        assert found.recall[c].item() == close(sk.recall_score(true, guess))
        assert found.f1[c].item() == close(sk.f1_score(true, guess))
        assert found.f1_top2[c].item() == close(sk.f1_score(true, np.array(top) == c))
        assert found.class_kappa[c].item() == close(kappa_by_hand(true, guess))
        assert found.class_alpha[c].item() == close(coincidence_alpha(true, guess))
        roc = NAN if true.all() else sk.roc_auc_score(true, scores[:, c])
        assert found.auc[c].item() == close(roc)
        assert found.auc_pr[c].item() == close(sk.average_precision_score(true, scores[:, c]))


def test_averages_are_over_the_classes_that_occur() -> None:
    scores, labels = CASES["absent classes"]
    said, occurring = scores.argmax(axis=1), [0, 2, 4]
    assert {1, 3} <= set(said.tolist())
    found = class_metrics(scores, labels).averages()
    expected = {
        "accuracy": sk.accuracy_score(labels, said),
        "mean_diagonal": sk.recall_score(labels, said, labels=occurring, average="macro"),
        "f1": sk.f1_score(labels, said, labels=occurring, average="macro"),
        "kappa": np.mean([sk.cohen_kappa_score(labels == c, said == c) for c in occurring]),
        "auc": np.mean([sk.roc_auc_score(labels == c, scores[:, c]) for c in occurring]),
        "auc_pr": np.mean([sk.average_precision_score(labels == c, scores[:, c]) for c in occurring]),
        "multiclass_kappa": sk.cohen_kappa_score(labels, said),
    }
    for name, value in expected.items():
        assert found[name].item() == close(value), name
    assert list(found) == [
        *("accuracy", "mean_diagonal", "f1", "f1_top2", "kappa", "alpha", "auc", "auc_pr"),
        *("weighted_f1", "multiclass_kappa", "multiclass_alpha"),
    ]


def test_top_two_by_hand_and_as_torchmetrics() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.2, 0.4, 0.4]])
    labels = torch.tensor([0, 1, 2, 0])
    assert top_k(scores, labels, 1).tolist() == [0, 0, 0, 1]
    assert top_k(scores, labels, 2).tolist() == [0, 1, 0, 1]
    assert top_k(scores, labels, 3).tolist() == labels.tolist()
    assert top_k(torch.zeros(3, 3), torch.tensor([0, 1, 2]), 2).tolist() == [0, 1, 0]  # ties: first classes

    many, truth = (torch.from_numpy(values) for values in CASES["all classes"])
    theirs = MulticlassF1Score(CLASSES, top_k=2, average=None)(many, truth)
    np.testing.assert_allclose(f1(confusion(many, truth, k=2)), theirs, atol=1e-6)


def test_agreement_by_hand() -> None:
    counts = torch.tensor([[20, 5], [10, 15]])
    assert accuracy(counts).item() == close(0.7)
    assert cohens_kappa(counts).item() == close(0.4)  # (0.7 - 0.5) / 0.5
    # Pooled 55 and 45 of 100 values: D_e = 2 * 55 * 45 / (100 * 99) = 0.5.
    assert krippendorffs_alpha(counts).item() == close(0.4)
    np.testing.assert_allclose(percent(counts), [[80, 20], [40, 60]])
    assert percent(torch.tensor([[0, 0], [1, 3]]))[0].isnan().all()
    assert krippendorffs_alpha(torch.tensor([[3, 0], [0, 0]])).isnan()
    assert cohens_kappa(torch.tensor([[3, 0], [0, 0]])).isnan()


def test_one_versus_rest() -> None:
    counts = torch.tensor([[5, 1, 2], [0, 7, 1], [3, 0, 4]])
    binary = one_vs_rest(counts)
    assert binary[0].tolist() == [[12, 3], [3, 5]]
    assert binary.sum(dim=(-2, -1)).tolist() == [23, 23, 23]
    torch.testing.assert_close(one_vs_rest(counts.expand(2, 4, 3, 3))[1, 2], binary)
    torch.testing.assert_close(recalls(counts.expand(2, 4, 3, 3))[1, 2], recalls(counts))


@pytest.mark.parametrize("faces", [CASES["ties"], CASES["absent classes"]], ids=["ties", "absent"])
def test_counts_repeat_faces(faces: Faces) -> None:
    scores, labels = faces
    counts = np.random.default_rng(0).integers(0, 3, (len(labels), 4))
    counts[labels == 4, 0] = 0  # a class that does not occur in one counting
    found = class_metrics(scores, labels, counts)
    for trial in range(4):
        rows = np.repeat(np.arange(len(labels)), counts[:, trial])
        for values, value in zip(found, class_metrics(scores[rows], labels[rows]), strict=True):
            torch.testing.assert_close(values[trial], value, rtol=0, atol=1e-12, equal_nan=True)


def test_large_counts_stay_exact() -> None:
    counts = np.array([[2**25 + 1], [2**25 + 3]])
    found = class_metrics(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0, 1]), counts)
    assert found.confusion[0].tolist() == [[2**25 + 1, 0], [2**25 + 3, 0]]
    assert found.auc[0, 0] == 1


def test_faces_without_label_do_not_count() -> None:
    scores, labels = CASES["all classes"]
    some = labels.copy()
    some[::3] = -1
    left = some >= 0
    for found, expected in zip(
        class_metrics(scores, some), class_metrics(scores[left], labels[left]), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    nothing = class_metrics(scores, np.full_like(labels, -1))
    assert nothing.accuracy.isnan() and nothing.auc.isnan().all() and nothing.confusion.sum() == 0


def test_class_faults() -> None:
    scores, labels = CASES["all classes"]
    with pytest.raises(LabelError, match="label 5 of face 1; expected -1 to 4"):
        class_metrics(scores[:2], np.array([0, 5]))
    with pytest.raises(DataError, match=r"labels \(2,\)"):
        confusion(scores, labels[:2])
    broken = scores.copy()
    broken[3, 1] = NAN
    with pytest.raises(DataError, match="face 3 has a NaN among its scores; 1 of 300"):
        areas(broken, labels)


# Skew


def test_equal_classes_need_no_normalisation() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3], 20)
    scores = random.normal(size=(60, CLASSES)).round(1)
    found = skew_normalised(scores, labels)
    assert (found.faces, found.trials, found.left_out) == (20, 1, (2, 4))
    for value, plain in zip(found.metrics, class_metrics(scores, labels), strict=True):
        torch.testing.assert_close(value, plain, rtol=0, atol=0, equal_nan=True)
    assert found.deviation.accuracy == 0


@pytest.mark.filterwarnings("ignore")
def test_normalised_metrics_are_those_of_a_loop_over_draws() -> None:
    scores, labels = random_faces(200, decimals=1)
    scores[:, 0] *= 3  # favors the commonest class, as training on skewed data does
    found = skew_normalised(scores, labels, trials=200, seed=4)
    size = np.bincount(labels).min()
    assert found.faces == size and found.trials == 200 and found.left_out == ()
    random = np.random.default_rng(99)
    loop: dict[str, list[float]] = {"accuracy": [], "f1": [], "kappa": [], "auc": [], "auc_pr": []}
    for _ in range(60):
        chosen = np.concatenate(
            [random.choice(np.flatnonzero(labels == c), size, replace=False) for c in range(CLASSES)]
        )
        s, y = scores[chosen], labels[chosen]
        said = s.argmax(axis=1)
        loop["accuracy"].append(sk.accuracy_score(y, said))
        loop["f1"].append(sk.f1_score(y, said, average="macro"))
        loop["kappa"].append(
            np.mean([sk.cohen_kappa_score(y == c, said == c) for c in range(CLASSES)]).item()
        )
        loop["auc"].append(np.mean([sk.roc_auc_score(y == c, s[:, c]) for c in range(CLASSES)]).item())
        loop["auc_pr"].append(
            np.mean([sk.average_precision_score(y == c, s[:, c]) for c in range(CLASSES)]).item()
        )
    averages = found.metrics.averages()
    plain = class_metrics(scores, labels).averages()
    for name, values in loop.items():
        error = np.std(values, ddof=1) * math.sqrt(1 / 200 + 1 / 60)
        assert abs(averages[name].item() - np.mean(values)) < 4 * error, name
    assert abs(plain["accuracy"].item() - np.mean(loop["accuracy"])) > 0.05  # the skew does matter
    spread = found.deviation.accuracy.item()
    assert spread == pytest.approx(np.std(loop["accuracy"], ddof=1), rel=0.4)


def test_normalised_expectations_are_known() -> None:
    """Recall does not depend on the skew, and ROC areas are means over the pairs of classes."""
    scores, labels = random_faces(400)
    found = skew_normalised(scores, labels, trials=400)
    each = found.deviation.recall / math.sqrt(400)
    assert ((found.metrics.recall - class_metrics(scores, labels).recall).abs() <= 4 * each + 1e-12).all()
    pairs = [
        np.mean(
            [
                sk.roc_auc_score(labels[chosen] == c, scores[chosen, c])
                for d in range(CLASSES)
                if d != c and len(chosen := np.flatnonzero((labels == c) | (labels == d)))
            ]
        )
        for c in range(CLASSES)
    ]
    error = found.deviation.auc / math.sqrt(400)
    assert ((found.metrics.auc - torch.tensor(pairs)).abs() <= 4 * error + 1e-12).all()


def test_every_trial_draws_as_many_of_each_class_once() -> None:
    scores, labels = random_faces(300, (0, 1, 3))
    found = skew_normalised(scores, labels, trials=7)
    assert found.left_out == (2, 4)
    assert found.metrics.confusion.sum(dim=1).tolist() == pytest.approx(
        [found.faces, found.faces, 0, found.faces, 0]
    )
    torch.testing.assert_close(
        skew_normalised(scores, labels, trials=7), found, rtol=0, atol=0, equal_nan=True
    )
    other = skew_normalised(scores, labels, trials=7, seed=1).metrics
    assert other.accuracy != found.metrics.accuracy


def test_skew_faults() -> None:
    with pytest.raises(DataError, match="no face has a label"):
        skew_normalised(np.ones((2, 3)), np.array([-1, -1]))
    with pytest.raises(DataError, match="0 trials"):
        skew_normalised(np.ones((2, 3)), np.array([0, 1]), trials=0)


# Bootstrap


def mean_error(prediction: np.ndarray, truth: np.ndarray) -> float:
    return float((prediction - truth).mean())


def test_bootstrap_covers_a_mean() -> None:
    random = np.random.default_rng(0)

    def mean(prediction: torch.Tensor, truth: torch.Tensor, counts: np.ndarray | None = None) -> np.ndarray:
        error = np.asarray(prediction) - np.asarray(truth)
        return error.mean(keepdims=False) if counts is None else error @ counts / counts.sum(axis=0)

    hits, repeats, faces = 0, 200, 80
    for seed in range(repeats):
        found = bootstrap(mean, random.normal(0.3, 1, faces), np.zeros(faces), resamples=300, seed=seed)
        hits += int(found.low <= 0.3 <= found.high)
    # 95 %, less a little for percentile intervals of 80 values; four standard errors of 200 hits are 6 %.
    assert 0.88 <= hits / repeats <= 0.99


def test_counts_and_the_loop_give_the_same_interval() -> None:
    prediction, target = random_values(60)
    quick = bootstrap(regression.ccc, prediction, target, resamples=50, seed=3)
    slow = bootstrap(lambda p, t: regression.ccc(p, t), prediction, target, resamples=50, seed=3)
    for one, other in zip(quick, slow, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    assert quick.low < quick.value < quick.high and quick.undefined == 0
    assert quick.value == pytest.approx(regression.ccc(prediction, target).item())
    tensors = bootstrap(
        regression.ccc, torch.from_numpy(prediction), torch.from_numpy(target), resamples=50, seed=3
    )
    assert tensors == quick


def test_bootstrap_of_many_figures_at_once() -> None:
    scores, labels = CASES["all classes"]

    def table(p: Any, t: Any, counts: Any = None) -> torch.Tensor:
        return torch.stack([*class_metrics(p, t, counts).averages().values()], dim=-1)

    found = bootstrap(table, scores, labels, resamples=60)
    assert found.value.shape == found.low.shape == (11,)
    assert (found.low < found.value).all() and (found.value < found.high).all()
    alone = bootstrap(lambda p, t: sk.accuracy_score(t, p.argmax(axis=1)), scores, labels, resamples=60)
    assert alone.low == pytest.approx(found.low[0]) and alone.high == pytest.approx(found.high[0])


def test_groups_are_drawn_whole() -> None:
    groups = np.repeat(["ann", "bob", "cid", "dan"], [1, 4, 9, 16])
    numbers = np.repeat(np.arange(4.0), [1, 4, 9, 16])
    seen = []

    def collect(prediction: np.ndarray, truth: np.ndarray) -> float:
        seen.append(np.bincount(prediction.astype(int), minlength=4))
        return 0.0

    bootstrap(collect, numbers, np.zeros(30), groups, resamples=40)
    draws = np.array(seen[:-1]) / [1, 4, 9, 16]
    np.testing.assert_array_equal(draws, draws.round())
    assert (draws.sum(axis=1) == 4).all()
    assert draws.max() > 1 and draws.min() == 0


def test_groups_of_alike_faces_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    subject = np.repeat(np.arange(20), 15)
    errors = random.normal(size=20)[subject] + 0.1 * random.normal(size=300)
    alone = bootstrap(mean_error, errors, np.zeros(300), resamples=200)
    whole = bootstrap(mean_error, errors, np.zeros(300), subject, resamples=200)
    assert whole.high - whole.low > 2 * (alone.high - alone.low)
    assert whole.value == alone.value


def test_undefined_resamples_are_counted() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    found = bootstrap(lambda p, t, counts=None: areas(p, t, counts).roc, scores, np.array([0, 1, 1]))
    # No resample of three faces has both classes with chance (1/3)^3 + (2/3)^3 = 1/3.
    assert (np.abs(found.undefined - 1000 / 3) < 60).all()
    np.testing.assert_array_equal(found.value, [1, 1])
    np.testing.assert_array_equal(found.low, [1, 1])


def test_paired_difference_is_surer_than_the_intervals() -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(-1, 1, 200)
    hard = 0.5 * random.normal(size=200)  # the same faces are hard for both
    first, second = truth + hard, truth + hard * 1.1 + 0.05 * random.normal(size=200)
    found = bootstrap(regression.rmse, first, truth, less=second, resamples=300)
    one = bootstrap(regression.rmse, first, truth, resamples=300)
    other = bootstrap(regression.rmse, second, truth, resamples=300)
    assert found.value == pytest.approx(one.value - other.value)
    assert found.high < 0 and one.high > other.low
    same = bootstrap(regression.rmse, first, truth, less=first, resamples=20)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_bootstrap_faults() -> None:
    with pytest.raises(DataError, match=r"\[2\] predictions for 3 faces"):
        bootstrap(mean_error, np.zeros(2), np.zeros(3))
    with pytest.raises(DataError, match=r"\[0\] predictions for 0 faces"):
        bootstrap(mean_error, np.zeros(0), np.zeros(0))
    with pytest.raises(DataError, match="1 groups for 2 faces"):
        bootstrap(mean_error, np.zeros(2), np.zeros(2), ["a"])
    with pytest.raises(DataError, match="face 1 has no group"):
        bootstrap(mean_error, np.zeros(2), np.zeros(2), ["a", None])
    with pytest.raises(DataError, match="level 95"):
        bootstrap(mean_error, np.zeros(2), np.zeros(2), level=95)


def test_mcnemar_by_hand() -> None:
    truth = np.array([0] * 12 + [-1])
    first = np.array([0] * 8 + [1] * 2 + [0, 1] + [0])
    second = np.array([1] * 8 + [0] * 2 + [0, 1] + [1])
    found = mcnemar(first, second, truth)
    assert (found.only_first, found.only_second) == (8, 2)
    assert found.exact == close(2 * (1 + 10 + 45) / 2**10)
    assert found.statistic == close(2.5)  # (|8 - 2| - 1)^2 / 10
    assert found.chi_squared == close(math.erfc(math.sqrt(2.5 / 2)))
    assert mcnemar(second, first, truth)[2:] == found[2:]


def test_mcnemar_without_a_difference() -> None:
    truth = np.array([0, 1, 1, 0])
    assert mcnemar(truth, truth, truth) == (0, 0, 1, 0, 1)
    even = mcnemar(np.array([0, 0]), np.array([1, 1]), np.array([0, 1]))
    assert even == (1, 1, 1, 0, 1)
    with pytest.raises(DataError, match="three times"):
        mcnemar(truth, truth[:2], truth)


# Cells


def test_cell_errors_are_those_of_a_loop() -> None:
    random = np.random.default_rng(0)
    target = random.uniform(-10, 10, (300, 2))
    target[0], target[1], target[2] = (10, 10), (-10, 10), (NAN, 1)
    prediction = target + random.normal(size=(300, 2))
    prediction[2] = 0
    found = cell_rmse(prediction, target, bins=4, limit=10)
    np.testing.assert_array_equal(found.edges, [-10, -5, 0, 5, 10])
    assert found.faces.sum() == 299
    cells: dict[tuple[int, int], list[np.ndarray]] = {}
    for p, t in zip(prediction, target, strict=True):
        if np.isfinite(t).all():
            column, row = (min(int((value + 10) // 5), 3) for value in t)
            cells.setdefault((row, column), []).append(p - t)
    for (row, column), errors in cells.items():
        valence, arousal = np.sqrt((np.array(errors) ** 2).mean(axis=0))
        assert found.faces[row, column] == len(errors)
        assert found.valence[row, column] == close(valence)
        assert found.arousal[row, column] == close(arousal)
        assert found.distance[row, column] == close(math.hypot(valence, arousal))
    empty = cell_rmse(prediction[:1], target[:1], bins=4, limit=10)
    assert np.isnan(empty.valence).sum() == 15 and empty.faces[3, 3] == 1


def test_histogram_is_numpys_but_says_what_is_outside() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(0, 0.5, (200, 2)), [[1, -1], [0, 0.5], [NAN, 0]]])
    found = plane_histogram(torch.from_numpy(values), bins=8)
    known = values[:-1]
    expected, _, _ = np.histogram2d(known[:, 1], known[:, 0], bins=8, range=[[-1, 1], [-1, 1]])
    np.testing.assert_array_equal(found.faces, expected)
    assert found.outside == len(known) - expected.sum() > 0
    assert plane_histogram(np.array([[0.9, -0.9]]), bins=2).faces.tolist() == [[0, 1], [0, 0]]


def test_cell_faults() -> None:
    with pytest.raises(DataError, match=r"target \[0.0, 5.0\] lies outside \[-1, 1\]"):
        cell_rmse(np.zeros((1, 2)), np.array([[0.0, 5.0]]))
    with pytest.raises(DataError, match="not finite"):
        cell_rmse(np.array([[NAN, 0.0]]), np.zeros((1, 2)))
    with pytest.raises(DataError, match="1 predictions for 2 targets"):
        cell_rmse(np.zeros((1, 2)), np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"\(3,\); expected \(N, 2\)"):
        plane_histogram(np.zeros(3))
    with pytest.raises(DataError, match="0 bins"):
        plane_histogram(np.zeros((3, 2)), bins=0)


def test_arrays_that_may_not_be_written_to() -> None:
    """Such are pandas' columns; torch warned that it would write."""
    scores, labels = np.eye(3)[[0, 1, 2, 1]], np.array([0, 1, 2, 2])
    for values in (scores, labels):
        values.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(class_metrics(scores, labels).accuracy) == 0.75
        assert float(regression.ccc(labels, labels)) == 1
        assert mcnemar(labels, labels, labels).exact == 1
        assert float(regression.ccc(labels[::-1], labels[::-1])) == 1
