"""Weights files: safetensors that carry their own meaning, and the entries of those the zoo knows.

A file's metadata holds, under the key ``affectzoo``, the JSON form of ``WeightsMeta``: everything needed to
rebuild the model and to feed it. Large weights are in several files beside an index, which holds that
metadata and says where each tensor is; wherever a weights file's path is taken here, an index's is as well.
An entry (``assets/weights/<arch>.<tag>.json``) adds where the file is and its sha256. A repository on the Hub
says so itself, in ``config.json``. Nothing here is unpickled, imported or executed.
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
from typing import TYPE_CHECKING, Any, TypeVar

from affectzoo.errors import AffectZooError, LabelError, UnknownNameError, WeightsError
from affectzoo.fetch import COMMIT, HubFile, fetch, forget, newest
from affectzoo.fetch import sha256 as sha256
from affectzoo.labels import LabelSpace, label_space
from affectzoo.preprocess import Preprocess
from affectzoo.registry import ARCHITECTURES, TASKS, architecture

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

ASSETS = Path(__file__).parent / "assets"
FILE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
CONFIG_NAME = "config.json"
FORMAT = 1
"""Of ``config.json``; a higher one is not understood here."""

HUB = "hf-hub:"
"""Begins the names of models on the Hub: ``hf-hub:OWNER/NAME[@REVISION]``."""

_KEY = "affectzoo"
SUBJECTS = ("weights", "code", "starting weights", "pictures", "labels")
"""What a licence names terms for."""

GOLDEN = "golden."
"""Begins the names of tensors that are no weights but a test of them, see ``affectzoo.golden``."""

LARGEST = 65_536
"""Bound on whole numbers among an architecture's arguments, and on the length of lists its 4096th part."""

MOST_FILES = 64
"""Bound on a model's weights files."""

_CONFIG_LIMIT, _INDEX_LIMIT = 10**6, 16 * 10**6
_HUB_NAME = re.compile(rf"{HUB}([\w.-]+/[\w.-]+)(?:@(\w[\w./+-]*))?", re.ASCII)
_OWN_NAME = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")
_PART_NAME = re.compile(r"\w[\w.-]{0,99}\.safetensors", re.ASCII)

_OTHERS = {
    "transformers_version": "transformers",
    "model_type": "transformers",
    "pretrained_cfg": "timm",
    "model_cfg": "open_clip",
    "_diffusers_version": "diffusers",
}
"""Libraries by a key that only their ``config.json`` has."""

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
        except (AffectZooError, TypeError, ValueError, OverflowError) as error:
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
        file: The one file inside ``assets/weights`` or, with ``repo_id``, inside that repository.
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
        if self.repo_id is not None and not COMMIT.fullmatch(self.revision or ""):
            raise WeightsError(f"{self.name}: weights on the Hub need a commit as revision, 40 hex digits")

    @property
    def path(self) -> Path:
        """Where the file is; one on the Hub is fetched at first use, and its sha256 compared."""
        hub_file = self.hub_file
        return ASSETS / "weights" / self.file if hub_file is None else fetch(hub_file)

    @property
    def hub_file(self) -> HubFile | None:
        """The file on the Hub; ``None`` for bundled weights."""
        if self.repo_id is None:
            return None
        return HubFile(self.repo_id, self.file, str(self.revision), self.sha256)


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
    """A weights file or index and, where that is still to be compared, the sha256 it must have."""

    path: Path
    sha256: str | None = None


