"""The faces of a published protocol, frozen as lists of ids.

``freeze`` lists the ids of the faces that train, choose the epoch and test, to be shared as JSON; ``compare``
holds another copy of the data set to such a list, which has neither images nor labels.
The protocols are in ``affectzoo.evaluation.protocols``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo import __version__
from affectzoo.console import stdout
from affectzoo.datasets.ids import ids, split_hash
from affectzoo.errors import AffectZooError, DataError, EmptySplitError
from affectzoo.evaluation.protocols import EPOCHS, PROTOCOLS, Protocol, Source, find_protocol
from affectzoo.evaluation.source import read, roots
from affectzoo.files.text import read_json
from affectzoo.files.writing import try_writing, write_text
from affectzoo.labels import label_space

if TYPE_CHECKING:
    import argparse

    from rich.table import Table

    from affectzoo.datasets.index import FaceIndex

HELD_OUT, SEED = 0.1, 0
"""Share and draw of a validation part that is held out: the data modules' defaults."""


def faces(
    protocol: Protocol, roots: Mapping[str, Path], fold: int | None = None, *, testing: bool = False
) -> dict[str, FaceIndex]:
    """The faces of each part.

    Args:
        protocol: Which one.
        roots: The folder of each of its data sets, by the data set's name.
        fold: Which fold is the test part, for a protocol with folds.
        testing: Whether to do without the parts that only training needs, where a copy lacks them.

    Returns:
        ``train``, ``valid`` where the epoch is chosen on one, and ``test``.

    Raises:
        AffectZooError: A root is missing or too many, or the fold does not fit the protocol.
        EmptySplitError: The copy lacks a part.
        DataError: Parts share faces or persons, who are named, or the files cannot be read.
    """
    _check_roots(protocol, roots, (protocol.test.dataset,) if testing else protocol.datasets)
    if (fold is None) != (protocol.folds == 1) or not 0 <= (fold or 0) < protocol.folds:
        expected = "no fold" if protocol.folds == 1 else f"a fold from 0 to {protocol.folds - 1}"
        raise AffectZooError(f"{protocol.name}: fold is {fold}, expected {expected}")
    chosen = {} if fold is None else {"fold": fold, "folds": protocol.folds}

    def whole(source: Source) -> FaceIndex:
        found = read(source.dataset, Path(roots[source.dataset]), **source.options, **chosen)
        return _of_classes(found, protocol)

    training = whole(protocol.train) if protocol.train.dataset in roots else None
    one_copy = training is not None and len(protocol.datasets) == 1
    tested = training if one_copy else whole(protocol.test)
    assert tested is not None
    try:
        parts = {} if training is None else _training_parts(protocol, training, testing)
        parts["test"] = tested if protocol.test.split is None else tested.part(protocol.test.split)
    except EmptySplitError as error:
        raise EmptySplitError(f"{error}; protocol {protocol.name} needs it. {protocol.ours}") from None
    parts = {name: usable(part, protocol, name) for name, part in parts.items()}
    _check_apart(protocol, parts)
    return parts


def freeze(protocol: Protocol, roots: Mapping[str, Path]) -> dict[str, Any]:
    """Everything that says which faces a protocol takes, JSON-ready.

    Args:
        protocol: Which one.
        roots: The folder of each of its data sets, by the data set's name.

    Returns:
        ``protocol``, ``data``, ``affectzoo``, ``hash`` of all parts, ``folds_hash`` as the data modules name
        it (``None`` without folds) and ``folds``: for each, ``fold`` and ``parts`` with ``faces``,
        ``labelled``, ``clips``, ``classes``, ``hash``, ``subjects`` and ``ids``.

    Raises:
        AffectZooError: See ``faces``.
    """
    numbers = [None] if protocol.folds == 1 else list(range(protocol.folds))
    folds = [
        {"fold": n, "parts": {k: part_facts(part) for k, part in faces(protocol, roots, n).items()}}
        for n in numbers
    ]
    return {
        "protocol": protocol.name,
        "data": {"train": _source(protocol.train), "test": _source(protocol.test)},
        "affectzoo": __version__,
        "hash": _total_hash(folds),
        "folds_hash": _folds_hash(folds),
        "folds": folds,
    }


