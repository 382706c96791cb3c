"""``affectzoo data prepare``: cut every face out once, so that training reads small images.

A prepared folder takes the original's place: the data module is given it as root. What it holds is said in
``affectzoo.datasets.prepared``, how faces are cut in ``affectzoo.datatools.crops``; an image that needs no
change (a ready crop, small enough) is copied byte by byte.

Work goes in steps of ``chunk`` faces. A step's crops are written first, then its record with a digest of each
crop; every file under another name, then renamed. So a run may be killed at any moment: the next one redoes
the steps without a record and those whose crops do not match their digests. The index comes last.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import io
import json
import logging
import os
import shlex
import shutil
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from affectzoo import __version__
from affectzoo.cluster import Engine, check_engine, on_ray
from affectzoo.console import json_text, print_json, stdout
from affectzoo.datatools.crops import AlignmentError, CropRule, cut, encode
from affectzoo.errors import AffectZooError, DataError, OptionError, OutputError, UnreadableImageError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files import images, videos
from affectzoo.files.remote import RECORD
from affectzoo.files.text import read_json
from affectzoo.files.writing import alone_in

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from affectzoo.datamodules.base import FaceDataModule
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.faces.preprocess import Box, Points

Form = Literal["loose", "shards"]

TEMPORARY = ".tmp"


@dataclass(frozen=True)
class Step:
    """A few faces: one task of one process."""

    number: int
    root: Path
    out: Path
    rule: CropRule
    form: Form
    faces: Sequence[Mapping[str, Any]]
    """Index rows, with ``row``; those of one image or video follow one another."""


def prepare(
    name: str,
    root: Path,
    out: Path,
    *,
    rule: CropRule | None = None,
    form: Form = "loose",
    workers: int | None = None,
    engine: Engine = "local",
    chunk: int = 1024,
    progress: bool = False,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a data set's faces as crops that any data module reads.

    With ``workers``, processes are spawned: a script that calls this guards its main part with
    ``if __name__ == "__main__"``.

    Args:
        name: See ``affectzoo.registry.DATASETS``.
        root: The data set's folder.
        out: Where to write: a new folder, or one that the same call began.
        rule: How crops are made.
        form: ``loose`` files, or ``shards``: tar files of ``chunk`` faces each.
        workers: Processes; by default one per core, four at most. 0 and 1 work in this one. With ``ray``, how
            many there are at most, by default all.
        engine: ``ray`` works on a cluster, whose machines all see ``root`` and ``out``.
        chunk: Faces per step; frames of one video stay together.
        progress: Show a bar on stderr.
        options: Of the data module.

    Returns:
        What ``prepared.json`` says.

    Raises:
        AffectZooError: ``out`` holds something else, or another command is writing there; the disk is full,
            or the data set cannot be read.
        DataError: No face could be prepared.
    """
    from affectzoo.datasets.prepared import FORMAT, INDEX, write_index

    check_engine(engine)
    rule = rule or CropRule()
    Preprocess(size=rule.size, margin=rule.margin)  # checks both
    if chunk < 1:
        raise OptionError(f"chunk is {chunk}, expected at least 1 face per step")
    module = _module(name, root, options or {})
    index = module.read_index()
    splits = _fold_splits(module, index, name, root, options or {})
    asked = {"format": FORMAT, "name": name, "options": module.reader_options()}
    asked |= {"crop": asdict(rule), "form": form, "chunk": chunk}
    _claim(root, out, asked | {"faces": _fingerprint(index)})
    with alone_in(out):
        steps = _steps(index, out, rule, form, chunk)
        records = _work(steps, workers, engine, len(index), progress)
        crops = {record["row"]: record for record in records if record["failed"] is None}
        if not crops:
            first = records[0]["message"] if records else "the data set has none"
            raise DataError(f"{name}: not one face could be prepared; the first: {first}")
        failed = sorted((record for record in records if record["failed"]), key=lambda r: int(r["row"]))
        kept = []
        for row, values in enumerate(index.table.to_dict("records")):
            if row in crops:
                face: dict[str, Any] = {str(column): value for column, value in values.items()}
                parts = None if splits is None else [fold[row] for fold in splits]
                kept.append({**face, "original": _original(face), "splits": parts, **crops[row]})
        with _replacing(out / INDEX, out) as path:
            digest = write_index(path, kept)
        left_out = Counter(index.left_out) + Counter(record["failed"] for record in failed)
        result = asked | {
            "dataset": index.dataset,
            "module": type(module).__name__,
            "affectzoo": __version__,
            "labels": index.labels and {"name": index.labels.name, "names": list(index.labels.names)},
            "folds": splits and len(splits),
            "scale": index.scale,
            "faces": len(kept),
            "splits": dict(Counter(face["split"] for face in kept)),
            "bytes": sum(record["bytes"] for record in crops.values()),
            "left_out": dict(left_out),
            "failed": [{key: record[key] for key in ("row", "failed", "message")} for record in failed],
            "index_sha256": digest,
        }
        with _replacing(out / RECORD, out) as path:
            path.write_text(json_text(result, ascii_only=True) + "\n", encoding="utf-8")
        shutil.rmtree(out / TEMPORARY, ignore_errors=True)
        return result


