"""Rules of the user's: how names of a checkpoint become the network's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from affectzoo.errors import AffectZooError


@dataclass(frozen=True)
class Rule:
    r"""How names of a checkpoint become the network's.

    Attributes:
        pattern: A regular expression for the whole of a name, as the checkpoint has it.
        new: What it becomes, with ``\1`` for the first group; ``None`` leaves the tensor out.
    """

    pattern: str
    new: str | None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise AffectZooError(f"rule '{self.pattern}': no regular expression ({error})") from None

    @classmethod
    def prefix(cls, old: str, new: str | None) -> Self:
        """A rule for all names below a module, such as ``features`` to ``trunk.features``."""
        old, below = old.strip("."), r"((?:\..*)?)"
        pattern = re.escape(old) + below if old else "(.*)"
        if new is None:
            return cls(pattern, None)
        escaped = new.strip(".").replace("\\", r"\\")
        return cls(pattern, rf"{escaped}\1" if old else rf"{escaped}.\1")

    def __call__(self, name: str) -> str | None:
        """A name's new form; it must match."""
        matched = re.fullmatch(self.pattern, name)
        assert matched is not None
        try:
            return None if self.new is None else matched.expand(self.new).strip(".")
        except (re.error, IndexError) as error:
            raise AffectZooError(f"rule '{self.pattern}': '{self.new}' is wrong ({error})") from None


def read_rules(path: Path) -> list[Rule]:
    r"""Rules from a YAML file of ``regular expression: new name``; ``null`` leaves tensors out.

    Raises:
        AffectZooError: It is no such file.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AffectZooError(f"{path}: no YAML: {error}") from None
    if not isinstance(content, Mapping) or not all(
        isinstance(old, str) and isinstance(new, str | None) for old, new in content.items()
    ):
        raise AffectZooError(
            f"{path}: expected lines such as  'conv(\\d)\\.(.*)': 'trunk.conv.\\1.\\2'  (a regular "
            "expression for the old name, the new name or null)"
        )
    return [Rule(old, new) for old, new in content.items()]
