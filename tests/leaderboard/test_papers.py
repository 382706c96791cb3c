from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any, get_args

import pytest
import torch
import yaml

from affectzoo.errors import UnknownNameError
from affectzoo.evaluation.protocols import PROTOCOLS
from affectzoo.labels import NOT_A_CLASS, SPACES
from affectzoo.leaderboard.papers import FILE, Chosen, Kind, PublishedRow, facts, published
from affectzoo.metrics import names
from affectzoo.metrics.classification import class_metrics
from affectzoo.metrics.names import ORDER, OWN_SCALE, family
from affectzoo.metrics.regression import regression_metrics

WIDEST = {"rmse": 10.0, "mse": 100.0}  # -10..10 is the widest scale of the zoo's data sets


def limits(name: str) -> tuple[float, float]:
    known = names.METRICS[family(name)]
    return known.low, known.high * (WIDEST[family(name)] if name.startswith(OWN_SCALE) else 1.0)


METRICS = {name: limits(name) for name in ORDER}
PER_CLASS = {"recall", "precision", "f1", "f1_top2", "kappa", "alpha", "auc", "auc_pr"}
CLASSES = NOT_A_CLASS.union(*(space.names for space in SPACES.values()))

REPOSITORY = Path(__file__).parents[2]
PAPERS = REPOSITORY.parent / "shared" / "papers"
PAPER = {"affectnet": "000", "affwild": "001", "report": "002", "rafdb": "003", "thesis": "004"}

AFFECTNET, AFFWILD, RAFDB, THESIS = "AffectNet, TAC 2019", "Kollias", "Li and Deng", "Ulloa"
SPOT_CHECKS = [
    (AFFECTNET, "affectnet_p0", "AlexNet, imbalanced", "accuracy", 0.72),
    (AFFECTNET, "affectnet_p0", "AlexNet, weighted loss", "auc_pr", 0.58),
    (AFFECTNET, "affectnet_p0", "HOG + SVM", "f1", 0.37),
    (AFFECTNET, "affectnet_p0", "HOG + SVR", "sagr_arousal", 0.748),
    (AFFECTNET, "affectnet_p0", "two annotators, all images", "ccc_arousal", 0.551),
    (AFFECTNET, "affectnet_p0", "two annotators", "accuracy", 0.607),
    (AFFWILD, "affwild", "CNN-M, the challenge's baseline", "mse_arousal", 0.14),
    (AFFWILD, "affwild", "AffWildNet, CNN-GRU of 2 layers of 128 units", "ccc_valence", 0.57),
    (AFFWILD, "affwild", "VGG-Face without landmarks", "ccc_valence", 0.44),
    (AFFWILD, "afewva_5fold", "AffWildNet, fine-tuned", "pcc_arousal", 0.575),
    (AFFWILD, "afewva_5fold", "AffWildNet, fine-tuned", "ccc_valence", 0.515),
    (AFFWILD, "recola_5fold", "ResNet-GRU", "ccc_arousal", 0.209),
    (AFFWILD, "afew", "AffWildNet, fine-tuned", "accuracy", 0.454),
    ("Giguere", None, "small VGG-type CNN, six classes", "accuracy", 0.63),
    ("Giguere", None, "small VGG-type CNN, six classes", "weighted_f1", 0.62),
    (RAFDB, "rafdb_basic", "DLP-CNN features + SVM", "mean_diagonal", 0.742),
    (RAFDB, "rafdb_basic", "centre loss features + SVM", "accuracy", 0.8368),
    (RAFDB, "rafdb_basic", "Gabor + SVM", "mean_diagonal", 0.6512),
    (RAFDB, "rafdb_compound", "DLP-CNN features + SVM", "mean_diagonal", 0.4455),
    (RAFDB, "sfew", "DLP-CNN features of RAF-DB", "accuracy", 0.5105),
    (RAFDB, "ckplus_5fold", "DLP-CNN features of RAF-DB", "accuracy", 0.9578),
    (THESIS, "afewva_5fold", "ResNet-152", "own_scale_rmse_valence", 1.556),
    (THESIS, "semaine", "VGG-11", "rmse_arousal", 0.511),
    (THESIS, "afewva_to_semaine", "ResNet-152", "pcc_arousal", 0.3049),
    (THESIS, "semaine_to_afewva", "VGG-11", "icc_valence", 0.0925),
]


