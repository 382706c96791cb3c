"""The board of one group: all that is known about the same faces, as tables.

What was measured here, what papers say and what weights claim about themselves are kept apart: only the first
is known to be measured in one way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affectzoo.leaderboard.board_tables import (
    SYSTEM,
    claimed_table,
    damage_table,
    folds_table,
    further_table,
    measured_table,
    normalised_table,
    other_table,
    published_table,
)
from affectzoo.leaderboard.groups import BASIC, Entry, Group, at, entries, own_warnings
from affectzoo.leaderboard.papers import PublishedFact, PublishedRow
from affectzoo.leaderboard.tables import Cell, Column, Table, make_table, text
from affectzoo.metrics.names import family, title

_PER_CLASS = {
    "recall": "Recall",
    "precision": "Precision",
    "f1": "F1 score",
    "f1_top2": "F1 score of two guesses",
    "kappa": "Cohen's kappa",
    "alpha": "Krippendorff's alpha",
    "auc": "Area under the ROC curve",
    "auc_pr": "Average precision",
    "support": "Faces",
}


@dataclass(frozen=True)
class Board:
    """All about one group.

    Attributes:
        group: Which.
        facts: What was measured on which faces, by heading.
        warnings: To be seen before the figures.
        measured: Systems by their main metric, the highest first; the two others stand apart from it.
        published: What papers say, in their order.
        claimed: What weights claim beside what was measured.
        details: Further metrics, by class, skew-normalised, by fold.
        confusions: The confusion matrix of each system's first run, in % of each true class.
        commands: Label and command of each record.
    """

    group: Group
    facts: Mapping[str, str]
    warnings: tuple[str, ...]
    measured: Table
    published: Table | None
    claimed: Table | None
    details: tuple[Table, ...]
    confusions: tuple[Table, ...]
    commands: tuple[tuple[str, str], ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them, in reading order."""
        first = (self.measured, self.published, self.claimed)
        return (*(table for table in first if table is not None), *self.details, *self.confusions)


def board(group: Group, published: Sequence[PublishedRow | PublishedFact]) -> Board:
    """Tables of one group.

    Args:
        group: Of ``groups``.
        published: Figures of papers, of any protocol.
    """
    ranked = entries(group)
    name = group.protocol.get("name")
    reported = [row for row in published if isinstance(row, PublishedRow) and name in row.protocols]
    others = [fact for fact in published if isinstance(fact, PublishedFact) and name == fact.protocol]
    shown, further = shown_metrics(group, ranked)
    details = [
        further_table(ranked, further),
        *_class_tables("class", "", [(e.label, e.classes) for e in ranked]),
        normalised_table(ranked),
        damage_table(group, ranked),
        folds_table(group, ranked),
        other_table(others),
        *_class_tables("published", ", published", [(_reported(r), _of(r.per_class)) for r in reported]),
        *_class_tables(
            "published-normalised",
            ", skew-normalised, published",
            [(_reported(r), _of(r.normalised_per_class)) for r in reported],
        ),
    ]
    return Board(
        group,
        facts_of(group),
        warnings_of(group, ranked),
        measured_table(group, ranked, shown),
        published_table(group, reported),
        claimed_table(group, ranked),
        tuple(table for table in details if table is not None),
        tuple(_confusions(ranked)),
        tuple(
            (label, record["command"]) for e in ranked for label, record in e.runs() if record.get("command")
        ),
    )