def locate(name: str | Path, arch: str | None = None) -> Location:
    """Find the weights file behind what users type.

    Args:
        name: ``arch.tag``; a tag alone when ``arch`` is given; ``hf-hub:OWNER/NAME[@REVISION]``; a
            ``.safetensors`` file; or a folder that holds ``model.safetensors`` or an index, such as a run.
        arch: The architecture, where it is known already.

    Raises:
        WeightsError: A file or folder without weights; weights that the Hub does not give.
        UnknownNameError: Neither a name of the zoo nor an existing path.
    """
    if str(name).startswith(HUB):
        return _from_hub(str(name))
    known = entries()
    entry = known.get(f"{arch}.{name}") or known.get(str(name))
    path = Path(name).expanduser()
    if entry is not None:
        return Location(entry.path, entry.sha256 if entry.repo_id is None else None)
    if path.is_dir():
        for file in (FILE_NAME, INDEX_NAME):
            if (path / file).is_file():
                return Location(path / file)
        raise WeightsError(
            f"{path}: the folder holds no {FILE_NAME}. A run has one once its training has ended; "
            "an unfinished run goes on with: affectzoo fit --config ... --ckpt_path "
            f"{path / 'checkpoints' / 'last.ckpt'}"
        )
    if path.is_file():
        if path.suffix != ".safetensors" and not _is_index(path):
            raise WeightsError(f"{path}: only .safetensors files are read, never pickled ones")
        return Location(path)
    if str(name) in ARCHITECTURES:
        have = [tag for tag in known if tag.startswith(f"{name}.")]
        raise WeightsError(
            f"'{name}' is an architecture; its pretrained weights: {', '.join(have) or 'none yet'}. "
            f"Untrained: affectzoo.create_model('{name}', labels=...)"
        )
    raise UnknownNameError(
        "model", str(name), known, f"(or {HUB}OWNER/NAME, or a folder or file that exists)"
    )


def _from_hub(name: str) -> Location:
    """The weights of a repository, all files from the commit that its branch or tag is at."""
    match = _HUB_NAME.fullmatch(name)
    try:
        if match is None or ".." in name:
            raise ValueError(f"expected {HUB}OWNER/NAME or {HUB}OWNER/NAME@REVISION")
        repo_id, revision = match[1], match[2] or "main"
        path = newest(HubFile(repo_id, CONFIG_NAME, revision, limit=_CONFIG_LIMIT))
    except ValueError as error:  # the client has rules of its own for names
        raise WeightsError(f"'{name}' is no name on the Hub: {error}") from None
    commit = path.parent.name
    try:
        found = {
            file: fetch(
                HubFile(repo_id, file, commit, expected, _INDEX_LIMIT if file == INDEX_NAME else None)
            )
            for file, expected in _read_sums(path, f"{HUB}{repo_id}: {CONFIG_NAME}").items()
        }
        first = found.get(INDEX_NAME) or found[FILE_NAME]
        if set(files(first)) != set(found.values()):
            raise WeightsError(f"{HUB}{repo_id}: {INDEX_NAME} names other files than {CONFIG_NAME}")
    except WeightsError:
        forget(path)  # it may be what is damaged: the next try fetches it again
        raise
    return Location(first)


def _read_sums(path: Path, where: str) -> dict[str, str]:
    """Read which weights files a repository has, from its ``config.json``.

    Args:
        path: The file.
        where: What to call it in errors.

    Returns:
        The sha256 of each file, by its name.

    Raises:
        WeightsError: It was not written by affectzoo, or says something impossible.
    """
    values = _parsed(_read_small(path, _CONFIG_LIMIT, where), where)
    if values.get("library") != "affectzoo":
        seems = next((name for key, name in _OTHERS.items() if key in values), "another library")
        raise WeightsError(
            f"{where} is not of affectzoo but, it seems, of {seems}; "
            "only what affectzoo publish wrote can be loaded"
        )
    if values.get("format") != FORMAT:
        told = str(values.get("format"))[:20]
        raise WeightsError(f"{where} has format {told}, this affectzoo reads {FORMAT}: install a newer one")
    meta, sums = values.get("meta"), values.get("sha256")
    if not isinstance(meta, dict) or not isinstance(sums, dict) or len(sums) > MOST_FILES:
        raise WeightsError(f"{where} needs meta and the sha256 of 1 to {MOST_FILES} weights files")
    WeightsMeta.from_dict(meta, where)  # before anything large is fetched; the file's own is what counts
    for file, found in sums.items():
        if file != INDEX_NAME:
            _check_part_name(file, where)
        if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{64}", found):
            raise WeightsError(f"{where}: the sha256 of {file} is no 64 hex digits")
    if set(sums) != {FILE_NAME} and (INDEX_NAME not in sums or FILE_NAME in sums):
        raise WeightsError(f"{where} names neither {FILE_NAME} alone nor {INDEX_NAME} with its parts")
    return sums


def _check_part_name(name: object, where: str) -> None:
    """Refuse what is no plain name of a safetensors file, such as one that leads elsewhere."""
    if not isinstance(name, str) or not _PART_NAME.fullmatch(name) or ".." in name:
        raise WeightsError(
            f"{where} names a file {str(name)[:80]!r}: only .safetensors files beside it are read, "
            "never pickled ones"
        )


