"""Results on disk: one system measured on one set of faces, with all that its figures depend on.

``affectzoo test``, ``validate``, ``cross-validate`` and ``benchmark`` write records; cards, ``publish``, the
leaderboard and ``compare`` read them. A run's folder, a benchmark's and a published model's keep them alike:
``records/<key>.json``, with ``predictions/<key>.csv`` beside. A record names the weights that were measured
by the sum of their tensors, so that no result passes for that of other weights.
"""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from affectzoo import weights
from affectzoo.console import csv_cell
from affectzoo.errors import AffectZooError
from affectzoo.evaluation.protocols import tested_split
from affectzoo.evaluation.schema import LARGEST, Key, Name, Number, Record
from affectzoo.files.fetch import sha256
from affectzoo.files.folders import obstacle
from affectzoo.files.writing import write_json, writing
from affectzoo.weights.untrusted import other_format

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
FOLDER, PREDICTIONS = "records", "predictions"


@dataclass(frozen=True)
class Identity:
    """What a set of weights is known by.

    Attributes:
        file: The sha256 of the file.
        tensors: That of the tensors, see ``weights.fingerprint``, which a checkpoint and other files of the
            same weights share; ``None`` where it is not known.
        preprocess: How the weights say that faces are prepared.
        labels: Their classes, in the order of the scores; ``None`` where that is not known.
    """

    file: str
    tensors: str | None = None
    preprocess: Mapping[str, Any] | None = None
    labels: Sequence[str] | None = None

    @classmethod
    def read(cls, path: Path) -> Identity:
        """Read that of a weights file.

        Raises:
            WeightsError: The file is damaged.
        """
        tensors = weights.fingerprint(weights.read_tensors(path))
        meta = weights.read_meta(path)
        return cls(sha256(path), tensors, meta.preprocess.to_dict(), meta.labels)


