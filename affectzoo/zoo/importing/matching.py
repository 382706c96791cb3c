"""Where each tensor of a checkpoint belongs in the network.

Each gets its place by the first of these that knows one:

1. its name, where the network has it, too, but for a beginning that all names share (``module.``);
2. a rule of the user's;
3. its module: a part of the network whose names, below another beginning, are all in the file;
4. its order: what is left, where kinds and shapes follow each other as in the network;
5. the head: the layer that is left and takes the trunk's features.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from affectzoo.errors import WeightsError
from affectzoo.zoo.importing.rules import Rule

How = Literal["name", "rule", "module", "order", "head"]

DEEPEST = 3
"""Parts of a name below which modules are too small to be known by their names."""


@dataclass(frozen=True)
class Pair:
    """A tensor and its place.

    Attributes:
        old: Its name in the checkpoint.
        new: Its name in the zoo's network.
        shape: Its shape in the checkpoint.
        expected: Its shape in the network.
        how: By what it was placed.
    """

    old: str
    new: str
    shape: tuple[int, ...]
    expected: tuple[int, ...]
    how: How

    @property
    def fits(self) -> bool:
        """Whether the tensor can take its place; a convolution over a whole grid is a linear layer."""
        dim = len(self.expected)
        flat = (self.shape[0], torch.Size(self.shape[1:]).numel()) if len(self.shape) == 4 else self.shape
        return self.expected == (flat if dim == 2 else self.shape)

    @property
    def counts_labels(self) -> bool:
        """Whether its length is the number of classes."""
        return self.new.startswith("heads.expression.")


@dataclass
class Matching:
    """Tensors that look for a place, places that are free, and the pairs found so far.

    Attributes:
        old: Shapes of the checkpoint's tensors that have no place, by name.
        new: Shapes of the network's tensors that are free, by name.
        pairs: In the order in which they were found.
        left_out: Names that rules exclude.
    """

    old: dict[str, tuple[int, ...]]
    new: dict[str, tuple[int, ...]]
    pairs: list[Pair] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def mapped(self) -> tuple[Pair, ...]:
        """Every tensor that fits its place."""
        return tuple(pair for pair in self.pairs if pair.fits)

    @property
    def misshapen(self) -> tuple[Pair, ...]:
        """Tensors whose place has another shape."""
        return tuple(pair for pair in self.pairs if not pair.fits)

    @property
    def complete(self) -> bool:
        """Whether every tensor fits its place, and none is left."""
        return not (self.old or self.new or self.misshapen)

    def _candidate(self, old: str, new: str, how: How) -> Pair:
        return Pair(old, new, self.old[old], self.new[new], how)

    def _take(self, pairs: Sequence[Pair]) -> None:
        for pair in pairs:
            del self.old[pair.old], self.new[pair.new]
        self.pairs += pairs

    def by_name(self) -> None:
        """Place tensors by names that the network has, too."""
        shared = shared_beginning(list(self.old))
        for old in list(self.old):
            for name in (old, old.removeprefix(shared)):
                if old in self.old and name in self.new:
                    self._take([self._candidate(old, name, "name")])

    def by_rules(self, rules: Sequence[Rule], arch: str) -> None:
        """Place tensors by rules, the first that fits a name, or leave them out.

        Raises:
            WeightsError: A rule names no free place, or fits no name.
        """
        used = set()
        for old in list(self.old):
            rule = next((rule for rule in rules if re.fullmatch(rule.pattern, old)), None)
            if rule is None:
                continue
            used.add(rule)
            name = rule(old)
            if name is None:
                del self.old[old]
                self.left_out.append(old)
            elif name in self.new:
                self._take([self._candidate(old, name, "rule")])
            else:
                taken = next((pair.old for pair in self.pairs if pair.new == name), None)
                why = f"where {taken} is already" if taken else f"which {arch} does not have"
                free = ", ".join(list(self.new)[:3]) or "none"
                raise WeightsError(
                    f"rule '{rule.pattern}' turns {old} into {name}, {why}; names that are free begin: {free}"
                )
        for rule in rules:
            if rule not in used:
                left = ", ".join(list(self.old)[:3]) or "none"
                raise WeightsError(
                    f"rule '{rule.pattern}' fits no name that needs one; those that do begin: {left}"
                )

    def by_module(self) -> None:
        """Place parts of the network whose names, below another beginning, are all in the file."""
        for part in _modules(self.new):
            names = [name for name in self.new if name.startswith(part)]
            tails = [name.removeprefix(part) for name in names]
            if not any("." in tail for tail in tails):
                continue  # one layer: every layer has a weight, its name tells nothing
            found = []
            for start in self._beginnings(tails[0]):
                if all(start + tail in self.old for tail in tails):
                    pairs = [self._candidate(start + t, part + t, "module") for t in tails]
                    found.append((sum(pair.fits for pair in pairs), pairs))
            best = max((count for count, _ in found), default=0)
            chosen = [pairs for count, pairs in found if count == best]
            if 2 * best > len(names) and len(chosen) == 1:
                self._take(chosen[0])

    def _beginnings(self, tail: str) -> Iterator[str]:
        for name in self.old:
            start = name.removesuffix(tail)
            if name.endswith(tail) and (not start or start.endswith(".")):
                yield start

    def by_order(self) -> None:
        """Place the rest of the trunk where kinds and shapes follow each other as in the network."""
        places = [name for name in self.new if name.startswith("trunk.")]
        behind = len(self.new) - len(places)  # heads come last
        names = list(self.old)[: len(self.old) - behind]
        if len(names) != len(places):
            return
        pairs = [self._candidate(old, new, "order") for old, new in zip(names, places, strict=True)]
        if all(pair.fits and _leaf(pair.old) == _leaf(pair.new) for pair in pairs):
            self._take(pairs)

    def heads(self) -> None:
        """Place the layers that are left and take what a head takes."""
        for exact in (True, False):
            free = [name for name in self.new if name.startswith("heads.") and name.endswith(".weight")]
            for head in [name.removesuffix("weight") for name in free]:
                found = [pairs for pairs in self._layers(head) if not exact or all(p.fits for p in pairs)]
                if len(found) == 1 and (exact or len(self.new) == 2):
                    self._take(found[0])

    def _layers(self, head: str) -> Iterator[list[Pair]]:
        """The layers without a place that take what a head takes."""
        for name in self.old:
            layer = name.removesuffix("weight")
            if name.endswith("weight") and f"{layer}bias" in self.old and f"{head}bias" in self.new:
                pairs = [self._candidate(layer + leaf, head + leaf, "head") for leaf in ("weight", "bias")]
                if torch.Size(pairs[0].shape[1:]).numel() == pairs[0].expected[1]:
                    yield pairs


def match(
    old: Mapping[str, tuple[int, ...]],
    new: Mapping[str, tuple[int, ...]],
    rules: Sequence[Rule],
    arch: str,
    *,
    ordered: bool,
) -> Matching:
    """Find each tensor of a checkpoint its place.

    Args:
        old: Shapes of the checkpoint's tensors by name.
        new: Shapes of the network's, in its order.
        rules: The user's.
        arch: The network's architecture, for errors.
        ordered: Whether the checkpoint keeps its tensors in the order of its network.

    Raises:
        WeightsError: A rule names no free place, or fits no name.
    """
    found = Matching(dict(old), dict(new))
    found.by_name()
    found.by_rules(rules, arch)
    found.by_module()
    if ordered:
        found.by_order()
    found.heads()
    return found


def shared_beginning(names: Sequence[str]) -> str:
    """The modules that all names begin with, such as ``module.``; "" for none."""
    parts = [name.split(".")[:-1] for name in names]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(f"{level[0]}.")
    return "".join(shared)


def _modules(names: Mapping[str, Any]) -> list[str]:
    """The beginnings of the trunk's names, outermost first."""
    parts = [name.split(".")[:-1] for name in names if name.startswith("trunk.")]
    return list(
        dict.fromkeys(
            "".join(f"{part}." for part in own[:depth])
            for depth in range(1, DEEPEST + 1)
            for own in parts
            if len(own) >= depth
        )
    )


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
