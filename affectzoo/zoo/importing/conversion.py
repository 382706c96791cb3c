"""Published weights of other projects, converted into weights files that models can start from.

VGG-Face: Parkhi, Vedaldi and Zisserman, "Deep Face Recognition", BMVC 2015. A VGG-16 that tells 2,622
identities apart; Aff-Wild's VGG-Face CNN and CNN-GRU start from it. Users fetch the file themselves. Read are

- MatConvNet's ``.mat``: ``layers`` or ``net.layers``, each with ``name`` and ``weights`` = {filters, biases}
  or ``filters`` and ``biases``; filters are height x width x inputs x outputs. ``averageImage`` below
  ``meta.normalization`` or ``normalization`` is the mean, one color or an image;
- state dicts, ``.pth`` or ``.pt``, with the authors' names (``conv1_1``, ``conv_1_1``, ``fc6``, also below
  ``features`` and ``fc``) or torchvision's, also below ``state_dict`` and ``module.``.

All take pixels of 0..255 with one mean color subtracted. The MatConvNet model reads RGB, the Torch and Caffe
ones BGR; what is written reads RGB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import nn

from affectzoo import weights
from affectzoo.errors import WeightsError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.folders import user_path
from affectzoo.models import vgg
from affectzoo.zoo.checkpoints import read_checkpoint
from affectzoo.zoo.importing.report import check_out

Color = Literal["rgb", "bgr"]

IDENTITIES = 2622
MEAN = (129.1863, 104.7624, 93.5940)
"""The published mean color, R, G, B."""
MARGIN = 0.1
"""Share by which the authors' demonstration widens a detected face's box before it cuts the face out."""
LICENSE = {
    "weights": "VGG-Face: its authors allow non-commercial research, under the Creative Commons Attribution "
    "License; check the terms at https://www.robots.ox.ac.uk/~vgg/software/vgg_face/",
    "images": "VGG-Face: images of celebrities gathered by web search; their own terms apply",
}
_FETCH = "fetch it again from https://www.robots.ox.ac.uk/~vgg/software/vgg_face/ or where it came from"


def _torchvision_names() -> dict[str, str]:
    """What the layers are called where they were loaded into torchvision's VGG-16, and by the authors."""
    names, index = {"classifier.0": "fc6", "classifier.6": "fc8"}, 0
    for number, block in enumerate(vgg.LAYOUT_16, 1):
        for place in range(1, len(block) + 1):
            names[f"features.{index}"] = f"conv{number}_{place}"
            index += 2  # a ReLU follows
        index += 1  # a pooling ends the block
    return names


@dataclass(frozen=True)
class Source:
    """A published file, read.

    Attributes:
        tensors: By ``LAYER.weight`` and ``LAYER.bias`` with the authors' names, axes in torch's order.
        color: The order in which it reads colors, where the file tells.
        mean: The mean color in the order that the file reads, 0..255; ``None`` where it holds none.
    """

    tensors: Mapping[str, torch.Tensor]
    color: Color | None
    mean: tuple[float, ...] | None = None


def convert_vggface(
    path: str | Path,
    out: str | Path,
    landmarks: bool = False,
    *,
    color: Literal["auto", "rgb", "bgr"] = "auto",
    seed: int = 0,
) -> Path:
    """Write a published VGG-Face file as weights of ``vggface``, for models to start from.

    Its convolutions and its first fully connected layer (4096 units) are taken. The second one of ``vggface``
    has 2048 units and predicts affect, for which the published file has nothing: it, the head and the
    columns of landmarks are freshly initialized, as the file says under ``fresh``.

    Args:
        path: The ``.mat``, ``.pth`` or ``.pt`` file.
        out: Where to, ``*.safetensors``; older weights are replaced once the new ones are complete.
        landmarks: Give the first fully connected layer inputs for the 68 landmarks.
        color: The order in which the published network reads colors; ``auto`` takes it from the form of the
            file, and refuses where that does not tell.
        seed: Of the fresh layers.

    Returns:
        ``out``.

    Raises:
        WeightsError: The file is missing, damaged, of another kind or another network, its color order is
            open, or ``out`` is no ``.safetensors`` name or a file that affectzoo did not write.
    """
    path, out = user_path(path), check_out(out)
    if color not in ("auto", "rgb", "bgr"):
        raise WeightsError(f"color is '{color}', expected auto, rgb or bgr")
    model = _filled_model(path, landmarks, color, seed)
    meta = replace(
        model.describe(),
        fresh=_fresh_layers(model),
        training=weights.Training(
            data=f"VGG-Face, {IDENTITIES:,} identities",
            seed=seed,
            notes={
                "source": "Parkhi et al., Deep Face Recognition, BMVC 2015",
                "converted_from": path.name,
            },
        ),
        license=LICENSE,
    )
    weights.write(out, model.network_state(), meta)
    return out


