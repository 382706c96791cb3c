"""What stands for each table of the five papers, as a page; from ``assets/coverage.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[1] / "assets" / "coverage.yaml"
SMOKE = "training/test_training.py::test_published_recipe_learns"
"""The test that trains every recipe for some steps."""


@dataclass(frozen=True)
class Covered:
    """A table of a paper and what stands for its rows.

    Attributes:
        source: The paper's key in ``assets/published.yaml``.
        table: The table's or section's name.
        what: What is in it.
        recipes: Recipes by name.
        protocols: Protocols by name.
        tests: Files below ``tests``, with ``::function`` where one is meant.
        none: Why some rows have nothing; empty where all have.
    """

    source: str
    table: str
    what: str
    recipes: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    none: str = ""


def covered() -> Iterator[Covered]:
    """Every table, in the papers' order."""
    document: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for source, tables in document.items():
        for table, told in tables.items():
            lists = {name: tuple(told.get(name, ())) for name in ("recipes", "protocols", "tests")}
            if lists["recipes"]:
                lists["tests"] += (SMOKE,)
            yield Covered(source, table, told["what"], none=told.get("none", ""), **lists)


def markdown(titles: dict[str, str]) -> str:
    """Write the tables of ``docs/papers.md``.

    Args:
        titles: Each paper's title, by its key.
    """
    parts = []
    for source, title in titles.items():
        rows = [_row(each) for each in covered() if each.source == source]
        head = f"| table | what | recipes | protocols | tests | not covered |\n{'| --- ' * 6}|"
        parts.append("\n".join([f"## {title}", "", head, *rows]))
    return "\n\n".join(parts) + "\n"


def _row(each: Covered) -> str:
    lists = [", ".join(f"`{name}`" for name in names) for names in (each.recipes, each.protocols, each.tests)]
    return (
        f"| {each.table} | {each.what} | {' | '.join(cell or '-' for cell in lists)} | {each.none or '-'} |"
    )
