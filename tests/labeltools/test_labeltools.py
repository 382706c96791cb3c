"""Label tools: reliability of annotators, subsets, fusion of traces, agreement."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import hadamard
from scipy.stats import spearmanr
from sklearn.metrics import confusion_matrix

from affectzoo.errors import AffectZooError, DataError, LabelError, OptionError
from affectzoo.labels import CODES, SPACES, LabelSpace
from affectzoo.labeltools import (
    Annotator,
    affect_agreement,
    category_agreement,
    compound_class,
    correlations,
    estimate_reliability,
    fuse,
    most_correlated,
    settled_labels,
    subsets,
    valid_labels,
    weighted_votes,
)
from affectzoo.labeltools.reliability import LEAST_BETA, _e_step, _Given, _m_step, _penalty

RAFDB7 = SPACES["rafdb7"]
NAMES = np.array(RAFDB7.names, dtype=object)
NAN = float("nan")

# Reliability


def crowd(
    reliability: list[float], pictures: int = 300, missing: float = 0.0, seed: int = 0
) -> tuple[pd.DataFrame, pd.Series]:
    """Answers by the paper's model, and the true classes; a reliability of -inf answers at random."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 7, pictures)
    beta = random.lognormal(0, 0.5, pictures)
    alpha = np.array(reliability)
    knows = 1 / (1 + np.exp(-np.where(np.isinf(alpha), 0, alpha) * beta[:, None]))
    right = random.random((pictures, len(alpha))) < np.where(np.isinf(alpha), 1 / 7, knows)
    wrong = (truth[:, None] + random.integers(1, 7, right.shape)) % 7
    answers = NAMES[np.where(right, truth[:, None], wrong)]
    answers[random.random(right.shape) < missing] = None
    names = [f"a{i}" for i in range(len(alpha))]
    table = pd.DataFrame(answers, [f"p{j}" for j in range(pictures)], names)
    return table, pd.Series(NAMES[truth], table.index)


def majority(answers: pd.DataFrame) -> pd.Series:
    return weighted_votes(answers, RAFDB7).idxmax(axis=1)


SPAMMERS = [2.0, 1.5, 1.2, *[-math.inf] * 6]


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_em_beats_the_majority_among_spammers(missing: float, seed: int) -> None:
    answers, truth = crowd(SPAMMERS, missing=missing, seed=seed)
    answers = answers[answers.notna().any(axis=1)]
    found = estimate_reliability(answers, RAFDB7)
    voted = (majority(answers) == truth[answers.index]).mean()
    assert (found.labels == truth[answers.index]).mean() > voted + 0.04
    assert found.converged
    assert found.annotators.index.tolist() == list(answers.columns)
    assert found.annotators[:3].min() > 0.5 > 0 > found.annotators[3:].max()  # guesses are below 0


@pytest.mark.parametrize(("missing", "near"), [(0.0, 0.35), (0.6, 0.7)])
def test_em_recovers_the_order_of_reliabilities(missing: float, near: float) -> None:
    true = [0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.2, 2.6, 3.0, 3.5, 4.0]
    answers, truth = crowd(true, pictures=800, missing=missing, seed=3)
    answers = answers[answers.notna().any(axis=1)]
    truth = truth[answers.index]
    found = estimate_reliability(answers, RAFDB7)
    assert spearmanr(found.annotators, true).statistic > 0.97
    np.testing.assert_allclose(found.annotators[:6], true[:6], atol=near)
    assert (found.labels == truth).mean() >= (majority(answers) == truth).mean()


def test_em_finds_difficult_pictures_and_never_loses_likelihood() -> None:
    answers, _ = crowd([2.5] * 10, pictures=200, seed=4)
    found = estimate_reliability(answers, RAFDB7)
    agreed = answers.nunique(axis=1)
    assert found.pictures[agreed == 1].min() > found.pictures[agreed >= 4].max() > 0
    assert np.diff(found.objective).min() >= -1e-9 * abs(found.objective[0])
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    assert tuple(found.posterior.columns) == RAFDB7.names


