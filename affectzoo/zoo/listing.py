"""What ``affectzoo models`` shows, derived from the registry and the weights' entries.

    python -m affectzoo.zoo.listing

writes ``assets/architectures.json`` anew: what is known of an architecture only once it is built, which takes
seconds for all of them. A test compares it with the architectures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from affectzoo import store
from affectzoo.errors import UnknownNameError
from affectzoo.files.fetch import cached
from affectzoo.labels import TASKS
from affectzoo.metrics.names import DIMENSIONS, title
from affectzoo.registry import ARCHITECTURES, DATASETS, Architecture

if TYPE_CHECKING:
    from rich.table import Table

    from affectzoo.faces.preprocess import Preprocess

CLASSES = "ferplus8"
"""The label space for which an architecture's parameters are counted."""

BUILT = store.ASSETS / "architectures.json"

SUBJECTS = ("weights", "images", "labels")
"""Whose terms bind those who use a set of weights."""

PERMISSIVE = {
    *("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "isc", "zlib", "unlicense", "public-domain"),
    *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "odc-by", "pddl", "cdla-permissive-1.0", "cdla-permissive-2.0"),
}
"""Licenses, by SPDX identifier in lower case, that allow any use."""

ON_HUB = "on the Hub"
"""What a row says of files that are not on this machine yet."""

MEASURED_WIDTH = len("CCC valence 0.6953 [2]")
"""Columns of a terminal that a figure takes on a line of its own."""

KINDS = ("permissive", "non-commercial", "unknown")

_NON_COMMERCIAL = re.compile(
    r"\bnc\b|non-?commercial|(no|not-for)-commercial|academic-(use|research)|research-(\w+-)?only|only-for-research"
)


def architectures(task: str | None = None) -> list[dict[str, Any]]:
    """One JSON-ready row per architecture.

    Args:
        task: Only those that can be built for this task.

    Raises:
        UnknownNameError: There is no such task.
    """
    _check_task(task)
    known = json.loads(BUILT.read_text(encoding="utf-8"))
    return [
        _architecture_row(entry, known.get(name) or built(entry))
        for name, entry in sorted(ARCHITECTURES.items())
        if task is None or task in entry.tasks
    ]


def pretrained(
    task: str | None = None, data: str | None = None, license: str | None = None
) -> list[dict[str, Any]]:
    """One JSON-ready row per set of weights that can be loaded.

    Args:
        task: Only those for this task.
        data: Only those that were trained on this data set.
        license: Only those of this kind, see ``license_kind``, or with this text among their terms.

    Raises:
        UnknownNameError: There is no such task or data set.
    """
    _check_task(task)
    entries = store.entries().values()
    trained_on = {entry.name: entry.meta.training.data for entry in entries}
    if data is not None and data not in {*DATASETS, *trained_on.values()}:
        raise UnknownNameError("data set", data, DATASETS)
    rows = [
        _weights_row(entry)
        for entry in entries
        if task in (None, entry.meta.task) and data in (None, trained_on[entry.name])
    ]
    return [row for row in rows if license is None or _has_license(row, license)]


def prefetch(rows: list[dict[str, Any]]) -> None:
    """Fetch the files of weights that are not on this machine, and note in the rows that they were fetched.

    Args:
        rows: Of ``pretrained``.

    Raises:
        WeightsError: A file cannot be fetched, or is another one.
    """
    for row in rows:
        store.verify(store.locate(row["name"]))
        if row["files"] == ON_HUB:
            row["files"] = "fetched"


def license_kind(terms: Mapping[str, str]) -> str:
    """What the terms of a set of weights allow: permissive, non-commercial, or unknown.

    Those of weights, images and labels count, and of starting weights where there were some. Permissive: each
    is a license of ``PERMISSIVE`` and nothing
    else, such as ``MIT`` or ``FER+: MIT``. Non-commercial: at least one says so. Anything else is to be read.

    Args:
        terms: By subject.
    """
    subjects = [*SUBJECTS, *({"starting weights"} & set(terms))]
    told = [re.sub(r"[\s_]+", "-", terms.get(subject, "").strip().lower()) for subject in subjects]
    if any(map(_NON_COMMERCIAL.search, told)):
        return "non-commercial"
    return "permissive" if {text.rpartition(":-")[2] for text in told} <= PERMISSIVE else "unknown"


def _check_task(task: str | None) -> None:
    if task is not None and task not in TASKS:
        raise UnknownNameError("task", task, TASKS)


