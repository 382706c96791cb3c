"""The page of what stands for each table of the papers has no gap."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from affectzoo.evaluation.protocols import PROTOCOLS
from affectzoo.leaderboard.coverage import Covered, covered, markdown
from affectzoo.leaderboard.papers import FILE, published
from affectzoo.training.recipes import names

REPOSITORY = Path(__file__).parents[2]
TABLES = list(covered())
LAST = {"affectnet": 10, "affwild": 19, "report": 7, "rafdb": 9, "thesis": 4}
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")


def sources() -> dict[str, str]:
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8"))["sources"])


def test_every_table_of_every_paper_is_there() -> None:
    assert {each.source for each in TABLES} == set(sources())
    for source, last in LAST.items():
        numbers = ROMAN if source == "rafdb" else range(1, last + 1)
        listed = {each.table for each in TABLES if each.source == source}
        assert {f"Table {number}" for number in numbers} == {name for name in listed if "Table" in name}


def test_published_rows_have_their_protocol_in_their_tables_line() -> None:
    by_title = {title: source for source, title in sources().items()}
    lines = {(each.source, each.table): each for each in TABLES}
    for row in published():
        for number in re.findall(r"\b(?:\d+|[IVX]+)\b", row.table.partition("Table")[2]):
            line = lines[by_title[row.source], f"Table {number}"]
            told = row.protocol is None or row.protocol in line.protocols or not line.protocols
            assert told, (row.source, row.table, row.protocol)


@pytest.mark.parametrize("each", TABLES, ids=lambda each: f"{each.source}-{each.table}")
def test_what_is_named_exists(each: Covered) -> None:
    assert set(each.recipes) <= set(names()) and set(each.protocols) <= set(PROTOCOLS)
    assert each.recipes or each.protocols or each.tests or each.none
    for test in each.tests:
        file, _, function = test.partition("::")
        assert (REPOSITORY / "tests" / file).is_file()
        assert f"def {function}" in (REPOSITORY / "tests" / file).read_text(encoding="utf-8")


def test_page_is_up_to_date() -> None:
    page = (REPOSITORY / "docs" / "papers.md").read_text(encoding="utf-8")
    assert page.endswith(markdown(sources())), (
        "docs/papers.md is stale: put what affectzoo.leaderboard.coverage.markdown returns after its "
        "introduction"
    )
