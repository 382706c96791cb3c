"""Tables of what papers report, and of what weights claim about themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affectzoo.leaderboard.columns import EPOCH, KIND, NOTES, SYSTEM, metric_column, metric_columns
from affectzoo.leaderboard.groups import ON_TEST, ORDER, Entry, Group, Record, at, has_value, title
from affectzoo.leaderboard.published import PublishedFact, PublishedRow
from affectzoo.leaderboard.remarks import own_warnings
from affectzoo.leaderboard.tables import Cell, Column, Table, make_table

_PUBLISHED_EPOCHS = {
    "test": ON_TEST,
    "valid": "best on the validation part",
    "last": "the last one",
    "none": "there are none",
}
_SOURCE = Column("source", "where the figure was published")
_COMPARABLE = Column(
    "comparable", "whether the published figure is of the same faces and rules and, if not, why"
)


def published_table(group: Group, rows: Sequence[PublishedRow]) -> Table | None:
    """What papers report of the group's protocol, or of one whose figures are shown beside.

    Args:
        group: Beside which it stands.
        rows: The papers' figures.
    """
    names = {name for row in rows for name in row.metrics}
    columns = metric_columns(name for name in ORDER if name in names)
    same = "with the protocol; this copy differs, see above" if own_warnings(group) else "yes"
    cells: list[dict[Column, Cell]] = []
    for row in rows:
        elsewhere = "" if row.protocol == group.name else f"it belongs to {row.protocol}"
        why_not = "; ".join(why for why in (elsewhere, row.why_not) if why)
        cells.append(
            {
                SYSTEM: row.system,
                **{metric_column(name, row.epoch == "test"): value for name, value in row.metrics.items()},
                **{Column(f"{title(n)}, skew-normalised"): value for n, value in row.normalised.items()},
                KIND: row.kind,
                EPOCH: _PUBLISHED_EPOCHS.get(row.epoch, row.epoch),
                _COMPARABLE: f"no: {why_not}" if elsewhere or not row.comparable else same,
                _SOURCE: f"{row.source}, {row.table}",
                NOTES: ". ".join(note for note in (row.note, row.epoch_note) if note),
            }
        )
    return make_table("published", "Published, as the papers say", cells, columns)


def other_table(facts: Sequence[PublishedFact]) -> Table | None:
    """What papers report that no metric here measures."""
    rows: list[dict[Column, Cell]] = [
        {
            SYSTEM: fact.system,
            Column("what"): fact.what,
            Column("value"): " ".join(part for part in (str(fact.value), fact.unit) if part),
            _SOURCE: ", ".join(part for part in (fact.source, fact.table) if part),
            NOTES: fact.note,
        }
        for fact in facts
    ]
    return make_table("other", "Published, of other kinds", rows)


def claimed_table(group: Group, ranked: Sequence[Entry]) -> Table | None:
    """Claims about the tested data set; the difference only where the split is the same."""
    protocol, rows = group.protocol, []
    for entry in ranked:
        for label, record in entry.runs():
            for claim in record.get("claimed") or ():
                if claim.get("data") != protocol["data"]["test"]:
                    continue
                same = claim.get("split") == group.split and protocol["folds"] == 1
                rows += [
                    _claim(label, record, claim, name, same) for name in claim if name in record["metrics"]
                ]
    return make_table("claimed", "Claimed by the weights, beside what was measured", rows)


def _claim(
    label: str, record: Record, claim: Mapping[str, Any], metric: str, same: bool
) -> dict[Column, Cell]:
    claimed = claim[metric]
    measured = record["metrics"][metric]["value"] if same else None
    difference = measured - claimed if has_value(claimed) and has_value(measured) else None
    return {
        SYSTEM: label,
        Column("metric"): title(metric),
        Column("claimed", "what the weights' own metadata say"): claimed,
        Column("measured", "on the faces of this table; only for the same split"): measured,
        Column("difference", "measured less claimed, or first less second"): difference,
        Column("split"): claim.get("split"),
        Column("faces claimed"): claim.get("faces"),
        Column("faces measured"): at(record, "faces", "predicted") if same else None,
    }
