"""The installed libraries: their versions, and whether they can be loaded at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions

from affectzoo.doctor.part import Part
from affectzoo.packages import NAME, installed, requirements

MODULES = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
}
"""What packages are called where they are imported, if not by their own name."""

FOR_DEVELOPERS = ("test", "dev", "docs")
"""Extras that predicting, training and measuring have no use for."""

SECONDS = 240
"""In which all libraries are loaded."""

_LOAD = """
import importlib, sys
for name in sys.argv[1:]:
    print("LOADING", name, flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print("FAILED", type(error).__name__ + ":", *str(error).split(), flush=True)
"""


def check(part: Part) -> None:
    """Compare versions with those that affectzoo needs; load what it always needs in a process of its own."""
    missing: dict[str, list[str]] = {}
    for extra, needed in requirements().items():
        if extra in FOR_DEVELOPERS:
            continue
        part.facts[extra or "needed"] = versions = {r.name: installed(r.name) for r in needed}
        for requirement in needed:
            found = versions[requirement.name]
            if found is None:
                missing.setdefault(extra, []).append(requirement.name)
            elif not requirement.specifier.contains(found, prereleases=True):
                bounds = f"{requirement.name}{requirement.specifier}"
                part.faults.append(f'{requirement.name} is {found}, affectzoo needs: pip install "{bounds}"')
    for extra, names in missing.items():
        told = f'{", ".join(names)} not installed: pip install "{NAME}{extra and f"[{extra}]"}"'
        (part.notes if extra else part.faults).append(f"extra {extra}: {told}" if extra else told)
    if len(several := sorted(set(packages_distributions().get("cv2", ())))) > 1:
        part.faults.append(
            f"{' and '.join(several)} overwrite each other's files: pip uninstall {' '.join(several)}, then "
            "pip install opencv-python-headless"
        )
    there = [name for name, found in part.facts["needed"].items() if found is not None]
    unusable = broken(map(_module, there))
    for module, why in unusable.items():
        part.faults.append(f"{module} is installed, but cannot be loaded ({why}): install its package anew")
    if unusable or "" in missing:
        part.facts["unusable"] = [*unusable, *map(_module, missing.get("", ()))]


def _module(package: str) -> str:
    return MODULES.get(package, package.replace("-", "_"))


def broken(modules: Iterable[str]) -> dict[str, str]:
    """Return which modules cannot be loaded, and why; one that crashes ends its own process alone."""
    left, found = list(dict.fromkeys(modules)), dict[str, str]()
    while left:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-W", "ignore", "-c", _LOAD, *left],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                env=os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"},  # its import would ask the network
            )
            told, ended = done.stdout, done.returncode and f"the process ended with status {done.returncode}"
        except subprocess.TimeoutExpired as error:
            told, ended = (error.stdout or b"").decode(errors="replace"), f"not done after {SECONDS} s"
        last = ""
        for line in told.splitlines():
            word, _, rest = line.partition(" ")
            if word == "LOADING":
                last = rest
            elif word == "FAILED":
                found[last] = rest[:300]
        if ended:
            found[last] = ended
        left = left[left.index(last) + 1 :] if ended and last else []
    return found