def _read_small(path: Path, limit: int, where: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            raise WeightsError(f"{where} has {size:,} bytes, at most {limit:,} are allowed")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{where} cannot be read ({error})") from None


def _parsed(text: str | bytes, where: str) -> dict[str, Any]:
    """A JSON object from elsewhere."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        values = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{where} is no JSON ({error})") from None
    if not isinstance(values, dict):
        raise WeightsError(f"{where} is no JSON object")
    return values


def _is_index(path: Path) -> bool:
    return path.name.endswith(".safetensors.index.json")


def _read_index(path: Path) -> tuple[dict[str, Any], dict[Path, set[str]]]:
    """An index's metadata, and the names of the tensors that are in each file.

    Raises:
        WeightsError: It is damaged, names what is no file beside it, or a file is missing.
    """
    values = _parsed(_read_small(path, _INDEX_LIMIT, str(path)), str(path))
    metadata, places = values.get("metadata"), values.get("weight_map")
    if not isinstance(metadata, dict) or not isinstance(places, dict) or not places:
        raise WeightsError(f"{path} is no index of weights files: it needs metadata and weight_map")
    parts: dict[Path, set[str]] = {}
    for tensor, file in places.items():
        _check_part_name(file, str(path))
        parts.setdefault(path.parent / file, set()).add(tensor)
    if len(parts) > MOST_FILES:
        raise WeightsError(f"{path} names {len(parts)} files, at most {MOST_FILES} are allowed")
    for part in parts:
        if not part.is_file():
            raise WeightsError(f"{part}: the file is missing; {path.name} says that it holds tensors")
    return metadata, parts


def files(path: Path) -> list[Path]:
    """The files behind a weights file's or index's path, that path first.

    Raises:
        WeightsError: An index is damaged, or one of its files is missing.
    """
    return [path, *_read_index(path)[1]] if _is_index(path) else [path]


def identity(path: Path) -> str:
    """The sha256 of a weights file; of an index, that of all its files' sums."""
    sums = [sha256(file) for file in files(path)]
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()


def fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """The sha256 of names, shapes and values, the latter rounded to float16.

    It is the same for a run's file and for its published forms: sealed, in parts, as float16 or float32.

    Args:
        tensors: The network's state.
    """
    told = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        told.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        told.update(values.numpy().tobytes())
    return told.hexdigest()


def verify(location: Location) -> None:
    """Compare a file's sha256 with the one the zoo knows, if it knows one.

    Raises:
        WeightsError: The file, or one that an index names, is missing or another one; says both sums.
    """
    if not location.path.is_file():
        raise WeightsError(f"{location.path}: the weights file is missing; reinstall affectzoo")
    files(location.path)
    if location.sha256 is None:
        return
    found = sha256(location.path)
    if found != location.sha256:
        raise WeightsError(
            f"{location.path}: not the published weights: sha256 is {found}, expected "
            f"{location.sha256}. The file was altered or damaged; reinstall affectzoo"
        )


def read_meta(path: Path) -> WeightsMeta:
    """What a weights file says of itself.

    Raises:
        WeightsError: The file is damaged, or was not written by affectzoo.
    """
    metadata = _read_index(path)[0] if _is_index(path) else _read_metadata(path)
    text = metadata.get(_KEY)
    if not isinstance(text, str):
        raise WeightsError(
            f"{path}: the file does not say which model it is (no '{_KEY}' metadata); "
            "it was not written by affectzoo"
        )
    return WeightsMeta.from_dict(_parsed(text, f"{path}: the '{_KEY}' metadata"), str(path))


def _read_metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: no complete safetensors file ({error})") from None


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The network's tensors of a weights file, floating ones as float32."""
    return _read(path, _is_weight, _tensor)


def read_golden(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file that test it; none in a file that was not sealed."""
    return _read(path, lambda name: not _is_weight(name), _tensor)


def is_half(path: Path) -> bool:
    """Whether a weights file holds its floating tensors as float16."""
    return "F16" in _read(path, _is_weight, lambda file, name: file.get_slice(name).get_dtype()).values()


def _is_weight(name: str) -> bool:
    return not name.startswith(GOLDEN)


def _tensor(file: Any, name: str) -> torch.Tensor:
    tensor: torch.Tensor = file.get_tensor(name)
    return tensor.float() if tensor.is_floating_point() else tensor


def _read(path: Path, wanted: Callable[[str], bool], read: Callable[[Any, str], T]) -> dict[str, T]:
    """Read tensors one by one: neither the file nor its float16 values are in memory as a whole."""
    from safetensors import SafetensorError, safe_open

    parts = _read_index(path)[1] if _is_index(path) else {path: None}
    found: dict[str, T] = {}
    for part, expected in parts.items():
        try:
            with safe_open(part, framework="pt") as file:
                names = set(file.keys())
                found |= {name: read(file, name) for name in file.keys() if wanted(name)}
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{part}: no complete safetensors file ({error})") from None
        if expected is not None and names != expected:
            wrong = sorted(names ^ expected)
            raise WeightsError(f"{part}: {path.name} does not say the same of {', '.join(wrong[:3])}")
    return found


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
        WeightsError: A tensor holds values that are not finite, or that float16 cannot hold; or so does the
            description; or the path is of no safetensors file.
    """
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path}: not written: the names of weights files end in .safetensors")
    tensors = _checked(path, tensors, half=half) | _plain(golden or {})
    _save(path, tensors, {_KEY: _text(path, meta)})


def write_sharded(
    folder: Path,
    tensors: Mapping[str, torch.Tensor],
    meta: WeightsMeta,
    *,
    limit: int,
    half: bool = True,
    golden: Mapping[str, torch.Tensor] | None = None,
) -> list[Path]:
    """Write weights into a folder, as one file where that is not too large, else as parts with an index.

    Weights files that were in the folder before are replaced; a tensor larger than ``limit`` is a part.

    Args:
        folder: Where to.
        tensors: The network's state.
        meta: What it means.
        limit: Bytes of tensors in one file.
        half: Store floating tensors as float16.
        golden: What ``affectzoo.golden.make`` returned for these weights, stored as it is.

    Returns:
        The files, the one to open first: ``model.safetensors``, or the index before its parts.

    Raises:
        WeightsError: As ``write``; or there would be more files than are read again.
    """
    from huggingface_hub import split_torch_state_dict_into_shards

    ready = _checked(folder, tensors, half=half) | _plain(golden or {})
    split = split_torch_state_dict_into_shards(ready, max_shard_size=limit)
    parts = [folder / name for name in split.filename_to_tensors]
    if len(parts) >= MOST_FILES:
        raise WeightsError(
            f"{folder}: not written: {len(parts)} files of {limit:,} bytes; give a higher limit"
        )
    text = _text(folder, meta)
    for part in parts:
        held = {name: ready[name] for name in split.filename_to_tensors[part.name]}
        _save(part, held, {} if split.is_sharded else {_KEY: text})
    if split.is_sharded:
        index = {"metadata": {**split.metadata, _KEY: text}, "weight_map": split.tensor_to_filename}
        parts.insert(0, folder / INDEX_NAME)
        parts[0].write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for old in folder.iterdir():
        if _OWN_NAME.fullmatch(old.name) and old not in parts:
            old.unlink()
    return parts


def _checked(where: Path, tensors: Mapping[str, torch.Tensor], *, half: bool) -> dict[str, torch.Tensor]:
    """A network's state as it is stored."""
    ready = _plain({n: t.half() if half and t.is_floating_point() else t for n, t in tensors.items()})
    wrong = [n for n, tensor in ready.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if wrong:
        raise WeightsError(
            f"{where}: not written: {', '.join(wrong[:3])} hold values that are not finite"
            + (" as float16" if half else "")
            + "; did the training diverge?"
        )
    return ready


def _text(where: Path, meta: WeightsMeta) -> str:
    try:
        return json.dumps(meta.to_dict(), sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise WeightsError(f"{where}: not written: the model's description is no JSON ({error})") from None


def _plain(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def _save(path: Path, tensors: dict[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file; an older one is replaced only once the new one is complete."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        part.touch()
        usual = part.stat().st_mode  # by the umask; save_file puts a file that only its owner reads there
        told = dict(metadata) or {"format": "pt"}  # one entry: several would be in random order
        save_file(tensors, part, metadata=told)
        part.chmod(usual)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
