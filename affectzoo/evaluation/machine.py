"""The machine and the versions that a result was made with."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from affectzoo import __version__
from affectzoo.packages import installed

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


SLOW_BF16 = (
    "this processor has no instructions for bf16: trainer.precision bf16-mixed, which many recipes have, is "
    "many times slower on it than --trainer.precision 32-true"
)


def has_bf16() -> bool:
    """Tell whether this processor computes with bf16 itself (AVX512-BF16, AMX, Arm's) or in many steps."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


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
    return found | {package: told for package in PACKAGES if (told := installed(package)) is not None}
