"""From the name or path that users type to a weights file."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from affectzoo.errors import OptionError, UnknownNameError, WeightsError
from affectzoo.files.fetch import wrong_sum
from affectzoo.files.folders import pointer, user_path
from affectzoo.registry import ARCHITECTURES
from affectzoo.store.config import CONFIG_NAME, Claim, contradiction, read_config
from affectzoo.store.entry import entries
from affectzoo.store.hub import HUB, from_hub
from affectzoo.weights.tensors import FILE_NAME, has_digest, read_golden, read_meta


@dataclass(frozen=True)
class Location:
    """A weights file and what is said of it elsewhere, which ``verify`` compares."""

    path: Path
    claim: Claim | None = None


def locate(name: str | Path, arch: str | None = None) -> Location:
    """Find the weights file behind what users type.

    Args:
        name: ``arch.tag``; a tag alone when ``arch`` is given; ``hf-hub:OWNER/NAME[@REVISION]``; a
            ``.safetensors`` file; or a folder that holds ``model.safetensors``, such as a run.
        arch: The architecture, where it is known already.

    Raises:
        WeightsError: A file or folder without weights; weights that the Hub does not give; a damaged
            ``config.json`` beside the weights.
        UnknownNameError: Neither a name of the zoo nor an existing path.
        OptionError: Nothing that could be a name.
    """
    if not isinstance(name, str | os.PathLike) or not str(name):
        what = "an empty name" if name == "" else f"of the type {type(name).__name__}"
        raise OptionError(
            f"the model is {what}; expected arch.tag, hf-hub:OWNER/NAME, a run's folder or a file"
        )
    if str(name).startswith(HUB):
        return Location(*from_hub(str(name)))
    known = entries()
    entry = known.get(f"{arch}.{name}") or known.get(str(name))
    path = user_path(name)
    if entry is not None:
        return Location(entry.path, Claim(f"the entry {entry.name}", entry.meta, entry.sha256))
    if path.is_dir():
        if (path / FILE_NAME).is_file():
            return _local(path / FILE_NAME)
        raise WeightsError(
            f"{path}: the folder holds no {FILE_NAME}. A run has one once its training has ended; "
            "an unfinished run goes on with: affectzoo fit --config ... --ckpt_path "
            f"{shlex.quote(str(path / 'checkpoints' / 'last.ckpt'))}"
        )
    if path.is_file():
        if path.suffix != ".safetensors":
            exported = path.suffix.lower() in (".onnx", ".pt2")
            hint = "; exported ones are for predict --model and benchmark --models (ONNX)" if exported else ""
            raise WeightsError(f"{path}: only .safetensors files are read, never pickled ones{hint}")
        return _local(path)
    if str(name) in ARCHITECTURES:
        have = [tag for tag in known if tag.startswith(f"{name}.")]
        raise WeightsError(
            f"'{name}' is an architecture; its pretrained weights: {', '.join(have) or 'none yet'}. "
            f"Untrained: affectzoo.create_model('{name}', labels=...)"
        )
    raise UnknownNameError(
        "model", str(name), known, f"(or {HUB}OWNER/NAME, or a folder or file that exists)"
    )


def public_name(name: str | Path, arch: str | None = None) -> str:
    """Say what weights are called elsewhere: a path goes by its last part, a run's file by its folder.

    Args:
        name: As for ``locate``.
        arch: The architecture, where it is known already.
    """
    if f"{arch}.{name}" in entries():
        return f"{arch}.{name}"
    path = user_path(name)
    if str(name).startswith(HUB) or not os.path.lexists(path):
        return str(name)
    path = path.absolute()
    return path.parent.name if path.name == FILE_NAME else path.name


def _local(path: Path) -> Location:
    """A weights file; in a published folder, ``config.json`` beside it says what it must be.

    In a run's folder, which has a ``config.yaml``, a file of that name is somebody else's.

    Raises:
        WeightsError: It stands for a file that was not fetched; ``config.json`` is damaged.
    """
    if (reason := pointer(path)) is not None:
        raise WeightsError(f"{path}: {reason}")
    config = path.with_name(CONFIG_NAME)
    is_run = path.with_name("config.yaml").is_file()
    if path.name != FILE_NAME or is_run or not config.is_file():
        return Location(path)
    return Location(path, read_config(config, str(config)))


def verify(location: Location) -> None:
    """Hold weights to what is said of them elsewhere: the file's sha256, and their description.

    Raises:
        WeightsError: The file is missing or another one (both sums are named), or the descriptions differ
            (both values are named).
    """
    path, claim = location.path, location.claim
    if not path.is_file():
        raise WeightsError(f"{path}: the weights file is missing; reinstall affectzoo")
    if claim is None:
        if not has_digest(path):
            _check_copy(path)
        return
    other = wrong_sum(path, claim.sha256)
    if other is not None:
        raise WeightsError(
            f"{path}: not the published weights: sha256 is {other}, expected {claim.sha256} by "
            f"{claim.said_by}. The file was altered or damaged; install, fetch or publish it again"
        )
    told = contradiction(claim, read_meta(path))
    if told is not None:
        raise WeightsError(f"{path}: {told}. One of them was altered: install, fetch or publish it again")


def _check_copy(path: Path) -> None:
    """Hold a copy of bundled weights, which have no digest, to their labels; the golden face tests the rest.

    Raises:
        WeightsError: Its classes have other names, or another order.
    """
    meta, golden = read_meta(path), read_golden(path)
    for name, entry in entries().items():
        if not golden or meta.arch != entry.meta.arch or meta.labels == entry.meta.labels:
            continue
        own = read_golden(entry.path)
        if own.keys() == golden.keys() and all(tensor.equal(own[key]) for key, tensor in golden.items()):
            told = contradiction(Claim(f"the entry {name}", entry.meta, entry.sha256), meta)
            raise WeightsError(f"{path}: a copy of {name} whose description was altered: {told}")