def _has_license(row: dict[str, Any], wanted: str) -> bool:
    if wanted in KINDS:
        return bool(row["license_kind"] == wanted)
    return any(wanted.lower() in terms.lower() for terms in row["license"].values())


def built(entry: Architecture) -> dict[str, Any]:
    """What is known of an architecture once it is built: its parameters and its input."""
    from affectzoo.models.skeleton import skeleton

    with skeleton():
        labels = CLASSES if "expression" in entry.tasks else None
        model = entry.load_class()(task=entry.tasks[0], labels=labels)  # type: ignore[arg-type, call-arg]
    parameters = sum(p.numel() for p in model.parameters())
    return {"parameters": parameters, "input": _input(model.preprocess)}


def _architecture_row(entry: Architecture, known: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": entry.name,
        "tasks": list(entry.tasks),
        **known,
        "weights": [n for n, e in store.entries().items() if e.meta.arch == entry.name],
        "recipe": f"recipes/{entry.recipe}",
        "summary": entry.summary,
        "source": entry.source,
    }


def _weights_row(entry: store.WeightsEntry) -> dict[str, Any]:
    meta, hub_file = entry.meta, entry.hub_file
    return {
        "name": entry.name,
        "tasks": [meta.task],
        "parameters": entry.parameters,
        "input": _input(meta.preprocess),
        "labels": list(meta.labels),
        "training": meta.facts(),
        "metrics": [dict(metric) for metric in meta.metrics],
        "license": dict(meta.license),
        "license_kind": license_kind(meta.license),
        "size": entry.size,
        "sha256": entry.sha256,
        "repository": hub_file and f"{store.HUB}{hub_file.repo_id}@{hub_file.revision}",
        "files": ("cached" if cached(hub_file) else ON_HUB) if hub_file else "bundled",
    }


def _input(preprocess: Preprocess) -> str:
    return f"{preprocess.size} x {preprocess.size} {preprocess.color}"


def architectures_table(rows: list[dict[str, Any]]) -> Table:
    """Rows of ``architectures`` as a table for people."""
    table = _table("architectures", "name", "weights", "input", "parameters", "what it is")
    for row in rows:
        weights = "\n".join(row["weights"]) or "none yet"
        table.add_row(row["name"], weights, row["input"], f"{row['parameters']:,}", row["summary"])
    return table


def pretrained_table(rows: list[dict[str, Any]]) -> Table:
    """Rows of ``pretrained`` as a table for people; what is to be known of measured faces stands below it."""
    table = _table(
        "pretrained weights", "name", "measured", "predicts", "input", "license", "parameters", "files"
    )
    notes: dict[str, int] = {}
    for row in rows:
        measured = [
            f"{measured_on(metric)}: {title(name)} {metric[name]:.4f}" + _mark(metric.get("note"), notes)
            for metric in row["metrics"]
            for name in _main_metrics(metric)
        ]
        terms = row["license_kind"]
        if terms == "unknown":
            terms = f"{row['license'].get('weights', 'not said')}\ndata: other terms"
        tasks, parameters = ", ".join(row["tasks"]), f"{row['parameters']:,}"
        lines = "\n".join(measured) or "-"
        table.add_row(row["name"], lines, tasks, row["input"], terms, parameters, row["files"])
    told = [f"[{number}] {note}" for note, number in notes.items()]
    told += ["terms of data and starts, faces, classes: affectzoo models --pretrained --json, or the card"]
    table.caption, table.caption_justify = "\n".join(told), "left"
    return table


def _main_metrics(metric: Mapping[str, Any]) -> list[str]:
    """The figures that a table has room for: the CCC of a dimension where weights have no mean of both."""
    values = ["ccc"] if "ccc" in metric else [f"ccc_{name}" for name in DIMENSIONS]
    return [name for name in ("accuracy", *values, "nme") if name in metric]


def measured_on(metric: Mapping[str, Any]) -> str:
    """Return the data set and, where it is not all of it, the part of a figure that weights keep."""
    return " ".join(filter(None, (metric["data"], metric["split"])))


def _mark(note: str | None, notes: dict[str, int]) -> str:
    """The number of a note, of which each text has one; nothing for none."""
    return f" [{notes.setdefault(note, len(notes) + 1)}]" if note else ""


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column == "parameters" else "left"
        least = MEASURED_WIDTH if column == "measured" else None
        table.add_column(
            column, justify=justify, no_wrap=column not in ("measured", "what it is"), min_width=least
        )
    return table


def main() -> None:
    """Write the asset."""
    known = {name: built(entry) for name, entry in sorted(ARCHITECTURES.items())}
    BUILT.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
