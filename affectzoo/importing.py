"""Checkpoints of PyTorch networks, brought into the zoo's own format.

Read are state dicts (``.pt``, ``.pth``, ``.bin``, ``.ckpt``), alone or inside a larger checkpoint, and
``.safetensors`` files. Nothing is unpickled but tensors and plain values. Each tensor gets its place in the
network by the first of these that knows one:

1. its name, where the network has it, too, but for a beginning that all names share (``module.``);
2. a rule of the user's;
3. its module: a part of the network whose names, below another beginning, are all in the file;
4. its order: what is left, where kinds and shapes follow each other as in the network;
5. the head: the layer that is left and takes the trunk's features.

A file is written only when every tensor found its place, and none is left.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import torch
import yaml

from affectzoo import weights
from affectzoo.checkpoints import Tensors, read_checkpoint
from affectzoo.errors import AffectZooError, LabelError, WeightsError
from affectzoo.labels import SPACES, LabelSpace, label_space
from affectzoo.preprocess import Preprocess
from affectzoo.registry import architecture
from affectzoo.weights import SUBJECTS, WeightsMeta
from affectzoo.zoo import described, seal

if TYPE_CHECKING:
    from rich.table import Table
    from torch import nn

    from affectzoo.models.base import AffectModel

How = Literal["name", "rule", "module", "order", "head"]

DEEPEST = 3
"""Parts of a name below which modules are too small to be known by their names."""
SHOWN = 30
"""Most faults on screen."""
PARITY = 1e-4
"""Greatest difference of outputs, as a share of their norm; other kernels differ by much less."""


# How its names become the network's


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
class _Matching:
    """Tensors that look for a place, places that are free, and the pairs found so far."""

    old: dict[str, tuple[int, ...]]
    new: dict[str, tuple[int, ...]]
    pairs: list[Pair] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def candidate(self, old: str, new: str, how: How) -> Pair:
        return Pair(old, new, self.old[old], self.new[new], how)

    def take(self, pairs: Sequence[Pair]) -> None:
        for pair in pairs:
            del self.old[pair.old], self.new[pair.new]
        self.pairs += pairs

    def by_name(self) -> None:
        shared = _shared_beginning(list(self.old))
        for old in list(self.old):
            for name in (old, old.removeprefix(shared)):
                if old in self.old and name in self.new:
                    self.take([self.candidate(old, name, "name")])

    def by_rules(self, rules: Sequence[Rule], arch: str) -> None:
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
                self.take([self.candidate(old, name, "rule")])
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
        for part in _modules(self.new):
            names = [name for name in self.new if name.startswith(part)]
            tails = [name.removeprefix(part) for name in names]
            if not any("." in tail for tail in tails):
                continue  # one layer: every layer has a weight, its name tells nothing
            found = []
            for start in self._beginnings(tails[0]):
                if all(start + tail in self.old for tail in tails):
                    pairs = [self.candidate(start + t, part + t, "module") for t in tails]
                    found.append((sum(pair.fits for pair in pairs), pairs))
            best = max((count for count, _ in found), default=0)
            chosen = [pairs for count, pairs in found if count == best]
            if 2 * best > len(names) and len(chosen) == 1:
                self.take(chosen[0])

    def _beginnings(self, tail: str) -> Iterator[str]:
        for name in self.old:
            start = name.removesuffix(tail)
            if name.endswith(tail) and (not start or start.endswith(".")):
                yield start

    def by_order(self) -> None:
        places = [name for name in self.new if name.startswith("trunk.")]
        behind = len(self.new) - len(places)  # heads come last
        names = list(self.old)[: len(self.old) - behind]
        if len(names) != len(places):
            return
        pairs = [self.candidate(old, new, "order") for old, new in zip(names, places, strict=True)]
        if all(pair.fits and _leaf(pair.old) == _leaf(pair.new) for pair in pairs):
            self.take(pairs)

    def heads(self) -> None:
        for exact in (True, False):
            free = [name for name in self.new if name.startswith("heads.") and name.endswith(".weight")]
            for head in [name.removesuffix("weight") for name in free]:
                found = [pairs for pairs in self._layers(head) if not exact or all(p.fits for p in pairs)]
                if len(found) == 1 and (exact or len(self.new) == 2):
                    self.take(found[0])

    def _layers(self, head: str) -> Iterator[list[Pair]]:
        """The layers without a place that take what a head takes."""
        for name in self.old:
            layer = name.removesuffix("weight")
            if name.endswith("weight") and f"{layer}bias" in self.old and f"{head}bias" in self.new:
                pairs = [self.candidate(layer + leaf, head + leaf, "head") for leaf in ("weight", "bias")]
                if torch.Size(pairs[0].shape[1:]).numel() == pairs[0].expected[1]:
                    yield pairs


def _shared_beginning(names: Sequence[str]) -> str:
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


# The import


@dataclass(frozen=True)
class ImportReport:
    """What an import found.

    Attributes:
        source: The checkpoint.
        meta: What the imported weights say of themselves.
        mapped: Every tensor that fits its place.
        missing: The network's tensors that the checkpoint has not, with shapes.
        unexpected: The checkpoint's tensors that have no place, with shapes.
        misshapen: Tensors whose place has another shape.
        left_out: What the checkpoint holds beside the network, and what rules leave out.
        notes: What was assumed, in sentences.
        model: With the imported weights, in evaluation mode; ``None`` unless all is in its place.
    """

    source: Path
    meta: WeightsMeta
    mapped: tuple[Pair, ...]
    missing: Mapping[str, tuple[int, ...]]
    unexpected: Mapping[str, tuple[int, ...]]
    misshapen: tuple[Pair, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    model: AffectModel | None

    @property
    def faults(self) -> list[str]:
        """What does not fit, a line each; none when the import is complete."""
        found = [
            f"wrong shape: {pair.old} is {pair.shape}, {pair.new} is {pair.expected}"
            + (f": {pair.shape[0]} outputs for {len(self.meta.labels)} labels" if pair.counts_labels else "")
            for pair in self.misshapen
        ]
        found += [f"missing: {name} {shape}" for name, shape in self.missing.items()]
        return found + [f"unexpected: {name} {shape}" for name, shape in self.unexpected.items()]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        plain: dict[str, Any] = {
            "source": self.source.name,
            "complete": self.model is not None,
            "mapped": [asdict(pair) for pair in self.mapped],
            "missing": dict(self.missing),
            "unexpected": dict(self.unexpected),
            "misshapen": [asdict(pair) for pair in self.misshapen],
            "left_out": self.left_out,
            "notes": self.notes,
            "meta": self.meta.to_dict(),
        }
        return cast(dict[str, Any], json.loads(json.dumps(plain)))

    def write(self, out: str | Path) -> Path:
        """Write the imported weights, sealed with a golden face.

        Values are kept: as float16 where they all are float16 values, else as float32.

        Args:
            out: ``*.safetensors``; an older file of affectzoo's is replaced, no other.

        Returns:
            ``out``.

        Raises:
            WeightsError: The import is not complete, or ``out`` is not to be written.
        """
        out = check_out(out)
        state = self.complete_model().network.state_dict()
        values = [tensor for tensor in state.values() if tensor.is_floating_point()]
        half = all(torch.equal(tensor.half().float(), tensor) for tensor in values)
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=".import-") as folder:
            part = Path(folder) / out.name
            weights.write(part, state, self.meta, half=half)
            seal(part)
            part.replace(out)
        return out

    def complete_model(self) -> AffectModel:
        """The model with the imported weights, in evaluation mode.

        Raises:
            WeightsError: Something does not fit.
        """
        if self.model is not None:
            return self.model
        counts = {"missing": self.missing, "unexpected": self.unexpected, "of wrong shape": self.misshapen}
        told = ", ".join(f"{len(found)} {kind}" for kind, found in counts.items() if found)
        total = len(self.mapped) + len(self.missing) + len(self.misshapen)
        raise WeightsError(
            f"{self.source}: not imported: {len(self.mapped)} of {self.meta.arch}'s {total} tensors fit, "
            f"{told}. Name places with --map OLD=NEW, leave tensors out with --map OLD=-, or say how the "
            "network was built with --arch and --set; nothing was written"
        )


def check_out(out: str | Path) -> Path:
    """A path to write weights to.

    Raises:
        WeightsError: It is no ``.safetensors`` name, or there is a file that affectzoo did not write.
    """
    out = Path(out).expanduser()
    if out.suffix != ".safetensors":
        raise WeightsError(f"{out}: weights are written as .safetensors; call the file model.safetensors")
    if out.exists():
        try:
            weights.read_meta(out)
        except WeightsError:
            raise WeightsError(
                f"{out}: exists, and affectzoo did not write it; choose another name, or move it away"
            ) from None
    return out


def import_checkpoint(
    path: str | Path,
    arch: str | None = None,
    *,
    task: str | None = None,
    labels: Sequence[str] | str | LabelSpace | None = None,
    rules: Sequence[Rule] = (),
    arguments: Mapping[str, Any] | None = None,
    preprocess: Preprocess | None = None,
    licence: Mapping[str, str] | None = None,
) -> ImportReport:
    """Read a checkpoint and find each tensor's place in a network of the zoo; nothing is written.

    A Lightning checkpoint of affectzoo describes itself: it takes no options but ``licence``.

    Args:
        path: ``.pt``, ``.pth``, ``.bin``, ``.ckpt`` or ``.safetensors``.
        arch: The architecture.
        task: What it predicts, see ``affectzoo.create_model``; by default the expression. For ``va`` the
            checkpoint's outputs must be valence and arousal, in this order.
        labels: What the outputs mean, in their order; never reordered.
        rules: Go before what is found without them.
        arguments: Of the architecture, such as ``head_units``.
        preprocess: How the network's faces are prepared; by default the architecture's own.
        licence: Terms by subject: weights, code, starting weights, pictures, labels.

    Raises:
        AffectZooError: An option is wrong.
        WeightsError: The checkpoint cannot be read, holds values that are not finite, or a known network's
            outputs are not reproduced.
    """
    path = Path(path).expanduser()
    wrong = sorted(set(licence or {}) - set(SUBJECTS))
    if wrong:
        raise AffectZooError(f"licence of {', '.join(wrong)}: the subjects are {', '.join(SUBJECTS)}")
    checkpoint = read_checkpoint(path)
    notes = []
    if checkpoint.meta is not None:
        options = {
            "task": task,
            "labels": labels,
            "map": rules,
            "set": arguments,
            "preprocess": preprocess,
        }
        given = [name for name, value in options.items() if value]
        if given or arch not in (None, checkpoint.meta.arch):
            raise WeightsError(
                f"{path}: a checkpoint of affectzoo, which says that it is {checkpoint.meta.arch} for "
                f"{', '.join(checkpoint.meta.labels) or checkpoint.meta.task}; leave out "
                f"{', '.join(given) or f'arch {arch}'}"
            )
        meta = checkpoint.meta
        licence = {**meta.licence, **(licence or {})}
        notes.append(f"Faces are prepared as the checkpoint says: {in_words(meta.preprocess)}.")
    else:
        meta = _described(path, arch, task, labels, arguments or {}, preprocess)
        notes += _assumptions(meta, given=preprocess is not None)
    model = described(meta, str(path))

    source = _with_counters(checkpoint.tensors)
    if len(source) > len(checkpoint.tensors):
        notes.append("Batch norm's counts of batches, which old checkpoints lack, are 0; nothing uses them.")
    own = model.network.state_dict()
    matching = _Matching(_shapes(source), _shapes(own))
    matching.by_name()
    matching.by_rules(rules, meta.arch)
    matching.by_module()
    if checkpoint.ordered:
        matching.by_order()
    matching.heads()

    mapped = tuple(pair for pair in matching.pairs if pair.fits)
    misshapen = tuple(pair for pair in matching.pairs if not pair.fits)
    complete = not (matching.old or matching.new or misshapen)
    meta = replace(
        meta,
        arguments=model.arguments,
        metrics=(),
        training={
            "imported_from": path.name,
            "sha256": weights.sha256(path),
            "mapping": dict(Counter(pair.how for pair in mapped)),
        },
        licence=dict(licence or {}),
    )
    if complete:
        tensors = {pair.new: _values(source[pair.old], own[pair.new], pair) for pair in mapped}
        model.network.load_state_dict(tensors, assign=True)
        model.to("cpu").eval()
        outputs = _answers(model)
        if checkpoint.meta is None:
            notes.append(_compare(meta.arch, source, *outputs))
    left_out = (*checkpoint.left_out, *matching.left_out)
    return ImportReport(
        source=path,
        meta=meta,
        mapped=mapped,
        missing=matching.new,
        unexpected=matching.old,
        misshapen=misshapen,
        left_out=left_out,
        notes=tuple(notes),
        model=model if complete else None,
    )


def _described(
    path: Path,
    arch: str | None,
    task: str | None,
    labels: Sequence[str] | str | LabelSpace | None,
    arguments: Mapping[str, Any],
    preprocess: Preprocess | None,
) -> WeightsMeta:
    """What the user says of a checkpoint that does not describe itself."""
    if arch is None:
        raise AffectZooError(f"{path}: does not say what it is; name that, such as --arch resnet18")
    kind = architecture(arch).load_class()
    task = task or "expression"
    if labels is None and task in ("expression", "multitask"):
        raise LabelError(
            f"{path}: name what the outputs mean, in their order: --labels neutral,happiness,... (in Python "
            "labels=[...]), or --task va for valence and arousal"
        )
    names = () if labels is None else label_space(labels).names
    return WeightsMeta(arch, names, preprocess or kind.default_preprocess, arguments, task=task)


def _assumptions(meta: WeightsMeta, given: bool) -> list[str]:
    said = "as said" if given else f"as {meta.arch}'s own, for the checkpoint does not say it"
    notes = [f"Faces are prepared {said}: {in_words(meta.preprocess)}."]
    alike = [s for s in SPACES.values() if set(s.names) == set(meta.labels) and s.names != meta.labels]
    if alike and not any(space.names == meta.labels for space in SPACES.values()):
        notes.append(f"The labels are those of {alike[0].name} in another order, which is kept.")
    if meta.task in ("va", "multitask"):
        notes.append("Of the two values, the first is taken for valence, the second for arousal.")
    return notes


def in_words(preprocess: Preprocess) -> str:
    """How faces are prepared, in words."""
    cut = "" if preprocess.resize is None else f", the middle of {preprocess.resize} x {preprocess.resize}"
    colour = "RGB" if preprocess.color == "rgb" else "grey"
    mean, std = (" ".join(f"{v:.6g}" for v in values) for values in (preprocess.mean, preprocess.std))
    larger = f", {preprocess.margin:.0%} larger" if preprocess.margin else ""
    return (
        f"a square on the face box's longer edge{larger}; {colour}, "
        f"{preprocess.size} x {preprocess.size} pixels{cut}; values 0 to 1, less mean {mean}, by std {std}"
    )


def _with_counters(tensors: Tensors) -> Tensors:
    """The same with the counts of batches that batch norm has since PyTorch 0.4.1."""
    ready: Tensors = {}
    for name, tensor in tensors.items():
        ready[name] = tensor
        layer = name.removesuffix("running_var")
        if layer != name and f"{layer}num_batches_tracked" not in tensors:
            ready[f"{layer}num_batches_tracked"] = torch.zeros((), dtype=torch.long)
    return ready


def _shapes(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _values(tensor: torch.Tensor, own: torch.Tensor, pair: Pair) -> torch.Tensor:
    if tensor.is_floating_point() != own.is_floating_point():
        raise WeightsError(f"{pair.old} holds {tensor.dtype}, {pair.new} is {own.dtype}")
    values = tensor.detach().to(own.dtype).reshape(pair.expected)
    if values.is_floating_point() and not torch.stack(values.aminmax()).isfinite().all():  # of NaN: NaN
        raise WeightsError(f"{pair.old} holds values that are not finite; did the training diverge?")
    return values


def _answers(model: AffectModel) -> tuple[torch.Tensor, torch.Tensor]:
    """A random face as the network takes it, and the first head's outputs."""
    size, channels = model.preprocess.size, model.preprocess.channels
    face = torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(0))
    points = torch.zeros(1, model.landmarks, 2) if model.landmarks else None
    try:
        with torch.inference_mode():
            output = model(face, points)
    except RuntimeError as error:
        told = str(error).partition("\n")[0]
        raise AffectZooError(
            f"preprocess: {model.arch} cannot take {channels} x {size} x {size} faces ({told})"
        ) from None
    return face, output.va if output.expression is None else output.expression