def _module(name: str, root: Path, options: Mapping[str, Any]) -> FaceDataModule:
    from affectzoo.evaluation.source import data_module

    # some readers read landmarks only for a model that takes them
    return data_module(name, root, {"landmarks": 68, **options})


def _fold_splits(
    module: FaceDataModule, index: FaceIndex, name: str, root: Path, options: Mapping[str, Any]
) -> list[list[str]] | None:
    """Each face's part for every test fold, where the data set has folds and they are of the same faces."""
    if "fold" not in module.reader_options():
        return None
    count = module.reader_options()["folds"] or index.table["subject"].nunique()
    found = []
    logging.disable(logging.INFO)  # each reading would name the folds' hash again
    try:
        for fold in range(count):
            table = _module(name, root, {**options, "fold": fold, "landmarks": 0}).read_index().table
            if not table[["path", "frame"]].equals(index.table[["path", "frame"]]):
                return None
            found.append(table["split"].tolist())
    finally:
        logging.disable(logging.NOTSET)
    return found


def _claim(root: Path, out: Path, plan: Mapping[str, Any]) -> None:
    """Make the folder this preparation's own, or see that it is."""
    from affectzoo.datasets.prepared import PLAN

    path = out / PLAN
    again = "choose another --out, or delete the folder"
    if os.path.lexists(out) and not out.is_dir():
        raise OutputError(f"{out}: is no folder: choose another --out")
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(root)):
        raise AffectZooError(f"{out} lies in the data set's own folder {root}: choose another --out")
    if not path.is_file():
        if out.is_dir() and any(entry.name != TEMPORARY for entry in out.iterdir()):
            raise AffectZooError(f"{out} holds files of something else: {again}")
        with _replacing(path, out) as temporary:
            temporary.write_text(json.dumps(plan, indent=2) + "\n", encoding="utf-8")
    try:
        before = read_json(path)
    except DataError as error:
        raise DataError(f"{error}: {again}") from None
    if not isinstance(before, dict):
        raise DataError(f"{path}: damaged: {again}")
    changed = [key for key, value in plan.items() if before.get(key) != value]
    if changed:
        told = "; ".join(f"{key} was {before.get(key)}, is {plan[key]}" for key in changed)
        raise AffectZooError(f"{out} was prepared differently ({told}): {again}")


def _fingerprint(index: FaceIndex) -> str:
    """A hash of which faces there are and what is cut from each."""
    digest = hashlib.sha256()
    for row in index.table[["path", "frame", "box", "landmarks", "pixels"]].itertuples(index=False):
        for value in row:
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()


def _steps(index: FaceIndex, out: Path, rule: CropRule, form: Form, chunk: int) -> list[Step]:
    """Faces in steps; those of one image or video stay together, frames in order."""
    columns = ["path", "frame", "box", "landmarks", "pixels", "digest", "source"]
    faces: list[dict[str, Any]] = index.table[columns].to_dict("records")  # type: ignore[assignment]
    together: dict[Any, list[dict[str, Any]]] = {}
    for row, face in enumerate(faces):
        key = face["path"] if face["pixels"] is None else row
        together.setdefault(key, []).append({**face, "row": row})
    batches: list[list[dict[str, Any]]] = [[]]
    for group in together.values():
        if len(batches[-1]) >= chunk:
            batches.append([])
        batches[-1] += sorted(group, key=lambda face: face["frame"] or 0)
    return [Step(number, index.root, out, rule, form, batch) for number, batch in enumerate(batches)]


def _work(
    steps: Sequence[Step], workers: int | None, engine: Engine, faces: int, progress: bool
) -> list[dict[str, Any]]:
    """Run all steps; the records of all faces."""
    from rich.console import Console
    from rich.progress import Progress

    shown = progress and sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task("faces", total=faces)
        records = []
        for done in _results(steps, workers, engine):
            records += done
            bar.update(task, advance=len(done))
    return records


def _results(steps: Sequence[Step], workers: int | None, engine: Engine) -> Iterator[list[dict[str, Any]]]:
    if engine == "ray":
        yield from on_ray(lambda: run_step, steps, lambda step: f"step {step.number}", workers=workers)
        return
    workers = min(len(steps), min(4, os.cpu_count() or 1) if workers is None else workers)
    if workers < 2:
        yield from map(run_step, steps)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    pool: Executor
    context = multiprocessing.get_context("spawn")  # threads of this process do not survive a fork
    with ProcessPoolExecutor(workers, context, _start_worker) as pool:
        waiting = {pool.submit(run_step, step) for step in steps}
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _start_worker() -> None:
    """Use one core, and end with the process that started this one, however it ends."""
    import multiprocessing

    import cv2

    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def run_step(step: Step) -> list[dict[str, Any]]:
    """Cut a step's faces out, unless that is done already.

    Returns:
        A record per face: ``row``; ``path``, ``box``, ``landmarks`` and ``digest`` of its crop and its
        ``bytes``, or under ``failed`` and ``message`` why there is none.
    """
    record = step.out / "parts" / f"{step.number:05d}.json"
    done = _finished(record, step)
    if done is None:
        done = _write_crops(step)
        with _replacing(record, step.out) as path:
            path.write_text(json.dumps({"digest": _digest(done), "faces": done}), encoding="utf-8")
    return done


