"""Safetensors files: their description and tensors, read and written."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from affectzoo.errors import WeightsError
from affectzoo.weights.meta import WeightsMeta
from affectzoo.weights.parts import INDEX_NAME, MOST_FILES, is_index, read_index
from affectzoo.weights.untrusted import LIMIT, parse

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

GOLDEN = "golden."
"""Begins the names of tensors that are no weights but a test of them, see ``affectzoo.zoo.golden``."""

_KEY = "affectzoo"
_OWN_NAME = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")


def read_meta(path: Path) -> WeightsMeta:
    """What a weights file says of itself.

    Raises:
        WeightsError: The file is damaged, or was not written by affectzoo.
    """
    metadata = read_index(path)[0] if is_index(path) else _read_metadata(path)
    text = metadata.get(_KEY)
    if not isinstance(text, str):
        raise WeightsError(
            f"{path}: the file does not say which model it is (no '{_KEY}' metadata); "
            "it was not written by affectzoo"
        )
    return WeightsMeta.from_dict(parse(text, f"{path}: the '{_KEY}' metadata"), str(path))


def _read_metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: no complete safetensors file ({error})") from None


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read the network's tensors of a weights file, floating ones as float32.

    Raises:
        WeightsError: The file is damaged, or holds values that are not finite.
    """
    tensors = _read(path, _is_weight, _tensor)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise WeightsError(
                f"{path}: {name} holds values that are not finite; the training diverged, or the file is "
                "damaged: take other weights"
            )
    return tensors


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

    parts = read_index(path)[1] if is_index(path) else {path: None}
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
        golden: What ``affectzoo.zoo.golden.make`` returned for these weights, stored as it is.

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
        golden: What ``affectzoo.zoo.golden.make`` returned for these weights, stored as it is.

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
        text = json.dumps(meta.to_dict(), sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise WeightsError(f"{where}: not written: the model's description is no JSON ({error})") from None
    if len(text) > LIMIT:
        raise WeightsError(
            f"{where}: not written: the model's description has {len(text):,} characters, at most {LIMIT:,} "
            "are read again"
        )
    return text


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
