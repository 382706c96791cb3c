"""Weights files: safetensors that carry their own meaning, and the entries of those the zoo knows.

A file's metadata holds, under the key ``affectzoo``, the JSON form of ``WeightsMeta``: everything needed to
rebuild the model and to feed it. An entry (``assets/weights/<arch>.<tag>.json``) adds where the file is and
its sha256. Nothing here is unpickled, imported or executed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from affectzoo.errors import AffectZooError, LabelError, UnknownNameError, WeightsError
from affectzoo.fetch import HubFile, fetch
from affectzoo.labels import LabelSpace, label_space
from affectzoo.preprocess import Preprocess
from affectzoo.registry import ARCHITECTURES, TASKS, architecture

if TYPE_CHECKING:
    import torch

ASSETS = Path(__file__).parent / "assets"
FILE_NAME = "model.safetensors"
_KEY = "affectzoo"
GOLDEN = "golden."
"""Begins the names of tensors that are no weights but a test of them, see ``affectzoo.golden``."""

LARGEST = 65_536
"""Bound on whole numbers among an architecture's arguments, and on the length of lists its 4096th part."""

_KINDS = {
    "arch": str,
    "labels": list,
    "preprocess": dict,
    "arguments": dict,
    "training": dict,
    "metrics": list,
    "licence": dict,
}


@dataclass(frozen=True)
class WeightsMeta:
    """What a set of weights means.

    Attributes:
        arch: Architecture, a name of the registry.
        arguments: The architecture's own arguments.
        labels: Class names in the order of the scores; none for a model without classes.
        preprocess: How a face becomes the network's input.
        training: What it was trained on and how: data, label rule, recipe, epochs, how the epoch was
            chosen.
        metrics: Measured results, one mapping each, with data set, split and number of faces.
        licence: Terms of ``weights``, ``code``, ``pictures`` and ``labels``, each by name.
    """

    arch: str
    labels: tuple[str, ...]
    preprocess: Preprocess
    arguments: Mapping[str, Any] = field(default_factory=dict)
    task: str = "expression"
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Mapping[str, Any], ...] = ()
    licence: Mapping[str, str] = field(default_factory=dict)

    @property
    def label_space(self) -> LabelSpace | None:
        """The classes as a label space; ``None`` for a model without classes."""
        return label_space(self.labels) if self.labels else None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form that ``from_dict`` reads back."""
        plain = asdict(self) | {"preprocess": self.preprocess.to_dict()}
        ready: dict[str, Any] = json.loads(json.dumps(plain))
        return ready

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> WeightsMeta:
        """Read what ``to_dict`` wrote.

        Args:
            values: Parsed JSON.
            where: File, for errors.

        Raises:
            WeightsError: A field is missing, unknown or of the wrong kind.
        """
        known = {f.name for f in fields(cls)}
        missing, extra = {"arch", "labels", "preprocess"} - set(values), set(values) - known
        if missing or extra:
            said = [f"lacks {', '.join(sorted(missing))}"] if missing else []
            said += [f"has unknown fields {', '.join(sorted(extra))}"] if extra else []
            raise WeightsError(f"{where}: the model's description {' and '.join(said)}")
        for name, kind in _KINDS.items():
            if name in values and not isinstance(values[name], kind):
                raise WeightsError(f"{where}: the model's description is wrong: {name} is no {kind.__name__}")
        try:
            architecture(values["arch"])
            _check_arguments(values.get("arguments", {}))
            return cls(
                **{
                    **values,
                    "labels": _names(values["labels"], values.get("task", "expression")),
                    "preprocess": Preprocess.from_dict(values["preprocess"]),
                    "metrics": tuple(values.get("metrics", ())),
                }
            )
        except (AffectZooError, TypeError, ValueError) as error:
            raise WeightsError(f"{where}: the model's description is wrong: {error}") from None


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse what no architecture takes, before anything is built with it.

    Raises:
        WeightsError: A value that is neither plain nor small.
    """
    for name, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        plain = all(
            isinstance(v, bool | int | float) or (isinstance(v, str) and len(v) <= 64) for v in values
        )
        small = all(isinstance(v, str) or abs(v) <= LARGEST for v in values) if plain else False
        if not small or len(values) > LARGEST // 4096:
            raise WeightsError(f"argument {name} is {str(value)[:80]}, which no architecture takes")


def _names(labels: list[str], task: str) -> tuple[str, ...]:
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    if (task in ("expression", "multitask")) != bool(labels):
        raise LabelError(f"task {task} with {len(labels)} labels")
    return label_space([str(name) for name in labels]).names if labels else ()


@dataclass(frozen=True)
class WeightsEntry:
    """A set of weights that the zoo knows by name.

    Attributes:
        name: ``arch.tag``.
        file: The file inside ``assets/weights`` or, with ``repo_id``, inside that repository.
        sha256: Of the file.
        size: Of the file, bytes.
        parameters: Number of trained values.
        meta: What the weights mean; the file itself says the same.
        repo_id: ``OWNER/NAME`` on the Hub, for weights that are not bundled.
        revision: The commit's 40 hexadecimal digits there.
    """

    name: str
    file: str
    sha256: str
    size: int
    parameters: int
    meta: WeightsMeta
    repo_id: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        if self.repo_id is not None and not re.fullmatch(r"[0-9a-f]{40}", self.revision or ""):
            raise WeightsError(f"{self.name}: weights on the Hub need a commit as revision, 40 hex digits")

    @property
    def path(self) -> Path:
        """Where the file is; one on the Hub is fetched at first use."""
        if self.repo_id is None:
            return ASSETS / "weights" / self.file
        return fetch(HubFile(self.repo_id, self.file, self.revision or ""))