def _compare(arch: str, source: Tensors, face: torch.Tensor, outputs: torch.Tensor) -> str:
    """Compare with the network that the checkpoint is of, where a library has it."""
    shared = _shared_beginning(list(source))
    state = {
        name.removeprefix(shared): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in source.items()
    }
    for library, network in _references(arch, outputs.shape[1]):
        try:
            network.load_state_dict(state, assign=True)
        except RuntimeError:
            continue  # names of another library
        with torch.inference_mode():
            expected = network.eval()(face)
        apart = float((outputs - expected).norm() / expected.norm())
        if not apart <= PARITY:
            raise WeightsError(
                f"{library}'s {arch} gives other outputs with these weights than the zoo's: {apart:.2g} of "
                "their norm apart. They are built differently; nothing was imported"
            )
        return (
            f"{library}'s {arch} gives the same outputs for a random face ({apart:.0e} of their norm apart)."
        )
    return (
        "Outputs were not compared, for the names are not those of torchvision's or timm's network: compare "
        "some with those of the old one."
    )


def _references(arch: str, outputs: int) -> Iterator[tuple[str, nn.Module]]:
    """The libraries' networks of an architecture's name, without memory."""
    import timm
    import torchvision  # type: ignore[import-untyped]

    if arch in torchvision.models.list_models():
        with torch.device("meta"):
            network = torchvision.models.get_model(arch, weights=None, num_classes=outputs)
        yield "torchvision", network
    if timm.is_model(arch):
        with torch.device("meta"):
            network = timm.create_model(arch, pretrained=False, num_classes=outputs)
        yield "timm", network