def find(source: str, protocol: str | None, system: str) -> PublishedRow:
    (row,) = (r for r in published() if source in r.source and r.protocol == protocol and r.system == system)
    return row


def test_all_rows_are_there() -> None:
    assert Counter(row.protocol for row in published()) == {
        "affectnet_p0": 11,
        "affwild": 16,
        "recola_5fold": 2,
        "afewva_5fold": 6,
        "afew": 24,
        None: 2,
        "rafdb_basic": 18,
        "rafdb_compound": 14,
        "ckplus_5fold": 15,
        "jaffe_loso": 6,
        "sfew": 8,
        "mmi_5fold": 9,
        "semaine": 3,
        "afewva_to_semaine": 1,
        "semaine_to_afewva": 2,
    }
    assert len(facts()) == 8
    assert published() is published()


@pytest.mark.parametrize(("source", "protocol", "system", "metric", "value"), SPOT_CHECKS)
def test_figures(source: str, protocol: str | None, system: str, metric: str, value: float) -> None:
    assert find(source, protocol, system).metrics[metric] == value


def test_figures_beside_the_metrics() -> None:
    weighted = find(AFFECTNET, "affectnet_p0", "AlexNet, weighted loss")
    assert weighted.normalised["accuracy"] == 0.63
    assert weighted.per_class["f1_top2"]["contempt"] == 0.58
    assert weighted.normalised_per_class["f1"]["disgust"] == 0.66
    assert weighted.confusion["contempt"] == (0.162, 0.131, 0.035, 0.031, 0.005, 0.043, 0.057, 0.538)
    assert weighted.per_class["recall"]["happiness"] == 0.728
    dlp_cnn = find(RAFDB, "rafdb_basic", "DLP-CNN features + SVM")
    assert dlp_cnn.confusion["neutral"][SPACES["rafdb7"].index("sadness")] == 0.0897
    times = {fact.system: fact.value for fact in facts() if fact.unit == "ms"}
    assert times == {"centre loss": 333.18, "DLP-CNN": 475.47}


def test_rows_are_sound() -> None:
    for row in published():
        assert row.protocol is None or row.protocol in PROTOCOLS
        assert set(row.also) <= set(PROTOCOLS)
        assert row.comparable != bool(row.why_not)
        assert not (row.comparable and (row.also or row.protocol is None))
        assert row.kind in get_args(Kind) and row.epoch in get_args(Chosen)
        assert row.metrics, row.system
        for name, value in [*row.metrics.items(), *row.normalised.items()]:
            low, high = METRICS[name]
            assert low <= value <= high, (row.system, name)
        for figures in (row.per_class, row.normalised_per_class):
            assert set(figures) <= PER_CLASS
            for name, values in figures.items():
                assert set(values) <= CLASSES
                assert all(0 <= value <= 1 for value in values.values()), (row.system, name)
        for shares in row.confusion.values():
            assert len(shares) == len(row.confusion) and 0.99 <= sum(shares) <= 1.01, row.system


def test_nothing_occurs_twice() -> None:
    rows = published()
    assert len({(row.source, row.protocol, row.system) for row in rows}) == len(rows)
    # The same figures under two names would be one row. Papers quoted side by side may agree by chance.
    figures = Counter((row.protocol, *sorted(row.metrics.items())) for row in rows if len(row.metrics) > 1)
    assert [key for key, times in figures.items() if times > 1] == []


def test_metrics_are_the_zoos() -> None:
    scores = torch.eye(3)
    classes = class_metrics(scores, torch.arange(3))
    values = regression_metrics(torch.rand(4), torch.rand(4))
    names = {f"{name}_{dimension}" for name in values for dimension in ("valence", "arousal")}
    errors = {f"own_scale_{name}" for name in names if name.startswith(("rmse_", "mse_"))}
    assert set(METRICS) == {*classes.averages(), "ccc", "nme"} | names | errors
    assert set(PER_CLASS) <= {"precision", *METRICS, *classes._fields}


