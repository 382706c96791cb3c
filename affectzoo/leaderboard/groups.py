"""Records sorted by the faces that they are about, and one system's runs put together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from affectzoo.errors import AffectZooError
from affectzoo.evaluation.protocols import tested_split
from affectzoo.leaderboard.tables import Cell, Figure, number
from affectzoo.metrics.names import CLASS_METRICS, METRICS, family

Record = Mapping[str, Any]
"""What one system did on one protocol, as ``affectzoo benchmark`` writes it."""


Figures = Mapping[str, "Figure | None"]


ON_TEST = "best epoch on the test part"


@dataclass(frozen=True)
class Group:
    """Records on the same faces.

    Attributes:
        id: Name and the start of the faces' hash; unique among groups.
        name: The protocol's, or data, split and task.
        records: All of them, as they came.
        warning: Says that the same protocol was also measured on other faces.
    """

    id: str
    name: str
    records: tuple[Record, ...]
    warning: str | None = None

    @property
    def protocol(self) -> Mapping[str, Any]:
        """As the first record says."""
        protocol: Mapping[str, Any] = self.records[0]["protocol"]
        return protocol

    @property
    def split(self) -> str | None:
        """The split that is tested on."""
        return tested_split(self.protocol)

    @property
    def heading(self) -> str:
        """Its name and, wherever that is shown, what readers should know of the copy."""
        note = self.protocol.get("note")
        return f"{self.name} ({note})" if note else self.name

    @property
    def short(self) -> str:
        """Its name where there is no room for the note; faces of one name are told apart by their hash."""
        note = ["rendered"] if self.rendered else []
        told = [*note, *([str(self.protocol["hash"])[:8]] if self.warning else [])]
        return f"{self.name} ({', '.join(told)})" if told else self.name

    @property
    def rendered(self) -> bool:
        """Whether its faces are computer graphics, as the note of their copy says."""
        return "rendered" in str(self.protocol.get("note") or "").lower()

    @property
    def main(self) -> str:
        """The metric that sorts: of classes the first that the protocol names; of values CCC, else NME."""
        if (task := self.protocol["task"]) in ("va", "landmarks"):
            return BASIC[task][0]
        return next((name for name in self.named if name in CLASS_METRICS), "accuracy")

    @property
    def named(self) -> tuple[str, ...]:
        """The metrics that the protocol names, in its order."""
        found = _METRIC.findall(str(self.protocol.get("metrics") or ""))
        names = (re.sub("[ -]", "_", name.lower()) for name in found)
        return tuple(dict.fromkeys("pcc" if name == "corr" else name for name in names))


@dataclass(frozen=True)
class Entry:
    """One system in a group: one row; several records are its runs.

    Attributes:
        system: Its name.
        on_test: Whether the test part chose its epoch.
        records: Of its runs.
    """

    system: str
    on_test: bool
    records: tuple[Record, ...]

    @property
    def label(self) -> str:
        """Its name in tables where one column serves all."""
        return f"{self.system} ({ON_TEST})" if self.on_test else self.system

    @cached_property
    def metrics(self) -> Figures:
        """Over the faces that it answered for."""
        return _joined(self.records, lambda record: record.get("metrics"))

    @cached_property
    def metrics_all(self) -> Figures:
        """Over all faces."""
        return _joined(self.records, lambda record: record.get("metrics_all") or record.get("metrics"))

    @cached_property
    def normalised(self) -> Figures:
        """Skew-normalised."""
        return _joined(self.records, lambda record: record.get("normalised"))

    def classes(self, measure: str) -> Mapping[str, Cell]:
        """One measure by class; ``support`` without a spread."""
        found = _joined(self.records, lambda record: _measure(record, measure))
        return {name: number(figure) for name, figure in found.items()} if measure == "support" else found

    def runs(self) -> Iterable[tuple[str, Record]]:
        """Each run with a label of its own."""
        for run, record in enumerate(self.records, 1):
            seed = at(record, "model", "training", "seed")
            which = f"run {run}" if seed is None else f"seed {seed}"
            yield (self.label if len(self.records) == 1 else f"{self.label}, {which}"), record

    def notes(self) -> list[str]:
        """What readers should know before they believe the row."""
        found = []
        seeds = Counter(at(record, "model", "training", "seed") for record in self.records)
        files = Counter(file for r in self.records for file in set(at(r, "model", "sha256") or ()))
        recipes = {at(record, "model", "training", "recipe_hash") for record in self.records}
        if len(recipes - {None}) > 1:
            found.append("its runs do not have one recipe")
        if twice := sorted(file[:8] for file, times in files.items() if times > 1):
            found.append(f"the same weights count twice: {', '.join(twice)}")
        elif twice := sorted(str(seed) for seed, n in seeds.items() if n > 1 and seed is not None):
            found.append(f"runs share a seed: {', '.join(twice)}")
        if len(self.records) > 1 and any(r["kind"] in ("external", "classical") for r in self.records):
            found.append("several results of one name: delete the records of older ones")
        if any(at(record, "model", "training", "on_protocol") is False for record in self.records):
            found.append("trained on other faces than the protocol's training part")
        found += dict.fromkeys(told for record in self.records for told in record.get("remarks") or ())
        fits = [fit for record in self.records for fit in record.get("fit") or ()]
        if lost := sum(fit["without_features"] for fit in fits):
            found.append(f"fitted without {lost:,} training faces, which have no features")
        if reduced := {fit["pca"]: fit["dimensions"] for fit in fits if fit["pca"] is not None}:
            told = ", ".join(f"{number:,} that keep {share:.0%}" for share, number in reduced.items())
            found.append(f"features reduced by PCA to {told} of their variance")
        renamed = {k: v for r in self.records for k, v in (r.get("mapping") or {}).items() if k != v}
        if renamed:
            classes = (f"{name} by its {own}" if own else f"no {name}" for name, own in renamed.items())
            found.append(f"answers {', '.join(classes)}")
        return found


BASIC = {
    "expression": ("accuracy", "mean_diagonal", "f1"),
    "va": ("ccc", "pcc", "rmse"),
    "multitask": ("accuracy", "mean_diagonal", "f1", "ccc", "pcc", "rmse"),
    "landmarks": ("nme",),
}
"""Shown in the first table whatever the protocol names."""


_LONGEST_FIRST = sorted((*METRICS, "corr"), key=len, reverse=True)


_METRIC = re.compile("|".join(rf"\b{name.replace('_', '[ _-]')}\b" for name in _LONGEST_FIRST), re.IGNORECASE)


def groups(records: Sequence[Record]) -> tuple[Group, ...]:
    """Sort records by the faces that they are about.

    Args:
        records: In any order.

    Returns:
        One group per protocol (or data, split and task) and hash of the faces, in order of first occurrence.

    Raises:
        AffectZooError: There is no record.
    """
    if not records:
        raise AffectZooError("leaderboard: there is no record to show; run affectzoo benchmark first")
    found: dict[tuple[str, str, str | None], list[Record]] = {}
    for record in records:
        protocol = record["protocol"]
        found.setdefault((_name(protocol), protocol["hash"], protocol.get("truth")), []).append(record)
    hashes: dict[str, list[str]] = {}
    for name, faces, _ in found:
        hashes.setdefault(name, []).append(faces)
    return tuple(
        Group(
            f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{faces[:8]}{'' if truth is None else truth[:4]}",
            name,
            tuple(members),
            _other_faces(name, faces, hashes[name]),
        )
        for (name, faces, truth), members in found.items()
    )


def entries(group: Group) -> list[Entry]:
    """A row per system, the best main metric first, those whose epoch the test part chose last."""
    found: dict[tuple[str, bool], list[Record]] = {}
    for record in group.records:
        on_test = at(record, "epoch", "on_test") is True
        found.setdefault((_row_name(record), on_test), []).append(record)

    def place(entry: Entry) -> tuple[bool, float, str]:
        value = number(entry.metrics_all.get(group.main) or entry.metrics.get(group.main))
        sign = 1 if METRICS[family(group.main)].lower_is_better else -1
        return entry.on_test, float("inf") if value is None else sign * value, entry.system

    return sorted((Entry(*key, tuple(members)) for key, members in found.items()), key=place)


def _row_name(record: Record) -> str:
    """The system's; with faces of a detector it is another one, not another run."""
    detector = record["protocol"].get("detector")
    return f"{record['system']}, faces found by {detector}" if detector else str(record["system"])