# The command


def command(args: argparse.Namespace) -> None:
    """``affectzoo import CHECKPOINT``: bring a checkpoint into the zoo's format.

    Args:
        args: ``checkpoint``, ``arch``, ``out``, ``labels`` or ``task``, ``map``, ``set``, ``preprocess``,
            ``licence``, ``dry_run`` and ``json``.

    Raises:
        AffectZooError: See ``import_checkpoint``; or something does not fit, and nothing was written.
    """
    from rich.console import Console

    out = check_out(args.out)
    values = dict(_pairs("--set", args.set, yaml.safe_load))
    report = import_checkpoint(
        args.checkpoint,
        args.arch,
        task=args.task,
        labels=_labels(args.labels),
        rules=[rule for text in args.map for rule in _rules(text)],
        arguments=values,
        preprocess=_preprocess(args.arch, args.preprocess),
        licence=dict(_pairs("--licence", args.licence, str)),
    )
    if args.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
        console.print(_table(report))
        lines = [*report.notes, *report.faults[:SHOWN]]
        if len(report.faults) > SHOWN:
            lines.append(f"and {len(report.faults) - SHOWN} more: --json lists all")
        if report.left_out:
            lines.append(f"Left out: {', '.join(report.left_out)}.")
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)
    report.complete_model()
    if not args.dry_run:
        report.write(out)
    told = "nothing written (--dry-run)" if args.dry_run else f"written: {out}"
    print(f"{report.source.name}: {len(report.mapped)} tensors; {told}", file=sys.stderr)