def test_classes_are_the_protocols() -> None:
    for row in published():
        named = PROTOCOLS[row.protocol].labels if row.protocol else None
        if named is None or row.kind == "human":
            continue
        names = SPACES[named].names
        assert all(set(values) <= set(names) for values in row.per_class.values()), row.system
        assert tuple(row.confusion) in ((), names)


def test_classes_fit_their_averages() -> None:
    """Transcription slips of single classes would show here: papers round to two digits."""
    checked = 0
    for row in published():
        for averages, classes in (
            (row.metrics, row.per_class),
            (row.normalised, row.normalised_per_class),
        ):
            for name, average in (("f1", "f1"), ("recall", "mean_diagonal")):
                if average in averages and name in classes:
                    tolerance = 0.0101 if name == "f1" else 0.0002
                    assert mean(classes[name].values()) == pytest.approx(averages[average], abs=tolerance)
                    checked += 1
    assert checked == 8 + 11


def test_rafdb_recalls_are_whole_faces() -> None:
    """Ten rows of recalls, each a whole number of the test part's faces, but for figures odd in the paper."""
    faces = dict(zip(SPACES["rafdb7"].names, (329, 74, 160, 1185, 478, 162, 680), strict=True))
    odd = [
        (row.system, name)
        for row in published("rafdb_basic")
        for name, recall in row.per_class.get("recall", {}).items()
        if abs(round(recall * faces[name]) / faces[name] - recall) > 0.000051
    ]
    vgg = "VGG features + SVM"
    assert odd == [
        (vgg, "fear"),
        (vgg, "surprise"),
        (vgg, "neutral"),
        ("centre loss features + SVM", "surprise"),
        ("VGG features + LDA and nearest neighbour", "surprise"),
    ]


def test_protocol_filter() -> None:
    assert {row.system for row in published("recola_5fold")} == {"AffWildNet, fine-tuned", "ResNet-GRU"}
    categories = published("affectnet8")
    assert len(categories) == 7
    assert all(row.protocol == "affectnet_p0" and "accuracy" in row.metrics for row in categories)
    assert published("ferplus") == ()
    with pytest.raises(UnknownNameError, match=r"unknown protocol 'rafdb_basics'.*rafdb_basic"):
        published("rafdb_basics")


def test_start_is_light() -> None:
    script = "import sys, affectzoo.leaderboard.papers as p; p.published(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def printed_rows() -> Iterator[Mapping[str, Any]]:
    document = yaml.load(FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    for table in document["tables"]:
        yield from (table | row for row in table["rows"])


def printed_figures(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for item in value.values() if isinstance(value, dict) else value:
            yield from printed_figures(item)


def occurs(figure: str, text: str) -> bool:
    return re.search(rf"(?<![\d.]){re.escape(figure)}(?!\.?\d)", text) is not None


@pytest.mark.skipif(not PAPERS.is_dir(), reason="needs the papers' texts")
def test_figures_are_in_the_papers() -> None:
    """Each figure, as printed, is near one of the tables that its row names."""
    texts = {
        source: next(PAPERS.glob(f"{number}_*")).read_text(encoding="utf-8")
        for source, number in PAPER.items()
    }
    missing, checked = [], 0
    for row in printed_rows():
        lines = texts[row["source"]].splitlines()
        numerals = "|".join(re.findall(r"\b(?:\d+|[IVX]+)\b", row["table"].partition("Table")[2]))
        title = re.compile(rf"\W*Table ({numerals})\b", re.IGNORECASE)
        near = [n for n, line in enumerate(lines) if title.match(line)]
        assert near, row["table"]
        text = "\n".join(line for n in near for line in lines[max(n - 21, 0) : n + 26])
        for key in ("metrics", "normalised", "per_class", "normalised_per_class", "confusion"):
            for figure in printed_figures(row.get(key, {})):
                checked += 1
                if not occurs(figure, text):
                    missing.append((row["source"], row["table"], row["system"], figure))
    assert missing == []
    assert checked > 900
    document = yaml.load(FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    for fact in document["other"]:
        assert occurs(fact["value"], texts[fact["source"]]), fact
