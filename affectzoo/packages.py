"""The packages that affectzoo needs: which they are, and what to do where one is missing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.errors import MissingPackageError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

NAME = "affectzoo"

_PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def need(purpose: str, extra: str, *modules: str) -> None:
    """Say what is to be installed, before anything is done.

    Args:
        purpose: What it is for, such as ``videos``.
        extra: The extra of affectzoo that installs it.
        *modules: What is imported.

    Raises:
        MissingPackageError: One of them is not installed.
    """
    if missing := [module for module in modules if find_spec(module) is None]:
        raise MissingPackageError(
            f'for {purpose}, install {", ".join(missing)}: pip install "{NAME}[{extra}]"'
        )


def installed(package: str) -> str | None:
    """Return a package's version, ``None`` where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def requirements() -> dict[str, list[Requirement]]:
    """Return what affectzoo asks for: what is always needed under ``""``, then each extra's by its name.

    A checkout says it itself, whatever was installed from it before.

    Raises:
        PackageNotFoundError: affectzoo is neither installed nor a checkout.
    """
    from packaging.requirements import Requirement

    project = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"] if _PYPROJECT.is_file() else {}
    if project.get("name") == NAME:
        listed = {"": project["dependencies"], **project["optional-dependencies"]}
        found = {extra: list(map(Requirement, lines)) for extra, lines in listed.items()}
    else:
        every = list(map(Requirement, requires(NAME) or ()))
        found = {"": [needed for needed in every if _applies(needed)]}
        for extra in metadata(NAME).get_all("Provides-Extra") or ():
            found[extra] = [needed for needed in every if _applies(needed, extra) and needed not in found[""]]
    return {extra: list(_flat(needed, found)) for extra, needed in found.items()}


def _applies(needed: Requirement, extra: str = "") -> bool:
    return needed.marker is None or needed.marker.evaluate({"extra": extra})


def _flat(needed: Iterable[Requirement], found: dict[str, list[Requirement]]) -> Iterator[Requirement]:
    """Put what is in them in the place of extras that an extra names."""
    for requirement in needed:
        if requirement.name == NAME:
            yield from _flat([inner for extra in requirement.extras for inner in found[extra]], found)
        else:
            yield requirement
