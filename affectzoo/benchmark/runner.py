"""Systems x protocols: one record for each pair, kept as soon as it is measured, then the leaderboard.

A pair that has its record is not run again, so that an interrupted benchmark goes on where it was. A record's
key names protocol and system and ends in a sum of all that its figures depend on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectzoo import __version__
from affectzoo.benchmark.cost import remark
from affectzoo.benchmark.damage import DAMAGES, damaged
from affectzoo.benchmark.detection import detected
from affectzoo.benchmark.folds import Fold
from affectzoo.benchmark.systems import Measured, System
from affectzoo.console import counted
from affectzoo.datasets.ids import ids, split_hash
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, EmptySplitError
from affectzoo.evaluation import protocol as protocol_faces
from affectzoo.evaluation import source
from affectzoo.evaluation.evaluate import Progress, span
from affectzoo.evaluation.machine import hardware, versions
from affectzoo.evaluation.measurement import face_facts
from affectzoo.evaluation.protocols import Protocol, Source
from affectzoo.evaluation.record import FORMAT, read_record, record_key, write_record
from affectzoo.evaluation.scoring import Part, clip_table, plain_score, score
from affectzoo.faces.detect import Detector


@dataclass(frozen=True)
class Task:
    """What to measure on: a protocol, or one split of a data set, where it is on disk, and how.

    Attributes:
        protocol: Which faces; for a plain split one made up by ``plain_split``.
        roots: The folder of each of its data sets.
        split: The split's name; ``None`` for a published protocol.
        detector: Finds the faces instead of the data set's boxes; ``None``: those are taken.
        note: What readers should know of this copy, such as ``rendered faces``.
        robustness: Whether models are also measured on the same faces made worse.
    """

    protocol: Protocol
    roots: Mapping[str, Path]
    split: str | None = None
    detector: Detector | None = None
    note: str | None = None
    robustness: bool = False

    @cached_property
    def folds(self) -> list[Fold]:
        """The faces of every fold, or of the one fixed test part, read once.

        Raises:
            AffectZooError: The copy does not fit the protocol; see ``datatools.protocol.faces``.
        """
        protocol = self.protocol
        numbers = [None] if protocol.folds == 1 else list(range(protocol.folds))
        if self.split is None:
            every = [protocol_faces.faces(protocol, self.roots, number, testing=True) for number in numbers]
        else:
            every = [_split_parts(protocol, self.roots[protocol.test.dataset])]
        tests = [parts["test"] for parts in every]
        whole = replace(tests[0], table=pd.concat([test.table for test in tests], ignore_index=True))
        starts = np.cumsum([0, *(len(test) for test in tests)]).tolist()
        return [Fold(protocol, *one, whole) for one in zip(numbers, every, starts, strict=False)]


def plain_split(dataset: str, split: str, root: Path, options: Mapping[str, Any]) -> Task:
    """One split of a data set, without a published protocol.

    Args:
        dataset: Its name.
        split: ``train``, ``valid`` or ``test``.
        root: Its folder.
        options: Of its data module.

    Raises:
        EmptySplitError: The copy has no such part.
        DataError: Nothing of the part is labeled.
    """
    whole = source.read(dataset, root, **options)
    if split not in whole.split_counts():
        found = ", ".join(whole.split_counts())
        raise EmptySplitError(
            f"{dataset}: no {split} part in {root} (found: {found}); --split takes what the data says, by "
            "folders or a column split, not what a training holds out"
        )
    index = whole.part(split)
    classes, values = index.table["label"].notna().any(), index.table["valence"].notna().any()
    protocol = Protocol(
        name=f"{dataset}_{split}_split",
        title=f"{dataset}, {split} split",
        paper="none: a plain split",
        ours="No published protocol: whatever faces the split of this copy holds",
        train=Source(dataset, "train", options),
        test=Source(dataset, split, options),
        task="multitask" if classes and values else "va" if values else "expression",
        metrics="accuracy, mean diagonal" if classes else "CCC, PCC, RMSE",
        epoch="last",
    )
    return Task(protocol, {dataset: root}, split)


def _split_parts(protocol: Protocol, root: Path) -> dict[str, FaceIndex]:
    index = source.read(protocol.test.dataset, root, **protocol.test.options)
    parts = {"test": index.part(str(protocol.test.split))}
    if protocol.test.split != "train" and "train" in index.split_counts():
        parts["train"] = index.part("train")
    return {name: protocol_faces.usable(part, protocol, name) for name, part in parts.items()}


def benchmark(
    tasks: Sequence[Task],
    systems: Sequence[System],
    out: Path,
    *,
    command: Callable[[Task, System], str] = lambda task, system: "",
    say: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Measure every system under every protocol that it can answer under.

    Args:
        tasks: Protocols with data.
        systems: What to measure.
        out: Gets ``records/<key>.json`` and ``predictions/<key>.csv``, each pair as it is done.
        command: The text that runs one pair again, for its record.
        say: Told of each pair: what is measured, what is there already, what does not fit.
        progress: Told which share of all pairs is done.

    Returns:
        The pairs' records, those that were there already included.

    Raises:
        AffectZooError: A system can answer under none of the protocols, or a pair failed; finished ones stay.
    """
    pairs = []
    for one in systems:
        reasons = {task.protocol.name: one.misfit(task.protocol) for task in tasks}
        if all(reasons.values()):
            raise AffectZooError("; ".join(str(reason) for reason in reasons.values()))
        for reason in filter(None, reasons.values()):
            say(f"excluded: {reason}")
        pairs += [(task, one) for task in tasks if reasons[task.protocol.name] is None]
    for task, one in pairs:
        if one.learns and any("train" not in fold.parts for fold in task.folds):
            raise AffectZooError(
                f"{one.spec} is fitted on the training part of {task.protocol.name}, which is not in "
                f"{', '.join(map(str, task.roots.values()))}: give one that has it, or leave {one.spec} out"
            )
    records = []
    for number, (task, one) in enumerate(pairs, 1):
        name = f"{number}/{len(pairs)} {one.name} on {task.protocol.name}"
        key = _key(task, one)
        path = out / "records" / f"{key}.json"
        if path.is_file() and ("per_damage" in read_record(path) or not _damages(task, one)):
            say(f"{name}: {_before(path)}")
        else:
            say(name)
            done = span(progress, (number - 1) / len(pairs), number / len(pairs))
            record, tables = _measure(task, one, done)
            write_record(out, {"key": key, **record, "command": command(task, one)}, tables)
        records.append(read_record(path))
    return records


