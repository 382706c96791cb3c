"""The recipes that come with the package, and recipes of users."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from affectzoo.errors import DataError, OptionError, UnknownNameError
from affectzoo.files.text import parse_yaml, read_text

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Recipe:
    """A recipe of the package.

    Attributes:
        name: ``ARCH/DATASET``.
        path: Its file.
        about: What its head says.
        settings: What it sets.
    """

    name: str
    path: Path
    about: str
    settings: Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """Say what it trains, on what, and how long."""
        model, data = self.settings["model"], self.settings["data"]
        return {
            "recipe": self.name,
            "architecture": self.name.partition("/")[0],
            "task": model.get("init_args", {}).get("task", "expression"),
            "data": data["class_path"].rpartition(".")[2].lower(),
            "epochs": self.settings.get("trainer", {}).get("max_epochs"),
            "about": self.about,
        }


def folder() -> Path:
    """Find the recipes: inside an installed package, beside it in a checkout."""
    inside = _PACKAGE / "recipes"
    return inside if inside.is_dir() else _PACKAGE.parent / "recipes"


def names() -> list[str]:
    """List the recipes, as ``ARCH/DATASET``."""
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().glob("*/*.yaml"))


def recipe_path(name: str) -> Path:
    """Find a recipe's file.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if name not in names():
        raise UnknownNameError("recipe", name, names(), "(affectzoo recipes lists all)")
    return folder() / f"{name}.yaml"


def find(name: str) -> Recipe:
    """Read a recipe of the package.

    Raises:
        UnknownNameError: There is none of this name.
    """
    path = recipe_path(name)
    text = path.read_text(encoding="utf-8")
    head = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
    return Recipe(name, path, " ".join(head), yaml.safe_load(text))


def check_recipe(path: Path) -> None:
    """Check that a file is a recipe at all, before its settings are parsed.

    Raises:
        OptionError: It is missing, unreadable, no YAML, or holds no settings.
    """
    if not os.path.lexists(path):
        raise OptionError(f"{path}: no such recipe; affectzoo recipes lists the package's")
    try:
        content = parse_yaml(read_text(path), str(path))
        path.read_text(encoding="utf-8")  # as the parser reads it
    except DataError as error:
        raise OptionError(f"{error}; expected a recipe (YAML)") from None
    except UnicodeDecodeError:
        raise OptionError(f"{path}: is not UTF-8, but perhaps UTF-16; save the file as UTF-8") from None
    if not isinstance(content, dict):
        raise OptionError(f"{path}: no recipe: expected settings by name, such as model, data, trainer")