def literal_joint(answers: np.ndarray, alpha: np.ndarray, beta: np.ndarray, classes: int) -> np.ndarray:
    """p(t_j, y_j) of the paper, product by product; -1 is no answer."""
    joint = np.full((len(answers), classes), 1 / classes)
    for j, row in enumerate(answers):
        for y in range(classes):
            for i, t in enumerate(row):
                right = 1 / (1 + np.exp(-alpha[i] * beta[j]))
                joint[j, y] *= 1 if t < 0 else right if t == y else (1 - right) / (classes - 1)
    return joint


def small() -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    codes = np.array([[0, 0, 1], [2, -1, 2], [1, 2, 0], [-1, -1, 1]])
    names = np.array(["surprise", "fear", "anger", None], dtype=object)
    return pd.DataFrame(names[codes]), codes, np.array([1.5, -0.4, 0.7]), np.array([0.3, 2.0, 1.0, 0.1])


SMALL = LabelSpace(("surprise", "fear", "anger"))


def test_e_step_is_the_papers_product() -> None:
    answers, codes, alpha, beta = small()
    posterior, likelihood = _e_step(_Given.read(answers, SMALL), alpha, np.log(beta))
    joint = literal_joint(codes, alpha, beta, 3)
    np.testing.assert_allclose(posterior, joint / joint.sum(axis=1, keepdims=True), rtol=1e-12)
    assert likelihood == pytest.approx(np.log(joint.sum(axis=1)).sum())


def test_e_step_is_stable() -> None:
    answers, *_ = small()
    posterior, likelihood = _e_step(
        _Given.read(answers, SMALL), np.array([900.0, -900, 900]), np.full(4, 3.0)
    )
    assert np.isfinite(posterior).all() and math.isfinite(likelihood)


def test_m_step_reaches_a_maximum_of_the_expected_likelihood() -> None:
    answers, codes, alpha, beta = small()
    given = _Given.read(answers, SMALL)
    posterior, _ = _e_step(given, alpha, np.log(beta))

    def expected(alpha: np.ndarray, ln_beta: np.ndarray) -> float:
        total = -_penalty(alpha, ln_beta, 1.0)
        for j, i in np.argwhere(codes >= 0):
            right = 1 / (1 + math.exp(-alpha[i] * math.exp(ln_beta[j])))
            share = posterior[j, codes[j, i]]
            total += share * math.log(right) + (1 - share) * math.log(1 - right)
        return total

    best = _m_step(given, posterior, alpha, np.log(beta), 1.0)
    top = expected(*best)
    assert top > expected(alpha, np.log(beta))
    random = np.random.default_rng(0)
    for _ in range(100):
        alpha, ln_beta = (side + random.normal(0, 0.02, len(side)) for side in best)
        assert expected(alpha, ln_beta) <= top + 1e-6


def test_beta_starts_at_the_entropy() -> None:
    entropy = _Given.read(small()[0], SMALL).entropy()
    two_to_one = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    np.testing.assert_allclose(entropy, [two_to_one, 0, math.log(3), 0], atol=1e-12)
    assert 0 < LEAST_BETA < two_to_one


def test_em_that_is_cut_short_says_so() -> None:
    answers, _ = crowd(SPAMMERS, seed=1)
    with pytest.warns(UserWarning, match="still gaining after 2 steps"):
        found = estimate_reliability(answers, RAFDB7, max_steps=2)
    assert not found.converged and len(found.objective) == 3


def test_a_strong_prior_holds_reliabilities_together() -> None:
    answers, _ = crowd(SPAMMERS, seed=1)
    found = estimate_reliability(answers, RAFDB7, prior=1e6)
    np.testing.assert_allclose(found.annotators, 1, atol=1e-3)
    np.testing.assert_allclose(found.pictures, 1, atol=1e-3)