def _filled_model(path: Path, landmarks: bool, color: str, seed: int) -> vgg.VGGFace:
    # A function of its own, so that the published tensors are let go before the new file is made.
    source = read(path)
    _check_identities(source, path)
    bgr = _reads_bgr(source, color, path)
    mean = MEAN if source.mean is None else source.mean[::-1] if bgr else source.mean
    preprocess = Preprocess(
        size=224,
        mean=tuple(value / 255 for value in mean),
        std=(1 / 255,),
        margin=MARGIN,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = vgg.VGGFace(task="va", landmarks=landmarks, preprocess=preprocess)
    fill(cast(vgg.VGGTrunk, model.trunk), source, vgg.LAYOUT_16, bgr=bgr, where=str(path))
    return model


def _fresh_layers(model: vgg.VGGFace) -> tuple[str, ...]:
    fc = cast(vgg.VGGTrunk, model.trunk).fc
    first, *others = [f"trunk.fc.{i}" for i, layer in enumerate(fc) if isinstance(layer, nn.Linear)]
    columns = [f"{first}, last {2 * model.landmarks} columns (landmarks)"] if model.landmarks else []
    return (*columns, *others, *(f"heads.{name}" for name in model.heads))


def _check_identities(source: Source, path: Path) -> None:
    bias = source.tensors.get("fc8.bias")
    if bias is not None and bias.numel() != IDENTITIES:
        raise WeightsError(
            f"{path}: fc8 has {bias.numel():,} outputs, VGG-Face has {IDENTITIES:,}: another network (1,000: "
            "ImageNet's VGG-16; vgg16 takes it by --model.backbone_weights imagenet)"
        )


def _reads_bgr(source: Source, color: str, path: Path) -> bool:
    told = source.color if color == "auto" else color
    if told is None:
        raise WeightsError(
            f"{path}: the file does not tell whether it reads RGB or BGR. Say which: --color rgb where it "
            "comes from the MatConvNet model (as pytorch-mcn's vgg_face_dag.pth), --color bgr where from the "
            "Torch or Caffe model (in Python color='rgb' or 'bgr')"
        )
    return told == "bgr"


@torch.no_grad()
def fill(trunk: vgg.VGGTrunk, source: Source, blocks: vgg.Blocks, *, bgr: bool, where: str) -> None:
    """Put the convolutions and fc6 of a published file into a trunk; its other values stay.

    Args:
        trunk: Of VGG-Face's layout, reads RGB; its first linear layer has fc6's units and may take more.
        source: The published file.
        blocks: The trunk's layout.
        bgr: Whether the published network reads BGR.
        where: File, for errors.

    Raises:
        WeightsError: A layer is missing, has another shape, or values that a weights file cannot hold.
    """
    convs = [layer for layer in trunk.features if isinstance(layer, nn.Conv2d)]
    names = [f"conv{b}_{i}" for b, block in enumerate(blocks, 1) for i in range(1, len(block) + 1)]
    for own, name in zip(convs, names, strict=True):
        weight = _take(source, f"{name}.weight", where, tuple(own.weight.shape))
        weight = weight.flip(1) if bgr and name == names[0] else weight
        bias = _take(source, f"{name}.bias", where, (own.out_channels,))
        own.load_state_dict({"weight": weight, "bias": bias})
    first = next(layer for layer in trunk.fc if isinstance(layer, nn.Linear))
    pooled = (blocks[-1][-1], vgg.GRID, vgg.GRID)
    inputs, units = pooled[0] * vgg.GRID**2, first.out_features
    weight = _take(source, "fc6.weight", where, (units, inputs), (units, *pooled))
    first.weight[:, :inputs].view(weight.shape).copy_(weight)
    first.bias.copy_(_take(source, "fc6.bias", where, (units,)))


def _take(source: Source, name: str, where: str, *shapes: tuple[int, ...]) -> torch.Tensor:
    """A published tensor, checked."""
    if name not in source.tensors:
        raise WeightsError(f"{where}: {name} is missing; {_FETCH}")
    tensor = source.tensors[name]
    if tuple(tensor.shape) not in shapes:
        raise WeightsError(
            f"{where}: {name} has shape {tuple(tensor.shape)}, expected {' or '.join(map(str, shapes))} "
            "(outputs first); this is not VGG-Face's VGG-16 of Parkhi et al."
        )
    low, high = tensor.aminmax()
    limit = torch.finfo(torch.float16).max
    if not (low >= -limit and high <= limit):  # also where they are NaN
        raise WeightsError(
            f"{where}: {name} holds values from {low:g} to {high:g}; VGG-Face's are finite and small. "
            f"The file is damaged; {_FETCH}"
        )
    return tensor


# Files


def read(path: Path) -> Source:
    """Read a published file.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; {_FETCH.replace('again ', '')}")
    if path.suffix.lower() == ".mat":
        return _read_mat(path)
    if path.suffix.lower() in (".pth", ".pt"):
        return _read_state(path)
    raise WeightsError(
        f"{path}: only .mat (MatConvNet) and .pth or .pt (PyTorch state dicts) are read; of the authors' "
        "three models take the MatConvNet one"
    )


def _read_mat(path: Path) -> Source:
    from scipy.io import loadmat

    wanted = ("net", "layers", "meta", "normalization")
    try:
        content = loadmat(path, struct_as_record=False, squeeze_me=True, variable_names=wanted)
    except NotImplementedError:
        raise WeightsError(
            f"{path}: a MATLAB 7.3 file (HDF5), which is not read. In MATLAB: "
            f"s = load('{path.name}'); save('vgg_face_v7.mat', '-struct', 's', '-v7')"
        ) from None
    except Exception as error:  # scipy has no error of its own for damage
        raise WeightsError(f"{path}: no complete MATLAB file ({_short(error)}); {_FETCH}") from None
    net = content.get("net", content)
    layers = np.atleast_1d(_field(net, "layers"))
    tensors: dict[str, torch.Tensor] = {}
    for layer in layers:
        given = _field(layer, "weights")
        if given is None:
            given = (_field(layer, "filters"), _field(layer, "biases"))
        parts = [part for part in given if part is not None] if np.iterable(given) else []
        if len(parts) == 2:
            name = _field(layer, "name")
            tensors[f"{name}.weight"] = _tensor(parts[0], path, name)
            tensors[f"{name}.bias"] = _tensor(parts[1], path, name).reshape(-1)
    if not tensors:
        raise WeightsError(
            f"{path}: no MatConvNet network: it has no 'layers' or 'net.layers' with filters and "
            f"biases; {_FETCH}"
        )
    mean = _field(net, "meta.normalization.averageImage")
    mean = _mean(_field(net, "normalization.averageImage") if mean is None else mean, path)
    # MATLAB reads images as RGB. A network imported without turning its colors has its mean turned, too:
    # skin is redder than blue.
    color: Color | None = "rgb" if mean is None or mean[0] > mean[2] else None
    return Source(tensors, color, mean)


def _field(holder: Any, names: str) -> Any:
    """A field of nested MATLAB structs, ``None`` where there is none."""
    for name in names.split("."):
        holder = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
    return holder


def _tensor(values: Any, path: Path, name: str) -> torch.Tensor:
    """A MATLAB array; filters come as outputs x inputs x height x width, without being copied."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise WeightsError(f"{path}: layer {name} holds {array.dtype} instead of numbers; {_FETCH}")
    array = array.astype(np.float32, copy=False)
    return torch.from_numpy(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)


def _mean(values: Any, path: Path) -> tuple[float, ...] | None:
    """A mean color or the average of a mean image."""
    array = np.asarray(() if values is None else values)
    if not array.size:
        return None
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 3) or array.shape[-1] != 3:
        raise WeightsError(
            f"{path}: averageImage has shape {array.shape}, expected (3,) or (height, width, 3); {_FETCH}"
        )
    mean = array.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    if not (mean.min() >= 0 and mean.max() <= 255):
        raise WeightsError(f"{path}: averageImage is {mean}, expected pixels from 0 to 255; {_FETCH}")
    return tuple(float(value) for value in mean)


def _read_state(path: Path) -> Source:
    found = {name.removeprefix("module."): t for name, t in read_checkpoint(path).tensors.items()}
    theirs = _torchvision_names()
    tensors = {}
    for name, tensor in found.items():
        layer, _, leaf = name.rpartition(".")
        plain = re.sub(r"(?:features\.|fc\.)?(conv)_?(\d_\d)|(?:fc\.)(fc\d)", r"\1\2\3", layer)
        tensors[f"{theirs.get(layer, plain)}.{leaf}"] = tensor
    if "conv1_1.weight" not in tensors:
        raise WeightsError(
            f"{path}: holds {len(found)} tensors, first {', '.join(list(found)[:3])}; expected one called "
            "conv1_1.weight, conv_1_1.weight or features.0.weight"
        )
    torch_model = any(re.search(r"conv_\d_\d", name) for name in found)  # its conversions keep its colors
    return Source(tensors, "bgr" if torch_model else None)


def _short(error: Exception) -> str:
    """An error's kind and first sentence."""
    sentence = str(error).partition("\n")[0].partition(". ")[0]
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
