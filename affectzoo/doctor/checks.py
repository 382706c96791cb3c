"""The machine, the folders that affectzoo keeps things in, the face detector and the bundled weights."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
import warnings
from pathlib import Path

from affectzoo.doctor.part import Part, shown
from affectzoo.files.fetch import home, sha256

LEAST = 2**30
"""Bytes that should be free."""

WALK = 5.0
"""Seconds in which the files of a cache are counted."""

SETTINGS = (
    "AFFECTZOO_HOME",
    "AFFECTZOO_SELF_TEST",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "TORCH_HOME",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
)
"""Variables that change what affectzoo does."""

SECRETS = ("HF_TOKEN", "HF_ENDPOINT")
"""Of these nobody needs the value, which may be a password or hold one."""

DRIVER = Path("/proc/driver/nvidia/gpus")
"""Where Linux lists NVIDIA's GPUs."""


def settings(part: Part) -> None:
    """Tell which variables are set."""
    for name in SETTINGS:
        if name in os.environ:
            part.facts[name] = shown(Path(os.environ[name])) if os.environ[name] else ""
    part.facts |= {name: "set" for name in SECRETS if os.environ.get(name)}
    if os.environ.get("AFFECTZOO_SELF_TEST") == "0":
        part.notes.append("AFFECTZOO_SELF_TEST=0: weights are loaded without their self-test; unset it")


def devices(part: Part) -> None:
    """Tell what computes, and whether a GPU that is there can be used."""
    import torch

    from affectzoo.evaluation.machine import SLOW_BF16, hardware, has_bf16

    with warnings.catch_warnings(record=True) as told:  # such as of a driver that is too old
        warnings.simplefilter("always")
        machine, usable = hardware(), torch.cuda.is_available()
    memory = machine["memory_gib"] and f", {machine['memory_gib']} GiB"
    part.facts["processor"] = f"{machine['cpu']}, {machine['cores']} cores{memory or ''}"
    part.facts["threads"] = torch.get_num_threads()
    part.facts["bf16 on the processor"] = has_bf16()
    if not has_bf16():
        part.notes.append(SLOW_BF16)
    part.facts["torch is built for"] = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    for number in range(torch.cuda.device_count() if usable else 0):
        of_gpu = torch.cuda.get_device_properties(number)
        part.facts[f"GPU {number}"] = f"{of_gpu.name}, {of_gpu.total_memory / 2**30:.0f} GiB"
        torch.zeros(1, device=f"cuda:{number}").add_(1).item()
    if usable:
        part.facts["bf16 on the GPU"] = torch.cuda.is_bf16_supported(including_emulation=False)
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if not usable and not hidden and DRIVER.is_dir() and any(DRIVER.iterdir()):
        why = " ".join(str(told[-1].message).split())[:300] if told else "torch finds no device"
        part.faults.append(
            f"this machine has an NVIDIA GPU that torch {torch.__version__} cannot use ({why}): install the "
            "torch that fits its driver, see https://pytorch.org/get-started/locally"
        )
    part.facts["MPS"] = torch.backends.mps.is_available()


def caches(part: Part) -> None:
    """Tell where things are kept, how large that is, and whether it can be read and written."""
    _folder(part, "affectzoo", home(), "AFFECTZOO_HOME")
    from huggingface_hub import constants

    _folder(part, "Hub", Path(constants.HF_HUB_CACHE), "HF_HUB_CACHE")


def _folder(part: Part, name: str, path: Path, variable: str) -> None:
    """One of them."""
    move = f"or set {variable} to another folder"
    # os.path, as methods of Path raise where a folder above may not be entered
    there = next((p for p in (path, *path.parents) if os.path.lexists(p)), path)
    if not os.path.isdir(there):  # noqa: PTH112
        part.facts[name] = f"{shown(path)}: no folder"
        part.faults.append(f"{shown(there)} is no folder, but {name} keeps files there: move it away, {move}")
        return
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        part.faults.append(
            f"{shown(there)} cannot be read and written by this user, {name} keeps files there: chmod u+rwx "
            f"{shown(there)}, {move}"
        )
    if there != path:
        part.facts[name] = f"{shown(path)}: empty"
        return
    size, left_out = _size(path)
    part.facts[name] = f"{shown(path)}: {'over ' if left_out else ''}{size / 2**20:,.1f} MiB"


def _size(path: Path) -> tuple[int, bool]:
    """Bytes of a folder's files, and whether some were not counted."""
    size, failed, end = 0, list[OSError](), time.monotonic() + WALK
    for folder, _, names in os.walk(path, onerror=failed.append):
        for name in names:
            try:
                state = os.lstat(os.path.join(folder, name))  # noqa: PTH118
            except OSError as error:  # deleted meanwhile, or not to be seen
                failed.append(error)
                continue
            size += state.st_size if stat.S_ISREG(state.st_mode) else 0
        if time.monotonic() > end:
            return size, True
    return size, bool(failed)


def detector(part: Part) -> None:
    """Find the face of the bundled photograph with the detector that ``auto`` takes."""
    from affectzoo.faces.detect import CenterFace, YuNet, at_hand
    from affectzoo.files.images import read_image
    from affectzoo.store import ASSETS

    kept = YuNet.kept()
    finder, faults = at_hand()
    for fault in faults:
        part.faults.append(f"{fault.replace(str(kept), shown(kept))}; until then it is {finder.name}")
    part.facts["auto"] = finder.name
    if finder.name == "haar" and not faults:
        part.notes.append(
            "faces are found by the Haar cascade, frontal ones alone; others: fetch YuNet's file (affectzoo "
            f"predict --detector yunet), put {kept.name} into {shown(kept.parent)}, or {CenterFace.install}"
        )
    found = finder(read_image(ASSETS / "demo" / "astronaut.jpg"))
    if len(found) != 1:
        part.faults.append(
            f"{finder.name} finds {len(found)} faces in a photograph of one: install opencv-python-headless "
            "anew"
        )


def weights(part: Part) -> None:
    """Read each bundled file, compare its sum, load it and repeat its answers on its golden face."""
    from affectzoo import store
    from affectzoo.errors import AffectZooError
    from affectzoo.weights import read_golden
    from affectzoo.zoo import golden
    from affectzoo.zoo.loading import load

    for name, entry in store.entries().items():
        if entry.repo_id is not None:
            continue
        part.facts[name] = "wrong"
        try:
            if (found := sha256(entry.path)) != entry.sha256:
                raise AffectZooError(f"sha256 is {found}, expected {entry.sha256}")
            golden.test(load(name), entry.path, read_golden(entry.path))
        except (AffectZooError, OSError) as error:
            told = str(error).replace(str(entry.path), entry.file)
            part.faults.append(f"weights {name}: {told}: install affectzoo anew")
        else:
            part.facts[name] = "right"


def space(part: Part) -> None:
    """Tell how much can still be written to where affectzoo writes."""
    here, temporary = Path.cwd(), Path(tempfile.gettempdir())
    for name, path in {
        "temporary files": temporary,
        "affectzoo's cache": home(),
        "this folder": here,
    }.items():
        there = next((p for p in (path, *path.parents) if os.path.isdir(p)), path)  # noqa: PTH112
        free = shutil.disk_usage(there).free
        part.facts[name] = f"{free / 2**30:,.1f} GiB free"
        if free < LEAST:
            part.faults.append(f"{shown(there)} ({name}) has {free / 2**20:,.0f} MiB left: free some space")
    if not os.access(here, os.W_OK):
        part.notes.append("this folder cannot be written: name another one by --run_dir and --out")
