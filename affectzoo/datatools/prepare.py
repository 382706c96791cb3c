"""``affectzoo data prepare``: cut every face out once, so that training reads small pictures.

A prepared folder takes the original's place: the data module is given it as root. What it holds is said in
``affectzoo.datasets.prepared``. Three rules:

- Crop: the square that ``Preprocess.region`` cuts for the given margin, shrunk to ``size`` where larger and
  never enlarged. The face's box moves along, so a model whose margin is at most that one cuts the same
  square from the crop as from the original: pixel by pixel where nothing was shrunk.
- Align: the picture is turned first, by the similarity that takes five points nearest to ``FIVE_POINTS``.
  RAF-DB's aligned faces were made so, but its template was not published; this one is the zoo's own.
- Files: a picture that needs no change (a ready crop, small enough) is copied byte by byte. Else crops of up
  to 64 px are PNG, larger ones JPEG, quality 95, full colour resolution; grey faces are grey files.

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
import shutil
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from affectzoo import __version__
from affectzoo.errors import AffectZooError, DataError, UnreadableImageError
from affectzoo.faces.preprocess import Box, Preprocess
from affectzoo.files import images, videos
from affectzoo.files.remote import RECORD

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from affectzoo.datamodules.base import FaceDataModule
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.faces.preprocess import Image, Points

Align = Literal["none", "five_points"]
Form = Literal["loose", "shards"]

PNG_UP_TO = 64
TEMPORARY = ".tmp"

FIVE_POINTS = np.array([[0.3, 0.36], [0.7, 0.36], [0.5, 0.59], [0.335, 0.82], [0.665, 0.82]])
"""Eyes' centres, nose tip, mouth corners, in edges of the aligned face's box; the viewer's left first."""


@dataclass(frozen=True)
class CropRule:
    """How crops are made.

    Attributes:
        size: Longest edge of a crop, pixels.
        margin: Share by which the crop is larger than the face box's longer edge.
        align: Whether faces are turned upright by five points first.
    """

    size: int = 256
    margin: float = 0.5
    align: Align = "none"


@dataclass(frozen=True)
class Step:
    """A few faces: one task of one process."""

    number: int
    root: Path
    out: Path
    rule: CropRule
    form: Form
    faces: Sequence[Mapping[str, Any]]
    """Index rows, with ``row``; those of one picture or video follow one another."""


class AlignmentError(AffectZooError):
    """A face without the points to align by."""


