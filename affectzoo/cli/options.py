"""What commands share: kinds of options, and functions that are loaded when they run."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command is added to."""


def lazily(module: str, name: str = "command") -> Callable[[argparse.Namespace], None]:
    """A command whose module is loaded when it runs."""

    def run(args: argparse.Namespace) -> None:
        getattr(importlib.import_module(module), name)(args)

    return run


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {least}")
    return int(text)


def _bytes(text: str) -> int:
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
    unit = units.get(text[-2:].upper(), 1)
    number = text if unit == 1 else text[:-2]
    if not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a size such as 500MB or 2GB")
    return int(number) * unit


MANY: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
"""An option with several values, which may be repeated."""

COUNT: dict[str, Any] = {"type": partial(_whole, least=1)}
"""An option that takes a whole number from 1."""

COUNT_OR_NONE: dict[str, Any] = {"type": partial(_whole, least=0)}
"""One that takes 0, too."""

BYTES: dict[str, Any] = {"type": _bytes}
"""An option that takes a size such as 2GB."""