def _name(protocol: Mapping[str, Any]) -> str:
    if protocol.get("name"):
        return str(protocol["name"])
    return f"{protocol['data']['test']} {protocol.get('split') or 'all faces'}, {protocol['task']}"


def _other_faces(name: str, faces: str, hashes: Sequence[str]) -> str | None:
    others = ", ".join(dict.fromkeys(other[:8] for other in hashes if other != faces))
    if not others and len(hashes) == 1:
        return None
    if not others:
        return f"{name} was also measured on these faces with other labels, which has a table of its own."
    return (
        f"{name} was also measured on other faces (hash {others}; here {faces[:8]}): the copies of the data "
        "differ, and figures of these tables cannot be compared."
    )


def _joined(records: Sequence[Record], part: Callable[[Record], Mapping[str, Any] | None]) -> Figures:
    """One figure per name; of several runs their mean, ``None`` where a run has none."""
    runs = [part(record) or {} for record in records]
    return {
        name: figure([run.get(name) for run in runs]) for name in dict.fromkeys(n for r in runs for n in r)
    }


def figure(runs: Sequence[Mapping[str, Any] | None]) -> Figure | None:
    """One figure of several runs: their mean and spread; ``None`` where one of them has none."""
    values = [run["value"] for run in runs if run is not None and has_value(run.get("value"))]
    if len(values) < len(runs):
        return None
    if len(values) > 1:
        return Figure(fmean(values), f"± {stdev(values):.4f} over {len(values)} runs")
    return Figure(float(values[0]), _spread(runs[0] or {}))


def _spread(figure: Mapping[str, Any]) -> str:
    if figure.get("sd") is not None:
        return f"± {figure['sd']:.4f}"
    if figure.get("low") is None or figure.get("high") is None:
        return ""
    return f"{figure['low']:.4f}..{figure['high']:.4f}"


def has_value(value: float | None) -> bool:
    """Whether there is a figure."""
    return value is not None and value == value


def _measure(record: Record, measure: str) -> dict[str, dict[str, Any]]:
    return {name: {"value": of.get(measure)} for name, of in (record.get("per_class") or {}).items()}


def at(record: Mapping[str, Any], *path: str) -> Any:
    """What stands at a path of names; ``None`` where a part of it is absent."""
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def own_warnings(group: Group) -> list[str]:
    """In what the faces are not the protocol's."""
    found = []
    for record in group.records:
        protocol = record["protocol"]
        found += [_deviation(part) for part in protocol.get("deviations") or () if not part["equal"]]
        found += [protocol["note"]] if protocol.get("note") else []
    return found


def _deviation(part: Mapping[str, Any]) -> str:
    published = " or ".join(f"{count:,}" for count in part["published"])
    where = "in all" if part["part"] == "all" else f"in the {part['part']} part"
    return f"this copy: {part['found']:,} {part['what']} {where}; published: {published}"