def prepare(
    name: str,
    root: Path,
    out: Path,
    *,
    rule: CropRule | None = None,
    form: Form = "loose",
    workers: int | None = None,
    chunk: int = 1024,
    progress: bool = False,
    **options: Any,
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
        workers: Processes; by default one per core, four at most. 0 and 1 work in this one.
        chunk: Faces per step; frames of one video stay together.
        progress: Show a bar on stderr.
        **options: Of the data module.

    Returns:
        What ``prepared.json`` says.

    Raises:
        AffectZooError: ``out`` holds something else, the disk is full, or the data set cannot be read.
        DataError: No face could be prepared.
    """
    from affectzoo.datasets.prepared import FORMAT, INDEX, write_index

    rule = rule or CropRule()
    Preprocess(size=rule.size, margin=rule.margin)  # checks both
    if chunk < 1:
        raise AffectZooError(f"chunk is {chunk}, expected at least 1 face per step")
    module = _module(name, root, options)
    index = module.read_index()
    splits = _fold_splits(module, index, name, root, options)
    asked = {"format": FORMAT, "name": name, "options": module.reader_options()}
    asked |= {"crop": asdict(rule), "form": form, "chunk": chunk}
    _claim(root, out, asked | {"faces": _fingerprint(index)})
    steps = _steps(index, out, rule, form, chunk)
    records = _work(steps, workers, len(index), progress)
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
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(out / TEMPORARY, ignore_errors=True)
    return result


def _module(name: str, root: Path, options: Mapping[str, Any]) -> FaceDataModule:
    from affectzoo.registry import data_set

    try:  # some readers read landmarks only for a model that takes them
        return data_set(name).load_class()(str(root), **{"landmarks": 68, **options})
    except TypeError as error:
        raise AffectZooError(f"{name}: {error}") from None


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
    if out.resolve().is_relative_to(root.resolve()):
        raise AffectZooError(f"{out} lies in the data set's own folder {root}: choose another --out")
    if not path.is_file():
        if out.is_dir() and any(entry.name != TEMPORARY for entry in out.iterdir()):
            raise AffectZooError(f"{out} holds files of something else: {again}")
        with _replacing(path, out) as temporary:
            temporary.write_text(json.dumps(plan, indent=2) + "\n", encoding="utf-8")
    before = json.loads(path.read_text(encoding="utf-8"))
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
    """Faces in steps; those of one picture or video stay together, frames in order."""
    columns = ["path", "frame", "box", "landmarks", "pixels", "source"]
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


def _work(steps: Sequence[Step], workers: int | None, faces: int, progress: bool) -> list[dict[str, Any]]:
    """Run all steps; the records of all faces."""
    from rich.console import Console
    from rich.progress import Progress

    workers = min(len(steps), min(4, os.cpu_count() or 1) if workers is None else workers)
    shown = progress and sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task("faces", total=faces)
        records = []
        for done in _results(steps, workers):
            records += done
            bar.update(task, advance=len(done))
    return records


def _results(steps: Sequence[Step], workers: int) -> Iterator[list[dict[str, Any]]]:
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
            path.write_text(json.dumps(done), encoding="utf-8")
    return done


def _finished(record: Path, step: Step) -> list[dict[str, Any]] | None:
    """A step's records if it is done and every crop is as it was written."""
    try:
        done: list[dict[str, Any]] = json.loads(record.read_text(encoding="utf-8"))
        fit = all(
            face["failed"] is not None
            or _digest(images.read_bytes(step.out / face["path"])) == face["digest"]
            for face in done
        )
    except (OSError, ValueError):
        return None
    return done if fit and len(done) == len(step.faces) else None


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
                UnreadableImageError: "unreadable picture",
                AlignmentError: "no five points to align by",
            }
            record["failed"] = reasons.get(type(error), "face box outside the picture")
            record["message"] = f"{_original(face)}: {error} (listed in {face['source']})"
            yield record, b"", ""
        else:
            # str: the fewest digits that name the same 32-bit number
            marks = None if points is None else [float(str(value)) for value in points.ravel()]
            record |= {"box": box, "landmarks": marks}
            record |= {"digest": _digest(content), "bytes": len(content)}
            yield record, content, suffix


def _crop_file(step: Step, face: Mapping[str, Any]) -> tuple[bytes, str, Box | None, Points | None]:
    """A face's crop as a file's content and ending, with its box and landmarks there."""
    box, points, picture = face["box"], face["landmarks"], face["pixels"]
    original = step.root / face["path"]
    if picture is None:
        picture = videos.read_picture(original, face["frame"])
        film = original.suffix.lower() in videos.SUFFIXES
        if box is None and step.rule.align == "none" and max(picture.shape) <= step.rule.size and not film:
            return images.read_bytes(original), original.suffix.lower(), None, points
    crop, box, points = cut(picture, box, points, step.rule)
    return *encode(crop), box, points


def cut(
    image: Image, box: Box | None, landmarks: Points | None, rule: CropRule
) -> tuple[Image, Box | None, Points | None]:
    """Cut one face out.

    Args:
        image: The picture.
        box: The face there; ``None`` for a ready crop, which is only shrunk.
        landmarks: Shape (N, 2), pixels of the picture.
        rule: How.

    Returns:
        The crop, and box and landmarks in its pixels.

    Raises:
        AffectZooError: The box has no area inside the picture, or the face cannot be aligned.
    """
    if rule.align == "five_points":
        image, box, landmarks = turn(image, landmarks, rule.margin)
    if box is None:
        return _shrink(image, landmarks, rule.size)
    x, y, side = Preprocess(size=1, margin=rule.margin).region(image, box)
    # Python rounds halves to even numbers: an even corner keeps a model's own square on the same pixels.
    x, y, side = x - x % 2, y - y % 2, side + 1
    square, area = Preprocess(size=min(side, rule.size)), (x, y, x + side, y + side)
    scale = square.size / side
    x0, y0, x1, y1 = box
    moved = ((x0 - x) * scale, (y0 - y) * scale, (x1 - x) * scale, (y1 - y) * scale)
    points = None if landmarks is None else square.points(landmarks, image, area)
    return square.face(image, area), moved, points


