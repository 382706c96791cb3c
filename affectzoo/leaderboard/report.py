"""From a benchmark's folder to its pages: plots, comparisons, ``leaderboard.md`` and ``leaderboard.html``.

What reads, compares and draws predictions is imported where there are some: it takes longer than all else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo import plots
from affectzoo.errors import DataError
from affectzoo.evaluation.record import FOLDER, counted, predictions, read_listed, read_records
from affectzoo.files.text import read_json
from affectzoo.files.writing import write_json
from affectzoo.leaderboard.groups import Entry, Group, Record, entries, groups
from affectzoo.leaderboard.page import write_leaderboard
from affectzoo.leaderboard.papers import facts, published
from affectzoo.leaderboard.tables import number
from affectzoo.metrics.columns import TRUE
from affectzoo.metrics.names import DIMENSIONS, title

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TRACED_CLIPS, TRACED_SYSTEMS = 6, 4
"""Clips and systems, the best ones, whose predictions are drawn over time."""
NAMED = 8
"""Systems without predictions that are named."""
BEST = 40
"""Systems with a place in plots of results."""
COMPARISONS = "comparisons.json"
FIGURES = "figures.json"
PLOTS = "plots"


@dataclass(frozen=True)
class Drawn:
    """An image of the page.

    Attributes:
        caption: Under it.
        file: Its name in ``plots/``.
        records: Keys of those that it is of.
    """

    caption: str
    file: str
    records: tuple[str, ...]


Figures = dict[str, list[Drawn]]
"""By group id, in the order in which they are shown."""


def gather(
    out: Path, more: Sequence[Path] = (), say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """The records that a folder's pages show, each once.

    Args:
        out: Of ``affectzoo benchmark``; where there are more, it may have none of its own.
        more: Records that stay where they are, or folders that have some.
        say: Told which records are passed over.

    Raises:
        AffectZooError: There is no record, or one is damaged.
    """
    own = [] if more and not (out / FOLDER).is_dir() else read_records(out, say)
    return list({record["key"]: record for record in (*read_listed(more, say), *own)}.values())


def report(
    out: Path, say: Callable[[str], None] = lambda text: None, more: Sequence[Path] = ()
) -> tuple[Path, Path]:
    """Draw and write everything that a folder's records and predictions show.

    Comparisons and images for which the predictions are not there stay as they were found and drawn before.

    Args:
        out: Of ``affectzoo benchmark``.
        say: Told which systems are not drawn and not compared anew, as their predictions are not there, and
            which records are passed over.
        more: See ``gather``.

    Returns:
        The Markdown and the HTML page.

    Raises:
        AffectZooError: There is no record, or one is damaged.
    """
    records = gather(out, more, say)
    drawn: Figures = {}
    comparisons: list[dict[str, Any]] = []
    before, drawn_before = _read_comparisons(out / COMPARISONS), read_figures(out)
    for group in groups(records):
        ranked = entries(group)
        told = [e for e in ranked if all(counted(out, record).is_file() for record in e.records)]
        if lacking := [entry.label for entry in ranked if entry not in told]:
            others = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
            say(f"{group.heading}: predictions of {', '.join(lacking[:NAMED])}{others} are not in {out}")
        comparisons += _comparisons(out, group, before)
        firsts = {entry.label: _table(predictions(out, entry.records[0])) for entry in told}
        figures = _plots(group, ranked, firsts, out / PLOTS)
        drawn[group.id] = [*figures, *_kept(out, group, figures, drawn_before.get(group.id, ()))]
    write_json(out / COMPARISONS, comparisons, indent=1)
    write_json(
        out / FIGURES, {id_: [asdict(one) for one in figures] for id_, figures in drawn.items()}, indent=1
    )
    return write_leaderboard(out, records, [*published(), *facts()], comparisons, images(out, drawn))


def _table(path: Path) -> pd.DataFrame:
    from affectzoo.evaluation.predictions import read_table

    return read_table(path)


def images(out: Path, figures: Figures) -> dict[str, list[tuple[str, Path]]]:
    """Caption and file of each image, by group id."""
    return {id_: [(one.caption, out / PLOTS / one.file) for one in of] for id_, of in figures.items()}


def read_figures(out: Path) -> Figures:
    """The images that a folder's page shows; none where nothing can be read of them."""
    try:
        told = read_json(out / FIGURES)
        return {
            id_: [Drawn(one["caption"], Path(one["file"]).name, tuple(one["records"])) for one in of]
            for id_, of in told.items()
        }
    except (DataError, KeyError, TypeError, AttributeError):
        return {}


