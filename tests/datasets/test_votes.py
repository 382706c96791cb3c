from __future__ import annotations

import csv
import os
import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from affectzoo.datasets.ferplus import FOLDERS, read_ferplus
from affectzoo.datasets.votes import VoteRule, label_distribution

RULES: tuple[VoteRule, ...] = ("majority", "probability", "crossentropy", "multi_target")
NEUTRAL = (1.0,)

# columns: neutral happiness surprise sadness anger disgust fear contempt | unknown not-a-face
# answers: majority, probability = crossentropy, multi_target; trailing zeros left off
HAND = {
    "all agree": ("10 0 0 0 0 0 0 0 0 0", NEUTRAL, NEUTRAL, NEUTRAL),
    "single votes do not count": ("6 2 1 1 0 0 0 0 0 0", NEUTRAL, NEUTRAL, NEUTRAL),
    "only single votes": ("1 1 1 1 1 1 1 1 1 1", None, None, None),
    "three in ten": ("7 3 0 0 0 0 0 0 0 0", NEUTRAL, (0.7, 0.3), (0.7, 0.3)),
    "two in nine": ("7 2 0 0 0 0 0 0 0 0", NEUTRAL, NEUTRAL, NEUTRAL),
    "no half": (
        "4 0 0 1 3 2 0 0 0 0",
        None,
        (4 / 7, 0, 0, 0, 3 / 7),
        (4 / 7, 0, 0, 0, 3 / 7),
    ),
    "tie of two": ("5 5 0 0 0 0 0 0 0 0", None, (0.5, 0.5), (0.5, 0.5)),
    "tie of three, nine votes": (
        "0 3 3 3 0 0 0 0 0 0",
        None,
        (0, 1 / 3, 1 / 3, 1 / 3),
        (0, 1 / 3, 1 / 3, 1 / 3),
    ),
    "tie makes a fourth class": ("3 3 2 2 0 0 0 0 0 0", None, None, (0.5, 0.5)),
    "unknown in front": ("4 0 0 0 0 0 0 0 6 0", None, None, None),
    "not a face in front": ("2 0 0 0 0 0 0 0 0 8", None, None, None),
    "all not a face": ("0 0 0 0 0 0 0 0 0 10", None, None, None),
    "unknown behind": ("6 0 0 0 0 0 0 0 4 0", NEUTRAL, NEUTRAL, NEUTRAL),
    "not a face behind": ("6 0 0 0 0 0 0 0 0 4", NEUTRAL, NEUTRAL, NEUTRAL),
    "unknown level with the class": ("5 0 0 0 0 0 0 0 5 0", None, None, NEUTRAL),
    "unknown between": ("5 2 0 0 0 0 0 0 3 0", None, None, NEUTRAL),
    "covered before not a face": (
        "5 3 0 0 0 0 0 0 0 2",
        None,
        (0.625, 0.375),
        (0.625, 0.375),
    ),
    "no class of 30 % covers half": ("0 0 2 2 2 2 2 0 0 0", None, None, None),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("row", HAND.values(), ids=HAND)
def test_hand_computed(row: tuple[str, *tuple[tuple[float, ...] | None, ...]], rule: VoteRule) -> None:
    votes = [int(count) for count in row[0].split()]
    answer = row[{"majority": 1, "probability": 2, "crossentropy": 2, "multi_target": 3}[rule]]
    distribution = label_distribution(votes, rule)
    if answer is None:
        assert distribution is None
    else:
        assert distribution is not None
        assert not isinstance(answer, str)
        np.testing.assert_allclose(distribution, [*answer, *[0] * (8 - len(answer))])


def literal_rule(votes: list[int], rule: VoteRule) -> list[Fraction] | None:
    """The published rules once more: slow, in exact fractions, sentence by sentence."""
    cells = [0 if vote == 1 else vote for vote in votes]
    total = sum(cells)
    unknown = [0] * 8 + [1, 0]
    taken = [0] * 10
    if rule == "majority":
        top = max(cells)
        taken[cells.index(top)] = top
        if not 2 * top > total:
            taken = unknown
    elif rule == "multi_target":
        taken = [cell if cell * 10 >= total * 3 else 0 for cell in cells]
        if not 2 * sum(taken) > total:
            taken = unknown
    else:
        count, searching = 0, True
        while searching and 4 * sum(taken) < 3 * total and count < 3:
            top = max(cells)
            for column in [c for c in range(10) if cells[c] == top]:
                if column in (8, 9):
                    if sum(taken) == 0:
                        taken[column] = top
                        count += 1
                    searching = False
                    break
                taken[column], cells[column] = top, 0
                count += 1
        if count > 3 or not 2 * sum(taken) > total:
            taken = unknown
    if taken.index(max(taken)) in (8, 9):
        return None
    return [Fraction(cell, sum(taken[:8])) for cell in taken[:8]]


@pytest.mark.parametrize("rule", RULES)
def test_agrees_with_the_literal_rule(rule: VoteRule) -> None:
    random = np.random.default_rng(1)
    shares = random.dirichlet([0.3] * 10, size=4000)
    kept = 0
    for share in shares:
        votes = random.multinomial(random.choice([9, 10, 25]), share).tolist()
        expected, got = literal_rule(votes, rule), label_distribution(votes, rule)
        assert (expected is None) == (got is None), votes
        if expected is not None and got is not None:
            np.testing.assert_allclose(got, [float(share) for share in expected], err_msg=votes)
            kept += 1
    assert 1000 < kept < 3900


def test_votes_are_left_as_they_are_and_rejects_may_be_none() -> None:
    votes = np.array([6.0, 1.0, 3.0])
    distribution = label_distribution(votes, "crossentropy", rejects=0)
    assert distribution is not None
    np.testing.assert_allclose(distribution, [2 / 3, 0, 1 / 3])
    assert votes.tolist() == [6.0, 1.0, 3.0]


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published labels: AFFECTZOO_FERPLUS names them, or their archives are beside the repository."""
    named = os.environ.get("AFFECTZOO_FERPLUS")
    if named:
        return Path(named)
    archives = sorted(SHARED.glob("ferplus-*.tar.gz"))
    if not archives:
        pytest.skip("set AFFECTZOO_FERPLUS to a folder that holds FER2013Train/label.csv and its siblings")
    folder = tmp_path_factory.mktemp("ferplus")
    for archive in archives:
        with tarfile.open(archive) as files:
            for member in files:
                if member.name.endswith("label.csv"):
                    files.extract(member, folder, filter="data")
                elif member.isfile():  # images are listed here, not read
                    (folder / member.name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / member.name).touch()
    return folder


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("majority", {"train": 25_045, "valid": 3_191, "test": 3_137}),
        ("probability", {"train": 27_947, "valid": 3_508, "test": 3_507}),
        ("crossentropy", {"train": 27_947, "valid": 3_508, "test": 3_507}),
        ("multi_target", {"train": 27_667, "valid": 3_472, "test": 3_466}),
    ],
)
def test_faces_kept_of_the_published_labels(published: Path, rule: VoteRule, kept: dict[str, int]) -> None:
    for split, folder in FOLDERS.items():
        path = published / folder / "label.csv"
        if split == "test" and not path.is_file():
            continue
        with path.open(newline="") as lines:
            rows = [[int(vote) for vote in fields[2:]] for fields in csv.reader(lines)]
        answers = [label_distribution(row, rule) for row in rows]
        assert sum(answer is not None for answer in answers) == kept[split]


def test_reader_on_the_published_labels(published: Path) -> None:
    index = read_ferplus(published, "crossentropy")
    counts = index.split_counts()
    assert (counts["train"], counts["valid"]) == (27_947, 3_191)
    assert index.left_out["train: discarded by the crossentropy rule"] == 28_558 - 27_947
    assert index.left_out["valid: discarded by the majority rule"] == 3_579 - 3_191
    assert index.table["path"].is_unique
