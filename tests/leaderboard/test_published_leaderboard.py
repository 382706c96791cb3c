"""The leaderboard that the repository holds, and what the README quotes from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from affectzoo import store
from affectzoo.evaluation.record import read_record
from affectzoo.files.text import read_json
from affectzoo.leaderboard.groups import entries, groups
from affectzoo.leaderboard.page import DETAILS, contents, leaderboard
from affectzoo.leaderboard.papers import facts, published
from affectzoo.leaderboard.report import COMPARISONS, PLOTS, gather, images, read_figures

REPOSITORY = Path(__file__).parents[2]
CARDS = REPOSITORY / "model_cards" / "records"
BOARD = REPOSITORY / "docs" / "leaderboard"
COMMAND = "affectzoo leaderboard docs/leaderboard --record model_cards/records/*/*.json"
QUOTED = re.compile(r"<!-- leaderboard: (.+?) -->\n(.*?)<!-- /leaderboard -->", re.DOTALL)


def shown() -> list[dict[str, Any]]:
    """The records that ``COMMAND`` shows: the leaderboard's own and the cards'."""
    return gather(BOARD, sorted(CARDS.glob("*/*.json")))


def lines(name: str, columns: list[str]) -> list[str]:
    """A group's rows as the README shows them, from the records."""
    (group,) = (group for group in groups(shown()) if group.protocol["name"] == name)
    rows = []
    for entry in entries(group):
        figures = [entry.metrics.get(column) for column in columns]
        cells = ["-" if figure is None else f"{figure.value:.4f}" for figure in figures]
        rows.append(f"| {entry.system} | {len(entry.records)} | {' | '.join(cells)} |")
    return rows


@pytest.mark.parametrize("page", ["README.md", "docs/benchmark.md"])
def test_quoted_figures_are_the_records(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for name, table in QUOTED.findall(text):
        header, _, *rows = table.strip().splitlines()
        columns = [cell.strip().replace(" ", "_").lower() for cell in header.strip("|").split("|")][2:]
        assert rows == lines(name, columns)


def test_the_readme_has_the_figures_of_all_weights() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    quoted = 0
    for name in store.entries():
        records = [read_record(path) for path in (CARDS / name).glob("*.json")]
        parts = {record["protocol"]["name"]: record for record in records}
        both = [parts[part] for part in ("ferplus", "ferplus_valid") if part in parts]
        cells = [
            f"{record['metrics'][metric]['value']:.4f}"
            for record in both
            for metric in ("accuracy", "mean_diagonal", "f1")
        ]
        row = f"| `{name}` | {' | '.join(cells)} |"
        assert not both or row in readme, f"README.md lacks: {row}"
        assert all(f"{record['faces']['predicted']:,}" in readme for record in both), name
        quoted += bool(both)
    assert quoted


def test_readme_quotes_the_leaderboard() -> None:
    assert QUOTED.search((REPOSITORY / "docs" / "benchmark.md").read_text(encoding="utf-8"))


def test_records_name_no_place_and_say_what_is_rendered() -> None:
    for record in shown():
        assert not re.search(r"(?<![\w.])/(tmp|home|root|work|Users)/", str(record)), record["key"]
        if record["protocol"]["data"]["test"] != "ferplus":
            assert record["protocol"]["note"].startswith("rendered "), record["key"]


def test_comparisons_are_of_the_records() -> None:
    records = {record["key"]: record for record in shown()}
    told = json.loads((BOARD / "comparisons.json").read_text(encoding="utf-8"))
    ranked = [
        [entry for entry in entries(group) if entry.metrics.get(group.main) is not None]
        for group in groups(list(records.values()))
    ]
    assert len(told) == sum(len(compared) - 1 for compared in ranked if compared)
    assert any(one["difference"] is not None for one in told)
    for one in (one for one in told if one["difference"] is not None):
        runs = [records[key] for key in one["records"]]
        sides = runs[: one["runs"][0]], runs[one["runs"][0] :]
        if runs[0]["protocol"]["folds"] == 1:  # else faces of all folds together are compared
            figures = [[run.get("metrics_all") or run["metrics"] for run in side] for side in sides]
            means = [fmean(run[one["metric"]]["value"] for run in side) for side in figures]
            assert one["values"] == pytest.approx(means, abs=1e-6), one["verdict"]


def test_quoted_comparisons_of_losses() -> None:
    records = shown()
    told = json.loads((BOARD / "losses.json").read_text(encoding="utf-8"))
    means = [one for one in told if one["runs"] == [3, 3]]
    quoted = (REPOSITORY / "docs" / "benchmark.md").read_text(encoding="utf-8")
    for one in means:
        for system, value in zip((one["first"], one["second"]), one["values"], strict=True):
            runs = [record for record in records if record["system"] == system]
            mean = fmean(run["metrics"][one["metric"]]["value"] for run in runs)
            assert value == pytest.approx(mean, abs=1e-6), system
        assert f"{one['difference']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})" in quoted
    assert len(means) == 12


def test_pages_are_what_the_records_say_now() -> None:
    """A record of a card that they lack, or one that was measured anew, makes them stale."""
    date = re.search(r"Made on (\S+)", (BOARD / "leaderboard.md").read_text(encoding="utf-8"))
    assert date is not None
    comparisons, figures = read_json(BOARD / COMPARISONS), read_figures(BOARD)
    page = leaderboard(shown(), [*published(), *facts()], comparisons, date[1])
    files = contents(BOARD, page, images(BOARD, figures))
    for path, now in files.items():
        assert path.is_file() and path.read_text(encoding="utf-8") == now, f"{path} is stale; run: {COMMAND}"
    assert set((BOARD / DETAILS).iterdir()) < set(files)


def test_plots_are_those_of_the_page() -> None:
    linked = [one.file for figures in read_figures(BOARD).values() for one in figures]
    assert sorted(linked) == sorted(path.name for path in (BOARD / PLOTS).iterdir())


def test_the_command_is_documented() -> None:
    assert COMMAND in (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_bundled_weights_were_measured_as_they_are() -> None:
    for entry in store.entries().values():
        records = [read_record(path) for path in (CARDS / entry.name).glob("*.json")]
        assert all(record["model"]["sha256"] == [entry.sha256] for record in records)
        figures = {
            (record["protocol"]["data"]["test"], record["faces"]["predicted"], name): figure["value"]
            for record in records
            for name, figure in record["metrics"].items()
        }
        compared = 0
        for claim in entry.meta.metrics:
            for name in ("accuracy", "ccc_valence", "ccc_arousal", "nme"):
                found = figures.get((claim["data"], claim["faces"], name))
                if found is not None:
                    assert found == pytest.approx(claim[name], abs=1e-6), (entry.name, name)
                    compared += 1
        assert compared
