"""From a benchmark's folder to its pages: plots, comparisons, ``leaderboard.md`` and ``leaderboard.html``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectzoo import plots
from affectzoo.benchmark.comparison import compare
from affectzoo.errors import DataError
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.record import counted, predictions, read_records
from affectzoo.files.text import read_json
from affectzoo.files.writing import write_json
from affectzoo.leaderboard.groups import Entry, Group, at, entries, groups
from affectzoo.leaderboard.page import write_leaderboard
from affectzoo.leaderboard.papers import facts, published
from affectzoo.leaderboard.tables import number, text
from affectzoo.metrics.cells import cell_rmse, plane_histogram
from affectzoo.metrics.columns import TRUE
from affectzoo.metrics.names import DIMENSIONS, title

TRACED_CLIPS, TRACED_SYSTEMS = 6, 4
"""Clips and systems, the best ones, whose predictions are drawn over time."""
COMPARISONS = "comparisons.json"
Plots = list[tuple[str, Path]]


def report(out: Path, say: Callable[[str], None] = lambda text: None) -> tuple[Path, Path]:
    """Draw and write everything that a folder's records and predictions show.

    Args:
        out: Of ``affectzoo benchmark``.
        say: Told which systems are not drawn and not compared anew, as their predictions are not there, and
            which records are passed over.

    Returns:
        The Markdown and the HTML page.

    Raises:
        AffectZooError: There is no record, or one is damaged.
    """
    records = read_records(out, say)
    drawn: dict[str, Plots] = {}
    comparisons: list[dict[str, Any]] = []
    before = _read_comparisons(out / COMPARISONS)
    for group in groups(records):
        ranked = entries(group)
        told = [e for e in ranked if all(counted(out, record).is_file() for record in e.records)]
        for entry in ranked:
            if entry not in told:
                say(f"{entry.label}, {group.heading}: some of its predictions are not in {out}")
        comparisons += _comparisons(out, group, before)
        firsts = {entry.label: read_table(predictions(out, entry.records[0])) for entry in told}
        drawn[group.id] = _plots(group, ranked, firsts, out / "plots")
    write_json(out / COMPARISONS, comparisons, indent=1)
    return write_leaderboard(out, records, [*published(), *facts()], comparisons, drawn)


def _comparisons(
    out: Path, group: Group, before: Mapping[tuple[str, ...], dict[str, Any]]
) -> list[dict[str, Any]]:
    """The best system against each other one, all runs of both.

    Where predictions are not there, what was found of the very same records before stays.
    """
    known = [entry for entry in entries(group) if entry.metrics.get(group.main) is not None]
    found = []
    for other in known[1:]:
        runs = [record for entry in (known[0], other) for record in entry.records]
        keys = tuple(record["key"] for record in runs)
        facts: dict[str, Any] = {"group": group.id, "first": known[0].label, "second": other.label}
        if all(counted(out, record).is_file() for record in runs):
            tables = [read_table(counted(out, record)) for record in runs]
            mine, theirs = tables[: len(known[0].records)], tables[len(known[0].records) :]
            told = compare(mine, theirs, group.main, first=known[0].label, second=other.label)
            facts = told.to_dict(group.id)
        elif (group.main, *keys) in before:
            facts = before[(group.main, *keys)]
        else:
            facts |= {"metric": group.main, "difference": None, "verdict": "not compared: no predictions"}
        found.append({**facts, "records": list(keys)})
    return found


def _read_comparisons(path: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """Comparisons of before, by metric and records."""
    try:
        told = read_json(path)
        return {(one["metric"], *one["records"]): one for one in told if one["difference"] is not None}
    except (DataError, KeyError, TypeError):
        return {}


def _plots(group: Group, ranked: Sequence[Entry], tables: Mapping[str, pd.DataFrame], folder: Path) -> Plots:
    figures = _Figures(group, folder)
    figures.results(ranked)
    if any("confusion" in entry.records[0] for entry in ranked):
        figures.classes(ranked)
    known = [
        (entry, tables[entry.label])
        for entry in ranked
        if entry.label in tables and set(DIMENSIONS) <= set(tables[entry.label])
    ]
    if known:
        figures.values(known)
    return figures.drawn


class _Figures:
    """The figures of one group, in the order in which they are shown."""

    def __init__(self, group: Group, folder: Path) -> None:
        self.group = group
        self.folder = folder
        self.drawn: Plots = []

    def path(self, caption: str, name: str) -> Path:
        """A new image's file."""
        stem = re.sub(r"[^\w.+-]+", "-", f"{self.group.id}-{name}")[:120]
        taken = {path.stem for _, path in self.drawn}
        path = self.folder / f"{stem}{f'-{len(taken)}' if stem in taken else ''}.png"
        self.drawn.append((caption, path))
        return path

    def results(self, ranked: Sequence[Entry]) -> None:
        """The main metric with its intervals, and against latency."""
        main = self.group.main
        rows: list[tuple[str, float, float | None, float | None, str]] = []
        costs = {}
        for entry in ranked:
            value = number(entry.metrics.get(main))
            if value is None:
                continue
            told = entry.records[0]["metrics"][main]
            ends = (told.get("low"), told.get("high")) if len(entry.records) == 1 else (None, None)
            rows.append((entry.label, value, *ends, "measured"))
            compute = entry.records[0].get("compute") or {}
            if compute.get("latency_ms"):
                costs[entry.label] = (compute["latency_ms"], value, compute.get("parameters"))
        if not rows:
            return
        protocol = self.group.protocol
        deviations = protocol.get("deviations") or []
        as_published = all(told["equal"] for told in deviations) and not protocol.get("note")
        for row in published(protocol["name"]) if protocol["name"] and as_published else ():
            if main in row.metrics and row.comparable:
                rows.append((f"{row.system}, {row.source}", row.metrics[main], None, None, "published"))
        plots.interval_figure(
            rows, self.path("Results with their intervals", "results"), title(main), self.group.heading
        )
        if costs:
            caption = f"{title(main)} against the time for one face"
            plots.cost_figure(costs, self.path(caption, "cost"), title(main), self.group.heading)

    def classes(self, ranked: Sequence[Entry]) -> None:
        """Recalls of all systems and each one's confusion matrix, of its first run."""
        told = {entry.label: entry.records[0] for entry in ranked if "confusion" in entry.records[0]}
        recalls = {
            name: {label: values["recall"] for label, values in record["per_class"].items()}
            for name, record in told.items()
        }
        plots.recall_figure(recalls, self.path("Recall by class", "recall"), self.group.heading)
        for name, record in told.items():
            path = self.path(f"Confusion matrix of {name}", f"confusion-{name}")
            heading = f"{name}: accuracy {text(at(record, 'metrics', 'accuracy', 'value'))}"
            plots.confusion_figure(np.array(record["confusion"]), record["labels"], path, heading)

    def values(self, known: Sequence[tuple[Entry, pd.DataFrame]]) -> None:
        """The plane of labels and predictions, errors in it, and traces over clips."""
        truth = [f"{TRUE}{name}" for name in DIMENSIONS]
        histograms: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
        errors = {}
        for entry, table in known:
            told = table.dropna(subset=[*DIMENSIONS, *truth])
            if told.empty:
                continue
            label, predicted = told[truth].to_numpy(float), told[list(DIMENSIONS)].to_numpy(float)
            histograms.setdefault("labels", _cells(label))
            histograms[entry.label] = _cells(predicted)
            cells = cell_rmse(predicted, label, bins=10)
            errors[entry.label] = (cells.edges, cells.faces, cells.distance)
            pairs = {name: (label[:, i], predicted[:, i]) for i, name in enumerate(DIMENSIONS)}
            path = self.path(f"Predictions of {entry.label} against labels", f"agreement-{entry.label}")
            plots.agreement_figure(pairs, path, entry.label)
        if not errors:
            return
        caption = "Where labels and predictions lie"
        plots.plane_figure(histograms, self.path(caption, "plane"), self.group.heading)
        plots.cell_error_figure(errors, self.path("RMSE over the plane", "errors"), self.group.heading)
        self._traces(known[:TRACED_SYSTEMS])

    def _traces(self, known: Sequence[tuple[Entry, pd.DataFrame]]) -> None:
        tables = [table.set_index("id") for _, table in known]
        first = tables[0]
        clips: dict[str, dict[str, tuple[np.ndarray, ...]]] = {}
        for clip in first["clip"].value_counts().index[:TRACED_CLIPS].sort_values():
            frames = first[first["clip"] == clip].sort_values("frame")
            rows = [table.loc[frames.index] for table in tables]
            clips[str(clip)] = {
                name: (
                    frames["frame"].to_numpy(float),
                    frames[f"{TRUE}{name}"].to_numpy(float),
                    *(row[name].to_numpy(float) for row in rows),
                )
                for name in DIMENSIONS
            }
        if clips:
            systems = [entry.label for entry, _ in known]
            path = self.path("Predictions and labels over the longest clips", "traces")
            plots.traces_figure(clips, path, self.group.heading, systems)


def _cells(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Faces by cell of the plane, as ``plots.plane_figure`` takes them."""
    edges, faces, outside = plane_histogram(values, bins=21, limit=1.05)  # cells around the tenths
    return edges, faces, outside