def test_answers_may_be_written_otherwise() -> None:
    answers, _ = crowd(SPAMMERS, pictures=20)
    again = answers.replace({"happiness": " Happy", "sadness": "Sad"})
    pd.testing.assert_frame_equal(weighted_votes(again, RAFDB7), weighted_votes(answers, RAFDB7))


ANSWERS = pd.DataFrame({"ann": ["fear", "anger"], "bob": ["fear", None]}, ["x.jpg", "y.jpg"])


@pytest.mark.parametrize(
    ("answers", "error", "message"),
    [
        (ANSWERS.iloc[:0], DataError, "0 images, 2 annotators"),
        (ANSWERS[["ann"]], DataError, "one annotator, whom nobody can agree with"),
        (ANSWERS.assign(ann=None), DataError, r"image y\.jpg has none; leave such out"),
        (ANSWERS.assign(cat=None, dan=NAN), DataError, "cat gave none, and 1 more"),
        (
            ANSWERS.assign(bob=[None, "bored"]),
            LabelError,
            r"image y\.jpg, annotator bob: 'bored' is no class of rafdb7",
        ),
        (ANSWERS.assign(bob=[4, 4]), LabelError, r"image x\.jpg, annotator bob: '4' is no class"),
        (ANSWERS.set_axis(["ann", "ann"], axis=1), DataError, "annotator ann is there twice"),
        (ANSWERS.set_axis(["x.jpg"] * 2), DataError, r"image x\.jpg is there twice"),
    ],
)
def test_answers_that_cannot_be_used(answers: pd.DataFrame, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        estimate_reliability(answers, RAFDB7)


@pytest.mark.parametrize("options", [{"prior": 0}, {"prior": NAN}, {"tolerance": 0}, {"max_steps": 0}])
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(AffectZooError, match="expected prior > 0"):
        estimate_reliability(ANSWERS, RAFDB7, **options)  # type: ignore[arg-type]


def test_one_class_is_no_choice() -> None:
    with pytest.raises(AffectZooError, match=r"1 classes; expected .* two classes or more"):
        estimate_reliability(ANSWERS, LabelSpace(("fear",)))


# Subsets


def votes(*rows: str) -> pd.DataFrame:
    """Rows of votes for surprise, fear, disgust, happiness, sadness, anger, neutral."""
    return pd.DataFrame([[float(v) for v in row.split()] for row in rows], columns=RAFDB7.names)


def test_votes_weigh_as_much_as_their_annotator() -> None:
    answers = pd.DataFrame({"ann": ["fear", "anger"], "bob": ["fear", None], "cat": ["anger", "fear"]})
    plain = weighted_votes(answers, RAFDB7)
    assert plain.loc[:, ["fear", "anger"]].to_numpy().tolist() == [[2, 1], [1, 1]]
    assert plain.to_numpy().sum() == 5
    reliability = pd.Series({"cat": 0.5, "dan": 9.0, "ann": 2.0, "bob": 0.25})
    weighted = weighted_votes(answers, RAFDB7, reliability)
    assert weighted.loc[:, ["fear", "anger"]].to_numpy().tolist() == [[2.25, 0.5], [0.5, 2]]
    assert tuple(weighted.columns) == RAFDB7.names


@pytest.mark.parametrize(
    ("reliability", "message"),
    [
        ({"ann": 1.0}, "reliability of bob is nan"),
        ({"ann": -0.1, "bob": 1.0}, r"ann is -0\.1, expected a number from 0 on; leave such annotators out"),
        ({"ann": 1.0, "bob": math.inf}, "bob is inf"),
    ],
)
def test_votes_need_reliabilities(reliability: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        weighted_votes(ANSWERS, RAFDB7, pd.Series(reliability))


@pytest.mark.parametrize(
    ("row", "subset", "labels"),
    [
        ("0 0 0 40 0 0 0", "single", ("happiness",)),
        ("5 5 5 10 5 5 5", "single", ("happiness",)),  # mean 5.7
        ("0 0 0 0 0 0 40", "single", ("neutral",)),
        ("20 1 0 19 0 0 0", "two_tab", ("surprise", "happiness")),
        ("0.1 0 0 0 0.45 0.45 0", "two_tab", ("sadness", "anger")),  # mean 1/7
        ("0 0 0 20 0 0 20", "none", ("happiness", "neutral")),  # neutral is no half of a compound
        ("10 10 10 0 0 0 0", "none", ("surprise", "fear", "disgust")),
        ("0.1 0.1 0.1 0.1 0.1 0.1 0.1", "none", ()),  # the mean is 0.1 but for rounding
        ("7 1 1 1 1 1 2", "single", ("surprise",)),  # mean 2: a class at the mean is not above it
        ("3.5 2 0 0.5 8 0 0", "two_tab", ("sadness", "surprise")),  # mean 2
    ],
)
def test_subsets_by_hand(row: str, subset: str, labels: tuple[str, ...]) -> None:
    table = votes(row)
    found = subsets(table)
    assert (found["subset"][0], found["labels"][0]) == (subset, labels)
    assert set(valid_labels(table).columns[valid_labels(table).iloc[0]]) == set(labels)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0 0 0 0 0 0 0", "image 1 has no votes"),
        ("0 0 0 nan 0 0 1", "image 1 has votes that are NaN"),
        ("0 0 0 2 0 0 -1", "image 1 has negative votes"),
    ],
)
def test_subsets_need_votes(row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        subsets(votes("1 0 0 0 0 0 0", row))


def test_compound_classes_have_rafdbs_names() -> None:
    assert compound_class(("surprise", "happiness")) == "happily_surprised"
    assert compound_class(("Happy", "surprised")) == "happily_surprised"
    assert compound_class(("anger", "sadness")) == "sadly_angry"
    assert compound_class(("surprise", "disgust")) == "disgustedly_surprised"
    assert compound_class(("disgust", "fear")) == "fearfully_disgusted"
    for other in ("happiness sadness", "happiness neutral", "fear", "fear anger disgust"):
        assert compound_class(other.split()) is None
    pairs = {compound_class((a, b)) for a in RAFDB7.names for b in RAFDB7.names}
    assert pairs - {None} == {*SPACES["rafdb11"].names, "fearfully_disgusted"}


# Fusion


def traces() -> pd.DataFrame:
    """Ann, Bob and Cat follow one course, Dan its opposite; Eve agrees with Ann alone."""
    t = np.linspace(0, 6, 50)
    ann, wave = np.sin(t), np.cos(3 * t)
    return pd.DataFrame(
        {
            "dan": -ann,
            "ann": ann,
            "bob": 0.5 * ann + 0.1 * wave + 0.2,
            "still": 0.3,
            "cat": ann - 0.1 * wave,
            "eve": ann + 0.8 * wave**2,
        }
    )


def test_correlations_are_pearsons() -> None:
    table = correlations(traces())
    assert table.loc["ann", "dan"] == pytest.approx(-1)
    assert table.loc["ann", "bob"] == pytest.approx(np.corrcoef(traces()["ann"], traces()["bob"])[0, 1])
    assert table["still"].isna().all() and table.loc["still"].isna().all()


def test_most_correlated_group_and_its_mean() -> None:
    table = traces()
    assert most_correlated(table, 2) == ("ann", "cat")
    assert most_correlated(table, 3) == ("ann", "bob", "cat")
    assert most_correlated(table, 4) == ("ann", "bob", "cat", "eve")
    fused = fuse(table, most_correlated(table, 3))
    np.testing.assert_allclose(fused, (table["ann"] + table["bob"] + table["cat"]) / 3)


def test_the_group_is_mutual_and_not_around_one_annotator() -> None:
    h = hadamard(8)[:, 1:].T  # orthogonal, mean 0
    table = pd.DataFrame({"x": h[0], "y": h[1], "z": h[0] + h[1]}, dtype=float)  # xz = yz = 0.71, xy = 0
    for name, own in zip("pqr", h[3:6], strict=True):  # 0.6 each
        table[name] = math.sqrt(0.6) * h[2] + math.sqrt(0.4) * own
    table = table[["x", "p", "y", "q", "z", "r"]]
    found = correlations(table)
    assert found.loc["x", "z"] == pytest.approx(math.sqrt(0.5))
    assert found.loc["p", ["q", "r", "x"]].tolist() == pytest.approx([0.6, 0.6, 0])
    assert most_correlated(table, 3) == ("p", "q", "r")


def test_equally_good_groups_go_by_column() -> None:
    course = np.array([0.0, 1.0, 0.5, 0.2])
    assert most_correlated(pd.DataFrame({"b": course, "a": course, "c": course}), 2) == ("b", "a")


@pytest.mark.parametrize("count", [1, 5])
def test_papers_keep_two_to_four(count: int) -> None:
    with pytest.raises(DataError, match=f"count is {count}, expected 2 to 4"):
        most_correlated(traces(), count)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (traces()[["ann"]], "50 frames, 1 annotators; expected two or more of each"),
        (traces()[:1], "1 frames, 6 annotators"),
        (traces()[["ann", "still", "bob"]], "2 annotators whose trace moves, expected 3 or more"),
        (traces()[["ann", "bob", "ann"]], "annotator ann is there twice"),
        (
            traces().mask(traces() == traces().loc[7, "cat"]),
            "frame 7 has no value of annotator cat; bring the",
        ),
        (traces().replace(0.3, math.inf), "frame 0 has no value of annotator still"),
    ],
)
def test_traces_that_cannot_be_fused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        most_correlated(table, 3)


