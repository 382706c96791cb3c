"""The machine and the versions that a result was made with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from affectzoo import __version__

PACKAGES = (
    "torch",
    "timm",
    "torchmetrics",
    "numpy",
    "onnxruntime",
    "scikit-learn",
    "scikit-image",
    "opencv-python-headless",
)


def hardware() -> dict[str, Any]:
    """The machine: ``cpu``, ``cores`` that this process may use, ``gpu`` or ``None``, ``memory_gib``.

    Neither names of host and user nor paths are in it. What the system does not tell is ``None``.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    known = getattr(os, "sysconf_names", {})
    memory = None
    if "SC_PHYS_PAGES" in known and "SC_PAGE_SIZE" in known:
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return {
        "cpu": _cpu() or None,
        "cores": cores,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "memory_gib": memory,
    }


def _cpu() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            field, _, value = line.partition(":")
            if field.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of affectzoo, Python and the installed packages that figures may depend on."""
    found = {"affectzoo": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
