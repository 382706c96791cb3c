"""Where each tensor of a checkpoint belongs in the network.

A tensor's place is what the user's mapping says of its name, else the place of the same name: as it is, or
below one of ``BEGINNINGS``. Nothing is guessed from order or shapes; shapes are checked afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from affectzoo.errors import AffectZooError, WeightsError
from affectzoo.files.text import parse_yaml, read_text

Names = Mapping[str, "str | None"]
"""What beginnings of names become; ``None`` leaves tensors out."""

WRAPPERS = re.compile(r"((module|model|network|net|_orig_mod)\.)+")
"""What DataParallel, torch.compile and LightningModules put before all names."""

BEGINNINGS = (
    ("", ""),
    ("", "trunk."),
    ("", "trunk.body."),  # ResNets and others of torchvision and timm
    ("backbone.", "trunk.body."),
    ("encoder.", "trunk."),
    ("classifier.0.", "trunk.fc.0."),  # VGG: torchvision's layers, then timm's
    ("classifier.3.", "trunk.fc.3."),
    ("pre_logits.fc1.", "trunk.fc.0."),
    ("pre_logits.fc2.", "trunk.fc.3."),
)
"""Beginnings of names elsewhere, and in the zoo."""

HEADS = ("fc.", "head.", "head.fc.", "classifier.", "classifier.6.")
"""What the last layer is called elsewhere; the zoo's of models with one head."""


@dataclass(frozen=True)
class Pair:
    """A tensor and its place.

    Attributes:
        old: Its name in the checkpoint.
        new: Its name in the zoo's network.
        shape: Its shape in the checkpoint.
        expected: Its shape in the network.
    """

    old: str
    new: str
    shape: tuple[int, ...]
    expected: tuple[int, ...]

    @property
    def fits(self) -> bool:
        """Whether the tensor can take its place; a convolution over a whole grid is a linear layer."""
        flat = (self.shape[0], torch.Size(self.shape[1:]).numel()) if len(self.shape) == 4 else self.shape
        return self.expected == (flat if len(self.expected) == 2 else self.shape)

    @property
    def counts_labels(self) -> bool:
        """Whether its length is the number of classes."""
        return self.new.startswith("heads.expression.")


def place(names: Iterable[str], network: Collection[str], mapping: Names, arch: str) -> dict[str, str | None]:
    """Find each tensor of a checkpoint its place.

    Args:
        names: The checkpoint's tensors.
        network: The network's.
        mapping: The user's, of the checkpoint's names as they are or without ``WRAPPERS``.
        arch: The network's architecture, for errors.

    Returns:
        Places by name, ``None`` for what the mapping leaves out; tensors without a place are not in it.

    Raises:
        WeightsError: The mapping leads to no place, or two tensors to one, or fits no name.
    """
    heads = {name.rpartition(".")[0] for name in network if name.startswith("heads.")}
    known = [*BEGINNINGS, *((name, f"{head}.") for head in heads for name in HEADS if len(heads) == 1)]
    found: dict[str, str | None] = {}
    used = set()
    for old in names:
        plain = WRAPPERS.sub("", old, count=1) if WRAPPERS.match(old) else old
        rule = next((rule for name in (old, plain) if (rule := _rule(name, mapping)) is not None), None)
        if rule is None:
            possible = (new + plain.removeprefix(start) for start, new in known if plain.startswith(start))
            new = next((name for name in possible if name in network), None)
            if new is not None and new not in found.values():
                found[old] = new
            continue
        used.add(rule)
        start = mapping[rule]
        name = old if _starts(old, rule) else plain
        new = None if start is None else f"{start}.{name[len(rule) :].lstrip('.')}".strip(".")
        taken = next((other for other, there in found.items() if new is not None and there == new), None)
        if new is not None and (new not in network or taken):
            why = f"where {taken} is already" if taken else f"which {arch} does not have"
            raise WeightsError(f"--map {rule}={start} turns {old} into {new}, {why}")
        found[old] = new
    for rule in mapping:
        if rule not in used:
            raise WeightsError(f"--map {rule}: no name in the checkpoint begins with it")
    return found


def _starts(name: str, rule: str) -> bool:
    return not rule or name == rule or name.startswith(f"{rule}.")


def _rule(name: str, mapping: Names) -> str | None:
    """The longest beginning of a name that the mapping has."""
    return max((rule for rule in mapping if _starts(name, rule)), key=len, default=None)


def parse_mapping(texts: Iterable[str]) -> dict[str, str | None]:
    """Read ``OLD=NEW``, ``OLD=-`` (leave out) and names of YAML files with such pairs.

    Raises:
        AffectZooError: A file cannot be read so.
    """
    found: dict[str, str | None] = {}
    for text in texts:
        old, equals, new = text.partition("=")
        found |= {old.strip("."): None if new == "-" else new.strip(".")} if equals else _read(Path(text))
    return found


def _read(path: Path) -> dict[str, str | None]:
    content = parse_yaml(read_text(path), str(path))
    if not isinstance(content, dict) or not all(
        isinstance(old, str) and isinstance(new, str | None) for old, new in content.items()
    ):
        raise AffectZooError(f"{path}: expected lines such as  conv0: trunk.conv.0  (null leaves out)")
    return {old.strip("."): None if new is None else new.strip(".") for old, new in content.items()}