@cache
def entries() -> Mapping[str, WeightsEntry]:
    """All weights that the zoo knows, by name, in alphabetical order."""
    found = {}
    for path in sorted((ASSETS / "weights").glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        meta = WeightsMeta.from_dict(values.pop("meta"), path.name)
        found[path.stem] = WeightsEntry(name=path.stem, meta=meta, **values)
    return MappingProxyType(found)


@dataclass(frozen=True)
class Location:
    """A weights file and, where the zoo knows it, the sha256 it must have."""

    path: Path
    sha256: str | None = None


def locate(name: str | Path, arch: str | None = None) -> Location:
    """Find the weights file behind what users type.

    Args:
        name: ``arch.tag``; a tag alone when ``arch`` is given; a ``.safetensors`` file; or a folder that
            holds ``model.safetensors``, such as a run.
        arch: The architecture, where it is known already.

    Raises:
        WeightsError: A file or folder without weights.
        UnknownNameError: Neither a name of the zoo nor an existing path.
    """
    known = entries()
    entry = known.get(f"{arch}.{name}") or known.get(str(name))
    path = Path(name).expanduser()
    if entry is not None:
        return Location(entry.path, entry.sha256)
    if path.is_dir():
        if (path / FILE_NAME).is_file():
            return Location(path / FILE_NAME)
        raise WeightsError(
            f"{path}: the folder holds no {FILE_NAME}. A run has one once its training has ended; "
            "an unfinished run goes on with: affectzoo fit --config ... --ckpt_path "
            f"{path / 'checkpoints' / 'last.ckpt'}"
        )
    if path.is_file():
        if path.suffix != ".safetensors":
            raise WeightsError(f"{path}: only .safetensors files are read, never pickled ones")
        return Location(path)
    if str(name) in ARCHITECTURES:
        have = [tag for tag in known if tag.startswith(f"{name}.")]
        raise WeightsError(
            f"'{name}' is an architecture; its pretrained weights: {', '.join(have) or 'none yet'}. "
            f"Untrained: affectzoo.create_model('{name}', labels=...)"
        )
    raise UnknownNameError("model", str(name), known, "(or a folder or .safetensors file that exists)")


def verify(location: Location) -> None:
    """Compare a file's sha256 with the one the zoo knows, if it knows one.

    Raises:
        WeightsError: The file is missing or another one; says both sums.
    """
    if not location.path.is_file():
        raise WeightsError(f"{location.path}: the weights file is missing; reinstall affectzoo")
    if location.sha256 is None:
        return
    found = sha256(location.path)
    if found != location.sha256:
        raise WeightsError(
            f"{location.path}: not the published weights: sha256 is {found}, expected "
            f"{location.sha256}. The file was altered or damaged; reinstall affectzoo"
        )


def sha256(path: Path) -> str:
    """The sha256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_meta(path: Path) -> WeightsMeta:
    """What a weights file says of itself.

    Raises:
        WeightsError: The file is damaged, or was not written by affectzoo.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: no complete safetensors file ({error})") from None
    if _KEY not in metadata:
        raise WeightsError(
            f"{path}: the file does not say which model it is (no '{_KEY}' metadata); "
            "it was not written by affectzoo"
        )
    try:
        values = json.loads(metadata[_KEY])
    except json.JSONDecodeError as error:
        raise WeightsError(f"{path}: the '{_KEY}' metadata is no JSON ({error})") from None
    if not isinstance(values, dict):
        raise WeightsError(f"{path}: the '{_KEY}' metadata is no JSON object")
    return WeightsMeta.from_dict(values, str(path))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The network's tensors of a weights file, floating ones as float32."""
    return _read(path, lambda name: not name.startswith(GOLDEN))


def read_golden(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file that test it; none in a file that was not sealed."""
    return _read(path, lambda name: name.startswith(GOLDEN))


def is_half(path: Path) -> bool:
    """Whether a weights file holds its floating tensors as float16."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = [name for name in file.keys() if not name.startswith(GOLDEN)]
        return any(file.get_slice(name).get_dtype() == "F16" for name in names)


def _read(path: Path, wanted: Callable[[str], bool]) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:  # one by one: the file is never in memory as a whole
            tensors = {name: file.get_tensor(name) for name in file.keys() if wanted(name)}
            return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: no complete safetensors file ({error})") from None


def write(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    meta: WeightsMeta,
    *,
    half: bool = True,
    golden: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a weights file; an older one is replaced only once the new one is complete.

    Args:
        path: Where to.
        tensors: The network's state.
        meta: What it means.
        half: Store floating tensors as float16.
        golden: What ``affectzoo.golden.make`` returned for these weights, stored as it is.

    Raises:
        WeightsError: A tensor holds values that are not finite, or that float16 cannot hold.
    """
    from safetensors.torch import save_file

    ready = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in tensors.items()
    }
    wrong = [n for n, tensor in ready.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if wrong:
        raise WeightsError(
            f"{path}: not written: {', '.join(wrong[:3])} hold values that are not finite"
            + (" as float16" if half else "")
            + "; did the training diverge?"
        )
    ready |= {name: tensor.cpu().contiguous() for name, tensor in (golden or {}).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        text = json.dumps(meta.to_dict(), sort_keys=True)
        save_file(ready, part, metadata={"format": "pt", _KEY: text})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