def _finished(record: Path, step: Step) -> list[dict[str, Any]] | None:
    """A step's records if it is done and every crop is as it was written."""
    try:
        told = read_json(record)
        done: list[dict[str, Any]] = told["faces"]
        fit = told["digest"] == _digest(done) and all(
            face["failed"] is not None
            or images.digest_of(images.read_bytes(step.out / face["path"])) == face["digest"]
            for face in done
        )
    except (DataError, OSError, KeyError, TypeError):
        return None
    return done if fit else None


def _digest(done: Sequence[Mapping[str, Any]]) -> str:
    return images.digest_of(json.dumps(done).encode())


def _write_crops(step: Step) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    if step.form == "shards":
        shard = step.out / "shards" / f"{step.number:05d}.tar"
        with _replacing(shard, step.out) as path, tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for record, content, suffix in _crops(step):
                records.append(record)
                if content:
                    member = tarfile.TarInfo(f"{record['row']:07d}{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                    record["path"] = f"shards/{shard.name}/{member.name}"
        return records
    for record, content, suffix in _crops(step):
        records.append(record)
        if content:
            row = record["row"]
            record["path"] = f"faces/{row // 1000:04d}/{row:07d}{suffix}"
            with _replacing(step.out / record["path"], step.out) as path:
                path.write_bytes(content)
    return records


def _crops(step: Step) -> Iterator[tuple[dict[str, Any], bytes, str]]:
    """Each face's record without a path, its crop's content (empty where it failed) and file ending."""
    for face in step.faces:
        record: dict[str, Any] = {"row": face["row"], "failed": None}
        try:
            content, suffix, box, points = _crop_file(step, face)
        except AffectZooError as error:
            reasons = {
                UnreadableImageError: "unreadable image",
                AlignmentError: "no five points to align by",
            }
            record["failed"] = reasons.get(type(error), "face box outside the image")
            record["message"] = f"{_original(face)}: {error} (listed in {face['source']})"
            yield record, b"", ""
        else:
            # str: the fewest digits that name the same 32-bit number
            marks = None if points is None else [float(str(value)) for value in points.ravel()]
            record |= {"box": box, "landmarks": marks}
            record |= {"digest": images.digest_of(content), "bytes": len(content)}
            yield record, content, suffix


def _crop_file(step: Step, face: Mapping[str, Any]) -> tuple[bytes, str, Box | None, Points | None]:
    """A face's crop as a file's content and ending, with its box and landmarks there."""
    box, points, picture = face["box"], face["landmarks"], face["pixels"]
    original = step.root / face["path"]
    if picture is None:
        picture = videos.read_picture(original, face["frame"], face["digest"])
        film = original.suffix.lower() in videos.SUFFIXES
        if box is None and step.rule.align == "none" and max(picture.shape) <= step.rule.size and not film:
            return images.read_bytes(original), original.suffix.lower(), None, points
    crop, box, points = cut(picture, box, points, step.rule)
    return *encode(crop), box, points


def _original(face: Mapping[str, Any]) -> str:
    path = str(face["path"])
    return f"{path}, frame {face['frame']}" if Path(path).suffix.lower() in videos.SUFFIXES else path


@contextmanager
def _replacing(path: Path, out: Path) -> Iterator[Path]:
    """A name to write a file under; at the end it gets its own, so that it is whole or not there.

    Raises:
        AffectZooError: It cannot be written.
    """
    temporary = out / TEMPORARY / f"{os.getpid()}-{path.name}"
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        space = "free some space and run the same command again; " if error.errno == errno.ENOSPC else ""
        raise AffectZooError(
            f"{path}: {error.strerror or error}; {space}what is finished is kept, nothing is half-written"
        ) from None


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo data prepare``."""
    from affectzoo.evaluation.source import options

    result = prepare(
        args.name,
        args.root,
        args.out,
        rule=CropRule(args.size, args.margin, args.align),
        form=args.format,
        workers=args.workers,
        engine=args.engine,
        chunk=args.chunk,
        progress=True,
        options=options(args.set),
    )
    if args.json:
        print_json(result)
        return
    show = stdout().print
    counts = ", ".join(f"{split} {count:,}" for split, count in result["splits"].items())
    show(
        f"{result['dataset']}: {counts} faces in {args.out} ({result['bytes'] / 1e6:,.1f} MB)", soft_wrap=True
    )
    for reason, count in sorted(result["left_out"].items()):
        show(f"  excluded: {reason}: {count:,}")
    for failed in result["failed"][:5]:
        show(f"  {failed['message']}", soft_wrap=True)
    if len(result["failed"]) > 5:
        show(f"  all {len(result['failed']):,} that failed: {args.out / 'prepared.json'}", soft_wrap=True)
    show(f"use it: --data.root {shlex.quote(str(args.out))}", soft_wrap=True)