@pytest.mark.parametrize("annotators", [[], ["zoe", "ann"], ["ann", "ann"]])
def test_fusing_annotators_who_are_not_there(annotators: list[str]) -> None:
    with pytest.raises(DataError, match="expected different ones of"):
        fuse(traces(), annotators)


# Annotators


def test_an_annotator_is_late_and_follows_by_shares() -> None:
    step = np.array([0.0] * 3 + [0.8] * 7)
    assert Annotator().annotate(step, 25).tolist() == step.tolist()
    late = Annotator(delay=0.08).annotate(step, 25)  # two frames
    assert late.tolist() == [0.0] * 5 + [0.8] * 5
    half = Annotator(delay=0.02).annotate(step, 25)  # half a frame: straight between frames
    assert half[3] == pytest.approx(0.4) and half[4] == pytest.approx(0.8)
    slow = Annotator(smoothing=0.2).annotate(step, 25)  # 1 - exp(-1 / 5) of the distance at each frame
    share = 1 - math.exp(-0.2)
    np.testing.assert_allclose(slow[3:6], 0.8 * (1 - (1 - share) ** np.arange(1, 4)), rtol=1e-12)
    # after the time constant, 5 frames: 63 %
    assert slow[7] == pytest.approx(0.8 * (1 - math.exp(-1)))