def write_record(out: Path, record: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Keep a result; the record comes last, so that where it is, all is.

    Args:
        out: A run's or a benchmark's folder.
        record: With ``key``; values that are not finite become ``null``.
        tables: By ending, the predictions: ``.csv``, a row per face, and for protocols that count clips
            ``.clips.csv``, a row per clip.

    Returns:
        The record's file.

    Raises:
        AffectZooError: No such record can be read again.
    """
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    key = record["key"]
    whole = _plain({"format": FORMAT, **record, "predictions": f"{PREDICTIONS}/{key}.csv"})
    path = out / FOLDER / f"{key}.json"
    _check(whole, str(path))
    for ending, table in tables.items():
        with writing(out / PREDICTIONS / f"{key}{ending}") as part:
            told = {str(csv_cell(name)): column for name, column in table.items()}
            texts = {
                name: column.map(csv_cell) for name, column in told.items() if not is_numeric_dtype(column)
            }
            pd.DataFrame(told | texts).to_csv(part, index=False)
    write_json(path, whole, indent=1)
    return path


def record_key(tested: str, name: str, told: Any) -> str:
    """Name a record.

    Args:
        tested: The protocol, or data set and split.
        name: The system's; of a path, the run's folder or the file alone names the record.
        told: All that the figures depend on, JSON-ready; it tells systems of one name apart.
    """
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]
    letters = (letter if letter.isalnum() or letter in "._-+" else "-" for letter in _last_part(name))
    return f"{tested}-{''.join(letters)[-60:]}-{digest}"


def _last_part(name: str) -> str:
    """Return what a path is called without the folders above it: a run goes by its folder's name."""
    path = Path(name.replace("/fold_{fold}", ""))
    return (path.parent.parent if path.parent.name == "checkpoints" else path).name or name


def predictions(out: Path, record: Mapping[str, Any]) -> Path:
    """The file of predictions with a row for each face; records of other machines may come without."""
    return out / PREDICTIONS / f"{record['key']}.csv"


def counted(out: Path, record: Mapping[str, Any]) -> Path:
    """The file of predictions with a row for each face or clip that counts once."""
    path = predictions(out, record)
    return path.with_suffix(".clips.csv") if record["protocol"]["unit"] == "clip" else path


def read_records(out: Path, say: Callable[[str], None] = lambda text: None) -> list[dict[str, Any]]:
    """The records of a folder, in order of their keys.

    Args:
        out: A benchmark's, a run's or a published model's folder. Of one with weights, tests of other
            weights, such as of another checkpoint, are passed over.
        say: Told of each record that is passed over.

    Raises:
        AffectZooError: One is damaged or of another format, or there is none.
    """
    paths = sorted((out / FOLDER).glob("*.json"))
    held = out / weights.FILE_NAME
    identity = Identity.read(held) if paths and held.is_file() else None
    found = []
    for path in paths:
        record = read_record(path)
        tested = identity is not None and "stage" in record.get("options", {})
        reason = misfit(record, identity) if tested and identity is not None else None
        if reason is None:
            found.append(record)
        else:
            say(f"{path}: passed over: {reason}")
    if not found:
        raise AffectZooError(
            f"{out}: no records here; affectzoo benchmark --out {shlex.quote(str(out))} makes some"
        )
    return found


def read_listed(
    paths: Iterable[Path], say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """Records by their files or by folders that have some.

    Args:
        paths: Of either kind.
        say: See ``read_records``.

    Raises:
        AffectZooError: See ``read_records``.
    """
    found = [read_records(path, say) if path.is_dir() else [read_record(path)] for path in paths]
    return [record for records in found for record in records]


def records_of(
    folder: Path, identity: Identity, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """The records of a folder that were measured with one set of weights.

    Args:
        folder: A benchmark's, a run's or a published model's folder; it may have no records.
        identity: The weights.
        say: Told of each record of something else, which is passed over, and of results of an older form.

    Raises:
        AffectZooError: A record is damaged or of another format.
    """
    for path in sorted(folder.glob("*/metrics.json")):
        say(f"{path}: passed over: it does not say which weights were measured; run affectzoo test again")
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        record = read_record(path)
        reason = misfit(record, identity)
        if reason is None:
            found.append(record)
        else:
            say(f"{path}: passed over: {reason}")
    return found


def read_record(path: Path) -> dict[str, Any]:
    """One record.

    Raises:
        AffectZooError: It is damaged or of another format.
    """
    if (reason := obstacle(path)) is not None:  # a pipe would never end, nor some devices
        raise AffectZooError(f"{path}: cannot be read: {reason}")
    try:
        record = from_json(path.read_bytes(), allow_inf_nan=False)
        made = record["format"]
    except OSError as error:
        raise AffectZooError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise AffectZooError(
            f"{path}: no record ({error}); a benchmark measures its own anew where it is deleted"
        ) from None
    if (other := other_format(made, FORMAT)) is not None:
        raise AffectZooError(f"{path}: a record of {other}")
    _check(record, str(path))
    checked: dict[str, Any] = record
    return checked


def _check(record: Mapping[str, Any], where: str) -> None:
    """Refuse what is no record.

    Raises:
        AffectZooError: Fields are missing, unknown or of another kind, or do not fit each other.
    """
    groups = [name for name in record if str(name).startswith("per_") and name != "per_class"]
    parts = {name: record[name] for name in groups}
    try:
        _adapters()[0].validate_python({k: v for k, v in record.items() if k not in parts}, strict=True)
        _adapters()[1].validate_python(parts, strict=True)
        wrong = list(_contradictions(record))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        wrong = list(dict.fromkeys(f"{'.'.join(map(str, e['loc'][:6]))} ({e['msg']})" for e in found))
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        told = "; ".join(text[:200] for text in wrong[:5])
        raise AffectZooError(f"{where}: a damaged record: {told}{more}; measure it anew")


@cache
def _adapters() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    return TypeAdapter(Record), TypeAdapter(dict[Key, dict[Name, dict[Name, Number | None]]])


def _contradictions(record: Mapping[str, Any]) -> Iterator[str]:
    """Name fields of which one says what the other excludes."""
    faces, folds, number = record["faces"], record.get("folds") or [], record["protocol"].get("folds", 1)
    if faces["predicted"] + faces["missing"] != faces["total"]:
        yield "faces: predicted and missing are not the total"
    if len(folds) not in (0, number):
        yield f"folds: {len(folds)}, protocol.folds: {number}"
    model = record.get("model")
    if record["kind"] in ("zoo", "features") and model is None:
        yield f"model: missing for kind {record['kind']}"
    if model is not None and not model["sha256"] and not model.get("tensors_sha256"):
        yield "model.sha256: neither a file's nor the tensors'"
    if record.get("confusion") is not None:
        yield from _class_contradictions(record)


def _class_contradictions(record: Mapping[str, Any]) -> Iterator[str]:
    labels, rows, classes = record.get("labels"), record["confusion"], record.get("per_class")
    if not labels or len(set(labels)) < len(labels):
        yield "labels: missing, or one comes twice"
    elif len(rows) != len(labels) or any(len(row) != len(labels) for row in rows):
        yield f"confusion: not {len(labels)} rows and columns, one for each of labels"
    elif classes is None or set(classes) != set(labels):
        yield "per_class: other classes than labels"
    elif any(classes[name]["support"] != sum(row) for name, row in zip(labels, rows, strict=True)):
        yield "per_class: support is not what confusion counts"


def command_words(command: str, options: Collection[str]) -> list[str]:
    """Split a record's command into words.

    Args:
        command: As a shell takes it.
        options: Those of which ``--option=value`` becomes two words, as if typed ``--option value``.

    Raises:
        ValueError: It is no command of a shell.
    """
    words: list[str] = []
    for word in shlex.split(command):
        name, equals, value = word.partition("=")
        words += [name, value] if equals and name in options else [word]
    return words


def claim(record: Mapping[str, Any]) -> dict[str, Any]:
    """What weights keep of a record about themselves: data, split, faces, figures, recalls, the note."""
    protocol, clips = record["protocol"], record.get("clips")
    told: dict[str, Any] = {
        "data": protocol["data"]["test"],
        "split": tested_split(protocol),
        "faces": record["faces"]["predicted"],
        **{name: figure["value"] for name, figure in record["metrics"].items()},
    }
    if protocol.get("note"):
        told["note"] = protocol["note"]
    for measure in ("recall", "support") if record.get("per_class") else ():
        told[measure] = {name: of[measure] for name, of in record["per_class"].items()}
    if clips:
        told["per_clip"] = {"clips": clips["clips"], **{n: f["value"] for n, f in clips["metrics"].items()}}
    return told


def misfit(record: Mapping[str, Any], identity: Identity) -> str | None:
    """Return why a record was not measured with a set of weights as a model, else ``None``."""
    name, model = record["system"], record.get("model")
    if record["kind"] != "zoo" or model is None:
        return f"{name} is not a model as it is"
    if len(model["sha256"]) > 1:
        return f"{name} is the {len(model['sha256'])} models of a cross-validation"
    tensors = model.get("tensors_sha256")
    if model["sha256"] != [identity.file] and (tensors is None or tensors != identity.tensors):
        compared = [(tensors, identity.tensors)] if tensors and identity.tensors else []
        compared += [(sum_, identity.file) for sum_ in model["sha256"]]
        theirs, ours = compared[0] if compared else (tensors, identity.file)
        return f"{name} was measured with other weights, sha256 {str(theirs)[:12]}, not {str(ours)[:12]}"
    prepared, expected = model.get("preprocess"), identity.preprocess
    if prepared is not None and expected is not None and prepared != expected:
        other = sorted(k for k in {*prepared, *expected} if prepared.get(k) != expected.get(k))
        return f"{name} was measured with faces prepared in another way ({', '.join(other)})"
    named = model.get("labels")
    if named is not None and identity.labels is not None and list(named) != list(identity.labels):
        return f"{name} was measured with other names of the classes, or in another order: {', '.join(named)}"
    return None


def _plain(value: Any) -> Any:
    """JSON-ready: what is not finite becomes ``None``."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) and abs(value) <= LARGEST else None
    return value
