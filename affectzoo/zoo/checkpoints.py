"""PyTorch checkpoints, read without running anything in them."""

from __future__ import annotations

import json
import pickle
import re
import shlex
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from affectzoo.errors import WeightsError
from affectzoo.files.folders import pointer
from affectzoo.weights import WeightsMeta

Tensors = dict[str, torch.Tensor]

OURS, TRAINING = "affectzoo", "affectzoo_training"
"""The keys below which affectzoo's files and checkpoints describe themselves and their training."""

WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net", "module")
"""What checkpoints call the network inside them, most telling first."""
_SAVE = "Where the network was made, save its tensors alone: torch.save(model.state_dict(), 'weights.pt')"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, read.

    Attributes:
        tensors: By the file's names.
        left_out: What else was in it, by name.
        meta: What it says of itself, where affectzoo wrote it.
    """

    tensors: Tensors
    left_out: tuple[str, ...] = ()
    meta: WeightsMeta | None = None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint's tensors; no code in it runs.

    Raises:
        WeightsError: The file is missing, damaged, wants classes to be unpickled, holds no network or
            several, or is in the zoo's format already.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    if (reason := pointer(path)) is not None:
        raise WeightsError(f"{path}: {reason}")
    checkpoint = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickled(path)
    if not checkpoint.tensors:
        raise WeightsError(f"{path}: holds no tensors")
    for name, tensor in checkpoint.tensors.items():
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not plain or tensor.is_quantized or tensor.is_complex():
            raise WeightsError(
                f"{path}: {name} is no plain tensor of numbers ({tensor.layout}, {tensor.dtype}, on "
                f"{tensor.device}); save the network before it was quantized, pruned or moved"
            )
    return checkpoint


def _read_safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            if OURS in (file.metadata() or {}):
                raise WeightsError(
                    f"{path}: is in the zoo's format already; use it as it is, such as: "
                    f"affectzoo predict IMAGE --model {shlex.quote(str(path))}"
                )
            return Checkpoint({name: file.get_tensor(name) for name in file.keys()})
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: no complete safetensors file ({error})") from None


def _read_pickled(path: Path) -> Checkpoint:
    content = _unpickle(path)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a state dict (tensors by name)")
    try:
        tensors, left_out = _network(content, path)
    except RecursionError:
        raise WeightsError(f"{path}: refused: it holds itself") from None
    if not isinstance(content.get(OURS), Mapping):
        return Checkpoint(tensors, left_out=tuple(left_out))
    meta = _described(content, path)
    tensors = named_as_now(tensors)
    own = {name: t for name, t in tensors.items() if name.startswith(("trunk.", "heads."))}
    left_out = [name for name in left_out if name not in (OURS, TRAINING)]
    left_out += [name for name in tensors if name not in own]  # of the losses
    return Checkpoint(own, left_out=tuple(left_out), meta=meta)


def named_as_now(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Give tensors of an early affectzoo's checkpoint, whose modules held a ``network``, today's names."""
    return {str(name).removeprefix("network."): tensor for name, tensor in tensors.items()}


def _described(content: Mapping[Any, Any], path: Path) -> WeightsMeta:
    """Read what a checkpoint of affectzoo says of its model, of the training and the terms of its start."""
    try:
        told = json.loads(json.dumps({**content[OURS], **content.get(TRAINING, {})}, allow_nan=False))
        if TRAINING in content:  # not in older versions'
            told["training"] = {**told["training"], "epoch": content["epoch"] + 1}
    except (TypeError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: what it says of its training is damaged ({error})") from None
    return WeightsMeta.from_dict(told, str(path))


def _unpickle(path: Path) -> Any:
    try:
        zipped = zipfile.is_zipfile(path)
        if zipped:
            _check_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)|unrecognized function (.+)|but got (.+)", str(error))
        wanted = next(filter(None, named.groups())) if named else "more than tensors, or is no PyTorch file"
        raise WeightsError(
            f"{path}: refused: it wants {wanted}; making such an object could run any code. Nothing in it "
            f"was run. {_SAVE}; from a checkpoint that you trust: torch.save(torch.load('{path.name}', "
            "weights_only=False)['state_dict'], 'weights.pt')"
        ) from None
    except Exception as error:  # torch has no error of its own for damage
        told = str(error).partition("\n")[0][:120]
        raise WeightsError(f"{path}: no complete PyTorch file ({type(error).__name__}: {told})") from None


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise WeightsError(f"{path}: refused: a TorchScript archive, which is code. {_SAVE}")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > path.stat().st_size:
        raise WeightsError(f"{path}: refused: {unpacked:,} bytes once unpacked; torch packs nothing")


def _network(content: Mapping[Any, Any], path: Path) -> tuple[Tensors, list[str]]:
    """The state dict of a checkpoint, and the names of what is beside it."""
    inner = {str(name): value for name, value in content.items() if isinstance(value, Mapping) and value}
    chosen = next((name for name in WRAPPERS if name in inner), None)
    if chosen is None and _holds_tensors(content):
        found = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
        return found, [str(name) for name in content if str(name) not in found]
    if chosen is None:
        held = [name for name, value in inner.items() if _holds_tensors(value)]
        if not held:
            raise WeightsError(
                f"{path}: holds no tensors by name, only {', '.join(map(str, content)) or 'nothing'}. {_SAVE}"
            )
        if len(held) > 1:
            raise WeightsError(
                f"{path}: holds several networks: {', '.join(held)}. Save the one that you want alone: "
                f"torch.save(torch.load('{path.name}')['{held[0]}'], 'weights.pt')"
            )
        chosen = held[0]
    tensors, left_out = _network(inner[chosen], path)
    return tensors, left_out + [str(name) for name in content if str(name) != chosen]


def _holds_tensors(values: Mapping[Any, Any]) -> bool:
    return any(isinstance(name, str) and isinstance(v, torch.Tensor) for name, v in values.items())