def test_an_annotator_knows_nothing_of_what_comes() -> None:
    random = np.random.default_rng(0)
    first, second = random.uniform(-1, 1, (2, 40, 2))
    second[:20] = first[:20]
    model = Annotator(delay=0.1, smoothing=0.3, noise=0.05)
    one, other = model.annotate(first, 25, seed=4), model.annotate(second, 25, seed=4)
    np.testing.assert_array_equal(one[:20], other[:20])
    assert one.shape == (40, 2) and not np.array_equal(one[30:], other[30:])


def test_an_annotators_noise_has_its_deviation_and_drifts() -> None:
    still = np.zeros(50_000)
    noise = Annotator(smoothing=0.2, noise=0.1).annotate(still, 25, seed=1)
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    assert np.corrcoef(noise[1:], noise[:-1])[0, 1] == pytest.approx(math.exp(-0.2), abs=0.02)
    assert not np.array_equal(noise, Annotator(smoothing=0.2, noise=0.1).annotate(still, 25, seed=2))


def test_annotators_that_cannot_be() -> None:
    with pytest.raises(OptionError):
        Annotator(delay=-1)
    with pytest.raises(OptionError):
        Annotator().annotate([0.0], 0)
    for shown in ([], [1.5], [NAN]):
        with pytest.raises(DataError):
            Annotator().annotate(shown, 25)