def read_ids(path: Path) -> dict[str, Any]:
    """Read such a file.

    Raises:
        UnknownNameError: Its protocol is not known here.
        DataError: It is no such file, or was altered: its hashes are not those of its ids.
    """
    try:
        frozen: dict[str, Any] = read_json(Path(path))
        find_protocol(frozen["protocol"])
        parts = [part for fold in frozen["folds"] for part in fold["parts"].values()]
        intact = all(part["hash"] == split_hash(part["ids"]) for part in parts)
        intact = intact and frozen["hash"] == _total_hash(frozen["folds"])
    except AffectZooError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no file of a protocol's ids ({type(error).__name__}: {error})") from None
    if not intact:
        raise DataError(f"{path}: altered, its hashes are not those of its ids; fetch or write it again")
    return frozen


def compare(frozen: Mapping[str, Any], here: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What two results of ``freeze`` differ in.

    Args:
        frozen: The one to go by.
        here: The one of a copy.

    Returns:
        For each fold and part: ``fold``, ``part``, ``equal``, and the sorted ids that are ``missing`` here
        and that are ``extra``. A face in another part is missing in one and extra in the other.

    Raises:
        AffectZooError: They are of different protocols.
    """
    if frozen["protocol"] != here["protocol"]:
        raise AffectZooError(f"the ids are of protocol {frozen['protocol']}, not {here['protocol']}")
    results = []
    theirs, own = (
        {(f["fold"], name): p for f in d["folds"] for name, p in f["parts"].items()} for d in (frozen, here)
    )
    for fold, name in dict.fromkeys((*theirs, *own)):
        expected, found = (set(d[fold, name]["ids"]) if (fold, name) in d else set() for d in (theirs, own))
        results.append(
            {
                "fold": fold,
                "part": name,
                "equal": expected == found,
                "missing": sorted(expected - found),
                "extra": sorted(found - expected),
            }
        )
    return results


def deviations(protocol: Protocol, parts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each published number beside that of a copy.

    Args:
        protocol: Which one.
        parts: What ``part_facts`` says of each part; of folds, which hold the same faces, the first one's.

    Returns:
        ``part``, ``what``, ``published`` (one or, for several releases, more), ``found``, ``equal``.
    """
    groups = {"all": list(parts), "train": ["train"], "valid": ["valid"], "test": ["test"]}
    if protocol.epoch == "held out":
        groups["train"].append("valid")
    results = []
    for part, what, published in protocol.published:
        if not set(groups[part]) <= set(parts) or (part == "all" and "train" not in parts):
            continue  # a copy for testing alone
        found = sum(_number(parts[name][what]) for name in groups[part])
        told = {"part": part, "what": what, "published": list(published), "found": found}
        results.append({**told, "equal": found in published})
    return results


def listing() -> list[dict[str, Any]]:
    """All protocols, JSON-ready, for tables and tools."""
    return [
        {
            "name": p.name,
            "title": p.title,
            "data": {"train": _source(p.train), "test": _source(p.test)},
            "task": p.task,
            "labels": p.labels,
            "folds": p.folds,
            "unit": p.unit,
            "frozen": p.frozen,
            "scales": list(p.scales),
            "metrics": p.metrics,
            "epoch": EPOCHS[p.epoch],
            "published": [number._asdict() for number in p.published],
            "paper": p.paper,
            "ours": p.ours,
        }
        for p in PROTOCOLS.values()
    ]


def markdown() -> str:
    """The table and the sections of ``docs/protocols.md``; a test holds the page to them."""
    lines = ["| protocol | what | test part | folds | published |", "| --- | --- | --- | --- | --- |"]
    for p in PROTOCOLS.values():
        cells = (f"`{p.name}`", p.title, _part_text(p.test), _folds_text(p), _published_text(p) or "-")
        lines.append(f"| {' | '.join(cells)} |")
    for p in PROTOCOLS.values():
        facts = {
            "Follows": p.paper,
            "Ours": p.ours,
            "Train": _part_text(p.train),
            "Test": _part_text(p.test) + (f", each of {p.folds} folds once" if p.folds > 1 else ""),
            "Epoch": EPOCHS[p.epoch] + ("; features stay frozen" if p.frozen else ""),
            "Report": f"{p.metrics}; per {p.unit}" + _scales_text(p),
        }
        lines += ["", f"### `{p.name}`", "", f"{p.title}."[0].upper() + f"{p.title}."[1:], ""]
        lines += [f"- {name}: {text}." for name, text in facts.items()]
    return "\n".join(lines) + "\n"


def command(args: argparse.Namespace) -> None:
    """``affectzoo data protocol``: list protocols, or say which faces one takes.

    Raises:
        SystemExit: With 1 when the copy differs from the ids to compare with.
        AffectZooError: See ``faces`` and ``read_ids``.
    """
    console = stdout()
    if args.name is None and (args.root or args.out or args.compare):
        raise AffectZooError("say which protocol: affectzoo data protocol NAME --root DIR")
    if args.name is None and args.json:
        print(json.dumps(listing(), indent=2))
        return
    if args.name is None:
        console.print(_listing_table())
        return
    protocol = find_protocol(args.name)
    if args.out is not None:
        try_writing(args.out)
    frozen = None if args.compare is None else read_ids(args.compare)
    here = freeze(protocol, roots("--root", args.root, protocol.datasets))
    results = [] if frozen is None else compare(frozen, here)
    if args.out is not None:
        write_text(args.out, json.dumps(here, indent=1, ensure_ascii=False) + "\n")
    report = {
        **_without_ids(here),
        "published": deviations(protocol, here["folds"][0]["parts"]),
        "comparison": results,
    }
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        _print_report(console, protocol, report, args.compare)
    if not all(result["equal"] for result in results):
        raise SystemExit(1)


def _check_roots(protocol: Protocol, roots: Mapping[str, Path], needed: Sequence[str]) -> None:
    for name in roots.keys() - set(protocol.datasets):
        raise AffectZooError(f"{protocol.name} is on {' and '.join(protocol.datasets)}, not on {name}")
    for name in needed:
        if name not in roots:
            raise AffectZooError(f"{protocol.name} needs {name}: say where it is, --root {name}=DIR")


def _training_parts(protocol: Protocol, index: FaceIndex, testing: bool) -> dict[str, FaceIndex]:
    """Take ``train`` and, where the epoch is chosen on one, ``valid``; for testing alone, those there are."""
    if protocol.train.split is None:
        training = replace(index, table=index.table.assign(split="train"))
    elif testing and protocol.train.split not in index.split_counts():
        return {}
    else:
        training = index.part(protocol.train.split)
    if protocol.epoch == "last":
        return {"train": training}
    if protocol.epoch == "valid":
        lacking = testing and "valid" not in index.split_counts()
        return {"train": training} if lacking else {"train": training, "valid": index.part("valid")}
    from affectzoo.datamodules.holdout import hold_out

    parts, _ = hold_out(training, HELD_OUT, SEED)
    return {name: parts.part(name) for name in ("train", "valid")}


def _of_classes(index: FaceIndex, protocol: Protocol) -> FaceIndex:
    """Leave out classes that the data set has beyond the protocol's."""
    labels = None if protocol.labels is None else label_space(protocol.labels)
    if labels is None or index.labels is None or not set(labels.names) < set(index.labels.names):
        return index
    return index.conform(labels, drop_unmapped=True)


def usable(index: FaceIndex, protocol: Protocol, name: str) -> FaceIndex:
    """The faces of a part that the protocol's task can use.

    Args:
        index: The part.
        protocol: Which one.
        name: The part's, for the error.

    Raises:
        DataError: There are none.
    """
    has_class, has_values = index.table["label"].notna(), index.table["valence"].notna()
    wanted = {"expression": has_class, "va": has_values, "multitask": has_class | has_values}[protocol.task]
    if not wanted.any():
        raise DataError(f"{protocol.name}: no face of the {name} part has labels for {protocol.task}")
    return index.rows(wanted.to_numpy(bool))


def _check_apart(protocol: Protocol, parts: Mapping[str, FaceIndex]) -> None:
    """Refuse parts that share faces or persons."""
    members = {
        name: {
            "faces": set(ids(part)),
            "persons": {f"{part.dataset}/{person}" for person in part.table["subject"].dropna()},
        }
        for name, part in parts.items()
    }
    for one, other in combinations(members, 2):
        for kind in ("faces", "persons"):
            shared = sorted(members[one][kind] & members[other][kind])
            if shared:
                some = ", ".join(shared[:5]) + (", ..." if len(shared) > 5 else "")
                raise DataError(
                    f"{protocol.name}: {one} and {other} part share {len(shared)} {kind}: {some}. The "
                    "result would not be of unseen ones; compare the copy's lists with the original ones"
                )


def part_facts(index: FaceIndex) -> dict[str, Any]:
    """What says which faces a part has: ``ids``, their ``hash``, counts and ``subjects``."""
    names = sorted(ids(index))
    table = index.table
    classes = () if index.labels is None else index.labels.names
    return {
        "faces": len(names),
        "labelled": int(table["label"].notna().sum()),
        "clips": int(table["clip"].nunique()),
        "classes": dict(zip(classes, index.class_counts().tolist(), strict=True)),
        "hash": split_hash(names),
        "subjects": sorted(table["subject"].dropna().unique()),
        "ids": names,
    }


def _total_hash(folds: Sequence[Mapping[str, Any]]) -> str:
    parts = [[f["fold"], sorted((name, part["hash"]) for name, part in f["parts"].items())] for f in folds]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _folds_hash(folds: Sequence[Mapping[str, Any]]) -> str | None:
    from affectzoo.datasets.folds import folds_hash

    if len(folds) == 1:
        return None
    return folds_hash({subject: f["fold"] for f in folds for subject in f["parts"]["test"]["subjects"]})


def _source(source: Source) -> dict[str, Any]:
    return {"dataset": source.dataset, "split": source.split, "options": dict(source.options)}


def _without_ids(frozen: Mapping[str, Any]) -> dict[str, Any]:
    folds = [
        {
            "fold": f["fold"],
            "parts": {
                name: {k: _number(v) if k == "subjects" else v for k, v in part.items() if k != "ids"}
                for name, part in f["parts"].items()
            },
        }
        for f in frozen["folds"]
    ]
    return {**frozen, "folds": folds}


def _number(value: int | Sequence[str]) -> int:
    return value if isinstance(value, int) else len(value)


def _part_text(source: Source) -> str:
    options = ", ".join(f"{name} {value}" for name, value in source.options.items())
    part = "all faces" if source.split is None else f"{source.split} part"
    return f"{source.dataset}, {part}" + (f" ({options})" if options else "")


def _folds_text(protocol: Protocol) -> str:
    return "-" if protocol.folds == 1 else str(protocol.folds)


def _scales_text(protocol: Protocol) -> str:
    if protocol.task == "expression":
        return ""
    return "; errors on " + " and on ".join(
        "[-1, 1]" if s == 1 else f"{-s:g}..{s:g}" for s in protocol.scales
    )


def _published_text(protocol: Protocol) -> str:
    return ", ".join(
        f"{part} {' or '.join(f'{count:,}' for count in counts)} {what}"
        for part, what, counts in protocol.published
    )


def _listing_table() -> Table:
    from rich.table import Table

    table = Table(title="protocols", title_justify="left")
    for name in ("protocol", "what", "data", "folds", "published", "paper"):
        table.add_column(name, no_wrap=name == "protocol")
    for p in PROTOCOLS.values():
        data = " -> ".join(p.datasets)
        table.add_row(p.name, p.title, data, _folds_text(p), _published_text(p) or "-", p.paper)
    return table


def _print_report(console: Any, protocol: Protocol, report: Mapping[str, Any], compared: Path | None) -> None:
    from rich.table import Table

    table = Table(title=f"{protocol.name}: {protocol.title}", title_justify="left")
    for name in ("fold", "part", "faces", "clips", "subjects", "hash"):
        table.add_column(name, justify="right" if name in ("faces", "clips", "subjects") else "left")
    for fold in report["folds"]:
        number = "-" if fold["fold"] is None else str(fold["fold"])
        for name, part in fold["parts"].items():
            counts = [f"{part[what]:,}" if part[what] else "-" for what in ("faces", "clips", "subjects")]
            table.add_row(number, name, *counts, part["hash"][:16])
    console.print(table)
    console.print(f"follows: {protocol.paper}\nours: {protocol.ours}\nepoch: {EPOCHS[protocol.epoch]}")
    console.print(f"report: {protocol.metrics}; per {protocol.unit}{_scales_text(protocol)}", markup=False)
    for number in report["published"]:
        expected = " or ".join(f"{count:,}" for count in number["published"])
        verdict = "as published" if number["equal"] else f"published: {expected}"
        console.print(f"{number['part']} {number['what']}: {number['found']:,} ({verdict})")
    if report["folds_hash"]:
        console.print(f"folds: {report['folds_hash']}")
    console.print(f"hash: {report['hash']}")
    for result in report["comparison"]:
        if not result["equal"]:
            where = result["part"] if result["fold"] is None else f"fold {result['fold']}, {result['part']}"
            some = ", ".join(
                [*(f"-{n}" for n in result["missing"][:3]), *(f"+{n}" for n in result["extra"][:3])]
            )
            console.print(
                f"{where}: {len(result['missing'])} missing, {len(result['extra'])} extra ({some})",
                markup=False,
            )
    if compared is not None and all(result["equal"] for result in report["comparison"]):
        console.print(f"the same faces as in {compared}")