def _shrink(image: Image, landmarks: Points | None, size: int) -> tuple[Image, None, Points | None]:
    """A ready crop whose longer edge is at most ``size``."""
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, size / max(height, width))
    if scale == 1:
        return image, None, landmarks
    target = max(1, round(width * scale)), max(1, round(height * scale))
    shrunk: Image = cv2.resize(image, target, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if landmarks is not None:
        scales = np.array(target) / (width, height)
        landmarks = ((landmarks + 0.5) * scales - 0.5).astype(np.float32)
    return shrunk, None, landmarks


def turn(image: Image, landmarks: Points | None, margin: float) -> tuple[Image, Box, Points]:
    """Turn a picture so that a face's five points come nearest to ``FIVE_POINTS`` of its box.

    Args:
        image: The picture.
        landmarks: 5 points (eyes' centres, nose tip, mouth corners) or 68, shape (N, 2).
        margin: How much beyond the box to keep.

    Returns:
        A square picture of the same resolution with the face upright, its box there, and all landmarks.

    Raises:
        AlignmentError: There are neither 5 nor 68 landmarks, or they make no face.
    """
    import cv2

    marks = five_points(landmarks)
    per_pixel = float(np.linalg.norm(similarity(marks, FIVE_POINTS)[:, 0]))
    edge = 1 / per_pixel if per_pixel > 0 else np.inf
    if not 1 <= edge <= 4 * max(image.shape[:2]):
        raise AlignmentError(f"the five points make a face of {edge:.3g} pixels")
    side = round(edge * (1 + max(0.0, margin))) + 4
    start = (side - edge) / 2
    matrix = similarity(marks, FIVE_POINTS * edge + start - 0.5)
    turned: Image = cv2.warpAffine(  # type: ignore[assignment]
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    assert landmarks is not None  # five_points has seen them
    moved = (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return turned, (start, start, start + edge, start + edge), moved


def five_points(landmarks: Points | None) -> np.ndarray:
    """Eyes' centres, nose tip and mouth corners, shape (5, 2), from 5 or 68 landmarks.

    Raises:
        AlignmentError: There are neither 5 nor 68.
    """
    if landmarks is None or len(landmarks) not in (5, 68):
        count = 0 if landmarks is None else len(landmarks)
        raise AlignmentError(f"{count} landmarks, alignment takes 5 or 68")
    points = np.asarray(landmarks, np.float64)
    if len(points) == 5:
        return points
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation, scale and shift that take points nearest to others, in least squares (no mirroring).

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991; in
    two dimensions, where a rotation with scale is a complex factor, one division.

    Args:
        source: Shape (N, 2).
        target: Shape (N, 2).

    Returns:
        Shape (2, 3); zero scale when all source points are the same.
    """
    start, end = source.mean(0), target.mean(0)
    a, b = ((points - middle) @ (1, 1j) for points, middle in ((source, start), (target, end)))
    spread = np.vdot(a, a).real
    factor = np.vdot(a, b) / spread if spread > 0 else 0j
    rotation = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([rotation, end - rotation @ start])


def encode(face: Image) -> tuple[bytes, str]:
    """A crop as a file's content and ending: PNG up to 64 px, else JPEG."""
    import cv2

    if face.ndim == 3:
        grey = (face == face[..., :1]).all()
        face = face[..., 0] if grey else cv2.cvtColor(face, cv2.COLOR_RGB2BGR)  # type: ignore[assignment]
    if max(face.shape[:2]) <= PNG_UP_TO:
        suffix, how = ".png", [cv2.IMWRITE_PNG_COMPRESSION, 6]
    else:
        full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        suffix, how = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, full]
    written, content = cv2.imencode(suffix, np.ascontiguousarray(face), how)
    assert written
    return content.tobytes(), suffix


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


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
        chunk=args.chunk,
        progress=True,
        **options(args.set),
    )
    if args.json:
        print(json.dumps(result, indent=2))
        return
    counts = ", ".join(f"{split} {count:,}" for split, count in result["splits"].items())
    print(f"{result['dataset']}: {counts} faces in {args.out} ({result['bytes'] / 1e6:,.1f} MB)")
    for reason, count in sorted(result["left_out"].items()):
        print(f"  left out: {reason}: {count:,}")
    for failed in result["failed"][:5]:
        print(f"  {failed['message']}")
    if len(result["failed"]) > 5:
        print(f"  all {len(result['failed']):,} that failed: {args.out / 'prepared.json'}")
    print(f"use it: --data.root {args.out}")
