"""``affectzoo doctor``: every check, as text or JSON."""

from __future__ import annotations

import argparse
import platform
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from affectzoo import __version__
from affectzoo.console import WIDTH, counted, print_json, visible
from affectzoo.doctor import checks, libraries
from affectzoo.doctor.part import Part, examine

CHECKS = (
    ("settings", checks.settings, ()),
    ("devices", checks.devices, ("torch",)),
    ("caches", checks.caches, ()),
    ("detector", checks.detector, ("numpy", "cv2")),
    ("weights", checks.weights, ("numpy", "safetensors", "torch")),
    ("space", checks.space, ()),
)
"""After the libraries: the name of each, what is done, and the modules that this process loads for it."""


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo doctor``.

    Raises:
        SystemExit: With 1 when something is wrong.
    """
    parts = []
    for part in examined():
        parts.append(part)
        if not args.json:
            _print(part)
    faults = sum(len(part.faults) for part in parts)
    if args.json:
        print_json({"faults": faults, "parts": [asdict(part) for part in parts]})
    else:
        print(f"\n{counted(faults, 'thing')} wrong, see WRONG above" if faults else "\nall is right")
    if faults:
        raise SystemExit(1)


def examined() -> Iterator[Part]:
    """Examine one part after the other."""
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield Part("affectzoo", {"version": __version__, "Python": platform.python_version(), "system": system})
    loaded = examine("libraries", libraries.check)
    yield loaded
    for name, check, modules in CHECKS:
        lacking = [module for module in modules if module in loaded.facts.get("unusable", ())]
        if lacking:
            yield Part(name, notes=[f"{name}: not examined without {', '.join(lacking)}"])
        else:
            yield examine(name, check)


def _print(part: Part) -> None:
    """Print without rich, which may be what is missing."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    lines = [(name, _text(value)) for name, value in part.facts.items()]
    lines += [("WRONG", told) for told in part.faults] + [("note", told) for told in part.notes]
    wrapper = textwrap.TextWrapper(width, subsequent_indent="    ", break_on_hyphens=False)
    print(part.name)
    for name, told in lines:
        print(wrapper.fill(visible(f"  {name}: {told}")), flush=True)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):  # versions; those that are missing are told below
        return ", ".join(f"{name} {told}" for name, told in value.items() if told is not None) or "nothing"
    return ", ".join(value) if isinstance(value, list) else str(value)