def _before(path: Path) -> str:
    missing = read_record(path)["faces"]["missing"]
    why = f"; {counted(missing, 'face')} had no answer: delete {path} if they have one now"
    return f"measured before{why if missing else ''}"


def _key(task: Task, one: System) -> str:
    folds = [[fold.sums, fold.inputs] for fold in task.folds]
    finder = _finder(task, one)
    told = [
        FORMAT,
        __version__,
        one.kind,
        one.identity(task.protocol),
        task.protocol.name,
        [repr(sorted(part.options.items())) for part in (task.protocol.train, task.protocol.test)],
        folds,
        finder,
        task.note,
    ]
    return record_key(task.protocol.name, one.name, told)


def _finder(task: Task, one: System) -> str | None:
    """The detector that cuts the faces; what another system said is as it is."""
    return None if task.detector is None or one.kind == "external" else task.detector.name


def _measure(
    task: Task, one: System, progress: Progress | None
) -> tuple[dict[str, Any], Mapping[str, pd.DataFrame]]:
    start = time.perf_counter()
    folds = task.folds
    parts: list[Part] = []
    fits: list[dict[str, Any]] = []
    remarks: dict[str, None] = {}
    worse: list[dict[str, Part]] = []
    compute = None
    for fold in folds:
        done = span(progress, len(parts) / len(folds), (len(parts) + 1) / len(folds))
        share = 1 / (1 + len(DAMAGES)) if _damages(task, one) else 1.0
        first = span(done, 0, share)
        measured = _answers(fold, one, task.detector, measure=not parts, progress=first)
        compute = compute or measured.cost
        fits += [measured.fit] if measured.fit is not None else []
        remarks |= dict.fromkeys(measured.remarks)
        parts.append(Part.of(fold.test, measured.answers, fold.labels, task.protocol.unit, fold.number))
        if _damages(task, one):
            worse.append(dict(_under_damage(fold, one, task.detector, span(done, share, 1))))
    tables = {".csv": pd.concat([part.table for part in parts], ignore_index=True)}
    if task.protocol.unit == "clip":
        clips = [clip_table(part, fold.number) for part, fold in zip(parts, folds, strict=True)]
        tables[".clips.csv"] = pd.concat(clips, ignore_index=True)
    scored = score(parts)
    facts = one.facts(folds[0])
    sums = facts.get("model", {}).get("sha256") or [None]
    scored["folds"] = [
        {
            "fold": fold.number,
            "faces": len(fold.test),
            "sha256": sums[min(i, len(sums) - 1)],
            "hash": fold.hash,
            "metrics": metrics,
        }
        for i, (fold, metrics) in enumerate(zip(folds, scored["folds"], strict=False))
    ]
    record = {
        "system": one.name,
        "spec": one.spec,
        "kind": one.kind,
        **facts,
        "protocol": _protocol_facts(task, one),
        "faces": face_facts(parts, folds[0].test.left_out),
        "labels": None if folds[0].labels is None else list(folds[0].labels.names),
        **scored,
        "fit": fits or None,
        "remarks": [*remarks, *filter(None, [remark(compute)])],
        "compute": compute,
        "hardware": hardware(),
        "versions": versions(),
        "seconds": round(time.perf_counter() - start, 1),
    }
    if worse:
        record["per_damage"] = {name: plain_score([parts[name] for parts in worse]) for name in worse[0]}
    return record, tables


