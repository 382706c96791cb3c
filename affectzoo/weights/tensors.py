"""Safetensors files: their description and tensors, read and written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from affectzoo.errors import WeightsError
from affectzoo.weights.meta import DIGEST, WeightsMeta, sealed, unsealed
from affectzoo.weights.untrusted import LIMIT, parse

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

FILE_NAME = "model.safetensors"
"""What a folder of a model calls it."""

GOLDEN = "golden."
"""Begins the names of tensors that are no weights but a test of them, see ``affectzoo.zoo.golden``."""

_KEY = "affectzoo"


def read_meta(path: Path) -> WeightsMeta:
    """What a weights file says of itself.

    Raises:
        WeightsError: The file is damaged, was not written by affectzoo, or was altered since.
    """
    return unsealed(_description(path), str(path))


def has_digest(path: Path) -> bool:
    """Whether a weights file would notice another description; files of before do not.

    Raises:
        WeightsError: The file is damaged, or was not written by affectzoo.
    """
    return DIGEST in _description(path)


def _description(path: Path) -> dict[str, Any]:
    text = _read_metadata(path).get(_KEY)
    if not isinstance(text, str):
        raise WeightsError(
            f"{path}: the file does not say which model it is (no '{_KEY}' metadata); "
            "it was not written by affectzoo"
        )
    return parse(text, f"{path}: the '{_KEY}' metadata")


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

    try:
        with safe_open(path, framework="pt") as file:
            return {name: read(file, name) for name in file.keys() if wanted(name)}
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
        golden: What ``affectzoo.zoo.golden.make`` returned for these weights, stored as it is.

    Raises:
        WeightsError: A tensor holds values that are not finite, or that float16 cannot hold; or so does the
            description; or the path is of no safetensors file.
    """
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path}: not written: the names of weights files end in .safetensors")
    tensors = _checked(path, tensors, half=half) | _plain(golden or {})
    _save(path, tensors, {_KEY: _text(path, meta)})  # one entry: several would be in random order


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
        text = json.dumps(sealed(meta), sort_keys=True, allow_nan=False)
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
        save_file(tensors, part, metadata=dict(metadata))
        part.chmod(usual)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """The sha256 of names, shapes and values, the latter rounded to float16.

    It is the same for a run's file and for its published forms: sealed, as float16 or float32.

    Args:
        tensors: The network's state.
    """
    told = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        told.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        told.update(values.numpy().tobytes())
    return told.hexdigest()