# Agreement


def test_category_table_by_hand() -> None:
    first = pd.Series(["fear", "fear", "fear", "Angry", "anger"], list("abcde"))
    second = pd.Series(["fear", "anger", "afraid", "anger", "happiness"], list("abcde"))
    found = category_agreement(first, second, RAFDB7)
    assert found.overall == pytest.approx(60)
    assert found.counts.loc["fear", ["fear", "anger"]].tolist() == [2, 1]
    assert found.percent.loc["fear", ["fear", "anger"]].tolist() == pytest.approx([200 / 3, 100 / 3])
    assert found.percent.loc["anger", ["happiness", "anger"]].tolist() == pytest.approx([50, 50])
    assert found.percent.loc["sadness"].isna().all()
    assert tuple(found.counts.index) == tuple(found.counts.columns) == RAFDB7.names


def test_category_table_with_affectnets_eleven_answers() -> None:
    space = LabelSpace(tuple(CODES["affectnet"].values()))
    random = np.random.default_rng(0)
    one, other = random.integers(0, 11, (2, 500))
    names = np.array(space.names, dtype=object)
    found = category_agreement(pd.Series(names[one]), pd.Series(names[other]), space)
    np.testing.assert_array_equal(found.counts, confusion_matrix(one, other, labels=range(11)))
    np.testing.assert_allclose(
        found.percent, 100 * confusion_matrix(one, other, labels=range(11), normalize="true")
    )
    assert found.overall == pytest.approx(100 * (one == other).mean())


def affect(valence: list[float], arousal: list[float], labels: str = "") -> pd.DataFrame:
    table = pd.DataFrame({"valence": valence, "arousal": arousal}, [f"p{i}" for i in range(len(valence))])
    return table.assign(label=labels.split()) if labels else table


def test_affect_table_by_hand() -> None:
    first = affect([0, 0, 1, -0.5], [0.5, -0.5, 0.1, 0.1], "fear anger fear fear")
    second = affect([0, 1, 1, 0.5], [0.5, -0.5, 0.1, 0.1], "fear anger fear sadness")
    found = affect_agreement(first, second, RAFDB7)
    assert found.index.tolist() == ["RMSE", "CORR", "SAGR", "CCC"]
    assert found.columns.tolist() == [
        *(("same category", "valence"), ("same category", "arousal")),
        *(("all", "valence"), ("all", "arousal")),
    ]
    # three images: means 1/3 and 2/3, variances 2/9, covariance 1/9
    expected = [math.sqrt(1 / 3), 0.5, 2 / 3, 0.4]
    assert found["same category", "valence"].tolist() == pytest.approx(expected)
    assert found["same category", "arousal"].tolist() == pytest.approx([0, 1, 1, 1], abs=1e-6)
    # four: means 0.125 and 0.625, mean squares 0.3125 and 0.5625, mean product 0.1875
    deviation = math.sqrt((0.3125 - 0.125**2) * (0.5625 - 0.625**2))
    covariance = 0.1875 - 0.125 * 0.625
    ccc = 2 * covariance / (0.3125 - 0.125**2 + 0.5625 - 0.625**2 + 0.25)
    expected = [math.sqrt(0.5), covariance / deviation, 0.5, ccc]
    assert found["all", "valence"].tolist() == pytest.approx(expected)
    alone = affect_agreement(first, second)
    assert alone.columns.tolist() == [("all", "valence"), ("all", "arousal")]
    pd.testing.assert_frame_equal(alone, found[["all"]])