def shown_metrics(group: Group, ranked: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """The metrics of a group's first table, and all others."""
    metrics = list(dict.fromkeys(name for entry in ranked for name in entry.metrics))
    wanted = dict.fromkeys((group.main, *group.named, *BASIC[group.protocol["task"]]))
    shown = [name for kind in wanted for name in metrics if family(name) == kind]
    return shown, [name for name in metrics if name not in shown]


def _class_tables(
    name: str, ending: str, systems: Sequence[tuple[str, Callable[[str], Mapping[str, Cell]]]]
) -> Iterable[Table | None]:
    """A table per measure: systems by class.

    Args:
        name: Start of the tables' names.
        ending: Of their captions.
        systems: Each one's label, and from a measure to its cells by class.
    """
    for measure, what in _PER_CLASS.items():
        digits = 0 if measure == "support" else 4
        rows: list[dict[Column, Cell]] = [
            {SYSTEM: label, **{Column(c, digits=digits): cell for c, cell in cells(measure).items()}}
            for label, cells in systems
            if cells(measure)
        ]
        full = None if measure == "support" else 1.0
        yield make_table(f"{name}-{measure}", f"{what} by class{ending}", rows, full=full)


def _confusions(ranked: Sequence[Entry]) -> Iterable[Table]:
    """The confusion matrix of each system's first run; rows of classes without faces are blank."""
    for place, entry in enumerate(ranked):
        label, record = next(iter(entry.runs()))
        if not record.get("confusion"):
            continue
        names = record["labels"]
        rows: list[dict[Column, Cell]] = []
        for name, counts in zip(names, record["confusion"], strict=True):
            faces = sum(counts)
            shares = (
                {Column(n, digits=1): 100 * c / faces for n, c in zip(names, counts, strict=True)}
                if faces
                else {}
            )
            rows.append({Column("true class (faces)"): f"{name} ({faces:,})", **shares})
        caption = f"Confusion matrix of {label}, in % of each true class"
        if (table := make_table(f"confusion-{place}", caption, rows, full=100.0)) is not None:
            yield table


def _reported(row: PublishedRow) -> str:
    return f"{row.system} ({row.source})"


def _of(per_class: Mapping[str, Mapping[str, float]]) -> Callable[[str], Mapping[str, Cell]]:
    return lambda measure: per_class.get(measure, {})


def facts_of(group: Group) -> dict[str, str]:
    """What was measured on which faces, by heading."""
    protocol, first = group.protocol, group.records[0]
    faces, interval = first["faces"], first.get("interval") or {}
    counts = [f"{faces[what]:,} {what}" for what in ("subjects", "clips") if faces.get(what)]
    facts = {
        "What": protocol.get("title"),
        "Data": " to ".join(dict.fromkeys(name for name in protocol["data"].values() if name)),
        "Faces": ", ".join([f"{faces['total']:,}", *counts])
        + f"; a result per {protocol.get('unit', 'face')}",
        "Folds": str(protocol["folds"]) if protocol.get("folds", 1) > 1 else None,
        "Hash of the faces": protocol["hash"],
        "Sorted by": title(group.main),
        "Protocol reports": protocol.get("metrics"),
        "Intervals": "{level:.0%}, bootstrap of {resamples:,} resamples over {units}".format(**interval)
        if interval
        else None,
        "Follows": protocol.get("paper"),
        "Decided here": protocol.get("ours"),
    }
    return {name: what for name, what in facts.items() if what}


def warnings_of(group: Group, ranked: Sequence[Entry]) -> tuple[str, ...]:
    """Collect warnings about the test set, excluded faces and likely label-order mistakes.

    Args:
        group: Whose faces these are.
        ranked: Its systems.
    """
    found = [group.warning] if group.warning else []
    found += own_warnings(group)
    for record in group.records:
        left_out = at(record, "faces", "left_out") or {}
        found += [f"{count:,} faces are excluded: {reason}" for reason, count in left_out.items() if count]
    for entry in ranked:
        for label, record in entry.runs():
            found += [f"{label}: {_probe(probe)}" for probe in record.get("probes") or ()]
    return tuple(dict.fromkeys(found))


def _probe(probe: Mapping[str, Any]) -> str:
    metric, change, question = {
        "swap": ("accuracy", f"swapping {' and '.join(probe.get('classes', ()))}", "label order"),
        "order": ("accuracy", f"reading its outputs as {', '.join(probe.get('order', ()))}", "label order"),
        "values": ("ccc", f"to {probe.get('change')}", "order, sign and scale of its values"),
    }[probe["kind"]]
    gain = f"{title(metric)} from {text(probe[metric])} to {text(probe['would_be'])}"
    return f"{change} would raise {gain}: is the {question} right?"
