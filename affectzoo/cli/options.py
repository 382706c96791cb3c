"""What commands share: kinds of options, and functions that are loaded when they run."""

from __future__ import annotations

import argparse
import importlib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from affectzoo.console import HelpTexts


class Parser(argparse.ArgumentParser):
    """A command's parser."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=HelpTexts, **options)

    def add_json(self, instead: str = "a table") -> None:
        """Add ``--json``."""
        self.add_argument("--json", action="store_true", help=f"print JSON instead of {instead}")

    def add_set(self) -> None:
        """Add ``--set``."""
        told = "option of the data set's data module, such as part=compound; may be repeated"
        self.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=told)

    def add_backend(self) -> None:
        """Add ``--backend``."""
        self.add_argument(
            "--backend",
            choices=("torch", "onnx"),
            help="onnx: by ONNX Runtime, faster and without torch; a model that is no .onnx file is exported "
            "once (default: torch, onnx for .onnx files)",
        )

    def add_engine(self, told: str) -> None:
        """Add ``--engine``."""
        self.add_argument(
            "--engine",
            choices=("local", "ray"),
            default="local",
            help=f"ray: {told}; see docs/cluster.md (default: %(default)s)",
        )

    def add_detector(self, choices: tuple[str, ...], told: str) -> None:
        """Add ``--detector``, by default the first, and its file."""
        told = f"{', '.join(choices)}; {told}"
        self.add_argument("--detector", choices=choices, default=choices[0], metavar="NAME", help=told)
        self.add_argument("--detector-file", type=Path, metavar="ONNX", help="YuNet's or CenterFace's file")

    def add_search(self) -> None:
        """Add which faces a detector finds: ``--search-size``, ``--min-score``, ``--min-face``."""
        self.add_argument(
            "--search-size",
            **COUNT,
            metavar="PIXELS",
            help="longer edge at which larger images are searched for faces: with fewer pixels it is faster, "
            "and small faces are missed (default: 1280)",
        )
        self.add_argument("--min-score", **SHARE, metavar="S", help="least score of a face, 0 to 1")
        self.add_argument(
            "--min-face", **POSITIVE, metavar="PIXELS", help="least longer edge of a face's box"
        )

    def add_label_rules(self) -> None:
        """Add what decides on a face's label: ``--balance`` and ``--abstain``."""
        self.add_argument(
            "--balance",
            **SHARE,
            default=0.0,
            metavar="A",
            help="take this share of the classes' frequencies out of the probabilities, 0 to 1: rare classes "
            "are found more often; for calibrated weights",
        )
        self.add_argument(
            "--abstain",
            **SHARE,
            nargs="?",
            const=True,
            default=False,
            metavar="P",
            help="no label for faces whose likeliest class is less probable than P, 0 to 1; without P, than "
            "the weights' own threshold",
        )


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What a command is added to."""


def lazily(module: str, name: str = "command") -> Callable[[argparse.Namespace], None]:
    """A command whose module is loaded when it runs."""

    def run(args: argparse.Namespace) -> None:
        getattr(importlib.import_module(module), name)(args)

    return run


def _whole(text: str, least: int, most: int | None = None) -> int:
    if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        upto = "" if most is None else f" to {most}"
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {least}{upto}")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a share, 0 to 1")
    return value


SPLIT: dict[str, Any] = {"choices": ("train", "valid", "test")}
"""An option that takes a part of a data set."""

SHARE: dict[str, Any] = {"type": _share}
"""An option that takes a number from 0 to 1."""

POSITIVE: dict[str, Any] = {"type": _positive}
"""An option that takes a number above 0."""

MANY: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
"""An option with several values, which may be repeated."""

COUNT: dict[str, Any] = {"type": partial(_whole, least=1)}
"""An option that takes a whole number from 1."""

COUNT_OR_NONE: dict[str, Any] = {"type": partial(_whole, least=0)}
"""One that takes 0, too."""

PORT: dict[str, Any] = {"type": partial(_whole, least=0, most=65535)}
"""A port; systems take larger numbers for other ones, without a word."""