GOOD = affect([0.1, 0.2], [0.3, 0.4], "fear anger")


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (GOOD[::-1], DataError, "2 images of the first annotator, 2 of the second; expected the same ones"),
        (GOOD[:1], DataError, "2 images of the first annotator, 1 of the second"),
        (GOOD.drop(columns="arousal"), DataError, "no column arousal, only valence, label"),
        (GOOD.drop(columns="label"), DataError, "no column label, only valence, arousal"),
        (
            GOOD.assign(valence=[0.1, NAN]),
            DataError,
            r"image p1, second annotator: valence is nan, expected a number in \[-1, 1\]",
        ),
        (GOOD.assign(arousal=[-2, 0.1]), DataError, r"image p0, second annotator: arousal is -2\.0"),
        (GOOD.assign(label=["fear", None]), DataError, "image p1 has no label of the second annotator"),
        (
            GOOD.assign(label=["fear", "bored"]),
            LabelError,
            "image p1, annotator second: 'bored' is no class",
        ),
        (GOOD.assign(label=["anger", "fear"]), DataError, "agree on no image's class; leave labels out"),
    ],
)
def test_annotators_that_cannot_be_compared(
    other: pd.DataFrame, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        affect_agreement(GOOD, other, RAFDB7)


def test_disagreement_is_settled_by_the_query_that_the_image_was_found_by() -> None:
    names = ["anger", "fear", "sadness", "disgust"]
    first = affect([0.1, 0.2, 0.3, 0.4], [0.0] * 4, "fear fear fear happiness")
    second = affect([-0.1, -0.2, -0.3, -0.4], [0.5] * 4, "fear anger sadness disgust")
    query = pd.Series(names, first.index)
    found = settled_labels(first, second, query, RAFDB7, seed=3)
    # both say fear, whatever was searched; the second names the query; the second; the second again
    assert found["label"].tolist() == ["fear", "fear", "sadness", "disgust"]
    assert found["rule"].tolist() == ["agreed", "query", "query", "query"]
    taken = found["valence"] < 0
    assert (found["arousal"] == np.where(taken, 0.5, 0.0)).all()
    other = settled_labels(second, first, pd.Series(["surprise"] * 4, first.index), RAFDB7)
    assert other["rule"].tolist() == ["agreed", "drawn", "drawn", "drawn"]


def test_labels_without_the_query_are_drawn_from_both_annotators_alike() -> None:
    index = pd.RangeIndex(2000)
    first, second = (pd.DataFrame({"label": [name] * 2000}, index) for name in ("fear", "anger"))
    query = pd.Series(["surprise"] * 2000, index)
    found = settled_labels(first, second, query, RAFDB7, seed=1)
    assert list(found.columns) == ["label", "rule"]
    assert 900 < (found["label"] == "fear").sum() < 1100
    pd.testing.assert_frame_equal(found, settled_labels(first, second, query, RAFDB7, seed=1))
    assert not found.equals(settled_labels(first, second, query, RAFDB7, seed=2))
    with_values = first.assign(valence=0.0, arousal=0.0)
    with pytest.raises(DataError):
        settled_labels(with_values, second, query, RAFDB7)
    with pytest.raises(DataError):
        settled_labels(first, second, query[:5], RAFDB7)


def test_nothing_to_compare() -> None:
    empty = GOOD[:0]
    with pytest.raises(DataError, match="0 images of the first annotator"):
        affect_agreement(empty, empty)
    with pytest.raises(DataError, match="0 images of the first annotator"):
        category_agreement(empty["label"], empty["label"], RAFDB7)
