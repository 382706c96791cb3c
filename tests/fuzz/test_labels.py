"""Damaged tables of annotators' labels, read as users read them: ``labeltools`` takes or refuses them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectzoo.errors import AffectZooError
from affectzoo.labels import LabelSpace
from affectzoo.labeltools.agreement import affect_agreement, category_agreement
from affectzoo.labeltools.fusion import correlations, fuse, most_correlated
from affectzoo.labeltools.reliability import estimate_reliability
from affectzoo.labeltools.subsets import subsets, weighted_votes
from fuzz.mutation import fuzzed, mutate, no_hang

FEW = 12
"""Mutants of each kind of table in the default suite."""

LABELS = LabelSpace(("anger", "fear", "neutral"))
ANSWERS = pd.DataFrame(
    {who: [LABELS.names[(i + j // 2) % 3] for i in range(6)] for j, who in enumerate("abcd")},
    index=[f"{i}.png" for i in range(6)],
)
TRACES = pd.DataFrame({who: np.sin(np.arange(8) + j / 3).round(4) for j, who in enumerate("abcd")})
VALUES = pd.DataFrame({"valence": [0.5, -0.25, 0.75], "arousal": [0.1, 0.0, -1.0], "label": LABELS.names})


def use_answers(table: pd.DataFrame) -> None:
    found = estimate_reliability(table, LABELS, max_steps=20)
    assert np.isfinite(found.annotators).all() and np.allclose(found.posterior.sum(axis=1), 1)
    votes = weighted_votes(table, LABELS)
    assert (votes.sum(axis=1) == table.notna().sum(axis=1)).all()
    assert set(subsets(votes)["subset"]) <= {"single", "two_tab", "none"}
    columns: list[Any] = [table.iloc[:, place] for place in (0, -1)]
    assert 0 <= category_agreement(*columns, LABELS).overall <= 100


def use_traces(table: pd.DataFrame) -> None:
    assert not (correlations(table).abs() > 1 + 1e-9).any(axis=None)
    fused = fuse(table, most_correlated(table, 2))
    assert np.isfinite(fused).all() and len(fused) == len(table)


def use_values(table: pd.DataFrame) -> None:
    found = affect_agreement(table, VALUES, LABELS)
    assert np.isfinite(found.to_numpy()).all() and (found.loc["RMSE"] >= 0).all()


TARGETS: dict[str, tuple[pd.DataFrame, Callable[[pd.DataFrame], None]]] = {
    "answers": (ANSWERS, use_answers),
    "traces": (TRACES, use_traces),
    "values": (VALUES, use_values),
}


@pytest.mark.parametrize("name", TARGETS)
@fuzzed(FEW, 1 / 30)
@given(data=st.data())
def test_damaged_tables_are_taken_or_refused(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table, use = TARGETS[name]
    folder = tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp())  # an earlier mutant may be a pipe
    path = Path(folder) / f"{name}.csv"
    table.to_csv(path)
    mutate(path, data.draw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            damaged = pd.read_csv(path, index_col=0) if path.is_file() else pd.DataFrame()
    except Exception:  # what pandas does not read is not affectzoo's
        return
    with no_hang(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            use(damaged)
        except AffectZooError as error:
            assert str(error).strip()