def _damages(task: Task, one: System) -> bool:
    """Whether a system is to be measured on faces made worse: no others than models answer anew for each."""
    return task.robustness and not one.learns and one.kind != "external"


def _under_damage(
    fold: Fold, one: System, detector: Detector | None, progress: Progress | None
) -> Iterator[tuple[str, Part]]:
    """What a system says of a fold's faces under each damage; a detector finds them before it."""
    test, seen = (fold.test, None) if detector is None else detected(fold.test, detector)
    for number, (name, faces) in enumerate(damaged(test)):
        done = span(progress, number / len(DAMAGES), (number + 1) / len(DAMAGES))
        worse = replace(fold, parts={**fold.parts, "test": faces})
        answers = one.answer(worse, measure=False, progress=done).answers
        answers = answers if seen is None else answers.only(seen)
        yield name, Part.of(fold.test, answers, fold.labels, fold.protocol.unit, fold.number)


def _answers(
    fold: Fold, one: System, detector: Detector | None, *, measure: bool, progress: Progress | None
) -> Measured:
    """Ask a system about a fold; with a detector, about faces that it finds itself."""
    if detector is None or one.kind == "external":
        return one.answer(fold, measure=measure, progress=progress)
    test, seen = detected(fold.test, detector)
    found = replace(fold, parts={**fold.parts, "test": test})
    measured = one.answer(found, measure=measure, progress=progress)
    return replace(measured, answers=measured.answers.only(seen))


def _protocol_facts(task: Task, one: System) -> dict[str, Any]:
    protocol, folds = task.protocol, task.folds
    names = [name for fold in folds for name in ids(fold.test)]
    parts = {} if task.split else folds[0].parts
    counted = {name: protocol_faces.part_facts(part) for name, part in parts.items()}
    return {
        "name": None if task.split else protocol.name,
        "title": protocol.title,
        "data": {"train": protocol.train.dataset, "test": protocol.test.dataset},
        "split": task.split,
        "task": protocol.task,
        "unit": protocol.unit,
        "folds": protocol.folds,
        "hash": split_hash(names),
        "truth": split_hash(fold.sums["test"] for fold in folds),
        "deviations": [] if task.split else protocol_faces.deviations(protocol, counted),
        "detector": _finder(task, one),
        "paper": protocol.paper,
        "ours": protocol.ours,
        "metrics": protocol.metrics,
        "note": task.note,
    }