def _table(report: ImportReport) -> Table:
    from rich.table import Table

    table = Table("old name", "new name", "shape", "by", title=f"{report.source.name} as {report.meta.arch}")
    for pair in report.mapped:
        table.add_row(pair.old, pair.new, " x ".join(map(str, pair.shape)), pair.how)
    return table


def _pairs(option: str, texts: Sequence[str], read: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise AffectZooError(f"{option} {text}: expected the form {option} KEY=VALUE")
        try:
            yield key, read(value)
        except yaml.YAMLError:
            raise AffectZooError(f"{option} {text}: the value is no YAML") from None


def _labels(text: str | None) -> str | list[str] | None:
    return text if text is None or text in SPACES else [name.strip() for name in text.split(",")]


def _rules(text: str) -> list[Rule]:
    old, equals, new = text.partition("=")
    if not equals:
        return read_rules(Path(text))
    return [Rule.prefix(old, None if new == "-" else new)]


def _preprocess(arch: str | None, texts: Sequence[str]) -> Preprocess | None:
    """The architecture's own with some fields changed."""
    values = dict(_pairs("--preprocess", texts, yaml.safe_load))
    if not values:
        return None
    if arch is None:
        raise AffectZooError("--preprocess changes what an architecture has; name that, too: --arch ARCH")
    for name in {"mean", "std"} & set(values):
        values[name] = values[name] if isinstance(values[name], list) else [values[name]]
    own = architecture(arch).load_class().default_preprocess
    try:
        return Preprocess.from_dict(own.to_dict() | values)
    except (TypeError, ValueError) as error:
        raise AffectZooError(f"--preprocess {' '.join(texts)}: {error}") from None