def _kept(out: Path, group: Group, drawn: Sequence[Drawn], before: Sequence[Drawn]) -> list[Drawn]:
    """Images of before that are not drawn anew, of records that are still the group's."""
    keys, files = {record["key"] for record in group.records}, {one.file for one in drawn}
    return [
        one
        for one in before
        if one.file not in files and keys.issuperset(one.records) and (out / PLOTS / one.file).is_file()
    ]


def _comparisons(out: Path, group: Group, before: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best system against each other one, all runs of both.

    Where predictions are not there, what was found of the very same records before stays, be it against a
    system that was the best before.
    """
    keys = {record["key"] for record in group.records}
    stay = {
        _second(one): one for one in before if one["metric"] == group.main and keys.issuperset(one["records"])
    }
    known = [entry for entry in entries(group) if entry.metrics.get(group.main) is not None]
    found = []
    for other in known[1:]:
        runs = [record for entry in (known[0], other) for record in entry.records]
        facts: dict[str, Any] = {"group": group.id, "first": known[0].label, "second": other.label}
        if all(counted(out, record).is_file() for record in runs):
            from affectzoo.benchmark.comparison import compare

            tables = [_table(counted(out, record)) for record in runs]
            mine, theirs = tables[: len(known[0].records)], tables[len(known[0].records) :]
            told = compare(mine, theirs, group.main, first=known[0].label, second=other.label)
            facts = told.to_dict(group.id)
        elif (one := stay.get(tuple(record["key"] for record in other.records))) is not None:
            found.append(one)
            continue
        else:
            facts |= {"metric": group.main, "difference": None, "verdict": "not compared: no predictions"}
        found.append({**facts, "records": [record["key"] for record in runs]})
    return found


def _second(comparison: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of the second system's records."""
    return tuple(comparison["records"][comparison["runs"][0] :])


def _read_comparisons(path: Path) -> list[dict[str, Any]]:
    """Comparisons that were found before."""
    try:
        told = [one for one in read_json(path) if one["difference"] is not None]
        return told if all(_second(one) and one["metric"] for one in told) else []
    except (DataError, KeyError, TypeError):
        return []


def _plots(
    group: Group, ranked: Sequence[Entry], tables: Mapping[str, pd.DataFrame], folder: Path
) -> list[Drawn]:
    figures = _Figures(group, folder)
    figures.results(ranked)
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
        self.drawn: list[Drawn] = []

    def path(self, caption: str, name: str, of: Iterable[Record]) -> Path:
        """A new image's file, of some records."""
        stem = re.sub(r"[^\w.+-]+", "-", f"{self.group.id}-{name}")[:120]
        taken = {one.file for one in self.drawn}
        file = f"{stem}{f'-{len(taken)}' if f'{stem}.png' in taken else ''}.png"
        self.drawn.append(Drawn(caption, file, tuple(record["key"] for record in of)))
        return self.folder / file

    def results(self, ranked: Sequence[Entry]) -> None:
        """The main metric with its intervals, and against latency."""
        main, more = self.group.main, "" if len(ranked) <= BEST else f", the best {BEST} systems"
        rows: list[tuple[str, float, float | None, float | None, str]] = []
        costs = {}
        for entry in ranked[:BEST]:
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
            rows,
            self.path(f"Results with their intervals{more}", "results", self.group.records),
            title(main),
            self.group.heading,
        )
        if costs:
            caption = f"{title(main)} against the time for one face{more}"
            plots.cost_figure(
                costs, self.path(caption, "cost", self.group.records), title(main), self.group.heading
            )

    def values(self, known: Sequence[tuple[Entry, pd.DataFrame]]) -> None:
        """The plane of labels and predictions, errors in it, and traces over clips."""
        from affectzoo.metrics.cells import cell_rmse

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
            path = self.path(
                f"Predictions of {entry.label} against labels", f"agreement-{entry.label}", entry.records[:1]
            )
            plots.agreement_figure(pairs, path, entry.label)
        if not errors:
            return
        of = [entry.records[0] for entry, _ in known]
        path = self.path("Where labels and predictions lie", "plane", of)
        plots.plane_figure(histograms, path, self.group.heading)
        plots.cell_error_figure(errors, self.path("RMSE over the plane", "errors", of), self.group.heading)
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
            of = [entry.records[0] for entry, _ in known]
            path = self.path("Predictions and labels over the longest clips", "traces", of)
            plots.traces_figure(clips, path, self.group.heading, systems)


def _cells(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Faces by cell of the plane, as ``plots.plane_figure`` takes them."""
    from affectzoo.metrics.cells import plane_histogram

    edges, faces, outside = plane_histogram(values, bins=21, limit=1.05)  # cells around the tenths
    return edges, faces, outside
